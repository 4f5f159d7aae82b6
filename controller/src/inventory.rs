//! What is on the nodes: as they tell it, as it was at a moment, and which of them have something.
//!
//! ```text
//! a node's change ──► keep: apply, compare digests ──► one commit: list, past, what the node holds
//!                        │                                     │
//!                        └─ the befores differ: send all       └──► catalogue (memory): lists of all nodes ──► query
//! ```
//!
//! Types that are much the same on every node (packages, services) are kept as lists of numbers of items that the fleet
//! shares; the others as compressed text of their own. What was before is kept as the way back.

pub mod catalogue;
pub mod content;
pub mod deletions;
pub mod history;
pub mod items;
pub mod keep;
pub mod query;
pub mod read;
pub mod records;
pub mod schema;
pub mod sweep;
pub mod version;

#[cfg(test)]
mod tests;
