//! What is kept of the log.

use fleetwright_store::{Codec, Decoded, Kept, RecordError};
use serde::{Deserialize, Serialize};

use super::chain::{Event, Head};
use crate::records::json_record;

/// Something that happened and is not in the chain yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRecord {
    pub event: Event,
}
json_record!(PendingRecord, 1);

/// The ends of the chain, with the authority's signature under them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadRecord {
    pub head: Head,
    /// ECDSA in ASN.1 over [`Head::message`], hex.
    pub signature: String,
}
json_record!(HeadRecord, 1);

/// Some lines of the chain, exactly as they are hashed and exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block(pub Vec<String>);

/// The first byte of a kept block: its format.
const FORMAT: u8 = 1;

impl Codec for Block {
    fn encode(&self, _kept: &Kept) -> Result<Vec<u8>, RecordError> {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(self.0.join("\n").as_bytes());
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, RecordError> {
        let other = |why: &str| RecordError::Other(why.to_owned());
        let text = match bytes.split_first() {
            Some((&FORMAT, text)) => {
                std::str::from_utf8(text).map_err(|_| other("the lines are not UTF-8"))?
            }
            Some(_) => return Err(other("the lines are in a format of another release")),
            None => return Err(other("the block is empty")),
        };
        let lines = if text.is_empty() { Vec::new() } else { text.split('\n').map(str::to_owned).collect() };
        Ok(Decoded { value: Self(lines), kept: Kept::default() })
    }
}
