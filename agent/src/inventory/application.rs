//! `AWS:Application`: what is installed.

use fleetwright_platform::{Platform, Source};

use super::{GatherError, Gathered};

pub(super) const TYPE: &str = "AWS:Application";
const SCHEMA: &str = "1.1";

pub(super) fn gather(platform: &dyn Platform) -> Result<Gathered, GatherError> {
    Ok(Gathered::new(TYPE, SCHEMA, platform.gather(&Source::Applications)?))
}
