//! How both sides name what is on a host without sending it: hashes of items, digests of types and of everything.
//!
//! ```text
//! item ── SHA-256, 8 bytes ──► hash ─┐
//! item ──────────────────────► hash ─┴─ sorted, with name and schema ──► digest of the type ─┐
//!                                                            digest of the type ─┴─► what is held
//! ```
//!
//! A hash is short because it only ever stands for an item of the same node and type. Items of a type are a set: an
//! item that is there twice counts once.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// What names an item among those of one type on one node.
pub type ItemHash = u64;

/// Names what a type holds, or what a node holds.
pub type InventoryDigest = [u8; 16];

/// Longest list of items of one type (reference, section 5.6).
pub const ITEMS_MAX: usize = 10_000;

/// Attributes of one item, by name.
pub type Attributes = BTreeMap<String, String>;

/// The hash of an item. Attributes without a value are as if they were not there.
#[must_use]
pub fn item_hash(attributes: &Attributes) -> ItemHash {
    let mut sha = Sha256::new();
    for (name, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
        put(&mut sha, name.as_bytes());
        put(&mut sha, value.as_bytes());
    }
    let digest: [u8; 32] = sha.finalize().into();
    u64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
}

/// The digest of a type. `hashes` are sorted, each once.
#[must_use]
pub fn type_digest(type_name: &str, schema_version: &str, hashes: &[ItemHash]) -> InventoryDigest {
    let mut sha = Sha256::new();
    put(&mut sha, type_name.as_bytes());
    put(&mut sha, schema_version.as_bytes());
    for hash in hashes {
        sha.update(hash.to_be_bytes());
    }
    short(sha)
}

/// The digest of all types of a node, in the order of their names.
#[must_use]
pub fn held_digest<'a>(types: impl IntoIterator<Item = (&'a str, InventoryDigest)>) -> InventoryDigest {
    let mut sha = Sha256::new();
    for (name, digest) in types {
        put(&mut sha, name.as_bytes());
        sha.update(digest);
    }
    short(sha)
}

fn put(sha: &mut Sha256, bytes: &[u8]) {
    sha.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    sha.update(bytes);
}

fn short(sha: Sha256) -> InventoryDigest {
    let digest: [u8; 32] = sha.finalize().into();
    *digest.first_chunk().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(attributes: &[(&str, &str)]) -> Attributes {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn items_differ_when_any_name_or_value_does() {
        let one = item_hash(&item(&[("Name", "openssl"), ("Version", "3.0.15")]));
        assert_eq!(one, item_hash(&item(&[("Name", "openssl"), ("Version", "3.0.15"), ("URL", "")])));
        for other in [
            item(&[("Name", "openssl"), ("Version", "3.0.16")]),
            item(&[("Name", "openssl"), ("Version3", ".0.15")]),
            item(&[("Name", "opensslVersion3.0.15")]),
            item(&[]),
        ] {
            assert_ne!(one, item_hash(&other), "{other:?}");
        }
    }

    #[test]
    fn digests_take_in_names_schemas_and_items() {
        let one = type_digest("AWS:Application", "1.1", &[1, 2]);
        assert_ne!(one, type_digest("AWS:Application", "1.0", &[1, 2]));
        assert_ne!(one, type_digest("AWS:Application", "1.1", &[1]));
        assert_ne!(held_digest([("a", one)]), held_digest([("b", one)]));
        assert_ne!(held_digest([]), held_digest([("a", one)]));
    }
}
