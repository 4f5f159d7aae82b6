//! The store as its users see it: one promise for every engine, tables above it, and crashes of every kind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic, also in its helpers")]

mod conformance;
