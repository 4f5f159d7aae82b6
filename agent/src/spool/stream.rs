//! What is known of one stream: its segments and positions. Pure; the files follow what is decided here.
//!
//! ```text
//! 0 ......... start ......... acknowledged ......... sent ......... end
//!   freed      │ segment │ segment │ ...                   segment │
//! ```

use std::collections::VecDeque;

use super::StreamTotals;

/// A file that holds the bytes from `base` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) base: u64,
    pub(super) length: u64,
}

impl Segment {
    fn end(self) -> u64 {
        self.base + self.length
    }
}

/// What an earlier agent left of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) segments: Vec<Segment>,
    pub(super) dropped: u64,
}

/// Where a byte lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) base: u64,
    /// Bytes of the segment before it.
    pub(super) skip: u64,
    /// Bytes of the segment from it on.
    pub(super) length: u64,
}

/// Segments to remove, after an empty one was begun that keeps the position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Freeing {
    pub(super) begin: Option<u64>,
    pub(super) remove: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct StreamState {
    /// Never empty; each begins where the one before it ends.
    segments: VecDeque<Segment>,
    acknowledged: u64,
    sent: u64,
    dropped: u64,
    order: u64,
    pub(super) writers: u32,
}

impl StreamState {
    pub(super) fn fresh(order: u64) -> Self {
        Self::found(Found::default(), order)
    }

    /// Of segments that do not join, the last row that does counts: the others were acknowledged and on their way
    /// out when the agent ended.
    pub(super) fn found(mut found: Found, order: u64) -> Self {
        found.segments.sort_unstable_by_key(|segment| segment.base);
        let mut segments: VecDeque<Segment> = VecDeque::new();
        for segment in found.segments {
            if segments.back().is_some_and(|last| last.end() != segment.base) {
                segments.clear();
            }
            segments.push_back(segment);
        }
        if segments.is_empty() {
            segments.push_back(Segment { base: 0, length: 0 });
        }
        let start = segments[0].base;
        Self { segments, acknowledged: start, sent: start, dropped: found.dropped, order, writers: 0 }
    }

    pub(super) fn order(&self) -> u64 {
        self.order
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn end(&self) -> u64 {
        self.last().end()
    }

    pub(super) fn held(&self) -> u64 {
        self.segments.iter().map(|segment| segment.length).sum()
    }

    /// The segment that is written to.
    pub(super) fn last(&self) -> Segment {
        self.segments[self.segments.len() - 1]
    }

    pub(super) fn totals(&self) -> StreamTotals {
        StreamTotals { printed_bytes: self.end() + self.dropped, dropped_bytes: self.dropped }
    }

    /// The segment that the next bytes go to, and how many fit.
    pub(super) fn place(&mut self, segment_bytes: u64) -> (Segment, u64) {
        if self.last().length >= segment_bytes {
            self.segments.push_back(Segment { base: self.end(), length: 0 });
        }
        let last = self.last();
        (last, segment_bytes - last.length)
    }

    pub(super) fn appended(&mut self, bytes: u64) {
        let last = self.segments.len() - 1;
        self.segments[last].length += bytes;
    }

    pub(super) fn add_dropped(&mut self, bytes: u64) {
        self.dropped += bytes;
    }

    pub(super) fn piece_at(&self, offset: u64) -> Option<Piece> {
        let segment = self.segments.iter().find(|segment| (segment.base..segment.end()).contains(&offset))?;
        Some(Piece { base: segment.base, skip: offset - segment.base, length: segment.end() - offset })
    }

    pub(super) fn mark_sent(&mut self, offset: u64) {
        self.sent = self.sent.max(offset.min(self.end()));
    }

    pub(super) fn rewind(&mut self) {
        self.sent = self.acknowledged;
    }

    /// See [`super::Spool::acknowledge`] for an offset past the end. While somebody writes it cannot be true.
    pub(super) fn acknowledge(&mut self, offset: u64) {
        if offset > self.end() && self.writers == 0 {
            self.segments.push_back(Segment { base: offset, length: 0 });
        }
        self.acknowledged = self.acknowledged.max(offset.min(self.end()));
        self.sent = self.sent.max(self.acknowledged);
    }

    /// Which segments are no longer needed. The one that is written to goes when it is worth it: when nobody writes
    /// any more, when it has some size, or when room is short.
    pub(super) fn freeable(&self, segment_bytes: u64, short_of_room: bool) -> Freeing {
        let last = self.last();
        let done =
            self.segments.iter().filter(|segment| **segment != last && segment.end() <= self.acknowledged);
        let mut remove: Vec<u64> = done.map(|segment| segment.base).collect();
        let all_acknowledged = last.length > 0 && last.end() <= self.acknowledged;
        let worth_it = self.writers == 0 || short_of_room || last.length >= segment_bytes / 4;
        if !(all_acknowledged && worth_it) {
            // A position past the end that the controller told of must outlive a restart too.
            let begin = (last.length == 0 && !remove.is_empty()).then_some(last.base);
            return Freeing { begin, remove };
        }
        remove.push(last.base);
        Freeing { begin: Some(last.end()), remove }
    }

    /// Forgets what was removed and tells how many bytes that were.
    pub(super) fn free(&mut self, freeing: &Freeing) -> u64 {
        if let Some(base) = freeing.begin
            && self.last().base != base
        {
            self.segments.push_back(Segment { base, length: 0 });
        }
        let removed = |segment: &Segment| freeing.remove.contains(&segment.base);
        let freed =
            self.segments.iter().filter(|segment| removed(segment)).map(|segment| segment.length).sum();
        self.segments.retain(|segment| !removed(segment));
        freed
    }
}
