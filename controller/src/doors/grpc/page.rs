//! Pages on the wire: a size with a bound, and an opaque token that says where the next one starts.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Refusal;

const DEFAULT: usize = 50;
const MAX: usize = 500;

/// The size of a page; 0 asks for the default.
pub(super) fn size(wanted: u32) -> usize {
    match usize::try_from(wanted).unwrap_or(MAX) {
        0 => DEFAULT,
        wanted => wanted.min(MAX),
    }
}

/// A key as a token; empty when there is no further page.
pub(super) fn token<K: Serialize>(next: Option<K>) -> String {
    next.and_then(|key| serde_json::to_vec(&key).ok()).map(hex::encode).unwrap_or_default()
}

/// The key in a token; None for the first page.
pub(super) fn after<K: DeserializeOwned>(token: &str) -> Result<Option<K>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    let key = hex::decode(token).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    key.map(Some).ok_or_else(|| Refusal::invalid("the page token is not one that this controller gave out"))
}
