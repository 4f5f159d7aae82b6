//! The documents that we ship, under the names that people call. Written by us to the same parameters and defaults.

/// One shipped document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LibraryDocument {
    pub name: &'static str,
    /// Counts up when a release changes the text.
    pub version: u32,
    pub text: &'static str,
    /// Of the text, in lower-case hexadecimal digits.
    pub sha256: &'static str,
}

static LIBRARY: [LibraryDocument; 2] = [
    LibraryDocument {
        name: "AWS-RunPowerShellScript",
        version: 1,
        text: include_str!("../library/AWS-RunPowerShellScript.json"),
        sha256: "39a81dd911573dc9360b35a222c3822d86ea337173e6365cd63632ef15693374",
    },
    LibraryDocument {
        name: "AWS-RunShellScript",
        version: 1,
        text: include_str!("../library/AWS-RunShellScript.json"),
        sha256: "f1eaf71937195ab076d867a7f3dd44ca56c8825bbcb1a6f1cb635de24b1e71e9",
    },
];

/// Sorted by name.
#[must_use]
pub fn all() -> &'static [LibraryDocument] {
    &LIBRARY
}

/// The name is compared exactly, as the service does.
#[must_use]
pub fn get(name: &str) -> Option<&'static LibraryDocument> {
    all().iter().find(|document| document.name == name)
}
