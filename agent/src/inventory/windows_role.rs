//! `AWS:WindowsRole`: roles and features of a Windows server.

use fleetwright_platform::{Platform, Source};

use super::{GatherError, Gathered};

pub(super) const TYPE: &str = "AWS:WindowsRole";
const SCHEMA: &str = "1.0";

pub(super) fn gather(platform: &dyn Platform) -> Result<Gathered, GatherError> {
    Ok(Gathered::new(TYPE, SCHEMA, platform.gather(&Source::WindowsRoles)?))
}
