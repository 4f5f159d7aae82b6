//! Nodes: activations, enrolment, identity, tags and presence.
//!
//! A node is a key. It joins with an activation, gets an id and a certificate for its key, and keeps both whatever
//! becomes of its address, name or hardware. This room knows who belongs to the fleet and when each was last heard;
//! it does not know what runs on them.

pub mod activations;
pub mod departures;
pub mod enrolment;
pub mod groups;
pub mod operations;
pub mod presence;
pub mod records;
pub mod targets;

#[cfg(test)]
mod tests;
