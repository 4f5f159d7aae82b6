//! The service manager's list, behind one safe function.
#![expect(
    unsafe_code,
    reason = "the service manager is asked through calls of Windows; they are wrapped here and only here"
)]

use std::collections::BTreeMap;
use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::ERROR_MORE_DATA;
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ENUM_SERVICE_STATUS_PROCESSW, EnumServicesStatusExW, OpenSCManagerW,
    SC_ENUM_PROCESS_INFO, SC_HANDLE, SC_MANAGER_ENUMERATE_SERVICE, SERVICE_STATE_ALL, SERVICE_WIN32,
};

/// Most that one call fills (documented for the function).
const BUFFER_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) display_name: String,
    /// `SERVICE_STOPPED` and the like.
    pub(super) state: u32,
}

struct Manager(SC_HANDLE);

impl Drop for Manager {
    fn drop(&mut self) {
        // SAFETY: the handle is open and owned by this value.
        unsafe { CloseServiceHandle(self.0) };
    }
}

/// Every service by its name.
pub(super) fn states() -> io::Result<BTreeMap<String, State>> {
    // SAFETY: both names may be null; the handle is checked before it is owned.
    let handle = unsafe { OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_ENUMERATE_SERVICE) };
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    let manager = Manager(handle);
    let mut found = BTreeMap::new();
    // Of u64, so that structures in it are aligned.
    let mut buffer = vec![0_u64; BUFFER_BYTES / 8];
    let mut resume = 0;
    loop {
        let (mut needed, mut returned) = (0, 0);
        // SAFETY: the buffer has the size that is told, and the places are written to, no more.
        let done = unsafe {
            EnumServicesStatusExW(
                manager.0,
                SC_ENUM_PROCESS_INFO,
                SERVICE_WIN32,
                SERVICE_STATE_ALL,
                buffer.as_mut_ptr().cast(),
                u32::try_from(BUFFER_BYTES).unwrap_or(u32::MAX),
                &mut needed,
                &mut returned,
                &mut resume,
                ptr::null(),
            )
        };
        let error = io::Error::last_os_error();
        let is_more = error.raw_os_error().and_then(|code| u32::try_from(code).ok()) == Some(ERROR_MORE_DATA);
        if done == 0 && (!is_more || returned == 0) {
            return Err(error);
        }
        for at in 0..returned as usize {
            // SAFETY: the call has put so many structures at the beginning of the buffer.
            let entry = unsafe { &*buffer.as_ptr().cast::<ENUM_SERVICE_STATUS_PROCESSW>().add(at) };
            // SAFETY: the call has put texts that end in a zero into the same buffer.
            let (name, display_name) = unsafe { (text(entry.lpServiceName), text(entry.lpDisplayName)) };
            let state = entry.ServiceStatusProcess.dwCurrentState;
            found.insert(name, State { display_name, state });
        }
        if done != 0 {
            return Ok(found);
        }
    }
}

/// # Safety
/// `from` is null or points to a text that ends in a zero.
unsafe fn text(from: *const u16) -> String {
    if from.is_null() {
        return String::new();
    }
    let mut length = 0;
    // SAFETY: the text goes on until its zero.
    while unsafe { *from.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: so many units were just read.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(from, length) })
}
