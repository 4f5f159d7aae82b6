//! `AWS:WindowsRegistry`: the values that a document asks for (reference, sections 5.1 and 5.4).

use fleetwright_documents::inputs::RegistryQuery;
use fleetwright_platform::{Platform, RegistryKey, Source};

use super::{GatherError, Gathered};

pub(super) const TYPE: &str = "AWS:WindowsRegistry";
const SCHEMA: &str = "1.0";

/// Values of all queries together.
const VALUES_MAX: usize = 250;

pub(super) fn gather(platform: &dyn Platform, queries: &[RegistryQuery]) -> Result<Gathered, GatherError> {
    let mut items = Vec::new();
    for query in queries {
        let key = RegistryKey {
            path: query.path.clone(),
            recursive: query.recursive,
            value_names: query.value_names.clone(),
            values_max: VALUES_MAX - items.len(),
        };
        items.extend(platform.gather(&Source::Registry(key))?);
    }
    Ok(Gathered::new(TYPE, SCHEMA, items))
}
