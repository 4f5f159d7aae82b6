//! What lets an operator in: certificates that the fleet's authority signs, and tokens. Both are shown once; of a token
//! only its digest is kept.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use super::Principal;
use super::operators::{self, Told, may_touch};
use super::policy::Action;
use super::records::{CredentialKind, CredentialRecord};
use crate::authority::OPERATOR_CERTIFICATE_LIFETIME;
use crate::error::Refusal;
use crate::house::House;

/// How many certificates and tokens one operator may have.
pub const CREDENTIALS_MAX: usize = 20;
/// What stands before a token's random digits, so that people and scanners know one when they see it.
const TOKEN_PREFIX: &str = "fwt_";
const TOKEN_BYTES: usize = 32;

/// What an operator is to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialWish {
    /// Good for a year.
    Certificate,
    /// Good for this long; None: until it is revoked.
    Token(Option<Duration>),
}

/// A new certificate with its key, or a new token. Not shown again.
pub enum Issued {
    Certificate { certificate_pem: String, key_pem: String, record: CredentialRecord },
    Token { token: String, record: CredentialRecord },
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Certificate { record, .. } | Self::Token { record, .. }) = self;
        f.debug_tuple("Issued").field(record).finish()
    }
}

/// Gives an operator another way in. Durable and in effect when this returns.
pub async fn issue(
    house: &House,
    by: &Principal,
    name: &str,
    wish: CredentialWish,
) -> Result<Issued, Refusal> {
    let now = house.clock.now();
    let record = |kind, digest, expires| CredentialRecord {
        kind,
        digest,
        created: now,
        created_by: by.name.to_string(),
        expires,
    };
    let issued = match wish {
        CredentialWish::Certificate => {
            let made = house.authority.issue_operator(name, now);
            let (certificate_pem, key_pem) = made.map_err(|error| Refusal::internal(format!("{error}")))?;
            let digest = crate::authority::key_fingerprint_of_pem(&key_pem)
                .ok_or_else(|| Refusal::internal("the new key cannot be read"))?;
            let expires = Some(now.plus(OPERATOR_CERTIFICATE_LIFETIME));
            let record = record(CredentialKind::Certificate, digest, expires);
            Issued::Certificate { certificate_pem, key_pem, record }
        }
        CredentialWish::Token(Some(lifetime)) if lifetime.is_zero() => {
            return Err(Refusal::invalid("a token that expires at once admits nobody: give it some time"));
        }
        CredentialWish::Token(lifetime) => {
            let token = random_token()?;
            let digest = hex::encode(Sha256::digest(token.as_bytes()));
            let expires = lifetime.map(|span| now.plus(span));
            Issued::Token { token, record: record(CredentialKind::Token, digest, expires) }
        }
    };
    let (Issued::Certificate { record, .. } | Issued::Token { record, .. }) = &issued;
    let detail = match record.kind {
        CredentialKind::Certificate => "a certificate",
        CredentialKind::Token => "a token",
    };
    let on = format!("operator {name}, {}", record.id());
    let told = Told { by, action: Action::IssueCredential, on, detail };
    let added = operators::change(house, name, Some(told), |operator| {
        may_touch(house, by, name, operator)?;
        operator.credentials.retain(|known| !known.expired(now));
        if operator.credentials.len() >= CREDENTIALS_MAX {
            return Err(Refusal::exhausted(format!(
                "operator {name} has {CREDENTIALS_MAX} certificates and tokens already: revoke one"
            )));
        }
        operator.credentials.push(record.clone());
        Ok(())
    });
    added.await?;
    Ok(issued)
}

/// Ends a certificate or a token, by its id. In effect, also for open connections, when this returns.
pub async fn revoke(house: &House, by: &Principal, name: &str, id: &str) -> Result<(), Refusal> {
    let on = format!("operator {name}, {}", id.escape_debug());
    let told = Told { by, action: Action::RevokeCredential, on, detail: "" };
    let removed = operators::change(house, name, Some(told), |operator| {
        may_touch(house, by, name, operator)?;
        let before = operator.credentials.len();
        operator.credentials.retain(|known| known.id() != id);
        if operator.credentials.len() == before {
            return Err(Refusal::not_found(format!(
                "operator {name} has no certificate or token `{}`: `access operator show {name}` shows them",
                id.chars().take(80).collect::<String>().escape_debug()
            )));
        }
        Ok(())
    });
    removed.await.map(drop)
}

fn random_token() -> Result<String, Refusal> {
    let mut bytes = [0u8; TOKEN_BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Refusal::internal("the system gives no random numbers"))?;
    Ok(format!("{TOKEN_PREFIX}{}", hex::encode(bytes)))
}
