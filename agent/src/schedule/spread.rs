//! How long after the moment that its schedule names an association begins on this host: always the same for the same
//! node and association, and different for others, so that neither a host nor a fleet does everything at once.

use std::time::Duration;

use fleetwright_proto::ids::AssociationId;
use sha2::{Digest, Sha256};

/// The share of the time between two moments over which hosts are spread.
const SHARE: u32 = 10;
const LONGEST: Duration = Duration::from_secs(300);
/// For a schedule that names one moment.
const OF_ONE_MOMENT: Duration = Duration::from_secs(30);

/// `period` is the time to the next moment, if there is one.
pub(super) fn delay(node: &str, association: &AssociationId, period: Option<Duration>) -> Duration {
    let over = period.map_or(OF_ONE_MOMENT, |period| (period / SHARE).min(LONGEST));
    let digest = Sha256::new().chain_update(node).chain_update(association.as_str()).finalize();
    let place = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let millis = u64::try_from(over.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis.saturating_mul(u64::from(place)) >> 32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn id(number: u32) -> AssociationId {
        format!("00000000-0000-4000-8000-{number:012x}").parse().unwrap()
    }

    #[test]
    fn the_same_for_the_same_and_within_the_share() {
        let hour = Some(Duration::from_secs(3600));
        for number in 0..100 {
            let delay_here = delay("mi-1", &id(number), hour);
            assert_eq!(delay_here, delay("mi-1", &id(number), hour));
            assert!(delay_here < LONGEST);
            assert!(delay("mi-1", &id(number), Some(Duration::from_secs(60))) < Duration::from_secs(6));
            assert!(delay("mi-1", &id(number), None) < OF_ONE_MOMENT);
        }
    }

    #[test]
    fn associations_and_nodes_are_spread() {
        let day = Some(Duration::from_secs(86_400));
        let seconds =
            |delays: Vec<Duration>| delays.iter().map(Duration::as_secs).collect::<BTreeSet<_>>().len();
        assert!(seconds((0..100).map(|number| delay("mi-1", &id(number), day)).collect()) > 70);
        assert!(seconds((0..100).map(|number| delay(&format!("mi-{number}"), &id(1), day)).collect()) > 70);
    }
}
