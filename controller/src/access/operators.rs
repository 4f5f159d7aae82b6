//! Operators: who may ask things of the controller.

use std::collections::BTreeSet;

use fleetwright_store::{Batch, CommitError};

use super::records::{OperatorRecord, Standing};
use super::{ADMINS, FIRST_OPERATOR, known};
use crate::error::Refusal;
use crate::house::House;
use crate::tables::ACCESS_OPERATOR;

/// Longest name of an operator or of a group of them, characters.
pub const NAME_MAX_CHARS: usize = 64;

/// Reads who is known; a fleet without any operator gets its first one, who may do everything.
pub async fn start(house: &House) -> Result<(), Refusal> {
    let some = ACCESS_OPERATOR.scan(&*house.store, &(), None, 1).await?;
    if some.rows.is_empty() && some.unreadable.is_empty() {
        let first = OperatorRecord {
            description: "whoever can read the data folder".to_owned(),
            created: house.clock.now(),
            created_by: "the first start".to_owned(),
            standing: Standing::Enabled,
            groups: BTreeSet::from([ADMINS.to_owned()]),
        };
        let mut batch = Batch::new();
        ACCESS_OPERATOR.insert(&mut batch, &FIRST_OPERATOR.to_owned(), &first)?;
        match house.store.commit(batch).await {
            // Another controller on the same store was quicker.
            Ok(_) | Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    known::reread(house).await
}

/// The operator is not there, in words.
pub(super) fn unknown(name: &str) -> Refusal {
    let shown: String = name.chars().take(NAME_MAX_CHARS).collect();
    Refusal::not_found(format!(
        "there is no operator `{}`: `access operator list` shows those that exist",
        shown.escape_debug()
    ))
}
