//! Who may do what: Cedar policies over one schema, default deny, one evaluator for every door.
//!
//! ```text
//! actions ──┐
//! resources ┴─► schema ─► written (parse, check) ─► kept policies ─► evaluate ─► authorize
//! ```
//!
//! Members of the group `admins` may do everything, by a policy that is built in and that no kept policy takes back: a
//! slip in a `forbid` cannot lock the last of them out.

pub mod actions;
pub mod ask;
pub mod evaluate;
pub mod resources;
pub mod schema;
pub mod written;

pub use actions::Action;
pub use evaluate::{Decision, Who, authorize, node_may, node_may_open, node_may_read};
pub use resources::{Kind, Resource};

/// What decided for members of the group `admins`.
pub const BUILT_IN: &str = "built-in-admins";
