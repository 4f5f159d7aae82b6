//! `aws:applications`: a Windows installer package (reference, section 2.10).

use super::fields::Fields;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applications {
    pub action: InstallerAction,
    /// A URL or a local path.
    pub source: String,
    /// SHA-256 in hexadecimal digits; none when the document leaves it empty.
    pub source_hash: Option<String>,
    /// Further words for the installer, as the document wrote them.
    pub parameters: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallerAction {
    Install,
    Uninstall,
    Repair,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Option<Applications> {
    use InstallerAction::{Install, Repair, Uninstall};
    let action = fields
        .required_choice("action", &[("Install", Install), ("Uninstall", Uninstall), ("Repair", Repair)]);
    let source = fields.required_text("source");
    let source_hash = hash(fields, "sourceHash");
    let parameters = fields.text("parameters").unwrap_or_default();
    Some(Applications { action: action?, source: source?, source_hash, parameters })
}

/// The SHA-256 of a file.
pub(super) fn hash(fields: &mut Fields<'_>, key: &'static str) -> Option<String> {
    let hash = fields.text(key)?;
    if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(hash.to_ascii_lowercase());
    }
    let help = "write the SHA-256 of the file in 64 hexadecimal digits, or leave it out";
    fields.wrong(key, format!("found `{}`", crate::problems::shown(&hash)), help);
    None
}
