//! How parameters are held and given, as an agent is told.

use std::path::PathBuf;

use fleetwright_platform::local::Audience;

use super::cache::CacheLimits;

/// By default parameters are held and no endpoint is opened: whoever embeds an agent asks it directly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParameterSettings {
    pub limits: CacheLimits,
    pub socket: Option<SocketSettings>,
    pub loopback: Option<LoopbackSettings>,
}

/// A socket, or a named pipe on Windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketSettings {
    pub path: PathBuf,
    pub audience: Audience,
    pub connections: usize,
}

/// HTTP on 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopbackSettings {
    /// 0 lets the system choose one, which the log tells.
    pub port: u16,
    /// Made when it is not there.
    pub token_file: PathBuf,
    /// Who may read the token.
    pub audience: Audience,
    pub connections: usize,
}
