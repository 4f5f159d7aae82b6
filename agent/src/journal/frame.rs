//! Records as bytes: `length u32 LE · crc32 u32 LE · JSON`.
//!
//! A reader that meets bytes which are no frame looks for the next frame. With one after it, the bytes between are a
//! damaged record, which is named and skipped; with none, they are the torn end of a write that never returned.

use std::ops::Range;

use super::Record;

const HEADER_BYTES: usize = 8;

/// More than the largest delivery with its parameters in JSON escapes.
const LARGEST_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// What some bytes hold.
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) records: Vec<Record>,
    pub(super) damaged: Vec<Damage>,
    /// Where the last whole frame ends; what follows is torn.
    pub(super) whole_bytes: usize,
}

/// A record that is lost.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) bytes: Range<usize>,
    pub(super) problem: String,
}

pub(super) fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        let json = serde_json::to_vec(record).expect("a record has no map with keys that are not text");
        bytes.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&json).to_le_bytes());
        bytes.extend_from_slice(&json);
    }
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Frames {
    let mut frames = Frames { records: Vec::new(), damaged: Vec::new(), whole_bytes: 0 };
    let mut at = 0;
    while at < bytes.len() {
        let Some(start) = (at..bytes.len()).find(|start| payload(bytes, *start).is_some()) else { break };
        if start > at {
            frames
                .damaged
                .push(Damage { bytes: at..start, problem: "its checksum does not match".to_owned() });
        }
        let payload = payload(bytes, start).expect("it was just found");
        let end = payload.end;
        match serde_json::from_slice(&bytes[payload]) {
            Ok(record) => frames.records.push(record),
            Err(error) => frames.damaged.push(Damage { bytes: start..end, problem: error.to_string() }),
        }
        at = end;
        frames.whole_bytes = end;
    }
    frames
}

/// Where the JSON of a whole and intact frame that starts at `start` lies.
fn payload(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let field = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let length = field(start)? as usize;
    let range = start + HEADER_BYTES..start.checked_add(HEADER_BYTES)?.checked_add(length)?;
    // The braces are looked at first, so that the search for the next frame seldom sums anything.
    if length > LARGEST_RECORD_BYTES
        || bytes.get(range.start) != Some(&b'{')
        || bytes.get(range.end - 1) != Some(&b'}')
    {
        return None;
    }
    let json = bytes.get(range.clone())?;
    (crc32fast::hash(json) == field(start + 4)?).then_some(range)
}
