//! What changed between what the controller confirmed and what is there now, and the pieces in which it is said. Pure.

use std::collections::{BTreeMap, HashSet};

use fleetwright_proto::agent::{Inventory, InventoryItem, InventoryType};
use fleetwright_proto::inventory::{InventoryDigest, ItemHash, held_digest, item_hash, type_digest};
use prost::Message;

use super::Gathered;

/// A piece is not longer than this, unless one item is.
const PIECE_BYTES: usize = 256 * 1024;

/// What is known of one type without its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldType {
    pub(crate) schema_version: String,
    /// Sorted, each once.
    pub(crate) hashes: Box<[ItemHash]>,
}

impl HeldType {
    fn digest(&self, type_name: &str) -> InventoryDigest {
        type_digest(type_name, &self.schema_version, &self.hashes)
    }
}

/// Every type that a host has told.
pub(crate) type Held = BTreeMap<String, HeldType>;

pub(crate) fn digest(held: &Held) -> InventoryDigest {
    held_digest(held.iter().map(|(name, held)| (name.as_str(), held.digest(name))))
}

/// What a type is now, and what to say about it when it was `before`; nothing when it did not change.
pub(crate) fn change(before: Option<&HeldType>, gathered: Gathered) -> (HeldType, Option<InventoryType>) {
    let Gathered { type_name, schema_version, items } = gathered;
    let mut seen = HashSet::with_capacity(items.len());
    let mut hashed = Vec::with_capacity(items.len());
    for item in items {
        let hash = item_hash(&item);
        if seen.insert(hash) {
            hashed.push((hash, item));
        }
    }
    let mut hashes: Vec<_> = hashed.iter().map(|(hash, _)| *hash).collect();
    hashes.sort_unstable();
    let now = HeldType { schema_version, hashes: hashes.into() };
    if before == Some(&now) {
        return (now, None);
    }
    // A new schema says the same items anew.
    let before = before.filter(|before| before.schema_version == now.schema_version);
    let known: &[ItemHash] = before.map_or(&[], |before| &before.hashes);
    let added = hashed
        .into_iter()
        .filter(|(hash, _)| known.binary_search(hash).is_err())
        .map(|(_, attributes)| InventoryItem { attributes });
    let said = InventoryType {
        schema_version: now.schema_version.clone(),
        base: before.map(|before| before.digest(&type_name).to_vec().into()).unwrap_or_default(),
        digest: now.digest(&type_name).to_vec().into(),
        added: added.collect(),
        removed: known.iter().copied().filter(|hash| !seen.contains(hash)).collect(),
        type_name,
    };
    (now, Some(said))
}

/// Cuts what is to be said into messages. There is always one, also when there is nothing to say.
pub(crate) fn pieces(whole: Inventory) -> Vec<Inventory> {
    let Inventory { seq, captured_ms, holds, types, whole, .. } = whole;
    let empty = || Inventory { seq, captured_ms, whole, more: true, ..Inventory::default() };
    let mut pieces = vec![empty()];
    let mut room = PIECE_BYTES;
    for told in types {
        let InventoryType { type_name, schema_version, base, digest, added, removed } = told;
        let mut part =
            InventoryType { type_name, schema_version, base, digest, removed, ..InventoryType::default() };
        let bare = InventoryType { removed: Vec::new(), ..part.clone() };
        for item in added {
            let bytes = item.encoded_len();
            if bytes > room
                && !(part.added.is_empty() && pieces.last().is_some_and(|piece| piece.types.is_empty()))
            {
                let full = std::mem::replace(&mut part, bare.clone());
                pieces.last_mut().expect("there is one").types.push(full);
                pieces.push(empty());
                room = PIECE_BYTES;
            }
            room = room.saturating_sub(bytes);
            part.added.push(item);
        }
        pieces.last_mut().expect("there is one").types.push(part);
    }
    let last = pieces.last_mut().expect("there is one");
    last.more = false;
    last.holds = holds;
    pieces
}

#[cfg(test)]
mod tests {
    use fleetwright_platform::Item;

    use super::*;

    fn gathered(versions: &[(&str, &str)]) -> Gathered {
        let item = |(name, version): &(&str, &str)| {
            Item::from(
                [("Name", *name), ("Version", *version)]
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            )
        };
        Gathered::new("AWS:Application", "1.1", versions.iter().map(item).collect())
    }

    #[test]
    fn only_what_differs_is_said() {
        let (before, said) = change(None, gathered(&[("a", "1"), ("b", "1"), ("b", "1")]));
        let said = said.unwrap();
        assert_eq!((said.added.len(), said.removed.len(), said.base.len()), (2, 0, 0));
        let (same, said) = change(Some(&before), gathered(&[("b", "1"), ("a", "1")]));
        assert_eq!((&same, said), (&before, None));
        let (after, said) = change(Some(&before), gathered(&[("a", "2"), ("b", "1")]));
        let said = said.unwrap();
        assert_eq!(said.added[0].attributes["Version"], "2");
        assert_eq!((said.added.len(), said.removed.len()), (1, 1));
        assert_eq!(said.base, before.digest("AWS:Application").to_vec());
        assert_eq!(said.digest, after.digest("AWS:Application").to_vec());
        let newer = Gathered { schema_version: "1.2".to_owned(), ..gathered(&[("a", "2")]) };
        let said = change(Some(&after), newer).1.unwrap();
        assert_eq!((said.added.len(), said.removed.len(), said.base.len()), (1, 0, 0));
    }

    #[test]
    fn long_lists_go_in_pieces_and_nothing_is_lost() {
        let text = "x".repeat(1000);
        let many: Vec<_> = (0..900).map(|number| (number.to_string(), text.clone())).collect();
        let many: Vec<_> = many.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let large = change(None, gathered(&many)).1.unwrap();
        let small = change(None, gathered(&[("a", "1")])).1.unwrap();
        let whole = Inventory {
            seq: 7,
            holds: vec![1].into(),
            types: vec![small.clone(), large, small],
            ..Inventory::default()
        };
        let pieces = pieces(whole);
        assert!(pieces.len() >= 4, "{}", pieces.len());
        assert!(pieces.iter().all(|piece| piece.encoded_len() < PIECE_BYTES + 16 * 1024 && piece.seq == 7));
        let added: usize = pieces.iter().flat_map(|piece| &piece.types).map(|part| part.added.len()).sum();
        assert_eq!(added, 902);
        let last = pieces.len() - 1;
        assert!(pieces.iter().enumerate().all(|(at, piece)| piece.more == (at < last)));
        assert_eq!(pieces[last].holds, vec![1]);
    }

    #[test]
    fn nothing_changed_is_one_small_message() {
        let said = Inventory {
            seq: 1,
            captured_ms: 1_790_000_000_000,
            holds: vec![0; 16].into(),
            ..Inventory::default()
        };
        let pieces = pieces(said);
        assert_eq!(pieces.len(), 1);
        assert!(pieces[0].encoded_len() < 32, "{}", pieces[0].encoded_len());
    }

    #[test]
    fn one_upgrade_is_less_than_a_kilobyte() {
        let package = |number: u32, version: &str| {
            Item::from(
                [
                    ("Name", format!("package-{number:04}")),
                    ("ApplicationType", "utils".to_owned()),
                    (
                        "Publisher",
                        "Debian Example Maintainers <pkg-example-maint@lists.alioth.debian.org>".to_owned(),
                    ),
                    ("Version", version.to_owned()),
                    ("Architecture", "x86_64".to_owned()),
                    ("URL", "https://www.example.org/projects/package/".to_owned()),
                    (
                        "Summary",
                        "a summary that is as long as most of them are, and a little longer".to_owned(),
                    ),
                    ("PackageId", format!("package-{number:04}_{version}_amd64.deb")),
                ]
                .map(|(name, value)| (name.to_owned(), value)),
            )
        };
        let of = |version: &str| {
            let items = (0..600).map(|number| package(number, if number == 7 { version } else { "1.0-1" }));
            Gathered::new("AWS:Application", "1.1", items.collect())
        };
        let (before, _) = change(None, of("1.0-1"));
        let (after, said) = change(Some(&before), of("1.0-2"));
        let holds = digest(&Held::from([("AWS:Application".to_owned(), after)])).to_vec().into();
        let said = Inventory {
            seq: 2,
            captured_ms: 1_790_000_000_000,
            holds,
            types: vec![said.unwrap()],
            ..Inventory::default()
        };
        let bytes: usize = pieces(said).iter().map(Message::encoded_len).sum();
        assert!(bytes < 1024, "{bytes}");
    }
}
