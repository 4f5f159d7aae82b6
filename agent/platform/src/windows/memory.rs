//! Memory of this process, as Windows counts it.
#![expect(unsafe_code, reason = "the interface of Windows is a foreign one; every call is wrapped here")]

use std::mem;

use windows_sys::Win32::System::ProcessStatus::{
    K32EmptyWorkingSet, K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

pub(crate) fn give_back() {
    // SAFETY: the handle is of this process and needs no closing.
    if unsafe { K32EmptyWorkingSet(GetCurrentProcess()) } == 0 {
        tracing::debug!(error = %std::io::Error::last_os_error(), "cannot give memory back");
    }
}

pub(crate) fn resident_bytes() -> Option<u64> {
    // SAFETY: it is made of numbers alone.
    let mut counters: PROCESS_MEMORY_COUNTERS = unsafe { mem::zeroed() };
    let size = u32::try_from(mem::size_of_val(&counters)).ok()?;
    // SAFETY: the structure lives as long as the call, and its size is told.
    let told = unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &raw mut counters, size) };
    (told != 0).then_some(counters.WorkingSetSize as u64)
}
