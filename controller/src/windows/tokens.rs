//! A client's token: a request that is repeated makes nothing again, another request under the same token is refused.

use fleetwright_store::Batch;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::check;
use super::fault::{Fault, WindowError};
use super::records::WindowTokenRecord;
use crate::house::House;
use crate::tables::WINDOW_TOKEN;

/// A request under a token.
#[derive(Debug)]
pub(super) struct Token {
    key: String,
    request: String,
}

impl Token {
    /// `what` keeps the tokens of different operations apart. None without a token.
    pub(super) fn of(what: &str, token: &str, request: &impl Serialize) -> Result<Option<Self>, WindowError> {
        check::token(token)?;
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = serde_json::to_vec(request).map_err(|error| check::wrong(error.to_string()))?;
        Ok(Some(Self { key: format!("{what} {token}"), request: hex::encode(Sha256::digest(bytes)) }))
    }

    /// What the token made before, if this is a repetition.
    pub(super) async fn made(&self, house: &House) -> Result<Option<String>, WindowError> {
        let Some(row) = WINDOW_TOKEN.get(&*house.store, &self.key).await? else { return Ok(None) };
        if row.value.request == self.request {
            return Ok(Some(row.value.made));
        }
        Err(Fault::IdempotentParameterMismatch.because(
            "this client token was used before for a request that said something else: take another token",
        ))
    }

    /// Notes what the request makes, in the commit that makes it.
    pub(super) fn note(&self, house: &House, batch: &mut Batch, made: &str) -> Result<(), WindowError> {
        let record =
            WindowTokenRecord { made: made.to_owned(), request: self.request.clone(), at: house.clock.now() };
        WINDOW_TOKEN.put(batch, &self.key, &record)?;
        Ok(())
    }
}
