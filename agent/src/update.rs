//! Another build of the agent, without ever being without one.
//!
//! ```text
//!                     ┌── the packaged build, which nothing here ever writes
//! service manager ──► launcher ──► the build that counts: packaged, or a slot
//!                     └──► a new build on trial, as a child: reaches the controller in time ──► it counts
//!                                                            ends, hangs, cannot connect ──► as before
//! ```
//!
//! The service always starts the packaged program. That one looks at the journal of updates and hands over to the
//! build in a slot, if there is one. A new build is written to the slot that is not in use and is tried while the
//! old one watches; only when it has reached the controller is it the one that counts. Every step is one record that
//! replaces the one before and is durable before anything follows from it, so a crash or a power cut at any moment
//! finds a build that runs. Until it has run for a while it is on probation: one that ends again and again gives way to
//! the one before it.
//!
//! [`state`] decides and is pure; [`folder`] keeps; [`stage`] brings a build in; what starts processes is the program.

mod folder;
pub mod published;
mod stage;
mod state;

pub use folder::{UpdateError, UpdateFolder};
pub use stage::{BUILD_MAX_BYTES, FOLDER_MAX_BYTES, StageError, Staged, Wanted, is_newer, stage};
pub use state::{
    Attempt, Build, Outcome, PROBATION_STARTS, Probation, Slot, Start, TRIAL_STARTS, UpdateState, Verdict,
};
