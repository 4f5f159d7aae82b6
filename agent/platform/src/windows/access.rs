//! Who may look into a folder: SYSTEM, the administrators, and its owner. Nothing is inherited from above, and
//! everything below inherits this.
#![expect(
    unsafe_code,
    reason = "the interface of Windows is a foreign one; every call is wrapped here and only here"
)]

use std::ffi::{OsStr, c_void};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1, SE_FILE_OBJECT,
    SetNamedSecurityInfoW,
};
use windows_sys::Win32::Security::{
    ACL, DACL_SECURITY_INFORMATION, GetSecurityDescriptorDacl, PROTECTED_DACL_SECURITY_INFORMATION,
    PSECURITY_DESCRIPTOR, SetFileSecurityW,
};

/// Full access for SYSTEM, Administrators and the owner, for files and folders below as well.
const PRIVATE: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;S-1-3-4)";

/// A security descriptor that the system allocated, from its text (SDDL).
pub(super) struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    pub(super) fn parse(text: &str) -> io::Result<Self> {
        let text = wide(OsStr::new(text));
        let mut made: PSECURITY_DESCRIPTOR = ptr::null_mut();
        // SAFETY: the text ends with a zero, and the place for the answer lives longer than the call.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut made,
                ptr::null_mut(),
            )
        };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(Self(made)) }
    }

    /// For calls that end before the descriptor does.
    pub(super) fn as_ptr(&self) -> PSECURITY_DESCRIPTOR {
        self.0
    }

    /// It lives as long as the descriptor.
    fn list(&self) -> io::Result<*mut ACL> {
        let (mut present, mut defaulted) = (0, 0);
        let mut list: *mut ACL = ptr::null_mut();
        // SAFETY: the descriptor is whole, and the places for the answers live longer than the call.
        let done =
            unsafe { GetSecurityDescriptorDacl(self.0, &raw mut present, &raw mut list, &raw mut defaulted) };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(list) }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: it was allocated by the system for its caller to free, and is freed once.
        unsafe { LocalFree(self.0.cast::<c_void>()) };
    }
}

/// What is below the folder already gets the same list.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    let descriptor = Descriptor::parse(PRIVATE)?;
    let list = descriptor.list()?;
    let path = wide(folder.as_os_str());
    // SAFETY: the path ends with a zero; the list belongs to the descriptor, which lives longer than the call; what is
    // not changed may be null.
    let code = unsafe {
        SetNamedSecurityInfoW(
            path.as_ptr(),
            SE_FILE_OBJECT,
            DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
            ptr::null_mut(),
            ptr::null_mut(),
            list,
            ptr::null(),
        )
    };
    if code != ERROR_SUCCESS {
        return Err(io::Error::from_raw_os_error(code.cast_signed()));
    }
    // For systems that let the folder inherit all the same.
    let wanted = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
    // SAFETY: the path ends with a zero, and the descriptor lives longer than the call.
    let done = unsafe { SetFileSecurityW(path.as_ptr(), wanted, descriptor.0) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn wide(text: &OsStr) -> Vec<u16> {
    text.encode_wide().chain([0]).collect()
}
