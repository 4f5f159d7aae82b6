//! The fleet in one process: a real controller, real agents over fake hosts, real TLS and gRPC over loopback, and
//! faults as methods.
//!
//! ```text
//!   Fleet ── operations ──► Controller ──► MortalStore ──► what survives (memory)
//!     │                        ▲  TLS, gRPC    └─ Witness: sees every commit, and every final state that is left
//!     │                      Wire: cut, down, mute, cut in the middle of the nth piece
//!     └── Host ── Agent ───────┘
//!          ├─ FakePlatform: scripts, disk, reboot          all of it on one FleetClock, which a test pushes forward
//!          └─ journal and spool, which survive the agent
//! ```
//!
//! Nothing here imitates the controller or the agent. A test says what is done to them and then what must be true;
//! [`Fleet::check`] adds what must be true after every test: one final state for each invocation, each script run at
//! most once, nothing open past its deadline, and a reason for everything.

mod clock;
mod fleet;
mod host;
mod real;
mod run;
mod store;
mod verdict;
mod waits;
mod wire;
mod witness;

pub use clock::FleetClock;
pub use fleet::{Fleet, FleetSettings};
pub use host::{Host, Keeps, Machine};
pub use real::RealPlatform;
pub use run::Run;
pub use store::{Death, Disk, MortalStore};
pub use wire::Wire;
