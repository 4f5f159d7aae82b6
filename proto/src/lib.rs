//! What the agent, the controller and operators share: the wire types, ids and the clock.
//!
//! The two sides never import each other; they meet here. This crate knows no rule of either side: it parses and
//! prints ids, tells the time, compares names with patterns, and holds what is generated from `fleetwright/*/v1/*.proto`.

pub mod clock;
pub mod codec;
pub mod ids;
pub mod inventory;
pub mod wildcard;

/// `fleetwright.agent.v1`: the stream between an agent and its controller.
pub mod agent {
    #![allow(missing_debug_implementations, unreachable_pub, clippy::all, clippy::unwrap_used)]
    tonic::include_proto!("fleetwright.agent.v1");
}

/// `fleetwright.control.v1`: what operators ask of a controller.
pub mod control {
    #![allow(missing_debug_implementations, unreachable_pub, clippy::all, clippy::unwrap_used)]
    tonic::include_proto!("fleetwright.control.v1");
}

/// Longest text of a document, bytes (reference, section 1.12).
pub const DOCUMENT_MAX_BYTES: usize = 64 * 1024;

/// Longest `Output.data`, bytes.
pub const OUTPUT_CHUNK_MAX_BYTES: usize = 256 * 1024;

/// Longest message on any stream, bytes: a document with its parameters, or a chunk of output, with room to spare.
pub const MESSAGE_MAX_BYTES: usize = 1024 * 1024;
