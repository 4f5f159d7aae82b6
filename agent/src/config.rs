//! The agent's configuration file: every setting has a working default, and [`EXAMPLE`] says them all.
//!
//! A file that is not there means the defaults; one that is wrong is refused with its line, and nothing of it is taken.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use fleetwright_platform::Platform;
use fleetwright_platform::local::{self, Audience};

use crate::identity::ControllerAddress;
use crate::parameters::settings::{LoopbackSettings, SocketSettings};
use crate::parameters::{CacheLimits, ParameterSettings};
use crate::spool::SpoolLimits;

/// The default configuration with its explanations.
pub const EXAMPLE: &str = include_str!("../agent.toml");

/// Its name in the folder of the configuration.
pub const FILE_NAME: &str = "agent.toml";

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the configuration `{}` has an error in line {line}: {message}", path.display())]
    Parse { path: PathBuf, line: usize, message: String },
    #[error("{setting} in `{}` is out of range: {allowed}", path.display())]
    Range { path: PathBuf, setting: &'static str, allowed: &'static str },
}

/// The file as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the controller listens, if it has moved. Empty in the file: where the host enrolled.
    #[serde(deserialize_with = "address_or_nothing")]
    pub controller: Option<ControllerAddress>,
    pub log: LogLevel,
    pub spool: SpoolConfig,
    pub update: UpdateConfig,
    pub parameters: ParameterConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolConfig {
    pub limit_mib: u64,
    pub stream_max_mib: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateConfig {
    pub reach_seconds: u64,
    pub healthy_seconds: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParameterConfig {
    /// Whether applications are answered.
    pub enabled: bool,
    pub lease_minutes: u64,
    pub held_max: u64,
    pub held_max_kib: u64,
    /// Empty: the place of the system, or in the state folder that was named.
    pub socket: PathBuf,
    /// Empty: nobody but root and the agent's own account.
    pub group: String,
    /// Of 127.0.0.1; 0: none.
    pub port: u16,
    /// Empty: beside the socket.
    pub token_file: PathBuf,
    pub connections: u64,
}

impl Default for ParameterConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            lease_minutes: 1440,
            held_max: 1000,
            held_max_kib: 4096,
            socket: PathBuf::new(),
            group: String::new(),
            port: crate::parameters::endpoint::PORT,
            token_file: PathBuf::new(),
            connections: 64,
        }
    }
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self { limit_mib: 1024, stream_max_mib: 256 }
    }
}

impl Default for UpdateConfig {
    fn default() -> Self {
        Self { reach_seconds: 180, healthy_seconds: 600 }
    }
}

impl LogLevel {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Config {
    /// Reads and checks the file, if there is one.
    ///
    /// # Errors
    /// When it cannot be read or has something wrong in it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            ConfigError::Parse { path: path.to_owned(), line: before.matches('\n').count() + 1, message }
        })?;
        let mebibytes = "16 to 1048576";
        for (setting, value, range, allowed) in [
            ("spool.limit_mib", config.spool.limit_mib, 16..=1_048_576, mebibytes),
            ("spool.stream_max_mib", config.spool.stream_max_mib, 16..=1_048_576, mebibytes),
            ("parameters.lease_minutes", config.parameters.lease_minutes, 1..=43_200, "1 to 43200"),
            ("parameters.held_max", config.parameters.held_max, 1..=4_096, "1 to 4096"),
            ("parameters.held_max_kib", config.parameters.held_max_kib, 64..=65_536, "64 to 65536"),
            ("parameters.connections", config.parameters.connections, 2..=4_096, "2 to 4096"),
            ("update.reach_seconds", config.update.reach_seconds, 5..=3600, "5 to 3600"),
            ("update.healthy_seconds", config.update.healthy_seconds, 5..=86_400, "5 to 86400"),
        ] {
            if !range.contains(&value) {
                return Err(ConfigError::Range { path: path.to_owned(), setting, allowed });
            }
        }
        Ok(config)
    }

    #[must_use]
    pub fn spool_limits(&self) -> SpoolLimits {
        SpoolLimits {
            spool_bytes: self.spool.limit_mib << 20,
            stream_bytes: self.spool.stream_max_mib << 20,
            ..SpoolLimits::default()
        }
    }

    /// How parameters are held and given by the agent with this state folder.
    #[must_use]
    pub fn parameter_settings(&self, state: &Path, platform: &dyn Platform) -> ParameterSettings {
        let config = &self.parameters;
        let limits = CacheLimits {
            entries: usize::try_from(config.held_max).unwrap_or(usize::MAX),
            bytes: usize::try_from(config.held_max_kib << 10).unwrap_or(usize::MAX),
            lease: Duration::from_secs(60 * config.lease_minutes),
        };
        if !config.enabled {
            return ParameterSettings { limits, socket: None, loopback: None };
        }
        let audience = match config.group.as_str() {
            "" => Audience::Nobody,
            group => Audience::Group(group.to_owned()),
        };
        let connections = usize::try_from(config.connections).unwrap_or(usize::MAX);
        let loopback = (config.port != 0).then(|| LoopbackSettings {
            port: config.port,
            token_file: self.token_file(state, platform),
            audience: audience.clone(),
            connections,
        });
        let path = self.parameter_socket(state, platform);
        ParameterSettings { limits, socket: Some(SocketSettings { path, audience, connections }), loopback }
    }

    /// Where the agent with this state folder gives parameters to programs of its host.
    #[must_use]
    pub fn parameter_socket(&self, state: &Path, platform: &dyn Platform) -> PathBuf {
        if self.parameters.socket.as_os_str().is_empty() {
            local::address(state, state == platform.folders().state)
        } else {
            self.parameters.socket.clone()
        }
    }

    fn token_file(&self, state: &Path, platform: &dyn Platform) -> PathBuf {
        if self.parameters.token_file.as_os_str().is_empty() {
            local::token_file(state, state == platform.folders().state)
        } else {
            self.parameters.token_file.clone()
        }
    }

    /// How long a new build has to reach the controller.
    #[must_use]
    pub fn reach_time(&self) -> Duration {
        Duration::from_secs(self.update.reach_seconds)
    }

    /// How long a new build has to run, connected in the end, until it is trusted.
    #[must_use]
    pub fn healthy_time(&self) -> Duration {
        Duration::from_secs(self.update.healthy_seconds)
    }
}

fn address_or_nothing<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ControllerAddress>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        serde::de::Error::custom(format!("`{text}` is not a host with a port, as fleet.example.com:7443"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("agent.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_is_the_default() {
        assert_eq!(parse(EXAMPLE).unwrap(), Config::default());
        assert_eq!(Config::read(Path::new("/nowhere/agent.toml")).unwrap(), Config::default());
        assert_eq!(Config::default().spool_limits(), SpoolLimits::default());
    }

    #[test]
    fn parameters_are_given_where_the_configuration_says() {
        let clock = std::sync::Arc::new(fleetwright_proto::clock::SystemClock);
        let platform = fleetwright_platform::fake::FakePlatform::numbered(1, clock);
        let state = Path::new("/some/state");
        let settings = parse("").unwrap().parameter_settings(state, &platform);
        assert_eq!(settings.limits, CacheLimits::default());
        assert_eq!(settings.socket.unwrap().path, local::address(state, false));
        let loopback = settings.loopback.unwrap();
        assert_eq!((loopback.port, loopback.token_file), (2773, state.join("parameters.token")));
        let text = "[parameters]\nport = 0\ngroup = \"apps\"\nsocket = \"/run/x.sock\"\nlease_minutes = 5";
        let settings = parse(text).unwrap().parameter_settings(state, &platform);
        let socket = settings.socket.unwrap();
        assert_eq!(
            (socket.path, socket.audience),
            ("/run/x.sock".into(), Audience::Group("apps".to_owned()))
        );
        assert_eq!((settings.limits.lease.as_secs(), settings.loopback), (300, None));
        let off = parse("[parameters]\nenabled = false").unwrap().parameter_settings(state, &platform);
        assert_eq!((off.socket, off.loopback), (None, None));
    }

    #[test]
    fn a_slip_is_told_with_its_line_and_what_would_be_right() {
        for (text, wanted) in [
            ("\ncontroler = \"\"", &["line 2", "`controler`", "`controller`"][..]),
            ("controller = \"nowhere\"", &["line 1", "as fleet.example.com:7443"]),
            ("log = \"loud\"", &["line 1", "`trace`"]),
            ("[spool]\nlimit_mib = 1", &["spool.limit_mib", "16 to 1048576"]),
            ("[parameters]\nlease_minutes = 0", &["parameters.lease_minutes", "1 to 43200"]),
            ("[parameters]\nheld_max = 5000", &["parameters.held_max", "1 to 4096"]),
            ("[parameters]\nport = 70000", &["line 2"]),
            ("[update]\nreach_seconds = 4", &["update.reach_seconds", "5 to 3600"]),
            ("[update]\nhealthy_seconds = 4", &["update.healthy_seconds", "5 to 86400"]),
        ] {
            let error = parse(text).unwrap_err();
            assert!(wanted.iter().all(|part| error.contains(part)), "{error}");
        }
    }
}
