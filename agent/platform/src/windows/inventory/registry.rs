//! Values of the registry, as `AWS:WindowsRegistry` tells them (reference, section 5.4).

use std::io;

use windows_registry::{CLASSES_ROOT, CURRENT_CONFIG, CURRENT_USER, Key, LOCAL_MACHINE, Type, USERS, Value};

use crate::HostError;
use crate::inventory::{Item, RegistryKey, item};

const ROOTS: [(&str, &str, &Key); 5] = [
    ("HKEY_LOCAL_MACHINE", "HKLM", LOCAL_MACHINE),
    ("HKEY_CLASSES_ROOT", "HKCR", CLASSES_ROOT),
    ("HKEY_CURRENT_USER", "HKCU", CURRENT_USER),
    ("HKEY_USERS", "HKU", USERS),
    ("HKEY_CURRENT_CONFIG", "HKCC", CURRENT_CONFIG),
];
/// Longer binary values are told as such.
const BINARY_MAX_BYTES: usize = 2048;
/// Deeper than any key of Windows: the end of what links lead round in.
const DEPTH_MAX: usize = 64;

pub(super) fn values(wanted: &RegistryKey) -> Result<Vec<Item>, HostError> {
    let doing = || format!("read registry key `{}`", wanted.path);
    let (root, rest) = wanted.path.split_once('\\').unwrap_or((&wanted.path, ""));
    let known = ROOTS.iter().find(|(long, short, _)| {
        root.trim_end_matches(':').eq_ignore_ascii_case(long)
            || root.trim_end_matches(':').eq_ignore_ascii_case(short)
    });
    let Some((name, _, hive)) = known else {
        let known: Vec<_> = ROOTS.iter().map(|(name, ..)| *name).collect();
        let problem = format!("it must begin with one of {}", known.join(", "));
        return Err(HostError::io(doing)(io::Error::new(io::ErrorKind::InvalidInput, problem)));
    };
    let path = if rest.is_empty() { (*name).to_owned() } else { format!(r"{name}\{rest}") };
    let mut found = Vec::new();
    // A key that is not there has no values.
    if let Ok(key) = hive.open(rest) {
        read(&key, &path, wanted, 0, &mut found).map_err(HostError::io(doing))?;
    }
    Ok(found)
}

fn read(key: &Key, path: &str, wanted: &RegistryKey, depth: usize, found: &mut Vec<Item>) -> io::Result<()> {
    for (name, value) in key.values()? {
        let is_wanted = wanted.value_names.is_empty()
            || wanted.value_names.iter().any(|wanted| wanted.eq_ignore_ascii_case(&name));
        if !is_wanted {
            continue;
        }
        if found.len() >= wanted.values_max {
            return Err(io::Error::other(format!("there are more than {} values", wanted.values_max)));
        }
        let (kind, text) = told(value);
        found.push(item([("KeyPath", path), ("ValueName", &name), ("ValueType", kind), ("Value", &text)]));
    }
    if wanted.recursive && depth < DEPTH_MAX {
        for name in key.keys()? {
            // What this account may not open is nothing that it can tell.
            if let Ok(inner) = key.open(&name) {
                read(&inner, &format!(r"{path}\{name}"), wanted, depth + 1, found)?;
            }
        }
    }
    Ok(())
}

fn told(value: Value) -> (&'static str, String) {
    match value.ty() {
        Type::U32 => ("REG_DWORD", u32::try_from(value).map(|number| number.to_string()).unwrap_or_default()),
        Type::U64 => ("REG_QWORD", u64::try_from(value).map(|number| number.to_string()).unwrap_or_default()),
        Type::String => ("REG_SZ", String::try_from(value).unwrap_or_default()),
        Type::ExpandString => ("REG_EXPAND_SZ", String::try_from(value).unwrap_or_default()),
        Type::MultiString => {
            let lines = Vec::<String>::try_from(value).unwrap_or_default();
            let lines: Vec<_> = lines.into_iter().filter(|line| !line.is_empty()).collect();
            ("REG_MULTI_SZ", lines.join(" "))
        }
        Type::Bytes => ("REG_BINARY", binary(&value)),
        Type::Other(_) => ("REG_NONE", binary(&value)),
    }
}

fn binary(value: &Value) -> String {
    if value.len() > BINARY_MAX_BYTES {
        return "BinaryValue".to_owned();
    }
    value.iter().map(|byte| byte.to_string()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str, recursive: bool, names: &[&str], values_max: usize) -> RegistryKey {
        let value_names = names.iter().map(|name| (*name).to_owned()).collect();
        RegistryKey { path: path.to_owned(), recursive, value_names, values_max }
    }

    #[test]
    fn values_are_told_by_type_and_counted() {
        let path = format!(r"SOFTWARE\FleetwrightInventoryTest{}", std::process::id());
        let made = CURRENT_USER.create(&path).unwrap();
        made.set_string("Text", "hello").unwrap();
        made.set_u32("Number", 7).unwrap();
        made.create("Inner").unwrap().set_bytes("Long", Type::Bytes, &[0; 3000]).unwrap();
        let whole = format!(r"HKCU\{path}");
        let found = values(&key(&whole, true, &[], 250)).unwrap();
        let told: Vec<_> =
            found.iter().map(|value| format!("{}={}", value["ValueName"], value["Value"])).collect();
        let few = values(&key(&whole, true, &[], 2));
        let named = values(&key(&whole, false, &["number"], 250)).unwrap();
        CURRENT_USER.remove_tree(&path).unwrap();
        assert_eq!(told.len(), 3);
        for value in ["Text=hello", "Number=7", "Long=BinaryValue"] {
            assert!(told.contains(&value.to_owned()), "{told:?}");
        }
        assert!(few.is_err());
        assert_eq!(named.len(), 1);
        assert!(values(&key(r"HKLM\SOFTWARE\NotThere", true, &[], 250)).unwrap().is_empty());
        let error = values(&key(r"C:\Windows", true, &[], 250)).unwrap_err().to_string();
        assert!(error.contains(r"C:\Windows"), "{error}");
    }
}
