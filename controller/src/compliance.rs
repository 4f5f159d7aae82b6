//! Findings: what is as it should be on the nodes and what is not, by whoever looks: associations, patches, people.
//!
//! ```text
//! compliance-set      node, type ──► when it was found, the counts, which generation counts
//! compliance-finding  node, type, generation, id ──► a finding
//! ```
//!
//! All findings of a type are replaced by writing them as a new generation and then, in one commit, saying that it
//! counts: whoever reads sees the old ones or the new ones, and never a mixture.

pub mod list;
pub mod put;
pub mod records;
pub mod summary;

#[cfg(test)]
mod tests;
