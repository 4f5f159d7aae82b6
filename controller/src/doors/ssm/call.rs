//! One call of an operation: who asks, and how inputs and answers are read and written.

use std::sync::atomic::{AtomicBool, Ordering};

use fleetwright_proto::clock::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::fault::Fault;
use super::token::Binding;
use crate::access::Principal;
use crate::audit::{Event, Outcome, lines_of};
use crate::house::House;

/// See the head of this module.
pub(super) struct Call<'a> {
    pub(super) house: &'a House,
    pub(super) operation: &'static str,
    pub(super) caller: Principal,
    /// For which the request was signed.
    pub(super) region: &'a str,
    /// Whether the audit log has its line already.
    pub(super) told: &'a AtomicBool,
}

impl Call<'_> {
    /// The region that answers say: the one that is set, or else the caller's.
    pub(super) fn region(&self) -> &str {
        self.house.ssm.region.as_deref().unwrap_or(self.region)
    }

    pub(super) fn account(&self) -> &str {
        &self.house.ssm.account
    }

    /// The commit of what was done has its line of the audit log, too.
    pub(super) fn told(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Writes down which secrets were opened. They may be answered when this returns.
    pub(super) async fn note_opened<'n>(&self, names: impl Iterator<Item = &'n str>) -> Result<(), Fault> {
        let event = |on| Event {
            at: self.house.clock.now(),
            who: self.caller.name.to_string(),
            action: self.operation.to_owned(),
            on,
            from: self.caller.from.to_string(),
            outcome: Outcome::Done,
            detail: String::new(),
        };
        Ok(self.house.audit.note_all_durably(lines_of(names).into_iter().map(event).collect()).await?)
    }

    /// The caller's name, for the record of who asked.
    pub(super) fn by(&self) -> String {
        self.caller.name.to_string()
    }

    /// The input as the operation's own type. Its shape was checked before.
    pub(super) fn read<T: DeserializeOwned>(input: Value) -> Result<T, Fault> {
        serde_json::from_value(input).map_err(|error| {
            Fault::new("SerializationException", format!("the input cannot be read: {error}"))
        })
    }

    /// The page that an input asks for; `most` is the API's default.
    pub(super) fn page(&self, input: &Value, most: usize) -> Page {
        let said =
            input.get("MaxResults").and_then(Value::as_u64).and_then(|said| usize::try_from(said).ok());
        Page {
            size: said.unwrap_or(most),
            token: input.get("NextToken").and_then(Value::as_str).map(str::to_owned),
            binding: Binding::of(self.operation, input),
        }
    }
}

/// How much of a list is wanted, and from where on.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) size: usize,
    token: Option<String>,
    binding: Binding,
}

impl Page {
    /// Behind which position it starts; None for the first page.
    pub(super) fn after<P: DeserializeOwned>(&self) -> Result<Option<P>, Fault> {
        self.binding.position(self.token.as_deref())
    }

    pub(super) fn token<P: Serialize>(&self, next: Option<P>) -> Option<String> {
        self.binding.token(next)
    }
}

/// What an operation answers.
pub(super) type Answer = Result<Vec<u8>, Fault>;

pub(super) fn answer(output: &impl Serialize) -> Answer {
    serde_json::to_vec(output)
        .map_err(|error| Fault::internal(&format!("an answer cannot be written: {error}")))
}

/// The answer of operations without output.
pub(super) fn done() -> Answer {
    Ok(b"{}".to_vec())
}

/// A moment as the API writes it: seconds since the Unix epoch, with fractions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seconds(pub(super) Timestamp);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.0.millis();
        // Up to the year 287396 this is exact.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let seconds = millis as f64 / 1000.0;
        serializer.serialize_f64(seconds)
    }
}

/// A moment as the API's clients write it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct WantedMoment(f64);

impl WantedMoment {
    /// Moments beyond the ends of time are its ends.
    pub(super) fn timestamp(self) -> Timestamp {
        #[expect(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
        let millis = (self.0 * 1000.0) as i64;
        Timestamp::from_millis(millis)
    }
}

/// A tag as the API has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) value: String,
}
