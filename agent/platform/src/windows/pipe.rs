//! Named pipes that only named accounts may open.
#![expect(
    unsafe_code,
    reason = "the interface of Windows is a foreign one; every call is wrapped here and only here"
)]

use std::ffi::{OsStr, c_void};
use std::io;
use std::mem;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;

use super::access::Descriptor;

/// Whether nobody may have the name yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instance {
    First,
    Further,
}

/// One instance of a pipe, for callers of this host who the descriptor (SDDL) lets in.
pub(crate) fn create(name: &OsStr, descriptor: &str, instance: Instance) -> io::Result<NamedPipeServer> {
    let descriptor = Descriptor::parse(descriptor)?;
    let mut attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(mem::size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
        lpSecurityDescriptor: descriptor.as_ptr(),
        bInheritHandle: 0,
    };
    let mut options = ServerOptions::new();
    options.first_pipe_instance(instance == Instance::First).reject_remote_clients(true);
    // SAFETY: the attributes and the descriptor that they point to live longer than the call.
    unsafe { options.create_with_security_attributes_raw(name, (&raw mut attributes).cast::<c_void>()) }
}
