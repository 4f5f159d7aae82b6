//! Who asks: the access key that a request was signed with, and whether it may be used for this request now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use http::request::Parts;
use ring::hmac;

use super::fault::Fault;
use super::replay::{Replayed, Replays, SKEW_SECONDS, Sent};
use super::sigv4::{self, Claim};
use crate::access::known::{KeyRefusal, Signer};
use crate::house::House;
use crate::records::rfc3339;

/// Signing keys that are kept at hand: one for each access key, day and region.
const SIGNING_KEYS_MAX: usize = 4_096;

/// What this door remembers between requests. It may be dropped at any moment.
#[derive(Debug)]
pub struct Gate {
    signing_keys: Mutex<HashMap<KeyOfDay, hmac::Key>>,
    replays: Replays,
}

/// Access key, day and region, with a slash between: none of them has one.
type KeyOfDay = String;

impl Gate {
    #[must_use]
    pub fn since(started: Timestamp) -> Self {
        Self { signing_keys: Mutex::default(), replays: Replays::since(started) }
    }

    /// Signatures of changes that are remembered, and how many there may be.
    #[must_use]
    pub fn remembered(&self) -> (usize, usize) {
        (self.replays.used(), self.replays.limit())
    }

    /// Refuses a change that was done before.
    pub(super) fn admit_change(
        &self,
        claim: &Claim<'_>,
        sent: Sent<'_>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.replays.admit(&claim.signature, claim.made, sent, now).map_err(|why| {
            let message = match why {
                Replayed::Seen => "this signed request was received before: sign it anew",
                Replayed::BeforeMemory => {
                    "the request was signed before this controller began to remember what was done: sign it anew, and \
                     set the clock if it is behind"
                }
            };
            Fault::new("InvalidSignatureException", message)
        })
    }

    fn signing_key(&self, of: &str) -> Option<hmac::Key> {
        self.signing_keys.lock().unwrap_or_else(PoisonError::into_inner).get(of).cloned()
    }

    /// To be kept only when it made a good signature: nobody fills this with days and regions of his invention.
    fn keep(&self, of: KeyOfDay, key: hmac::Key) {
        let mut keys = self.signing_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= SIGNING_KEYS_MAX {
            keys.clear();
        }
        keys.insert(of, key);
    }
}

/// Whose key it is, before anything of the body is read.
pub(super) fn signer(house: &House, claim: &Claim<'_>, now: Timestamp) -> Result<Signer, Fault> {
    check_region(house, claim.region)?;
    check_moment(claim, now)?;
    house.access.signer(claim.access_key, now).map_err(|why| {
        tracing::debug!(access_key = claim.access_key, %why, "a request was not let in");
        let message = match why {
            KeyRefusal::Sealed => return Fault::internal("the secret of an access key cannot be opened"),
            KeyRefusal::Expired => "the access key has expired: ask for a new one",
            _ => "the access key is not known here, or may not be used any more",
        };
        Fault::new("UnrecognizedClientException", message)
    })
}

/// Whether the signer signed this.
pub(super) fn check_signature(
    house: &House,
    signer: &Signer,
    claim: &Claim<'_>,
    parts: &Parts,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Fault> {
    let gate: &Arc<Gate> = &house.gate;
    let of = [claim.access_key, claim.date, claim.region].join("/");
    match gate.signing_key(&of) {
        Some(key) => sigv4::check(claim, parts, body, &key)?,
        None => {
            let key = sigv4::signing_key(signer.secret.reveal(), claim.date, claim.region);
            sigv4::check(claim, parts, body, &key)?;
            gate.keep(of, key);
        }
    }
    signer.note_use(now);
    Ok(())
}

fn check_region(house: &House, region: &str) -> Result<(), Fault> {
    match house.ssm.region.as_deref() {
        Some(only) if only != region => Err(Fault::new(
            "InvalidSignatureException",
            format!("the request is signed for region {region}, and this controller is region {only}"),
        )),
        _ => Ok(()),
    }
}

fn check_moment(claim: &Claim<'_>, now: Timestamp) -> Result<(), Fault> {
    let apart = now.millis().div_euclid(1000) - claim.made;
    if apart.abs() <= SKEW_SECONDS {
        return Ok(());
    }
    let made = Timestamp::default().plus(Duration::from_secs(u64::try_from(claim.made).unwrap_or_default()));
    let what = if apart > 0 { "Signature expired" } else { "Signature not yet current" };
    Err(Fault::new(
        "InvalidSignatureException",
        format!(
            "{what}: the request was signed at {}, and it is {} here: more than 5 minutes apart, so set the clock",
            rfc3339(made),
            rfc3339(now)
        ),
    ))
}
