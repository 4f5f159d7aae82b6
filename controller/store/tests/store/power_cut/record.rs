//! Reads what `record.c` wrote.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A whole recording. Operations borrow their data from it.
pub(crate) struct Record {
    bytes: Vec<u8>,
    below: PathBuf,
    pub(crate) root_inode: u64,
}

/// One file operation, or something printed. Paths are relative to the recorded folder.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation<'a> {
    Create {
        path: &'a Path,
        inode: u64,
    },
    MakeFolder {
        path: &'a Path,
        inode: u64,
    },
    Write {
        inode: u64,
        offset: u64,
        data: &'a [u8],
    },
    Truncate {
        inode: u64,
        length: u64,
    },
    Fsync {
        inode: u64,
    },
    Fdatasync {
        inode: u64,
    },
    Rename {
        from: &'a Path,
        to: &'a Path,
    },
    Remove {
        path: &'a Path,
    },
    Print(&'a str),
    /// Behind the last recorded one.
    End,
}

impl Record {
    pub(crate) fn read(below: &Path, record: &Path) -> Self {
        let root_inode = std::fs::metadata(below).unwrap().ino();
        Self { bytes: std::fs::read(record).unwrap(), below: below.to_owned(), root_inode }
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || (!rest.is_empty()).then(|| self.operation(&mut rest)))
    }

    fn operation<'a>(&'a self, rest: &mut &'a [u8]) -> Operation<'a> {
        let kind = take(rest, 1)[0];
        let [a, b, length] = std::array::from_fn(|_| number(take(rest, 8)));
        let data = take(rest, usize::try_from(length).unwrap());
        let path = |bytes: &'a [u8]| {
            let path = Path::new(str::from_utf8(bytes).unwrap());
            path.strip_prefix(&self.below).unwrap()
        };
        match kind {
            b'O' => Operation::Create { path: path(data), inode: a },
            b'M' => Operation::MakeFolder { path: path(data), inode: a },
            b'W' => Operation::Write { inode: a, offset: b, data },
            b'T' => Operation::Truncate { inode: a, length: b },
            b'S' => Operation::Fsync { inode: a },
            b'D' => Operation::Fdatasync { inode: a },
            b'R' => {
                let nul = data.iter().position(|byte| *byte == 0).unwrap();
                Operation::Rename { from: path(&data[..nul]), to: path(&data[nul + 1..]) }
            }
            b'U' => Operation::Remove { path: path(data) },
            b'A' => Operation::Print(str::from_utf8(data).unwrap()),
            kind => panic!("a record of kind {kind}"),
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}
