//! Keys: what secrets are sealed with, so that a copied data folder tells nothing.
//!
//! ```text
//!  root key (outside the store) ──wraps──► data keys (rows) ──seal──► values (rows of other rooms)
//!                                              │
//!                              alias/… ── version 1, 2, … : a rotation adds one, seals everything anew, verifies,
//!                                                           and only then forgets the one before
//! ```
//!
//! - [`root`] finds, makes and checks the root key. [`ring`] seals and opens.
//! - [`operations`] makes, lists, disables and deletes named keys; [`rotate`] rotates them on line.
//!
//! Sealed is AES-256-GCM with a random nonce; what a value belongs to (its name and version) is bound into the seal.
//! No key and no opened value has a text form.

pub mod names;
pub mod operations;
pub mod records;
pub mod ring;
pub mod root;
pub mod rotate;
mod seal;

#[cfg(test)]
mod tests;
