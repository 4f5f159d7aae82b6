//! Backup and restore: everything that the controller keeps, at one moment, in one sealed file.
//!
//! ```text
//!  a running controller ── take ──► rows as of one revision · blobs · files ──► sealed frames ──► FILE
//!  FILE ── read to its end, every seal opened and every count compared ── only then written ──► a new data folder
//! ```
//!
//! - [`container`] is the file: frames under AES-256-GCM, each bound to its place and to the header, so that a torn,
//!   altered or shuffled file is refused. It knows nothing of a controller.
//! - [`take`](mod@take) reads while everything goes on. [`restore`](mod@restore) writes where no controller runs.
//!
//! Sealed with the root key, a backup opens with that key alone. Sealed with a passphrase, it holds the root key, too:
//! whoever has file and passphrase has the whole controller.

pub mod container;
pub mod entry;
pub mod restore;
pub mod take;

#[cfg(test)]
mod tests;
