//! The system calls, each behind a safe function that does nothing else.
#![expect(
    unsafe_code,
    reason = "the interface of Windows is a foreign one; every call is wrapped here and only here"
)]

use std::ffi::c_void;
use std::io;
use std::mem;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr;

use tokio::process::Child;
use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, FILETIME, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
    TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
    RegisterEventSourceW, ReportEventW,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectBasicAccountingInformation, JobObjectExtendedLimitInformation, QueryInformationJobObject,
    SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, OpenThread, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_TERMINATE,
    ResumeThread, THREAD_SUSPEND_RESUME, TerminateProcess,
};

/// What a killed process ends with; the agent knows from elsewhere that it killed it.
const KILLED_EXIT_CODE: u32 = 1;

/// A job object. Closed while its processes are bound to it, it ends them.
#[derive(Debug)]
pub(super) struct Job(OwnedHandle);

impl Job {
    pub(super) fn create() -> io::Result<Self> {
        // SAFETY: both arguments may be null; the handle is checked before it is owned.
        let job = Self(unsafe { owned(CreateJobObjectW(ptr::null(), ptr::null())) }?);
        job.set_limits(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)?;
        Ok(job)
    }

    /// From now on the processes outlive the job.
    pub(super) fn let_live(&self) -> io::Result<()> {
        self.set_limits(0)
    }

    fn set_limits(&self, flags: u32) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = flags;
        // SAFETY: the pointer and the size are those of one structure of the class that is named.
        check(unsafe {
            SetInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                ptr::from_ref(&limits).cast::<c_void>(),
                size_of(&limits),
            )
        })
    }

    pub(super) fn assign(&self, process: BorrowedHandle<'_>) -> io::Result<()> {
        // SAFETY: both handles are open for as long as they are borrowed.
        check(unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), process.as_raw_handle()) })
    }

    /// How many processes of the job live.
    pub(super) fn processes(&self) -> io::Result<u32> {
        let mut counts = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        // SAFETY: the pointer and the size are those of one structure of the class that is named.
        check(unsafe {
            QueryInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectBasicAccountingInformation,
                ptr::from_mut(&mut counts).cast::<c_void>(),
                size_of(&counts),
                ptr::null_mut(),
            )
        })?;
        Ok(counts.ActiveProcesses)
    }

    pub(super) fn terminate(&self) -> io::Result<()> {
        // SAFETY: the handle is open.
        check(unsafe { TerminateJobObject(self.0.as_raw_handle(), KILLED_EXIT_CODE) })
    }
}

/// None when the process has ended and was waited for.
pub(super) fn handle_of(child: &Child) -> Option<BorrowedHandle<'_>> {
    // SAFETY: the child keeps the handle open, and the borrow ends before the child does.
    child.raw_handle().map(|handle| unsafe { BorrowedHandle::borrow_raw(handle) })
}

/// In units of 100 ns since 1601.
pub(super) fn start_time(process: BorrowedHandle<'_>) -> io::Result<u64> {
    let [mut created, mut exited, mut kernel, mut user] = [FILETIME::default(); 4];
    // SAFETY: the handle is open and the four places are written to, no more.
    check(unsafe {
        GetProcessTimes(process.as_raw_handle(), &mut created, &mut exited, &mut kernel, &mut user)
    })?;
    Ok(u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime))
}

/// A process as the system lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// None for one that may not be asked.
    pub(super) start_time: Option<u64>,
}

pub(super) fn processes() -> io::Result<Vec<Entry>> {
    let snapshot = snapshot(TH32CS_SNAPPROCESS)?;
    // SAFETY: a structure of plain numbers, for which zero is a value.
    let mut entry: PROCESSENTRY32W = unsafe { mem::zeroed() };
    entry.dwSize = size_of(&entry);
    let mut found = Vec::new();
    // SAFETY: the snapshot is open and the structure says its own size.
    let mut more = unsafe { Process32FirstW(snapshot.as_raw_handle(), &mut entry) };
    while more != 0 {
        let pid = entry.th32ProcessID;
        let started =
            open(pid, PROCESS_QUERY_LIMITED_INFORMATION).and_then(|process| start_time(borrow(&process)));
        found.push(Entry { pid, parent: entry.th32ParentProcessID, start_time: started.ok() });
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot.as_raw_handle(), &mut entry) };
    }
    Ok(found)
}

/// What came of an order to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Terminated {
    Now,
    /// It has gone, or its id is another's by now.
    Before,
}

pub(super) fn terminate(entry: &Entry) -> io::Result<Terminated> {
    let process = match open(entry.pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_TERMINATE) {
        Err(error) if is_no_process(&error) => return Ok(Terminated::Before),
        other => other?,
    };
    if start_time(borrow(&process)).ok() != entry.start_time {
        return Ok(Terminated::Before);
    }
    // SAFETY: the handle is open.
    check(unsafe { TerminateProcess(process.as_raw_handle(), KILLED_EXIT_CODE) })?;
    Ok(Terminated::Now)
}

/// Lets the threads of a process that was created suspended go on: there is one.
pub(super) fn resume(pid: u32) -> io::Result<()> {
    let snapshot = snapshot(TH32CS_SNAPTHREAD)?;
    // SAFETY: a structure of plain numbers, for which zero is a value.
    let mut entry: THREADENTRY32 = unsafe { mem::zeroed() };
    entry.dwSize = size_of(&entry);
    let mut resumed = 0;
    // SAFETY: the snapshot is open and the structure says its own size.
    let mut more = unsafe { Thread32First(snapshot.as_raw_handle(), &mut entry) };
    while more != 0 {
        if entry.th32OwnerProcessID == pid {
            resume_thread(entry.th32ThreadID)?;
            resumed += 1;
        }
        // SAFETY: as above.
        more = unsafe { Thread32Next(snapshot.as_raw_handle(), &mut entry) };
    }
    if resumed > 0 { Ok(()) } else { Err(io::Error::new(io::ErrorKind::NotFound, "it has no thread")) }
}

fn resume_thread(thread: u32) -> io::Result<()> {
    // SAFETY: the handle is checked before it is owned.
    let handle = unsafe { owned(OpenThread(THREAD_SUSPEND_RESUME, 0, thread)) }?;
    // SAFETY: the handle is open.
    let before = unsafe { ResumeThread(handle.as_raw_handle()) };
    if before == u32::MAX { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A name under which this program writes to the event log.
#[derive(Debug)]
pub(super) struct EventSource(isize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventKind {
    Error,
    Warning,
    Information,
}

impl EventSource {
    pub(super) fn register(name: &str) -> io::Result<Self> {
        let name = wide(name);
        // SAFETY: the text ends in a zero; without a server it is this computer's log.
        let handle = unsafe { RegisterEventSourceW(ptr::null(), name.as_ptr()) };
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(handle as isize)) }
    }

    pub(super) fn report(&self, kind: EventKind, text: &str) -> io::Result<()> {
        let kind = match kind {
            EventKind::Error => EVENTLOG_ERROR_TYPE,
            EventKind::Warning => EVENTLOG_WARNING_TYPE,
            EventKind::Information => EVENTLOG_INFORMATION_TYPE,
        };
        let text = wide(text);
        let texts = [text.as_ptr()];
        // SAFETY: the handle is open until this value goes; one text is announced and given, and it ends in a zero.
        check(unsafe {
            ReportEventW(
                self.0 as HANDLE,
                kind,
                0,
                EVENT_WITH_TEXT,
                ptr::null_mut(),
                1,
                0,
                texts.as_ptr(),
                ptr::null(),
            )
        })
    }
}

impl Drop for EventSource {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and nobody uses it any more.
        unsafe { DeregisterEventSource(self.0 as HANDLE) };
    }
}

/// A message that consists of the text that comes with it.
const EVENT_WITH_TEXT: u32 = 1;

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().filter(|unit| *unit != 0).chain([0]).collect()
}

/// To the account that asks, quotas included.
pub(super) fn free_bytes(path: &Path) -> io::Result<u64> {
    let wide: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let mut free = 0;
    // SAFETY: the text ends in a zero; the places that are not wanted may be null.
    check(unsafe { GetDiskFreeSpaceExW(wide.as_ptr(), &mut free, ptr::null_mut(), ptr::null_mut()) })?;
    Ok(free)
}

fn snapshot(of: u32) -> io::Result<OwnedHandle> {
    // SAFETY: the handle is checked before it is owned.
    unsafe { owned(CreateToolhelp32Snapshot(of, 0)) }
}

fn open(pid: u32, access: u32) -> io::Result<OwnedHandle> {
    // SAFETY: the handle is checked before it is owned.
    unsafe { owned(OpenProcess(access, 0, pid)) }
}

/// # Safety
/// `handle` was just returned by a call that opens one for the caller alone.
unsafe fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is valid, and nobody else closes it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn borrow(handle: &OwnedHandle) -> BorrowedHandle<'_> {
    std::os::windows::io::AsHandle::as_handle(handle)
}

fn is_no_process(error: &io::Error) -> bool {
    error.raw_os_error().and_then(|code| u32::try_from(code).ok()) == Some(ERROR_INVALID_PARAMETER)
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn size_of<T>(_value: &T) -> u32 {
    u32::try_from(mem::size_of::<T>()).expect("structures of the system are small")
}
