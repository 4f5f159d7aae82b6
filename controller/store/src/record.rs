//! How a record becomes bytes and comes back, across releases.
//!
//! A [`Record`] is a JSON object that says its own format: `{"format":1,"name":"web-1",...}`. A release that finds
//! top-level fields that it does not know carries them along ([`Kept`]) and writes them back. A row of a newer format
//! is still read when it parses; it is written back under its own format, and only if nothing of it would be lost.
//! Bulk or binary values implement [`Codec`] themselves.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Values of a table: anything with a way to bytes and back.
pub trait Codec: Sized + Send + Sync {
    /// `kept` is what [`Codec::decode`] found beside the value when the row was read; empty for a new row.
    fn encode(&self, kept: &Kept) -> Result<Vec<u8>, RecordError>;
    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, RecordError>;
}

/// A record kept as a JSON object.
///
/// The field name `format` is taken, and the type must not flatten other types into itself at the top level
/// (`serde(flatten)`): serde then no longer tells which fields are unknown.
pub trait Record: Serialize + DeserializeOwned + Send + Sync {
    /// Raised when a reader of the former format would misunderstand the record. A new optional field does not
    /// need that.
    const FORMAT: u16;
}

/// A value as read, and what its type does not know.
#[derive(Debug)]
pub struct Decoded<V> {
    pub value: V,
    pub kept: Kept,
}

/// What a row holds beyond its value's type. Empty for a row of this release.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    newer_format: Option<u16>,
    fields: Vec<(String, Box<RawValue>)>,
    /// A field inside a field is unknown: nothing here could put it back.
    inner_field: Option<String>,
}

/// Why a value cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the record is not an object")]
    NotAnObject,
    #[error("the record cannot be written as JSON")]
    Write(#[source] serde_json::Error),
    #[error("the record cannot be read")]
    Read(#[source] serde_json::Error),
    #[error("the record has no format number")]
    NoFormat,
    #[error(
        "the record was written by a newer release (format {found}, known here {known}), and writing it would lose \
         its field {field}"
    )]
    WouldLose { found: u16, known: u16, field: String },
    /// For codecs that are not JSON.
    #[error("{0}")]
    Other(String),
}

impl<T: Record> Codec for T {
    fn encode(&self, kept: &Kept) -> Result<Vec<u8>, RecordError> {
        let format = match (kept.newer_format, &kept.inner_field) {
            (Some(found), Some(field)) => {
                return Err(RecordError::WouldLose { found, known: T::FORMAT, field: field.clone() });
            }
            (Some(found), None) => found,
            (None, _) => T::FORMAT,
        };
        encode_object(self, format, &kept.fields)
    }

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, RecordError> {
        let mut unknown = Unknown::default();
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value =
            serde_ignored::deserialize(&mut reader, |path| unknown.note(&path)).map_err(RecordError::Read)?;
        reader.end().map_err(RecordError::Read)?;
        let found = format_of(bytes)?;
        let fields = if unknown.fields.is_empty() { Vec::new() } else { pick(bytes, &unknown.fields)? };
        let newer_format = (found > T::FORMAT).then_some(found);
        Ok(Decoded { value, kept: Kept { newer_format, fields, inner_field: unknown.inner_field } })
    }
}

/// Splices the format and the kept fields into the object that serde writes, without a second pass over it.
fn encode_object<T: Serialize>(
    value: &T,
    format: u16,
    kept: &[(String, Box<RawValue>)],
) -> Result<Vec<u8>, RecordError> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(FORMAT_FIELD);
    out.extend_from_slice(format.to_string().as_bytes());
    let object = out.len();
    serde_json::to_writer(&mut out, value).map_err(RecordError::Write)?;
    if out[object] != b'{' || out.last() != Some(&b'}') {
        return Err(RecordError::NotAnObject);
    }
    out.pop();
    if out.len() == object + 1 {
        out.pop();
    } else {
        out[object] = b',';
    }
    for (name, field) in kept {
        out.push(b',');
        serde_json::to_writer(&mut out, name).map_err(RecordError::Write)?;
        out.push(b':');
        out.extend_from_slice(field.get().as_bytes());
    }
    out.push(b'}');
    Ok(out)
}

const FORMAT_FIELD: &[u8] = b"{\"format\":";

/// The format number. We write it first, so it is read without parsing; a record written by hand may differ.
fn format_of(bytes: &[u8]) -> Result<u16, RecordError> {
    #[derive(serde::Deserialize)]
    struct Stamp {
        format: Option<u16>,
    }
    let digits = bytes.strip_prefix(FORMAT_FIELD).and_then(|rest| {
        let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        matches!(rest[end], b',' | b'}').then(|| str::from_utf8(&rest[..end]).ok()?.parse().ok())?
    });
    match digits {
        Some(format) => Ok(format),
        None => {
            let stamp: Stamp = serde_json::from_slice(bytes).map_err(RecordError::Read)?;
            stamp.format.ok_or(RecordError::NoFormat)
        }
    }
}

/// Names of the fields that serde passed over.
#[derive(Debug, Default)]
struct Unknown {
    fields: Vec<String>,
    inner_field: Option<String>,
}

impl Unknown {
    fn note(&mut self, path: &serde_ignored::Path<'_>) {
        match path {
            serde_ignored::Path::Map { parent: serde_ignored::Path::Root, key } if key == "format" => {}
            serde_ignored::Path::Map { parent: serde_ignored::Path::Root, key } => {
                self.fields.push(key.clone());
            }
            inner => self.inner_field = Some(inner.to_string()),
        }
    }
}

fn pick(bytes: &[u8], names: &[String]) -> Result<Vec<(String, Box<RawValue>)>, RecordError> {
    let mut fields: std::collections::BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(bytes).map_err(RecordError::Read)?;
    Ok(names.iter().filter_map(|name| fields.remove_entry(name)).collect())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Host {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        site: Option<Site>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Site {
        city: String,
    }

    impl Record for Host {
        const FORMAT: u16 = 2;
    }

    #[derive(Serialize, Deserialize)]
    struct Nothing {}

    impl Record for Nothing {
        const FORMAT: u16 = 1;
    }

    #[derive(Serialize, Deserialize)]
    struct Number(u64);

    impl Record for Number {
        const FORMAT: u16 = 1;
    }

    fn host(name: &str) -> Host {
        Host { name: name.to_owned(), site: None }
    }

    /// Reads `stored`, renames the host, and returns what would be written back.
    fn renamed(stored: &str) -> Result<String, RecordError> {
        let mut read = Host::decode(stored.as_bytes())?;
        read.value.name = "b".to_owned();
        Ok(String::from_utf8(read.value.encode(&read.kept)?).unwrap())
    }

    #[test]
    fn a_record_is_an_object_that_says_its_format() {
        let site = Site { city: "Bern".to_owned() };
        let bytes = Host { site: Some(site), ..host("a") }.encode(&Kept::default()).unwrap();
        assert_eq!(str::from_utf8(&bytes).unwrap(), r#"{"format":2,"name":"a","site":{"city":"Bern"}}"#);
        assert_eq!(Nothing {}.encode(&Kept::default()).unwrap(), br#"{"format":1}"#);
        assert!(matches!(Number(1).encode(&Kept::default()), Err(RecordError::NotAnObject)));
    }

    /// What stands in stores of every release so far, and what becomes of it when it is written back.
    #[test]
    fn stored_examples_are_read_and_written_back_without_loss() {
        let cases = [
            (r#"{"format":2,"name":"a"}"#, r#"{"format":2,"name":"b"}"#),
            (r#"{"format":1,"name":"a"}"#, r#"{"format":2,"name":"b"}"#),
            (r#"{"name":"a","format":2}"#, r#"{"format":2,"name":"b"}"#),
            (r#"{ "format": 2, "name": "a" }"#, r#"{"format":2,"name":"b"}"#),
            (
                r#"{"format":2,"name":"a","new":[1,{"x":2.50}]}"#,
                r#"{"format":2,"name":"b","new":[1,{"x":2.50}]}"#,
            ),
            (r#"{"format":2,"q\"":1,"name":"a"}"#, r#"{"format":2,"name":"b","q\"":1}"#),
            (r#"{"format":3,"name":"a"}"#, r#"{"format":3,"name":"b"}"#),
            (r#"{"format":3,"name":"a","new":1}"#, r#"{"format":3,"name":"b","new":1}"#),
        ];
        for (stored, wanted) in cases {
            assert_eq!(renamed(stored).unwrap(), wanted, "{stored}");
        }
    }

    #[test]
    fn a_newer_record_is_read_but_never_written_back_with_a_loss() {
        let stored = r#"{"format":3,"name":"a","site":{"city":"Bern","country":"CH"}}"#;
        assert_eq!(Host::decode(stored.as_bytes()).unwrap().value.name, "a");
        let wanted = "the record was written by a newer release (format 3, known here 2), and writing it would lose \
                      its field site.?.country";
        assert_eq!(renamed(stored).unwrap_err().to_string(), wanted);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let cases = [
            ("", "the record cannot be read"),
            ("[]", "the record cannot be read"),
            (r#"{"format":2}"#, "the record cannot be read"),
            (r#"{"format":2,"name":"a"} x"#, "the record cannot be read"),
            (r#"{"format":70000,"name":"a"}"#, "the record cannot be read"),
            (r#"{"name":"a"}"#, "the record has no format number"),
        ];
        for (stored, wanted) in cases {
            assert_eq!(Host::decode(stored.as_bytes()).unwrap_err().to_string(), wanted, "{stored}");
        }
    }
}
