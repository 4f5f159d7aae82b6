//! `--document` and `--parameter`: names, files and standard input.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use fleetwright_proto::DOCUMENT_MAX_BYTES;
use fleetwright_proto::control::ParameterValues;

/// Longest text that a parameter takes from a file or standard input, bytes: the whole message has to stay under
/// [`fleetwright_proto::MESSAGE_MAX_BYTES`].
const VALUE_MAX_BYTES: usize = 512 * 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error("cannot read the document {}", .path.display())]
    ReadDocument { path: PathBuf, source: io::Error },
    #[error("the document {} is longer than {DOCUMENT_MAX_BYTES} bytes", .0.display())]
    DocumentTooLong(PathBuf),
    #[error("cannot read the value of parameter {name} from {place}")]
    ReadValue { name: String, place: String, source: io::Error },
    #[error("the value of parameter {name} from {place} is longer than {VALUE_MAX_BYTES} bytes")]
    ValueTooLong { name: String, place: String },
    #[error("the value of parameter {name} from {place} is not UTF-8 text")]
    NotText { name: String, place: String },
    #[error("only one parameter can come from standard input, and both {first} and {second} want it")]
    TwoFromStdin { first: String, second: String },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParameterError {
    #[error("`{0}` has no value: write {0}=VALUE, {0}=@FILE or {0}=- for standard input")]
    NoValue(String),
    #[error("`{0}` has no name before the =: write NAME=VALUE")]
    NoName(String),
}

/// Where a document comes from. A path says so by how it begins: `./x.yaml`, `../x.yaml`, `/x.yaml`, `C:\x.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Document {
    Name(String),
    File(PathBuf),
}

impl FromStr for Document {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let is_path = ["./", "../", ".\\", "..\\"].iter().any(|start| text.starts_with(start))
            || Path::new(text).is_absolute();
        Ok(if is_path { Self::File(text.into()) } else { Self::Name(text.into()) })
    }
}

/// Reads a document file; what is in it is the controller's to judge.
pub(crate) fn read_document(path: &Path) -> Result<Vec<u8>, DocumentError> {
    let failed = |source| DocumentError::ReadDocument { path: path.into(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let content = read_at_most(file, DOCUMENT_MAX_BYTES).map_err(failed)?;
    content.ok_or_else(|| DocumentError::DocumentTooLong(path.into()))
}

/// One `--parameter`. The same name several times makes a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    File(PathBuf),
    Stdin,
}

impl FromStr for Parameter {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, ParameterError> {
        let (name, value) = text.split_once('=').ok_or_else(|| ParameterError::NoValue(text.into()))?;
        if name.is_empty() {
            return Err(ParameterError::NoName(text.into()));
        }
        let value = match value.strip_prefix('@') {
            _ if value == "-" => Value::Stdin,
            Some(literal) if literal.starts_with('@') => Value::Text(literal.into()),
            Some(path) => Value::File(path.into()),
            None => Value::Text(value.into()),
        };
        Ok(Self { name: name.into(), value })
    }
}

/// Reads what is to be read, and puts the values of each name together in the order given.
pub(crate) fn read_parameters(
    parameters: &[Parameter],
    stdin: &mut dyn Read,
) -> Result<BTreeMap<String, ParameterValues>, DocumentError> {
    let mut from_stdin = parameters.iter().filter(|parameter| parameter.value == Value::Stdin);
    if let (Some(first), Some(second)) = (from_stdin.next(), from_stdin.next()) {
        return Err(DocumentError::TwoFromStdin { first: first.name.clone(), second: second.name.clone() });
    }
    let mut values: BTreeMap<String, ParameterValues> = BTreeMap::new();
    for parameter in parameters {
        let text = parameter.read(stdin)?;
        values.entry(parameter.name.clone()).or_default().values.push(text);
    }
    Ok(values)
}

impl Parameter {
    pub(crate) fn is_from_stdin(&self) -> bool {
        self.value == Value::Stdin
    }

    fn read(&self, stdin: &mut dyn Read) -> Result<String, DocumentError> {
        let (content, place) = match &self.value {
            Value::Text(text) => return Ok(text.clone()),
            Value::Stdin => (read_at_most(stdin, VALUE_MAX_BYTES), "standard input".to_owned()),
            Value::File(path) => {
                let content = std::fs::File::open(path).and_then(|file| read_at_most(file, VALUE_MAX_BYTES));
                (content, path.display().to_string())
            }
        };
        let name = self.name.clone();
        match content {
            Err(source) => Err(DocumentError::ReadValue { name, place, source }),
            Ok(None) => Err(DocumentError::ValueTooLong { name, place }),
            Ok(Some(bytes)) => String::from_utf8(bytes).map_err(|_| DocumentError::NotText { name, place }),
        }
    }
}

/// `None` when there is more than `most` bytes.
pub(crate) fn read_at_most(from: impl Read, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut content)?;
    Ok((content.len() <= most).then_some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_so_by_how_it_begins() {
        let table = [
            ("AWS-RunShellScript", false),
            ("arn:aws:ssm:eu-west-1:1:document/x", false),
            ("disk.yaml", false),
            ("./disk.yaml", true),
            ("../disk.yaml", true),
        ];
        for (text, is_file) in table {
            assert_eq!(matches!(text.parse(), Ok(Document::File(_))), is_file, "{text}");
        }
    }

    #[test]
    fn the_same_name_several_times_makes_a_list() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("script.sh");
        std::fs::write(&file, "uptime\n").unwrap();
        let texts =
            ["commands=a=b", &format!("commands=@{}", file.display()), "commands=@@home", "in=-", "empty="];
        let parameters: Vec<Parameter> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let values = read_parameters(&parameters, &mut "from stdin".as_bytes()).unwrap();
        assert_eq!(values["commands"].values, ["a=b", "uptime\n", "@home"]);
        assert_eq!(values["in"].values, ["from stdin"]);
        assert_eq!(values["empty"].values, [""]);
    }

    #[test]
    fn a_refusal_names_the_parameter() {
        assert_eq!(
            "x".parse::<Parameter>().unwrap_err().to_string(),
            "`x` has no value: write x=VALUE, x=@FILE or x=- for standard input"
        );
        assert_eq!(
            "=x".parse::<Parameter>().unwrap_err().to_string(),
            "`=x` has no name before the =: write NAME=VALUE"
        );
        let check = |texts: &[&str], stdin: &[u8], want: &str| {
            let parameters: Vec<Parameter> = texts.iter().map(|text| text.parse().unwrap()).collect();
            let mut stdin = stdin;
            assert_eq!(read_parameters(&parameters, &mut stdin).unwrap_err().to_string(), want);
        };
        check(
            &["a=-", "b=-"],
            b"",
            "only one parameter can come from standard input, and both a and b want it",
        );
        check(&["a=@/no/such/file"], b"", "cannot read the value of parameter a from /no/such/file");
        check(&["a=-"], b"\xff", "the value of parameter a from standard input is not UTF-8 text");
        let long = vec![b'x'; VALUE_MAX_BYTES + 1];
        check(&["a=-"], &long, "the value of parameter a from standard input is longer than 524288 bytes");
    }

    #[test]
    fn a_document_file_has_a_size_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.json");
        std::fs::write(&path, vec![b' '; DOCUMENT_MAX_BYTES]).unwrap();
        assert_eq!(read_document(&path).unwrap().len(), DOCUMENT_MAX_BYTES);
        std::fs::write(&path, vec![b' '; DOCUMENT_MAX_BYTES + 1]).unwrap();
        assert!(matches!(read_document(&path), Err(DocumentError::DocumentTooLong(_))));
        assert!(matches!(
            read_document(&folder.path().join("none")),
            Err(DocumentError::ReadDocument { .. })
        ));
    }
}
