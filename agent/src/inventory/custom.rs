//! `Custom:*`: what the files of the inventory folder say (reference, sections 5.5 and 5.6).
//!
//! One file is one type. A file that is wrong is told and left out; the others count.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fleetwright_platform::Item;
use fleetwright_proto::inventory::ITEMS_MAX;
use serde::Deserialize;
use serde_json::Value;

use super::{Gathered, Problem, TYPE_MAX_BYTES};

const FILES_MAX: usize = 20;
const TYPE_NAME_MAX_CHARS: usize = 100;
const ATTRIBUTES_MAX: usize = 50;
const ATTRIBUTE_NAME_MAX_CHARS: usize = 64;
const VALUE_MAX_CHARS: usize = 4_096;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CustomError {
    #[error("the folder has {0} files: {FILES_MAX} at most are read, in the order of their names")]
    TooManyFiles(usize),
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    #[error("it has more than {} KiB", TYPE_MAX_BYTES / 1024)]
    TooLarge,
    #[error("it is no JSON object of SchemaVersion, TypeName and Content")]
    Form(#[source] serde_json::Error),
    #[error(
        "TypeName `{0}` is not good: Custom: and letters, digits, - _ . after it, {TYPE_NAME_MAX_CHARS} in all"
    )]
    TypeName(String),
    #[error("TypeName {0} is that of another file, too")]
    Twice(String),
    #[error("SchemaVersion `{0}` is not two numbers of 1 to 6 digits with a dot between, as 1.0")]
    SchemaVersion(String),
    #[error("Content is neither an object nor a list of objects")]
    Content,
    #[error("Content has {0} items: {ITEMS_MAX} at most")]
    Items(usize),
    #[error("item {item} has {count} attributes: 1 to {ATTRIBUTES_MAX}")]
    Attributes { item: usize, count: usize },
    #[error("item {item} has an attribute name of {chars} characters: 1 to {ATTRIBUTE_NAME_MAX_CHARS}")]
    AttributeName { item: usize, chars: usize },
    #[error("attribute `{name}` of item {item} is not a text")]
    NotAText { item: usize, name: String },
    #[error("attribute `{name}` of item {item} has {chars} characters: {VALUE_MAX_CHARS} at most")]
    Value { item: usize, name: String, chars: usize },
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    schema_version: String,
    type_name: String,
    content: Value,
}

/// A folder that is not there says nothing.
pub(super) fn gather(folder: &Path) -> (Vec<Gathered>, Vec<Problem>) {
    let (mut types, mut problems) = (BTreeMap::<String, Gathered>::new(), Vec::new());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (Vec::new(), problems),
        Err(error) => {
            let what = folder.display().to_string();
            return (Vec::new(), vec![Problem::of(&what, CustomError::Read(error))]);
        }
    };
    let is_json = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_json).collect();
    files.sort();
    if files.len() > FILES_MAX {
        problems.push(Problem::of(&folder.display().to_string(), CustomError::TooManyFiles(files.len())));
        files.truncate(FILES_MAX);
    }
    for file in files {
        let read = read(&file).and_then(|gathered| match types.contains_key(&gathered.type_name) {
            true => Err(CustomError::Twice(gathered.type_name)),
            false => Ok(gathered),
        });
        match read {
            Ok(gathered) => drop(types.insert(gathered.type_name.clone(), gathered)),
            Err(error) => problems.push(Problem::of(&file.display().to_string(), error)),
        }
    }
    (types.into_values().collect(), problems)
}

fn read(path: &Path) -> Result<Gathered, CustomError> {
    let mut text = Vec::new();
    let most = TYPE_MAX_BYTES as u64;
    let file = fs::File::open(path).map_err(CustomError::Read)?;
    file.take(most + 1).read_to_end(&mut text).map_err(CustomError::Read)?;
    if text.len() as u64 > most { Err(CustomError::TooLarge) } else { parse(&text) }
}

fn parse(text: &[u8]) -> Result<Gathered, CustomError> {
    let Written { schema_version, type_name, content } =
        serde_json::from_slice(text).map_err(CustomError::Form)?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let is_good = |name: &str| !name.is_empty() && name.chars().all(plain);
    let is_type = type_name.strip_prefix("Custom:").is_some_and(is_good);
    if !is_type || type_name.chars().count() > TYPE_NAME_MAX_CHARS {
        return Err(CustomError::TypeName(type_name.chars().take(TYPE_NAME_MAX_CHARS).collect()));
    }
    let is_number =
        |digits: &str| (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !schema_version.split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor)) {
        return Err(CustomError::SchemaVersion(schema_version.chars().take(32).collect()));
    }
    let written = match content {
        Value::Array(items) => items,
        Value::Object(_) => vec![content],
        _ => return Err(CustomError::Content),
    };
    if written.len() > ITEMS_MAX {
        return Err(CustomError::Items(written.len()));
    }
    let items = written.into_iter().enumerate().map(|(at, written)| item(at + 1, written));
    Ok(Gathered { items: items.collect::<Result<_, _>>()?, type_name, schema_version })
}

/// Items are counted from 1 in what people read.
fn item(number: usize, written: Value) -> Result<Item, CustomError> {
    let Value::Object(attributes) = written else { return Err(CustomError::Content) };
    if attributes.is_empty() || attributes.len() > ATTRIBUTES_MAX {
        return Err(CustomError::Attributes { item: number, count: attributes.len() });
    }
    let mut item = Item::new();
    for (name, value) in attributes {
        let chars = name.chars().count();
        if chars == 0 || chars > ATTRIBUTE_NAME_MAX_CHARS {
            return Err(CustomError::AttributeName { item: number, chars });
        }
        let Value::String(value) = value else { return Err(CustomError::NotAText { item: number, name }) };
        let chars = value.chars().count();
        if chars > VALUE_MAX_CHARS {
            return Err(CustomError::Value { item: number, name, chars });
        }
        item.insert(name, value);
    }
    Ok(item)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(written: &Value) -> String {
        let error = parse(&serde_json::to_vec(written).unwrap()).unwrap_err();
        crate::explain::explain(&error)
    }

    #[test]
    fn a_type_is_an_object_or_a_list() {
        for (content, items) in
            [(json!({"Rack": "4"}), 1), (json!([{"a": "1"}, {"a": "2"}]), 2), (json!([]), 0)]
        {
            let written = json!({"SchemaVersion": "1.0", "TypeName": "Custom:Rack", "Content": content});
            let gathered = parse(&serde_json::to_vec(&written).unwrap()).unwrap();
            assert_eq!((gathered.items.len(), gathered.schema_version.as_str()), (items, "1.0"));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let with = |key: &str, value: Value| {
            let mut written =
                json!({"SchemaVersion": "1.0", "TypeName": "Custom:Rack", "Content": {"a": "b"}});
            written[key] = value;
            written
        };
        let many: serde_json::Map<_, _> = (0..51).map(|n| (format!("a{n}"), json!("x"))).collect();
        for (written, words) in [
            (json!([]), "no JSON object"),
            (json!({"TypeName": "Custom:a", "Content": {}}), "SchemaVersion"),
            (with("TypeName", json!("Rack")), "`Rack` is not good"),
            (with("TypeName", json!("AWS:Application")), "Custom:"),
            (with("TypeName", json!(format!("Custom:{}", "x".repeat(94)))), "is not good"),
            (with("SchemaVersion", json!("1")), "`1` is not two numbers"),
            (with("SchemaVersion", json!("1.1234567")), "is not two numbers"),
            (with("Content", json!("x")), "neither an object nor a list"),
            (with("Content", json!([1])), "neither an object nor a list"),
            (with("Content", json!({})), "item 1 has 0 attributes"),
            (with("Content", Value::Object(many)), "51 attributes"),
            (with("Content", json!([{"a": "1"}, {"a": 2}])), "`a` of item 2 is not a text"),
            (with("Content", json!({"a": "x".repeat(4_097)})), "4097 characters: 4096 at most"),
            (with("Content", json!({"x".repeat(65): "1"})), "65 characters: 1 to 64"),
            (with("Content", json!(vec![json!({"a": "1"}); 10_001])), "10001 items"),
        ] {
            let said = refusal(&written);
            assert!(said.contains(words), "`{words}` is not in: {said}");
        }
    }

    #[test]
    fn a_wrong_file_costs_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let good = |name: &str| {
            format!(r#"{{"SchemaVersion":"1.0","TypeName":"Custom:{name}","Content":{{"a":"1"}}}}"#)
        };
        assert!(gather(&folder.path().join("not-there")).0.is_empty());
        put("a.json", &good("One"));
        put("b.json", "{");
        put("c.json", &good("One"));
        put("d.txt", "not looked at");
        put("e.json", &" ".repeat(TYPE_MAX_BYTES + 1));
        let (types, problems) = gather(folder.path());
        assert_eq!(types.len(), 1);
        let said: Vec<_> = problems.iter().map(Problem::line).collect();
        for (line, words) in
            said.iter().zip(["b.json: it is no JSON object", "that of another file", "3072 KiB"])
        {
            assert!(line.contains(words), "`{words}` is not in: {line}");
        }
        assert_eq!(said.len(), 3);
        for number in 0..FILES_MAX {
            put(&format!("a{number:02}.json"), &good(&format!("N{number}")));
        }
        let (types, problems) = gather(folder.path());
        assert_eq!(types.len(), FILES_MAX);
        assert!(problems[0].line().contains("20 at most"), "{}", problems[0].line());
    }
}
