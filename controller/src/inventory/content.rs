//! How the items of one type of one node are kept.
//!
//! ```text
//! format 1, kind, then
//!   0  numbers of shared items, ascending, each as the distance to the one before, 7 bits a byte
//!   1  JSON of the items, zstd with the shared dictionary
//!   2  the name of a blob that holds what kind 1 would
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use bytes::Bytes;
use fleetwright_proto::inventory::Attributes;
use fleetwright_store::{BlobPath, Codec, Decoded, Kept, RecordError};

use crate::error::Refusal;
use crate::house::House;

const FORMAT: u8 = 1;
/// Compressed text that is longer is a blob. In a past row it is written in base64, and a value has 32 KiB at most.
const INLINE_MAX_BYTES: usize = 20 * 1024;
/// What a blob may unpack to: the longest type, and what JSON adds to it.
const UNPACKED_MAX_BYTES: usize = 16 * 1024 * 1024;
const LEVEL: i32 = 3;
/// The folder of blobs.
pub(super) const FOLDER: &str = "inventory";

/// What texts of inventory have in common: names of attributes, and values that many hosts have. Texts on disks were
/// written with it: it never changes, and a better one gets a kind of its own.
const DICTIONARY: &[u8] = include_bytes!("dictionary.txt");

/// The items of a type of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Ascending, each once.
    Shared(Vec<u32>),
    /// Compressed.
    Own(Bytes),
    /// Compressed, in the blob of this name.
    Blob(String),
}

impl Content {
    /// Compresses items; what is long goes into a blob, which is durable when this returns.
    pub(super) async fn own(house: &House, items: &[Attributes]) -> Result<Self, Refusal> {
        let packed = pack(items)?;
        if packed.len() <= INLINE_MAX_BYTES {
            return Ok(Self::Own(packed));
        }
        let name = uuid::Uuid::new_v4().simple().to_string();
        house.blobs.put(&blob(&name)?, packed).await?;
        Ok(Self::Blob(name))
    }

    /// The items of content that is the node's own.
    pub(super) async fn unpacked(house: &House, content: &Self) -> Result<Vec<Attributes>, Refusal> {
        match content {
            Self::Shared(_) => Ok(Vec::new()),
            Self::Own(packed) => unpack(packed),
            Self::Blob(name) => unpack(&house.blobs.get(&blob(name)?).await?),
        }
    }

    /// As a past row has it.
    pub(super) fn to_text(&self) -> String {
        BASE64.encode(self.to_bytes())
    }

    pub(super) fn of_text(text: &str) -> Result<Self, Refusal> {
        let bytes = BASE64.decode(text).map_err(|_| damaged())?;
        Self::of_bytes(&bytes).ok_or_else(damaged)
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Shared(ids) => {
                let mut out = Vec::with_capacity(2 + ids.len() * 2);
                out.extend([FORMAT, 0]);
                let mut before = 0;
                for id in ids {
                    put_number(&mut out, id.wrapping_sub(before));
                    before = *id;
                }
                out
            }
            Self::Own(packed) => [&[FORMAT, 1], &packed[..]].concat(),
            Self::Blob(name) => [&[FORMAT, 2], name.as_bytes()].concat(),
        }
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let [FORMAT, kind, rest @ ..] = bytes else { return None };
        match kind {
            0 => {
                let (mut ids, mut rest, mut before) = (Vec::new(), rest, 0_u32);
                while !rest.is_empty() {
                    let (distance, after) = take_number(rest)?;
                    before = before.checked_add(distance)?;
                    ids.push(before);
                    rest = after;
                }
                Some(Self::Shared(ids))
            }
            1 => Some(Self::Own(Bytes::copy_from_slice(rest))),
            2 => String::from_utf8(rest.to_vec()).ok().map(Self::Blob),
            _ => None,
        }
    }
}

impl Codec for Content {
    fn encode(&self, _kept: &Kept) -> Result<Vec<u8>, RecordError> {
        Ok(self.to_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, RecordError> {
        let content = Self::of_bytes(bytes);
        let value =
            content.ok_or_else(|| RecordError::Other("it is no list of inventory items".to_owned()))?;
        Ok(Decoded { value, kept: Kept::default() })
    }
}

pub(super) fn blob(name: &str) -> Result<BlobPath, Refusal> {
    Ok(format!("{FOLDER}/{name}").parse()?)
}

fn put_number(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

fn take_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(number).ok()?, &bytes[at + 1..]));
        }
    }
    None
}

fn pack(items: &[Attributes]) -> Result<Bytes, Refusal> {
    let text = serde_json::to_vec(items).map_err(|error| Refusal::internal(error.to_string()))?;
    let failed = |error: std::io::Error| Refusal::internal(format!("items cannot be compressed: {error}"));
    let mut packer = zstd::bulk::Compressor::with_dictionary(LEVEL, DICTIONARY).map_err(failed)?;
    packer.compress(&text).map(Bytes::from).map_err(failed)
}

fn unpack(packed: &[u8]) -> Result<Vec<Attributes>, Refusal> {
    let mut unpacker = zstd::bulk::Decompressor::with_dictionary(DICTIONARY).map_err(|_| damaged())?;
    let bytes = zstd::bulk::Decompressor::upper_bound(packed).unwrap_or(UNPACKED_MAX_BYTES);
    let text = unpacker.decompress(packed, bytes.min(UNPACKED_MAX_BYTES)).map_err(|_| damaged())?;
    serde_json::from_slice(&text).map_err(|_| damaged())
}

fn damaged() -> Refusal {
    Refusal::internal("a stored list of inventory items is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(content: &Content) -> Vec<u8> {
        let bytes = content.encode(&Kept::default()).unwrap();
        assert_eq!(&Content::decode(&bytes).unwrap().value, content);
        assert_eq!(&Content::of_text(&content.to_text()).unwrap(), content);
        bytes
    }

    #[test]
    fn content_comes_back_as_it_was() {
        for ids in [vec![], vec![0], vec![1, 2, 3, 130, 131, 70_000, u32::MAX - 1, u32::MAX]] {
            round(&Content::Shared(ids));
        }
        round(&Content::Own(vec![1, 0, 255].into()));
        round(&Content::Blob("67e5504410b1426f9247bb680e5fe0c8".to_owned()));
        assert!(round(&Content::Shared((0..600).collect())).len() < 610);
        for broken in [
            &b""[..],
            b"\x01",
            b"\x02\x00",
            b"\x01\x09",
            b"\x01\x00\x80",
            b"\x01\x00\xff\xff\xff\xff\xff\x01",
        ] {
            assert!(Content::decode(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn the_dictionary_is_worth_having() {
        let item: Attributes = [
            ("AgentType", "fleetwright-agent"),
            ("AgentVersion", "0.1.0"),
            ("ComputerName", "web-1"),
            ("InstanceId", "mi-0123456789abcdef0"),
            ("IpAddress", "192.0.2.7"),
            ("PlatformName", "Debian GNU/Linux"),
            ("PlatformType", "Linux"),
            ("PlatformVersion", "12"),
            ("ResourceType", "ManagedInstance"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let items = [item];
        let packed = pack(&items).unwrap();
        assert!(packed.len() < 120, "{}", packed.len());
        assert_eq!(unpack(&packed).unwrap(), items);
        assert!(unpack(b"no zstd").is_err());
        assert!(unpack(&packed[..packed.len() / 2]).is_err());
    }
}
