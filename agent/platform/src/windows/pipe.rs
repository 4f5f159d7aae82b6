//! Named pipes that only named accounts may open.
#![expect(
    unsafe_code,
    reason = "the interface of Windows is a foreign one; every call is wrapped here and only here"
)]

use std::ffi::{OsStr, c_void};
use std::io;
use std::mem;
use std::os::windows::ffi::OsStrExt;
use std::ptr;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES};

/// Whether nobody may have the name yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instance {
    First,
    Further,
}

/// A security descriptor that the system allocated.
struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    fn parse(text: &str) -> io::Result<Self> {
        let wide: Vec<u16> = OsStr::new(text).encode_wide().chain([0]).collect();
        let mut made: PSECURITY_DESCRIPTOR = ptr::null_mut();
        // SAFETY: the text ends with a zero, and the place for the answer lives longer than the call.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                wide.as_ptr(),
                SDDL_REVISION_1,
                &raw mut made,
                ptr::null_mut(),
            )
        };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(Self(made)) }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: it was allocated by the system for its caller to free, and is freed once.
        unsafe { LocalFree(self.0.cast::<c_void>()) };
    }
}

/// One instance of a pipe, for callers of this host who the descriptor (SDDL) lets in.
pub(crate) fn create(name: &OsStr, descriptor: &str, instance: Instance) -> io::Result<NamedPipeServer> {
    let descriptor = Descriptor::parse(descriptor)?;
    let mut attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(mem::size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    let mut options = ServerOptions::new();
    options.first_pipe_instance(instance == Instance::First).reject_remote_clients(true);
    // SAFETY: the attributes and the descriptor that they point to live longer than the call.
    unsafe { options.create_with_security_attributes_raw(name, (&raw mut attributes).cast::<c_void>()) }
}
