//! Keys whose bytes sort as their values do, so that a scan of bytes is a scan of values.
//!
//! ```text
//! text        its UTF-8, byte 00 written as 00 02, then 00 01     "a" never is a prefix of "ab"
//! u8 u32 u64  big-endian
//! Timestamp   big-endian with the sign bit turned
//! Reverse<T>  the bytes of T turned: newest first
//! tuples      one component after the other
//! ```
//!
//! A stored key is the table's name as text, then its components. These bytes are on disks: they never change.

use std::borrow::Cow;
use std::fmt;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{ActivationId, AssociationId, CommandId, ExecutionId, IdError, NodeId};

pub(crate) const END: [u8; 2] = [0x00, 0x01];
const ZERO: [u8; 2] = [0x00, 0x02];

/// What stands in a key: a component, or a tuple of components.
pub trait TableKey: Sized + Clone + fmt::Debug + Send + Sync {
    fn write(&self, out: &mut KeyWriter);
    fn read(from: &mut KeyReader<'_>) -> Result<Self, KeyError>;
}

/// A beginning of `K`: whole components from the left. `()` is the beginning of every key.
pub trait KeyPrefix<K> {
    fn write_prefix(&self, out: &mut KeyWriter);
}

/// Why stored bytes are not a key of the table that they stand in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the key ends too early")]
    Short,
    #[error("the key goes on after its last component")]
    Long,
    #[error("a text in the key is not terminated, not escaped or not UTF-8")]
    Text,
    #[error("{0}")]
    Component(String),
}

/// Bytes of a key as they are put together.
#[derive(Debug, Default, Clone)]
pub struct KeyWriter(Vec<u8>);

impl KeyWriter {
    pub fn text(&mut self, text: &str) {
        if text.as_bytes().contains(&0) {
            for byte in text.bytes() {
                if byte == 0 { self.0.extend(ZERO) } else { self.0.push(byte) }
            }
        } else {
            self.0.extend_from_slice(text.as_bytes());
        }
        self.0.extend(END);
    }

    /// For numbers: bytes of a width that never varies.
    pub fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The bytes of a key that are still to be read.
#[derive(Debug)]
pub struct KeyReader<'a>(&'a [u8]);

impl<'a> KeyReader<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn text(&mut self) -> Result<Cow<'a, str>, KeyError> {
        let mut text = Cow::Borrowed(&[][..]);
        loop {
            let zero = self.0.iter().position(|byte| *byte == 0).ok_or(KeyError::Text)?;
            let (part, mark) = (&self.0[..zero], self.0.get(zero..zero + 2).ok_or(KeyError::Text)?);
            if text.is_empty() {
                text = Cow::Borrowed(part);
            } else {
                text.to_mut().extend_from_slice(part);
            }
            let ended = mark == END;
            if !ended && mark != ZERO {
                return Err(KeyError::Text);
            }
            self.0 = &self.0[zero + 2..];
            if ended {
                return utf8(text);
            }
            text.to_mut().push(0);
        }
    }

    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], KeyError> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(KeyError::Short)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// Refuses what is left over.
    pub fn end(self) -> Result<(), KeyError> {
        if self.0.is_empty() { Ok(()) } else { Err(KeyError::Long) }
    }
}

fn utf8(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, KeyError> {
    match bytes {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| KeyError::Text),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| KeyError::Text),
    }
}

/// Sorts the other way round: newest or greatest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reverse<T>(pub T);

impl<T: PartialOrd> PartialOrd for Reverse<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        other.0.partial_cmp(&self.0)
    }
}

impl<T: Ord> Ord for Reverse<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.cmp(&self.0)
    }
}

impl TableKey for String {
    fn write(&self, out: &mut KeyWriter) {
        out.text(self);
    }

    fn read(from: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        from.text().map(Cow::into_owned)
    }
}

impl TableKey for Box<str> {
    fn write(&self, out: &mut KeyWriter) {
        out.text(self);
    }

    fn read(from: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        from.text().map(Box::from)
    }
}

/// Makes a type that prints and parses a component of keys: its text, which must have one spelling for one value.
#[macro_export]
macro_rules! text_key {
    ($($name:ty),+ $(,)?) => {$(
        impl $crate::TableKey for $name {
            fn write(&self, out: &mut $crate::KeyWriter) {
                out.text(&::std::string::ToString::to_string(self));
            }

            fn read(from: &mut $crate::KeyReader<'_>) -> ::std::result::Result<Self, $crate::KeyError> {
                let text = from.text()?;
                text.parse().map_err(|error| $crate::KeyError::Component(::std::string::ToString::to_string(&error)))
            }
        }
    )+};
}

/// As [`text_key`], for types that have their text at hand.
macro_rules! id_key {
    ($($name:ty),+) => {$(
        impl TableKey for $name {
            fn write(&self, out: &mut KeyWriter) {
                out.text(self.as_str());
            }

            fn read(from: &mut KeyReader<'_>) -> Result<Self, KeyError> {
                from.text()?.parse().map_err(|error: IdError| KeyError::Component(error.to_string()))
            }
        }
    )+};
}

id_key!(NodeId, CommandId, ActivationId, AssociationId, ExecutionId);

/// Numbers of one width: the value to its sorting bytes and back.
macro_rules! number_key {
    ($($name:ty as $raw:ty: $to:expr, $from:expr;)+) => {$(
        impl TableKey for $name {
            fn write(&self, out: &mut KeyWriter) {
                let to: fn(&$name) -> $raw = $to;
                out.fixed(&to(self).to_be_bytes());
            }

            fn read(from: &mut KeyReader<'_>) -> Result<Self, KeyError> {
                let back: fn($raw) -> $name = $from;
                Ok(back(<$raw>::from_be_bytes(from.fixed()?)))
            }
        }

        impl TableKey for Reverse<$name> {
            fn write(&self, out: &mut KeyWriter) {
                let to: fn(&$name) -> $raw = $to;
                out.fixed(&(!to(&self.0)).to_be_bytes());
            }

            fn read(from: &mut KeyReader<'_>) -> Result<Self, KeyError> {
                let back: fn($raw) -> $name = $from;
                Ok(Reverse(back(!<$raw>::from_be_bytes(from.fixed()?))))
            }
        }
    )+};
}

number_key! {
    u8 as u8: |value| *value, |raw| raw;
    u16 as u16: |value| *value, |raw| raw;
    u32 as u32: |value| *value, |raw| raw;
    u64 as u64: |value| *value, |raw| raw;
    Timestamp as u64: |moment| moment.millis().cast_unsigned() ^ (1 << 63),
        |raw| Timestamp::from_millis((raw ^ (1 << 63)).cast_signed());
}

macro_rules! tuple_key {
    ($($name:ident $at:tt),+) => {
        impl<$($name: TableKey),+> TableKey for ($($name,)+) {
            fn write(&self, out: &mut KeyWriter) {
                $(self.$at.write(out);)+
            }

            fn read(from: &mut KeyReader<'_>) -> Result<Self, KeyError> {
                Ok(($($name::read(from)?,)+))
            }
        }
    };
}

tuple_key!(A 0, B 1);
tuple_key!(A 0, B 1, C 2);
tuple_key!(A 0, B 1, C 2, D 3);

impl<K> KeyPrefix<K> for () {
    fn write_prefix(&self, _out: &mut KeyWriter) {}
}

/// A beginning that is itself written as a key is.
macro_rules! prefix_of {
    ($($whole:ty, $beginning:ty, [$($name:ident),+];)+) => {$(
        impl<$($name: TableKey),+> KeyPrefix<$whole> for $beginning {
            fn write_prefix(&self, out: &mut KeyWriter) {
                self.write(out);
            }
        }
    )+};
}

prefix_of! {
    (A, B), A, [A, B];
    (A, B, C), A, [A, B, C];
    (A, B, C), (A, B), [A, B, C];
    (A, B, C, D), A, [A, B, C, D];
    (A, B, C, D), (A, B), [A, B, C, D];
    (A, B, C, D), (A, B, C), [A, B, C, D];
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(key: &impl TableKey) -> Vec<u8> {
        let mut out = KeyWriter::default();
        key.write(&mut out);
        out.into_bytes()
    }

    fn read<K: TableKey>(bytes: &[u8]) -> Result<K, KeyError> {
        let mut reader = KeyReader::new(bytes);
        let key = K::read(&mut reader)?;
        reader.end().map(|()| key)
    }

    /// The key comes back, and two keys compare as their bytes do.
    fn check<K: TableKey + Ord>(one: &K, other: &K) {
        assert_eq!(&read::<K>(&bytes(one)).unwrap(), one);
        assert_eq!(one.cmp(other), bytes(one).cmp(&bytes(other)), "{one:?} and {other:?}");
    }

    /// Texts with the bytes that could go wrong in them.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[\0-\u{3}a-c]{0,6}", any::<String>()]
    }

    fn moment() -> impl Strategy<Value = Timestamp> {
        any::<i64>().prop_map(Timestamp::from_millis)
    }

    proptest! {
        #[test]
        fn texts_sort_and_come_back(one in text(), other in text()) {
            check(&one, &other);
        }

        #[test]
        fn tuples_sort_and_come_back(one in (text(), any::<u64>(), text()), other in (text(), any::<u64>(), text())) {
            check(&one, &other);
        }

        #[test]
        fn numbers_sort_and_come_back(one in any::<(u8, u16, u32, u64)>(), other in any::<(u8, u16, u32, u64)>()) {
            check(&one, &other);
        }

        #[test]
        fn moments_sort_and_come_back(one in (moment(), moment()), other in (moment(), moment())) {
            check(&one, &other);
            check(&(Reverse(one.0), one.1), &(Reverse(other.0), other.1));
        }

        #[test]
        fn reversed_numbers_sort_the_other_way(one in any::<u64>(), other in any::<u64>()) {
            check(&Reverse(one), &Reverse(other));
            prop_assert_eq!(one.cmp(&other), bytes(&Reverse(other)).cmp(&bytes(&Reverse(one))));
        }

        #[test]
        fn a_text_is_the_prefix_of_its_own_rows_only(one in text(), other in text(), number in any::<u64>()) {
            let mut prefix = KeyWriter::default();
            KeyPrefix::<(String, u64)>::write_prefix(&one, &mut prefix);
            let row = bytes(&(other.clone(), number));
            prop_assert_eq!(row.starts_with(&prefix.into_bytes()), one == other);
        }

        #[test]
        fn bytes_that_are_no_key_are_refused_not_misread(found in proptest::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(key) = read::<(String, u64)>(&found) {
                prop_assert_eq!(bytes(&key), found);
            }
        }
    }

    /// These bytes are on disks.
    #[test]
    fn keys_have_exactly_these_bytes() {
        let node: NodeId = "mi-0123456789abcdef0".parse().unwrap();
        let cases = [
            (bytes(&String::new()), &b"\x00\x01"[..]),
            (bytes(&"ab".to_owned()), b"ab\x00\x01"),
            (bytes(&"a\0b".to_owned()), b"a\x00\x02b\x00\x01"),
            (bytes(&Box::<str>::from("ab")), b"ab\x00\x01"),
            (bytes(&node), b"mi-0123456789abcdef0\x00\x01"),
            (bytes(&7_u8), b"\x07"),
            (bytes(&0x0102_u16), b"\x01\x02"),
            (bytes(&0x0102_0304_u32), b"\x01\x02\x03\x04"),
            (bytes(&1_u64), b"\0\0\0\0\0\0\0\x01"),
            (bytes(&Reverse(1_u64)), b"\xff\xff\xff\xff\xff\xff\xff\xfe"),
            (bytes(&Timestamp::from_millis(0)), b"\x80\0\0\0\0\0\0\0"),
            (bytes(&Timestamp::from_millis(-1)), b"\x7f\xff\xff\xff\xff\xff\xff\xff"),
            (bytes(&("a".to_owned(), 1_u64)), b"a\x00\x01\0\0\0\0\0\0\0\x01"),
        ];
        for (found, wanted) in cases {
            assert_eq!(found, wanted, "{}", found.escape_ascii());
        }
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said() {
        let cases: [(&[u8], &str); 5] = [
            (b"a", "a text in the key is not terminated, not escaped or not UTF-8"),
            (b"a\x00\x03", "a text in the key is not terminated, not escaped or not UTF-8"),
            (b"\xff\x00\x01", "a text in the key is not terminated, not escaped or not UTF-8"),
            (b"a\x00\x01b", "the key goes on after its last component"),
            (b"web-1\x00\x01", "`web-1` is not a node id: mi- and 17 hex digits"),
        ];
        for (bytes, wanted) in &cases[..4] {
            assert_eq!(read::<String>(bytes).unwrap_err().to_string(), *wanted);
        }
        assert_eq!(read::<NodeId>(cases[4].0).unwrap_err().to_string(), cases[4].1);
        assert_eq!(read::<u64>(b"1234567"), Err(KeyError::Short));
    }
}
