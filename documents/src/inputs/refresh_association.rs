//! `aws:refreshAssociation` (reference, section 2.14).

use super::fields::Fields;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshAssociation {
    /// Empty for all of the node.
    pub association_ids: Vec<String>,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Option<RefreshAssociation> {
    Some(RefreshAssociation { association_ids: fields.texts("associationIds")? })
}
