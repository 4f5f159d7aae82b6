//! Contexts: which controller an operator talks to, and with which certificate. Kept in one TOML file that a person
//! may edit; comments and order survive our changes.
//!
//! ```toml
//! current = "prod"
//!
//! [contexts.prod]
//! address = "fleet.example.org:7443"
//! authority = "prod/authority.pem"     # relative to the folder of this file
//! certificate = "prod/operator.pem"
//! key = "prod/operator.key"            # or, in place of these two: token_file = "prod/token"
//! ```
//!
//! Invariant: the file is replaced as a whole or not at all, and nobody but its owner can read it.

pub(crate) mod resolve;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use toml_edit::{DocumentMut, Item, Table, value};

use crate::exit::Exit;

/// One controller and one operator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// HOST:PORT.
    pub address: String,
    /// PEM file with the certificate of the controller's authority.
    pub authority: PathBuf,
    /// PEM file with the operator's certificate; empty with a token.
    #[serde(default)]
    pub certificate: PathBuf,
    /// PEM file with the key to it; empty with a token.
    #[serde(default)]
    pub key: PathBuf,
    /// File with a token, which then stands for certificate and key.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

impl Context {
    /// What is missing or too much, if anything.
    fn problem(&self) -> Option<&'static str> {
        let (certificate, key) = (!self.certificate.as_os_str().is_empty(), !self.key.as_os_str().is_empty());
        match (&self.token_file, certificate, key) {
            (None, true, true) | (Some(_), false, false) => None,
            (None, true, false) => Some("missing field `key`"),
            (None, false, _) => Some("missing field `certificate` with its `key`, or `token_file`"),
            (Some(_), _, _) => {
                Some("`token_file` stands for `certificate` and `key`: leave it, or both of them, out")
            }
        }
    }
}

/// Why there is no context to work with.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    #[error("no folder for the contexts file: set HOME, or name the file in FLEETWRIGHT_CONFIG")]
    NoFolder,
    #[error("cannot read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is not TOML, line {line}: {reason}", .path.display())]
    Syntax { path: PathBuf, line: usize, reason: String },
    #[error("context `{name}` in {}: {reason}", .path.display())]
    Incomplete { name: String, path: PathBuf, reason: String },
    #[error("no context `{name}`; there is {known}")]
    Unknown { name: String, known: String },
    #[error("`{0}` is not a name for a context: use letters, digits, dots, dashes and underscores")]
    BadName(String),
    #[error("no controller configured: start one with `fleetwright dev` or set FLEETWRIGHT_ADDR")]
    NoController,
    #[error("no {what} for {address}: {wanted}")]
    NoCredential { what: &'static str, address: String, wanted: String },
}

impl ContextError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoController => Exit::Unreachable,
            Self::Unknown { .. } => Exit::NotFound,
            _ => Exit::Usage,
        }
    }
}

/// What [`refresh_context`] did about the current context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// Commands without `--context` use it.
    Current,
    /// Another context is current, and stays so.
    NotCurrent,
}

/// Writes a context, and makes it the current one unless another one is. `file` is the value of `--config` or
/// `FLEETWRIGHT_CONFIG`; without it the contexts file of the user is taken.
///
/// # Errors
/// When the file is not a contexts file, or cannot be read or replaced.
pub fn refresh_context(
    file: Option<&Path>,
    name: &str,
    context: &Context,
) -> Result<Refreshed, ContextError> {
    let mut contexts = Contexts::open(&file.map_or_else(default_path, |path| Ok(path.into()))?)?;
    contexts.set(name, context)?;
    contexts.save()?;
    Ok(if contexts.current() == Some(name) { Refreshed::Current } else { Refreshed::NotCurrent })
}

/// `~/.config/fleetwright/config.toml` (or below `XDG_CONFIG_HOME`), `%APPDATA%\fleetwright\config.toml` on Windows.
pub(crate) fn default_path() -> Result<PathBuf, ContextError> {
    let folders = etcetera::choose_base_strategy().map_err(|_| ContextError::NoFolder)?;
    Ok(folders.config_dir().join("fleetwright").join("config.toml"))
}

/// The contexts file, open for reading and changing.
#[derive(Debug)]
pub(crate) struct Contexts {
    path: PathBuf,
    document: DocumentMut,
}

impl Contexts {
    /// A file that is not there is an empty one.
    pub(crate) fn open(path: &Path) -> Result<Self, ContextError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ContextError::Read { path: path.into(), source }),
        };
        let document = text.parse::<DocumentMut>().map_err(|error| ContextError::Syntax {
            path: path.into(),
            line: text[..error.span().map_or(0, |span| span.start.min(text.len()))].matches('\n').count() + 1,
            reason: one_line(error.message()),
        })?;
        Ok(Self { path: path.into(), document })
    }

    pub(crate) fn current(&self) -> Option<&str> {
        self.document.get("current").and_then(Item::as_str)
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.table().map(|table| table.iter().map(|(name, _)| name).collect()).unwrap_or_default()
    }

    /// Relative paths in the file are taken from its folder.
    pub(crate) fn get(&self, name: &str) -> Result<Context, ContextError> {
        let entry = self.table().and_then(|table| table.get(name)).ok_or_else(|| self.unknown(name))?;
        let entry =
            entry.as_table_like().map(|table| table.iter().map(|(k, v)| (k, v.clone())).collect::<Table>());
        let document = DocumentMut::from(entry.unwrap_or_default());
        let context: Context =
            toml_edit::de::from_document(document).map_err(|error| ContextError::Incomplete {
                name: name.into(),
                path: self.path.clone(),
                reason: one_line(error.message()),
            })?;
        if let Some(reason) = context.problem() {
            let (name, path) = (name.into(), self.path.clone());
            return Err(ContextError::Incomplete { name, path, reason: reason.into() });
        }
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let found = |path: PathBuf| if path.as_os_str().is_empty() { path } else { folder.join(path) };
        Ok(Context {
            address: context.address,
            authority: folder.join(context.authority),
            certificate: found(context.certificate),
            key: found(context.key),
            token_file: context.token_file.map(found),
        })
    }

    /// Adds or replaces a context; the first one becomes the current one.
    pub(crate) fn set(&mut self, name: &str, context: &Context) -> Result<(), ContextError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_plain) {
            return Err(ContextError::BadName(name.into()));
        }
        let contexts = self.document.entry("contexts").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        let entry = contexts
            .as_table_like_mut()
            .map(|table| table.entry(name).or_insert_with(|| Item::Table(Table::new())))
            .and_then(Item::as_table_like_mut);
        if let Some(entry) = entry {
            entry.insert("address", value(context.address.as_str()));
            entry.insert("authority", value(context.authority.to_string_lossy().as_ref()));
            let credentials = [
                ("certificate", Some(&context.certificate)),
                ("key", Some(&context.key)),
                ("token_file", context.token_file.as_ref()),
            ];
            for (name, path) in credentials {
                match path.filter(|path| !path.as_os_str().is_empty()) {
                    Some(path) => entry.insert(name, value(path.to_string_lossy().as_ref())),
                    None => entry.remove(name),
                };
            }
        }
        if self.current().is_none_or(|current| !self.names().contains(&current)) {
            self.make_current(name);
        }
        Ok(())
    }

    pub(crate) fn set_current(&mut self, name: &str) -> Result<(), ContextError> {
        if !self.names().contains(&name) {
            return Err(self.unknown(name));
        }
        self.make_current(name);
        Ok(())
    }

    /// When it was the current one, none is.
    pub(crate) fn delete(&mut self, name: &str) -> Result<(), ContextError> {
        let contexts = self.document.get_mut("contexts").and_then(Item::as_table_like_mut);
        if contexts.and_then(|table| table.remove(name)).is_none() {
            return Err(self.unknown(name));
        }
        if self.current() == Some(name) {
            self.document.remove("current");
        }
        Ok(())
    }

    /// Replaces the file: a new one is written and synced beside it, and takes its name.
    pub(crate) fn save(&self) -> Result<(), ContextError> {
        let failed = |source| ContextError::Write { path: self.path.clone(), source };
        let folder =
            self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(failed)?;
        // A temporary file is readable by its owner only, and so is what takes its place.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(self.document.to_string().as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&self.path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn table(&self) -> Option<&dyn toml_edit::TableLike> {
        self.document.get("contexts").and_then(Item::as_table_like)
    }

    fn make_current(&mut self, name: &str) {
        match self.document.get_mut("current") {
            Some(current) => *current = value(name),
            None => {
                self.document.insert("current", value(name));
            }
        }
    }

    fn unknown(&self, name: &str) -> ContextError {
        let names = self.names();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        ContextError::Unknown { name: name.into(), known }
    }
}

/// Messages about TOML come in several lines.
fn one_line(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
