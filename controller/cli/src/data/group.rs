//! A group, as printed.

use fleetwright_proto::control;
use serde::Serialize;

use super::Moment;
use super::command::Target;

#[derive(Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) targets: Vec<Target>,
    pub(crate) created_at: Option<Moment>,
    pub(crate) created_by: String,
}

impl From<control::Group> for Group {
    fn from(wire: control::Group) -> Self {
        Self {
            name: wire.name,
            description: wire.description,
            targets: wire.targets.into_iter().map(Target::from).collect(),
            created_at: Moment::of_wire(wire.created_ms),
            created_by: wire.created_by,
        }
    }
}
