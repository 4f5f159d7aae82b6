//! What stands in a backup, one entry after the other. Pure.
//!
//! ```text
//! kind (1 byte) · length of the name (4) · name · length of the value (4) · value
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Longest name or value of an entry, bytes: twice the largest attachment that documents have unless told otherwise.
pub(super) const PART_MAX_BYTES: usize = 2 << 30;

/// One entry. Rows and changes are applied in their order: a change may say again what a row said already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Put {
        key: Bytes,
        value: Bytes,
    },
    Delete {
        key: Bytes,
    },
    Blob {
        path: String,
        data: Bytes,
    },
    /// Of the data folder, by its path in it.
    File {
        path: String,
        data: Bytes,
    },
    /// As it stands in its file. Only under a passphrase.
    RootKey {
        text: Bytes,
    },
    End(Counts),
}

/// How many entries there were before the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub changes: u64,
    pub blobs: u64,
    pub files: u64,
}

impl Counts {
    pub fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::Put { .. } | Entry::Delete { .. } => self.changes += 1,
            Entry::Blob { .. } => self.blobs += 1,
            Entry::File { .. } | Entry::RootKey { .. } => self.files += 1,
            Entry::End(_) => {}
        }
    }
}

/// Bytes that are no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoEntry;

impl Entry {
    pub fn write(&self, out: &mut BytesMut) {
        let mut put = |kind: u8, name: &[u8], value: &[u8]| {
            out.reserve(9 + name.len() + value.len());
            out.put_u8(kind);
            out.put_u32(u32::try_from(name.len()).expect("names are short"));
            out.put_slice(name);
            out.put_u32(u32::try_from(value.len()).expect("values are pieces"));
            out.put_slice(value);
        };
        match self {
            Self::Put { key, value } => put(1, key, value),
            Self::Delete { key } => put(2, key, &[]),
            Self::Blob { path, data } => put(3, path.as_bytes(), data),
            Self::File { path, data } => put(4, path.as_bytes(), data),
            Self::RootKey { text } => put(5, &[], text),
            Self::End(Counts { changes, blobs, files }) => {
                let counts = [changes, blobs, files].map(|count| count.to_be_bytes());
                put(6, &[], &counts.concat());
            }
        }
    }

    /// The first entry of a buffer, taken out of it; None when it is not there whole.
    pub fn take(buffer: &mut BytesMut) -> Result<Option<Self>, NoEntry> {
        let Some((kind, name_length)) = head(buffer) else { return Ok(None) };
        if name_length > PART_MAX_BYTES {
            return Err(NoEntry);
        }
        let Some(value_length) = buffer.get(5 + name_length..9 + name_length) else { return Ok(None) };
        let value_length = u32::from_be_bytes(value_length.try_into().map_err(|_| NoEntry)?) as usize;
        if value_length > PART_MAX_BYTES {
            return Err(NoEntry);
        }
        if buffer.len() < 9 + name_length + value_length {
            return Ok(None);
        }
        buffer.advance(5);
        let name = buffer.split_to(name_length).freeze();
        buffer.advance(4);
        let value = buffer.split_to(value_length).freeze();
        let path = || String::from_utf8(name.to_vec()).map_err(|_| NoEntry);
        Ok(Some(match kind {
            1 => Self::Put { key: name, value },
            2 => Self::Delete { key: name },
            3 => Self::Blob { path: path()?, data: value },
            4 => Self::File { path: path()?, data: value },
            5 => Self::RootKey { text: value },
            6 if value.len() == 24 => {
                let mut value = value;
                let (changes, blobs, files) = (value.get_u64(), value.get_u64(), value.get_u64());
                Self::End(Counts { changes, blobs, files })
            }
            _ => return Err(NoEntry),
        }))
    }
}

fn head(buffer: &BytesMut) -> Option<(u8, usize)> {
    let length: [u8; 4] = buffer.get(1..5)?.try_into().ok()?;
    Some((buffer[0], u32::from_be_bytes(length) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_from_any_pieces() {
        let entries = [
            Entry::Put { key: Bytes::from_static(b"key"), value: Bytes::from(vec![7; 300]) },
            Entry::Delete { key: Bytes::from_static(b"key") },
            Entry::Blob { path: "a/b".into(), data: Bytes::new() },
            Entry::File { path: "authority/authority.pem".into(), data: Bytes::from_static(b"x") },
            Entry::RootKey { text: Bytes::from_static(b"fwroot_") },
            Entry::End(Counts { changes: 2, blobs: 1, files: 2 }),
        ];
        let mut bytes = BytesMut::new();
        entries.iter().for_each(|entry| entry.write(&mut bytes));
        for size in [1, 7, 4096] {
            let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
            for piece in bytes.chunks(size) {
                buffer.extend_from_slice(piece);
                while let Some(entry) = Entry::take(&mut buffer).unwrap() {
                    found.push(entry);
                }
            }
            assert_eq!(found, entries);
            assert!(buffer.is_empty());
        }
        assert_eq!(Entry::take(&mut BytesMut::from(&[9, 0, 0, 0, 0, 0, 0, 0, 0][..])), Err(NoEntry));
        assert_eq!(Entry::take(&mut BytesMut::from(&[1, 255, 255, 255, 255][..])), Err(NoEntry));
    }
}
