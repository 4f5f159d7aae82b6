//! `AWS:BillingInfo`: what an EC2 instance is billed as. A host that is none has no such thing.

use fleetwright_platform::{Platform, Unsupported};

use super::{GatherError, Gathered};

pub(super) const TYPE: &str = "AWS:BillingInfo";

pub(super) fn gather(_platform: &dyn Platform) -> Result<Gathered, GatherError> {
    Err(GatherError::Unsupported(Unsupported {
        capability: "collecting what AWS bills",
        os: "a host that is no EC2 instance",
    }))
}
