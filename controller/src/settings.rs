//! The controller's configuration file: every setting has a working default, and [`EXAMPLE`] says them all.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::audit::prune::Bounds;
use crate::commands::notify::PlainHttp;
use crate::keys::ring::UnknownKeys;
use crate::parameters::kinds::TierWish;
use crate::room::Reserve;

/// The default configuration with its explanations; `fleetwright serve --print-config` prints it.
pub const EXAMPLE: &str = include_str!("../fleetwright.toml");

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read the configuration {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the configuration {path} has an error in line {line}: {message}")]
    Parse { path: PathBuf, line: usize, message: String },
    #[error("{setting} in {path} is out of range: {allowed}")]
    Range { path: PathBuf, setting: &'static str, allowed: &'static str },
}

/// The file as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub listen: SocketAddr,
    pub names: Vec<String>,
    pub data_dir: PathBuf,
    pub store: StoreSettings,
    pub disk: DiskSettings,
    pub metrics: MetricsSettings,
    pub agents: AgentSettings,
    pub output: OutputSettings,
    pub documents: DocumentSettings,
    pub parameters: ParameterSettings,
    pub keys: KeySettings,
    pub retention: RetentionSettings,
    pub audit: AuditSettings,
    pub notifications: NotificationSettings,
    pub ssm: SsmSettings,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    pub cache_mib: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskSettings {
    pub reserve: Reserve,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSettings {
    /// Empty in the file: none.
    #[serde(deserialize_with = "address_or_nothing")]
    pub listen: Option<SocketAddr>,
}

fn address_or_nothing<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        serde::de::Error::custom(format!("`{text}` is not an address with a port, as 127.0.0.1:9469"))
    })
}

/// What the SSM API says of itself, and where it is answered without TLS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SsmSettings {
    /// Empty in the file: none.
    #[serde(deserialize_with = "address_or_nothing")]
    pub listen: Option<SocketAddr>,
    /// Empty: whichever a client signs for.
    pub region: String,
    pub account: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentSettings {
    pub heartbeat_seconds: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputSettings {
    pub stream_max_mib: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationSettings {
    /// Empty: in the data folder.
    pub secret_file: PathBuf,
    pub plain_http: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DocumentSettings {
    pub count_max: u64,
    pub versions_max: u64,
    pub shares_max: u64,
    pub attachment_max_mib: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParameterSettings {
    pub standard_max: u64,
    pub advanced_max: u64,
    pub default_tier: TierWish,
    pub cache_mib: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    /// Empty: beside the data folder.
    pub root_key_file: PathBuf,
    pub unknown: UnknownKeys,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSettings {
    pub commands_days: u64,
    pub inventory_days: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    pub days: u64,
    pub lines_max: u64,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { days: 400, lines_max: 2_000_000 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 7443)),
            names: Vec::new(),
            data_dir: PathBuf::from("/var/lib/fleetwright"),
            store: StoreSettings::default(),
            disk: DiskSettings::default(),
            metrics: MetricsSettings::default(),
            agents: AgentSettings::default(),
            output: OutputSettings::default(),
            documents: DocumentSettings::default(),
            parameters: ParameterSettings::default(),
            keys: KeySettings::default(),
            retention: RetentionSettings::default(),
            audit: AuditSettings::default(),
            notifications: NotificationSettings::default(),
            ssm: SsmSettings::default(),
        }
    }
}

impl Default for SsmSettings {
    fn default() -> Self {
        Self { listen: None, region: String::new(), account: "000000000000".to_owned() }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { cache_mib: 64 }
    }
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self { heartbeat_seconds: 30 }
    }
}

impl Default for OutputSettings {
    fn default() -> Self {
        Self { stream_max_mib: 1024 }
    }
}

impl Default for DocumentSettings {
    fn default() -> Self {
        Self { count_max: 500, versions_max: 1000, shares_max: 1000, attachment_max_mib: 1024 }
    }
}

impl Default for ParameterSettings {
    fn default() -> Self {
        Self { standard_max: 100_000, advanced_max: 100_000, default_tier: TierWish::Standard, cache_mib: 64 }
    }
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self { commands_days: 30, inventory_days: 90 }
    }
}

/// The bounds of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterLimits {
    /// How many standard parameters there may be.
    pub standard: u64,
    /// How many advanced ones.
    pub advanced: u64,
    /// What a parameter is when its caller does not say.
    pub default_tier: TierWish,
    /// Memory for the latest versions.
    pub cache_bytes: usize,
}

fn is_of_region(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// Where this controller is, in the words of the SSM API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SsmNames {
    /// None: wherever the caller thinks that it is.
    pub region: Option<String>,
    pub account: String,
}

/// The checked bounds that operations go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes kept of one stream of one step; what a step prints beyond it is counted by its node and not kept.
    pub output_stream_max_bytes: u64,
    /// An agent says something at least this often; silent for two and a half times as long, it is taken for gone.
    pub heartbeat: Duration,
    /// How many documents the fleet may have.
    pub documents: u64,
    /// How many versions one document may have.
    pub document_versions: u64,
    /// With how many principals one document may be shared.
    pub document_shares: u64,
    /// Bytes of one file of a document.
    pub attachment_max_bytes: u64,
    pub parameters: ParameterLimits,
    /// How long finished commands are kept.
    pub keep_commands: Duration,
    /// How long it is kept what inventory was before.
    pub keep_inventory: Duration,
    /// How much of the audit log is kept.
    pub audit: Bounds,
    /// Below this much free space new work is refused.
    pub reserve: Reserve,
    /// Where notifications may go without TLS.
    pub plain_http: PlainHttp,
}

impl Settings {
    /// Reads and checks a configuration file.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let settings: Self = toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            SettingsError::Parse { path: path.to_owned(), line: before.matches('\n').count() + 1, message }
        })?;
        settings.check(path)?;
        Ok(settings)
    }

    fn check(&self, path: &Path) -> Result<(), SettingsError> {
        let Self {
            listen: _,
            names: _,
            data_dir: _,
            store,
            disk: _,
            metrics: _,
            agents,
            output,
            documents,
            parameters,
            keys: _,
            retention,
            audit,
            notifications: _,
            ssm,
        } = self;
        let rows = [
            (8..=65_536).contains(&store.cache_mib),
            (1..=3600).contains(&agents.heartbeat_seconds),
            (1..=1_048_576).contains(&output.stream_max_mib),
            (1..=100_000).contains(&documents.count_max),
            (1..=100_000).contains(&documents.versions_max),
            (1..=10_000).contains(&documents.shares_max),
            (1..=16_384).contains(&documents.attachment_max_mib),
            (1..=10_000_000).contains(&parameters.standard_max),
            (1..=10_000_000).contains(&parameters.advanced_max),
            (1..=65_536).contains(&parameters.cache_mib),
            (1..=36_500).contains(&retention.commands_days),
            (1..=36_500).contains(&audit.days),
            (1_000..=1_000_000_000).contains(&audit.lines_max),
            ssm.listen.is_none_or(|address| address.ip().is_loopback()),
            ssm.region.len() <= 64 && ssm.region.bytes().all(is_of_region),
            ssm.account.len() == 12 && ssm.account.bytes().all(|byte| byte.is_ascii_digit()),
            (1..=36_500).contains(&retention.inventory_days),
        ];
        let ranges = [
            ("store.cache_mib", "8 to 65536"),
            ("agents.heartbeat_seconds", "1 to 3600"),
            ("output.stream_max_mib", "1 to 1048576"),
            ("documents.count_max", "1 to 100000"),
            ("documents.versions_max", "1 to 100000"),
            ("documents.shares_max", "1 to 10000"),
            ("documents.attachment_max_mib", "1 to 16384"),
            ("parameters.standard_max", "1 to 10000000"),
            ("parameters.advanced_max", "1 to 10000000"),
            ("parameters.cache_mib", "1 to 65536"),
            ("retention.commands_days", "1 to 36500"),
            ("audit.days", "1 to 36500"),
            ("audit.lines_max", "1000 to 1000000000"),
            ("ssm.listen", "an address of this host alone, as 127.0.0.1:7480"),
            ("ssm.region", "small letters, digits and -, as eu-central-1"),
            ("ssm.account", "12 digits"),
            ("retention.inventory_days", "1 to 36500"),
        ];
        match rows.iter().position(|good| !good) {
            None => Ok(()),
            Some(at) => {
                let (setting, allowed) = ranges[at];
                Err(SettingsError::Range { path: path.to_owned(), setting, allowed })
            }
        }
    }

    /// What the SSM API says of this controller.
    #[must_use]
    pub fn ssm_names(&self) -> SsmNames {
        let SsmSettings { listen: _, region, account } = self.ssm.clone();
        SsmNames { region: (!region.is_empty()).then_some(region), account }
    }

    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            output_stream_max_bytes: self.output.stream_max_mib << 20,
            heartbeat: Duration::from_secs(self.agents.heartbeat_seconds),
            documents: self.documents.count_max,
            document_versions: self.documents.versions_max,
            document_shares: self.documents.shares_max,
            attachment_max_bytes: self.documents.attachment_max_mib << 20,
            parameters: ParameterLimits {
                standard: self.parameters.standard_max,
                advanced: self.parameters.advanced_max,
                default_tier: self.parameters.default_tier,
                cache_bytes: usize::try_from(self.parameters.cache_mib << 20).unwrap_or(usize::MAX),
            },
            keep_commands: Duration::from_secs(self.retention.commands_days * 24 * 3600),
            keep_inventory: Duration::from_secs(self.retention.inventory_days * 24 * 3600),
            audit: Bounds {
                age: Duration::from_secs(self.audit.days * 24 * 3600),
                lines: self.audit.lines_max,
            },
            reserve: self.disk.reserve,
            plain_http: if self.notifications.plain_http {
                PlainHttp::Anywhere
            } else {
                PlainHttp::LoopbackOnly
            },
        }
    }

    /// Where the root key may be. Without a setting it is beside the data folder, so that a copy of the folder tells
    /// nothing; where that place cannot be written it is in the folder.
    #[must_use]
    pub fn root_key_files(&self) -> Vec<PathBuf> {
        let wanted = &self.keys.root_key_file;
        if !wanted.as_os_str().is_empty() {
            return vec![self.data_dir.join(wanted)];
        }
        let beside = self.data_dir.file_name().map(|name| {
            let mut name = name.to_owned();
            name.push("-root-key");
            self.data_dir.with_file_name(name)
        });
        beside.into_iter().chain([self.data_dir.join("root-key")]).collect()
    }

    /// Where the secret is that notifications are signed with.
    #[must_use]
    pub fn notification_secret(&self) -> PathBuf {
        // An absolute path replaces the data folder.
        match self.notifications.secret_file.as_os_str().is_empty() {
            true => self.data_dir.join("notification-secret"),
            false => self.data_dir.join(&self.notifications.secret_file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Settings::read(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_is_the_default() {
        assert_eq!(read(EXAMPLE).unwrap(), Settings::default());
        assert_eq!(read("").unwrap(), Settings::default());
    }

    #[test]
    fn a_slip_is_told_with_its_line_and_what_would_be_right() {
        let error = read("listen = \"0.0.0.0:7443\"\nheartbeat = 3\n").unwrap_err();
        assert!(
            error.contains("line 2") && error.contains("`heartbeat`") && error.contains("`agents`"),
            "{error}"
        );
        let error = read("[agents]\nheartbeat_seconds = 0\n").unwrap_err();
        assert!(error.contains("agents.heartbeat_seconds") && error.contains("1 to 3600"), "{error}");
        let error = read("[disk]\nreserve = \"1MiB\"\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("a size from 16MiB"), "{error}");
        let error = read("[metrics]\nlisten = \"9469\"\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("as 127.0.0.1:9469"), "{error}");
        for (line, allowed) in [
            ("listen = \"192.0.2.1:80\"", "ssm.listen in"),
            ("region = \"EU\"", "as eu-central-1"),
            ("account = \"1\"", "12 digits"),
        ] {
            let error = read(&format!("[ssm]\n{line}\n")).unwrap_err();
            assert!(error.contains(allowed), "{error}");
        }
        let error = read("listen = \"nowhere\"").unwrap_err();
        assert!(error.contains("line 1"), "{error}");
    }
}
