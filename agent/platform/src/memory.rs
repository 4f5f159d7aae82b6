//! What a program that rests gives back to its host.
//!
//! Most of what an agent holds after its start is its own program text: TLS handshakes, the reading of documents,
//! collectors. The system has it on the disk and brings back what is used again, a few pages at a time.

/// Gives back what this process can have again without being told: pages of its program that it has not changed.
/// Nothing is lost; whoever fails to give back goes on as before.
pub fn give_back() {
    #[cfg(target_os = "linux")]
    crate::linux::memory::give_back();
    #[cfg(windows)]
    crate::windows::memory::give_back();
}

/// What this process has in memory, bytes, its program included. None when the system does not say.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return crate::linux::memory::resident_bytes();
    #[cfg(windows)]
    return crate::windows::memory::resident_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_gave_back_goes_on() {
        let before = resident_bytes().unwrap();
        give_back();
        assert!(resident_bytes().unwrap() <= before);
        // What it does next is read from the disk again.
        assert_eq!(format!("{:?}", "again".split('a').collect::<Vec<_>>()), r#"["", "g", "in"]"#);
    }
}
