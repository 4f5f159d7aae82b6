//! The two halves of an access key: the id, which everybody may see, and the secret, which nobody sees twice.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::error::Refusal;

const PREFIX: &str = "AKIA";
const ID_RANDOM_CHARS: usize = 16;
/// Characters of a secret: 240 random bits.
pub const SECRET_CHARS: usize = 40;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The id of an access key: `AKIA` and 16 characters of base32, the form that SSM clients know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccessKeyId(Box<str>);

fleetwright_store::text_key!(AccessKeyId);

/// Why a text is not the id of an access key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of an access key: {PREFIX} and {ID_RANDOM_CHARS} of A to Z and 2 to 7")]
pub struct AccessKeyIdError(String);

impl AccessKeyId {
    pub fn random() -> Result<Self, Refusal> {
        Ok(Self(format!("{PREFIX}{}", random_text(BASE32, ID_RANDOM_CHARS)?).into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccessKeyId {
    type Err = AccessKeyIdError;

    fn from_str(text: &str) -> Result<Self, AccessKeyIdError> {
        let random = text.strip_prefix(PREFIX).filter(|random| random.len() == ID_RANDOM_CHARS);
        match random {
            Some(random) if random.bytes().all(|byte| BASE32.contains(&byte)) => Ok(Self(text.into())),
            _ => Err(AccessKeyIdError(text.chars().take(40).collect::<String>().escape_debug().to_string())),
        }
    }
}

impl TryFrom<String> for AccessKeyId {
    type Error = AccessKeyIdError;

    fn try_from(text: String) -> Result<Self, AccessKeyIdError> {
        text.parse()
    }
}

impl From<AccessKeyId> for String {
    fn from(id: AccessKeyId) -> String {
        id.0.into()
    }
}

/// A secret that is never printed: neither its `Debug` nor any error shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn random() -> Result<Self, Refusal> {
        Ok(Self(random_text(BASE64, SECRET_CHARS)?.into()))
    }

    pub(super) fn from_opened(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(|text| Self(text.into()))
    }

    /// The secret itself: for the one answer that shows it, and for a signature's key.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// `alphabet` has a power of two of letters, so that a byte's low bits choose each with the same chance.
fn random_text(alphabet: &[u8], chars: usize) -> Result<String, Refusal> {
    let mut bytes = vec![0u8; chars];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Refusal::internal("the system gives no random numbers"))?;
    Ok(bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_secrets_have_the_form_that_clients_know() {
        for _ in 0..100 {
            let id = AccessKeyId::random().unwrap();
            assert_eq!(id.as_str().parse::<AccessKeyId>().unwrap(), id);
            assert_eq!(id.as_str().len(), 20);
            let secret = Secret::random().unwrap();
            assert_eq!(secret.reveal().len(), SECRET_CHARS);
            assert!(!format!("{secret:?}").contains(secret.reveal()));
        }
        assert_ne!(Secret::random().unwrap(), Secret::random().unwrap());
    }

    #[test]
    fn what_is_no_id_is_named() {
        for text in [
            "",
            "AKIA",
            "AKIAABCDEFGHIJKLMNO",
            "AKIAABCDEFGHIJKLMNO1",
            "akiaABCDEFGHIJKLMNOP",
            "ASIAABCDEFGHIJKLMNOP",
        ] {
            let error = text.parse::<AccessKeyId>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!("`{text}` is not the id of an access key: AKIA and 16 of A to Z and 2 to 7")
            );
        }
    }
}
