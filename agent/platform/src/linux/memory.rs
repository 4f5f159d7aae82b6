//! Memory of this process, as the kernel tells of it in `/proc/self`.
#![expect(
    unsafe_code,
    reason = "the kernel is told about addresses; which ones is decided by a safe function"
)]

use std::ffi::c_void;
use std::fs;
use std::ops::Range;

use rustix::mm::{Advice, madvise};
use rustix::param::page_size;

pub(crate) fn give_back() {
    let Ok(mappings) = fs::read_to_string("/proc/self/smaps") else { return };
    for pages in unchanged_file_pages(&mappings) {
        let start = std::ptr::with_exposed_provenance_mut::<c_void>(pages.start);
        // SAFETY: these pages are mapped from a file without the right to write, and none of them differs from it, so
        // what is read there afterwards is what was there before.
        if let Err(error) = unsafe { madvise(start, pages.len(), Advice::LinuxDontNeed) } {
            tracing::debug!(%error, "cannot give memory back");
        }
    }
}

pub(crate) fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * page_size() as u64)
}

/// The addresses of `smaps` that are mapped from a file, may not be written, and hold nothing but what is in the file.
fn unchanged_file_pages(smaps: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut looked_at = false;
    for line in smaps.lines() {
        if let Some(mapping) = mapping(line) {
            looked_at = mapping.is_some();
            found.extend(mapping);
        } else if looked_at && is_a_change(line) {
            found.pop();
            looked_at = false;
        }
    }
    found
}

/// None when the line begins no mapping; nothing in it when it is not one of files without the right to write.
fn mapping(line: &str) -> Option<Option<Range<usize>>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    let (rights, path) = (words.next()?, words.nth(3));
    let is_of_a_file = path.is_some_and(|path| path.starts_with('/'));
    let is_read_only = rights.starts_with("r-") && rights.ends_with('p');
    Some((is_of_a_file && is_read_only).then_some(range))
}

/// Whether the line says that pages of the mapping are not those of the file.
fn is_a_change(line: &str) -> bool {
    let changes = ["Private_Dirty:", "Shared_Dirty:", "Anonymous:", "Locked:"];
    let mut words = line.split_ascii_whitespace();
    words.next().is_some_and(|name| changes.contains(&name)) && words.next() != Some("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_in_the_file_is_given_back() {
        let smaps = "\
1000-3000 r--p 00000000 fe:00 77   /usr/bin/agent
Size:                  8 kB
Rss:                   8 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
VmFlags: rd mr
3000-6000 r-xp 00002000 fe:00 77   /usr/bin/agent (deleted)
Private_Dirty:         0 kB
Anonymous:             0 kB
6000-7000 r--p 00005000 fe:00 77   /usr/bin/agent
Shared_Dirty:          0 kB
Private_Dirty:         4 kB
Anonymous:             4 kB
7000-8000 rw-p 00006000 fe:00 77   /usr/bin/agent
Private_Dirty:         0 kB
8000-9000 rw-p 00000000 00:00 0    [heap]
9000-a000 r--p 00000000 00:00 0    [vvar]
a000-b000 r--s 00000000 fe:00 78   /var/lib/shared
b000-c000 r-xp 00000000 00:00 0
Anonymous:             0 kB
c000-d000 r-xp 00000000 fe:00 79   /lib/libc.so.6
Anonymous:             0 kB
Locked:                4 kB
";
        assert_eq!(unchanged_file_pages(smaps), [0x1000..0x3000, 0x3000..0x6000]);
        assert!(unchanged_file_pages("").is_empty());
    }
}
