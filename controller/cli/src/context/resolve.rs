//! Decides which controller to talk to, from what is said in several places. The first of these that says
//! something wins, for each value by itself:
//!
//! ```text
//! --addr  >  --context  >  FLEETWRIGHT_ADDR, _AUTHORITY, _CERTIFICATE, _KEY, _TOKEN_FILE  >  FLEETWRIGHT_CONTEXT  >  current
//! context
//! ```

use std::path::PathBuf;

use super::{Context, ContextError, Contexts, default_path};
use crate::io::Environment;

const ADDRESS: &str = "FLEETWRIGHT_ADDR";
const CONTEXT: &str = "FLEETWRIGHT_CONTEXT";
const CONFIG: &str = "FLEETWRIGHT_CONFIG";
const AUTHORITY: &str = "FLEETWRIGHT_AUTHORITY";
const CERTIFICATE: &str = "FLEETWRIGHT_CERTIFICATE";
const KEY: &str = "FLEETWRIGHT_KEY";
const TOKEN_FILE: &str = "FLEETWRIGHT_TOKEN_FILE";

/// What the flags that every command has say about the controller.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    pub(crate) address: Option<String>,
    pub(crate) context: Option<String>,
    pub(crate) config: Option<PathBuf>,
}

/// The contexts file that flags and environment name.
pub(crate) fn contexts_path(flags: &Flags, environment: &Environment) -> Result<PathBuf, ContextError> {
    match (&flags.config, environment.get(CONFIG)) {
        (Some(path), _) => Ok(path.clone()),
        (None, Some(path)) => Ok(path.into()),
        (None, None) => default_path(),
    }
}

/// The controller and the certificate to use.
pub(crate) fn resolve(flags: &Flags, environment: &Environment) -> Result<Context, ContextError> {
    let from_environment = Partial {
        address: environment.get(ADDRESS).map(str::to_owned),
        authority: environment.get(AUTHORITY).map(PathBuf::from),
        certificate: environment.get(CERTIFICATE).map(PathBuf::from),
        key: environment.get(KEY).map(PathBuf::from),
        token_file: environment.get(TOKEN_FILE).map(PathBuf::from),
    };
    let mut wanted = Partial { address: flags.address.clone(), ..Partial::default() };
    if flags.context.is_none() {
        wanted = wanted.or(from_environment);
    }
    if let Some(complete) = wanted.complete() {
        return Ok(complete);
    }
    let contexts = Contexts::open(&contexts_path(flags, environment)?)?;
    let name = flags.context.as_deref().or(environment.get(CONTEXT)).or(contexts.current());
    if let Some(name) = name {
        wanted = wanted.or(contexts.get(name)?.into());
    }
    wanted.complete().map_or_else(|| Err(wanted.missing()), Ok)
}

/// What one place says.
#[derive(Debug, Default)]
struct Partial {
    address: Option<String>,
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    token_file: Option<PathBuf>,
}

impl Partial {
    /// A token and a certificate are two ways to say the same: the nearer place that names one wins.
    fn or(self, other: Partial) -> Partial {
        let other = match (&self.token_file, &self.certificate, &self.key) {
            (Some(_), ..) => Partial { certificate: None, key: None, ..other },
            (None, None, None) => other,
            (None, ..) => Partial { token_file: None, ..other },
        };
        Partial {
            address: self.address.or(other.address),
            authority: self.authority.or(other.authority),
            certificate: self.certificate.or(other.certificate),
            key: self.key.or(other.key),
            token_file: self.token_file.or(other.token_file),
        }
    }

    fn complete(&self) -> Option<Context> {
        Some(Context {
            address: self.address.clone()?,
            authority: self.authority.clone()?,
            certificate: if self.token_file.is_some() { PathBuf::new() } else { self.certificate.clone()? },
            key: if self.token_file.is_some() { PathBuf::new() } else { self.key.clone()? },
            token_file: self.token_file.clone(),
        })
    }

    fn missing(&self) -> ContextError {
        let Some(address) = self.address.clone() else { return ContextError::NoController };
        let (what, variable) = match (&self.authority, &self.certificate) {
            (None, _) => ("authority", AUTHORITY),
            (_, None) => ("operator certificate", CERTIFICATE),
            _ => ("key", KEY),
        };
        let wanted = format!("set {variable} to a PEM file, or use a context");
        ContextError::NoCredential { what, address, wanted }
    }
}

impl From<Context> for Partial {
    fn from(context: Context) -> Self {
        let given = |path: PathBuf| (!path.as_os_str().is_empty()).then_some(path);
        Partial {
            address: Some(context.address),
            authority: Some(context.authority),
            certificate: given(context.certificate),
            key: given(context.key),
            token_file: context.token_file,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
current = "one"
[contexts.one]
address = "one:1"
authority = "/one/ca"
certificate = "/one/cert"
key = "/one/key"
[contexts.two]
address = "two:2"
authority = "/two/ca"
certificate = "/two/cert"
key = "/two/key"
"#;

    /// `flags` and `variables` are `NAME=VALUE` texts; `want` is "ADDRESS AUTHORITY" or the error.
    fn check(file: &str, flags: &str, variables: &str, want: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, file).unwrap();
        let pairs = |text: &str| -> Vec<(String, String)> {
            text.split_whitespace()
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        };
        let mut known = Flags { config: Some(path), ..Flags::default() };
        for (name, value) in pairs(flags) {
            match name.as_str() {
                "--addr" => known.address = Some(value),
                "--context" => known.context = Some(value),
                other => panic!("no flag {other}"),
            }
        }
        let got = match resolve(&known, &pairs(variables).into_iter().collect()) {
            Ok(context) => format!("{} {}", context.address, context.authority.display()),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, want, "flags {flags}, environment {variables}");
    }

    #[test]
    fn the_nearer_place_wins() {
        check(FILE, "", "", "one:1 /one/ca");
        check(FILE, "", "FLEETWRIGHT_CONTEXT=two", "two:2 /two/ca");
        check(FILE, "", "FLEETWRIGHT_CONTEXT=two FLEETWRIGHT_ADDR=env:3", "env:3 /two/ca");
        check(FILE, "", "FLEETWRIGHT_ADDR=env:3", "env:3 /one/ca");
        check(FILE, "", "FLEETWRIGHT_ADDR=", "one:1 /one/ca");
        check(FILE, "--addr=flag:4", "FLEETWRIGHT_ADDR=env:3", "flag:4 /one/ca");
        check(FILE, "--context=two", "FLEETWRIGHT_ADDR=env:3 FLEETWRIGHT_AUTHORITY=/env/ca", "two:2 /two/ca");
        check(FILE, "--context=two --addr=flag:4", "FLEETWRIGHT_CONTEXT=one", "flag:4 /two/ca");
    }

    #[test]
    fn a_token_stands_for_certificate_and_key() {
        let resolved = |file: &str, variables: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("config.toml");
            std::fs::write(&path, file).unwrap();
            let flags = Flags { config: Some(path), ..Flags::default() };
            let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            resolve(&flags, &variables.collect())
        };
        let of_token = "current = \"t\"\n[contexts.t]\naddress = \"t:1\"\nauthority = \"/t/ca\"\ntoken_file = \"/t/token\"\n";
        let context = resolved(of_token, &[]).unwrap();
        assert_eq!((context.token_file, context.certificate), (Some("/t/token".into()), PathBuf::new()));
        // The nearer place wins, whichever of the two it names.
        let context = resolved(FILE, &[("FLEETWRIGHT_TOKEN_FILE", "/env/token")]).unwrap();
        assert_eq!((context.token_file, context.certificate), (Some("/env/token".into()), PathBuf::new()));
        let certificate = [("FLEETWRIGHT_CERTIFICATE", "/env/cert"), ("FLEETWRIGHT_KEY", "/env/key")];
        let context = resolved(of_token, &certificate).unwrap();
        assert_eq!((context.token_file, context.certificate), (None, "/env/cert".into()));
        let both = format!("{of_token}certificate = \"/t/cert\"\nkey = \"/t/key\"\n");
        assert!(resolved(&both, &[]).unwrap_err().to_string().contains("leave it, or both of them, out"));
    }

    #[test]
    fn no_file_is_needed() {
        let variables =
            "FLEETWRIGHT_ADDR=env:3 FLEETWRIGHT_AUTHORITY=/ca FLEETWRIGHT_CERTIFICATE=/c FLEETWRIGHT_KEY=/k";
        check("not a contexts file", "", variables, "env:3 /ca");
    }

    #[test]
    fn what_is_missing_is_named() {
        check(
            "",
            "",
            "",
            "no controller configured: start one with `fleetwright dev` or set FLEETWRIGHT_ADDR",
        );
        check(
            "",
            "--addr=a:1",
            "",
            "no authority for a:1: set FLEETWRIGHT_AUTHORITY to a PEM file, or use a context",
        );
        check(
            "",
            "--addr=a:1",
            "FLEETWRIGHT_AUTHORITY=/ca FLEETWRIGHT_CERTIFICATE=/c",
            "no key for a:1: set FLEETWRIGHT_KEY to a PEM file, or use a context",
        );
        check(FILE, "--context=three", "", "no context `three`; there is one, two");
        check(FILE, "", "FLEETWRIGHT_CONTEXT=three", "no context `three`; there is one, two");
    }
}
