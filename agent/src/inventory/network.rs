//! `AWS:Network`: interfaces and their addresses.

use fleetwright_platform::{Platform, Source};

use super::{GatherError, Gathered};

pub(super) const TYPE: &str = "AWS:Network";
const SCHEMA: &str = "1.0";

pub(super) fn gather(platform: &dyn Platform) -> Result<Gathered, GatherError> {
    Ok(Gathered::new(TYPE, SCHEMA, platform.gather(&Source::Network)?))
}
