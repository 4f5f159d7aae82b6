//! `aws:downloadContent`: files from elsewhere (reference, section 2.7).

use std::fmt;

use serde_json::Value;

use super::applications::hash;
use super::fields::{Fields, Segment};
use super::run_document::name_and_version;
use crate::bind::Reference;
use crate::problems::shown;
use crate::substitute;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadContent {
    pub source: Source,
    /// Absolute, or relative to where content is downloaded. With a separator at its end it is a folder.
    pub destination: Option<String>,
    /// Of the one file that is downloaded; an input of ours, beside SSM's.
    pub sha256: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One object, or all objects below a prefix.
    S3 {
        url: String,
    },
    /// A file or a folder of a repository, through GitHub's interface.
    GitHub {
        owner: String,
        repository: String,
        path: String,
        revision: Revision,
        token: Option<Credential>,
    },
    /// A whole repository.
    Git {
        repository: String,
        revision: Revision,
        private_key: Option<Credential>,
        skip_host_key_checking: bool,
        user: Option<Credential>,
        password: Option<Credential>,
    },
    Http {
        url: String,
        login: HttpLogin,
        allow_insecure: bool,
    },
    /// A document of the registry, as a file. A name may be an ARN.
    Document {
        name: String,
        version: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// The repository's own choice.
    Default,
    Branch(String),
    Commit(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpLogin {
    None,
    Basic { user: Credential, password: Credential },
    Digest { user: Credential, password: Credential },
}

/// A secret, or the stored parameter that holds it. Only a stored one is resolved, when the step begins.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    Plain(String),
    Stored(Reference),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain(****)"),
            Self::Stored(reference) => f.debug_tuple("Stored").field(reference).finish(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SourceType {
    S3,
    GitHub,
    Git,
    Http,
    Document,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Option<DownloadContent> {
    let types = [
        ("S3", SourceType::S3),
        ("GitHub", SourceType::GitHub),
        ("Git", SourceType::Git),
        ("HTTP", SourceType::Http),
        ("SSMDocument", SourceType::Document),
    ];
    let source_type = fields.required_choice("sourceType", &types);
    let destination = fields.text("destinationPath");
    if fields.value("sourceInfo").is_none() {
        fields.missing("sourceInfo");
    }
    let info = fields.map("sourceInfo")?;
    let source_type = source_type?;
    let place = [Segment::Key("sourceInfo".to_owned())];
    let mut sha256 = None;
    let source = fields.within(&place, &info, |info| {
        if matches!(source_type, SourceType::S3 | SourceType::GitHub | SourceType::Http) {
            sha256 = hash(info, "sha256");
        }
        match source_type {
            SourceType::S3 => Some(Source::S3 { url: info.required_text("path")? }),
            SourceType::GitHub => github(info),
            SourceType::Git => git(info),
            SourceType::Http => http(info),
            SourceType::Document => {
                let (name, version) = name_and_version(&info.required_text("name")?);
                Some(Source::Document { name, version })
            }
        }
    });
    Some(DownloadContent { source: source?, destination, sha256 })
}

fn github(info: &mut Fields<'_>) -> Option<Source> {
    let owner = info.required_text("owner");
    let repository = info.required_text("repository");
    let path = info.text("path").unwrap_or_default();
    let (revision, token) = (revision(info), credential(info, "tokenInfo"));
    Some(Source::GitHub { owner: owner?, repository: repository?, path, revision, token })
}

fn git(info: &mut Fields<'_>) -> Option<Source> {
    let repository = info.required_text("repository");
    let revision = revision(info);
    let private_key = credential(info, "privateSSHKey");
    let skip_host_key_checking = info.flag("skipHostKeyChecking").unwrap_or_default();
    let (user, password) = (credential(info, "username"), credential(info, "password"));
    Some(Source::Git {
        repository: repository?,
        revision,
        private_key,
        skip_host_key_checking,
        user,
        password,
    })
}

fn http(info: &mut Fields<'_>) -> Option<Source> {
    let url = info.required_text("url");
    let allow_insecure = info.flag("allowInsecureDownload").unwrap_or_default();
    if let Some(url) = url.as_deref().filter(|_| !allow_insecure)
        && url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
    {
        let help = "use https, or allow it with allowInsecureDownload: true";
        info.wrong("url", format!("`{}` is not encrypted", shown(url)), help);
    }
    let method = info.choice("authMethod", &[("None", 0), ("Basic", 1), ("Digest", 2)]).unwrap_or_default();
    let (user, password) = (credential(info, "username"), credential(info, "password"));
    let login = match (method, user, password) {
        (1, Some(user), Some(password)) => HttpLogin::Basic { user, password },
        (2, Some(user), Some(password)) => HttpLogin::Digest { user, password },
        (1 | 2, user, password) => {
            for key in [("username", user.is_none()), ("password", password.is_none())] {
                if key.1 && info.value(key.0).is_none() {
                    info.missing(key.0);
                }
            }
            return None;
        }
        _ => HttpLogin::None,
    };
    Some(Source::Http { url: url?, login, allow_insecure })
}

/// `branch:name` or `commitID:hash`.
fn revision(info: &mut Fields<'_>) -> Revision {
    let Some(text) = info.text("getOptions") else { return Revision::Default };
    let (word, name) = text.split_once(':').unwrap_or((&text, ""));
    let name = name.trim();
    match word.trim() {
        _ if name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace) => {}
        word if word.eq_ignore_ascii_case("branch") => return Revision::Branch(name.to_owned()),
        word if word.eq_ignore_ascii_case("commitID") => return Revision::Commit(name.to_owned()),
        _ => {}
    }
    let help = "write branch:NAME or commitID:HASH";
    info.wrong("getOptions", format!("found `{}`", shown(&text)), help);
    Revision::Default
}

/// A secret that may be left in the store until the step begins. At check time a reference to it is known already.
fn credential(info: &mut Fields<'_>, key: &'static str) -> Option<Credential> {
    let value = info.value(key)?;
    let Value::String(text) = value else {
        return info.text(key).map(Credential::Plain);
    };
    if let Some(reference) = substitute::whole_token(text.trim()).and_then(Reference::from_token) {
        return Some(Credential::Stored(reference));
    }
    info.text(key).map(Credential::Plain)
}
