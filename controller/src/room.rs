//! Room on the disk: below a reserve, new work is refused, so that what was taken on can still be finished.
//!
//! ```text
//! free space   ──── the reserve (`disk.reserve`) ────►  everything is taken
//!              ──── a quarter of it ─────────────────►  no new commands, activations and nodes; results, cancels
//!                                                       and everything that is read go on
//!              ──── nothing ─────────────────────────►  the store takes no writes: nothing is acknowledged, agents
//!                                                       keep their results and come again
//! ```
//!
//! It is looked at when somebody asks for something, so that it ends by itself when there is room again.

use std::fmt;
use std::str::FromStr;

use fleetwright_store::{Health, Space, StoreError};
use serde::Deserialize;

use crate::error::Refusal;
use crate::house::House;
use crate::meters::NewWork;

/// sled writes segments of 4 MiB; with less than two of them free it runs into the wall.
const STORE_RESERVE_LEAST_BYTES: u64 = 8 << 20;
const RESERVE_LEAST_BYTES: u64 = 16 << 20;

/// How much of the disk is kept for what was taken on already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Reserve {
    Bytes(u64),
    /// Of the whole disk, 1 to 90.
    Percent(u8),
}

/// A text that is no reserve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not good: a size from 16MiB (as `512MiB` or `2GiB`), or 1% to 90%")]
pub struct ReserveError(String);

impl Default for Reserve {
    fn default() -> Self {
        Self::Bytes(256 << 20)
    }
}

impl Reserve {
    #[must_use]
    pub fn bytes(self, disk: Space) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => disk.total_bytes / 100 * u64::from(percent),
        }
    }

    /// What the store keeps free for itself.
    #[must_use]
    pub fn store_bytes(self, disk: Space) -> u64 {
        (self.bytes(disk) / 4).max(STORE_RESERVE_LEAST_BYTES)
    }
}

impl FromStr for Reserve {
    type Err = ReserveError;

    fn from_str(text: &str) -> Result<Self, ReserveError> {
        let error = || ReserveError(text.chars().take(40).collect());
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.parse().ok().filter(|percent| (1..=90).contains(percent));
            return percent.map(Self::Percent).ok_or_else(error);
        }
        let units = [("MiB", 20), ("GiB", 30), ("TiB", 40)];
        let (number, shift) = units
            .iter()
            .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)))
            .ok_or_else(error)?;
        let number: u64 = number.trim().parse().map_err(|_| error())?;
        let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes >= RESERVE_LEAST_BYTES);
        bytes.map(Self::Bytes).ok_or_else(error)
    }
}

impl TryFrom<String> for Reserve {
    type Error = ReserveError;

    fn try_from(text: String) -> Result<Self, ReserveError> {
        text.parse()
    }
}

/// Why there is no room for new work, with what would help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom {
    free_bytes: u64,
    reserve_bytes: u64,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { free_bytes, reserve_bytes } = *self;
        write!(
            f,
            "the controller's disk is full: {} MiB are free and new work needs {} MiB; free some on the disk of \
             its data folder, or lower disk.reserve",
            free_bytes >> 20,
            reserve_bytes.div_ceil(1 << 20)
        )
    }
}

/// Whether there is room for new work. A disk that does not tell has room.
pub fn look(space: Option<Space>, reserve: Reserve) -> Result<(), NoRoom> {
    let Some(space) = space else { return Ok(()) };
    let reserve_bytes = reserve.bytes(space);
    if space.free_bytes >= reserve_bytes {
        Ok(())
    } else {
        Err(NoRoom { free_bytes: space.free_bytes, reserve_bytes })
    }
}

/// Refuses new work that there is no room for.
pub fn admit(house: &House, what: NewWork) -> Result<(), Refusal> {
    let Health { refuses, space } = house.store.health();
    let refused = match (look(space, house.limits.reserve), refuses) {
        (Err(no_room), _) => Refusal::exhausted(no_room.to_string()),
        (Ok(()), Some(error @ StoreError::Full { .. })) => error.into(),
        (Ok(()), _) => return Ok(()),
    };
    house.meters.refused_work.add(what);
    Err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_a_size_or_a_part_of_the_disk() {
        for (text, wanted) in [
            ("256MiB", Some(Reserve::Bytes(256 << 20))),
            ("2 GiB", Some(Reserve::Bytes(2 << 30))),
            ("16MiB", Some(Reserve::Bytes(16 << 20))),
            ("5%", Some(Reserve::Percent(5))),
            ("15MiB", None),
            ("0%", None),
            ("91%", None),
            ("300%", None),
            ("256", None),
            ("MiB", None),
            ("-1GiB", None),
            ("99999999999999TiB", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), wanted, "{text}");
        }
        let error = "lots".parse::<Reserve>().unwrap_err().to_string();
        assert_eq!(error, "`lots` is not good: a size from 16MiB (as `512MiB` or `2GiB`), or 1% to 90%");
    }

    #[test]
    fn the_store_keeps_a_quarter_and_never_less_than_it_needs() {
        let disk = Space { free_bytes: 0, total_bytes: 1000 << 20 };
        for (reserve, wanted_mib) in
            [(Reserve::Bytes(256 << 20), 64), (Reserve::Bytes(16 << 20), 8), (Reserve::Percent(10), 25)]
        {
            assert_eq!(reserve.store_bytes(disk) >> 20, wanted_mib, "{reserve:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_free_and_what_helps() {
        let space = |free_mib: u64| Some(Space { free_bytes: free_mib << 20, total_bytes: 1 << 30 });
        let reserve = Reserve::default();
        assert_eq!(look(space(256), reserve), Ok(()));
        assert_eq!(look(None, reserve), Ok(()));
        assert_eq!(
            look(space(255), reserve).unwrap_err().to_string(),
            "the controller's disk is full: 255 MiB are free and new work needs 256 MiB; free some on the disk of \
             its data folder, or lower disk.reserve"
        );
    }
}
