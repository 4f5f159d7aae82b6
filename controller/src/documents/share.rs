//! To whom documents are shown: operators and nodes by name, accounts by number, or everybody.
//!
//! Sharing decides what lists show under SSM's owners `Private` and `Public`, and protects a document from deletion.
//! Who may do what is decided at the doors, not here.

use std::collections::BTreeMap;

use fleetwright_store::Batch;

use super::fault::{DocumentError, Fault};
use super::find;
use super::names::{DocumentName, Reference, VersionWanted, shown};
use super::records::ShareRecord;
use super::write::commit;
use crate::house::House;
use crate::records::Pages;
use crate::service_settings;
use crate::tables::{DOCUMENT, DOCUMENT_SHARE};

/// Everybody, as SSM says it; it always stands alone in a request.
pub const ALL: &str = "all";
/// Principals of one call (reference, section 1.12).
const CALL_MAX: usize = 20;
const PRINCIPAL_MAX_CHARS: usize = 128;
/// As [`DOCUMENT_SHARE`] keeps a wish for every version.
const EVERY_VERSION: &str = "All";

/// What an operator wants of a document's sharing, unchecked.
#[derive(Debug, Clone, Default)]
pub struct ShareWish {
    pub name: String,
    pub add: Vec<String>,
    pub remove: Vec<String>,
    /// A number, `$LATEST`, `$DEFAULT`, `All`; empty: the default version.
    pub version: String,
    pub by: String,
}

/// Who a document is shared with.
pub type Shares = BTreeMap<String, ShareRecord>;

/// Changes with whom a document is shared, in one commit. Returns with whom it is then.
pub async fn change(house: &House, wish: ShareWish) -> Result<Shares, DocumentError> {
    let name = DocumentName::parse(&wish.name)?;
    let row = find::to_change(house, &name).await?;
    check_principals(&wish)?;
    if wish.add.iter().any(|principal| principal == ALL)
        && !service_settings::allows_public_sharing(house).await?
    {
        return Err(Fault::DocumentPermissionLimit.because(
            "documents may not be shared with everybody: /ssm/documents/console/public-sharing-permission is Disable",
        ));
    }
    let version = check_version(house, &name, &wish.version).await?;
    let mut shares = shares(house, &row.value.id).await?;
    let mut batch = Batch::new();
    // Whoever deletes the document at the same moment finds it changed.
    DOCUMENT.replace(&mut batch, &row)?;
    for principal in &wish.remove {
        shares.remove(principal);
        DOCUMENT_SHARE.delete(&mut batch, &(row.value.id.clone(), principal.clone()));
    }
    for principal in wish.add {
        let record =
            ShareRecord { version: version.clone(), shared: house.clock.now(), shared_by: wish.by.clone() };
        DOCUMENT_SHARE.put(&mut batch, &(row.value.id.clone(), principal.clone()), &record)?;
        shares.insert(principal, record);
    }
    let most = house.limits.document_shares;
    if shares.len() as u64 > most {
        return Err(Fault::DocumentPermissionLimit.because(format!(
            "document {name} would be shared with {} principals, and {most} are allowed",
            shares.len()
        )));
    }
    commit(house, &name, batch).await?;
    Ok(shares)
}

/// With whom a document is shared. A shipped document is everybody's.
pub async fn list(house: &House, name: &str) -> Result<Shares, DocumentError> {
    let name = DocumentName::parse(name)?;
    if fleetwright_documents::library::get(name.as_str()).is_some() {
        return Ok(Shares::new());
    }
    let row = find::of_fleet(house, &name).await?;
    shares(house, &row.value.id).await
}

async fn shares(house: &House, id: &super::records::KeptId) -> Result<Shares, DocumentError> {
    let mut shares = Shares::new();
    let mut pages = Pages::of(&DOCUMENT_SHARE, id.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        shares.extend(rows.into_iter().map(|row| (row.key.1, row.value)));
    }
    Ok(shares)
}

fn check_principals(wish: &ShareWish) -> Result<(), DocumentError> {
    for principals in [&wish.add, &wish.remove] {
        if principals.len() > CALL_MAX {
            return Err(Fault::Validation.because(format!(
                "{} principals at once are too many: {CALL_MAX} at most",
                principals.len()
            )));
        }
        if principals.len() > 1 && principals.iter().any(|principal| principal == ALL) {
            return Err(Fault::DocumentPermissionLimit
                .because("Accounts can either be all or a group of AWS accounts"));
        }
        let good = |text: &str| {
            !text.is_empty()
                && text.chars().count() <= PRINCIPAL_MAX_CHARS
                && !text.chars().any(|character| character.is_control() || character.is_whitespace())
        };
        if let Some(bad) = principals.iter().find(|principal| !good(principal)) {
            return Err(Fault::Validation.because(format!(
                "`{}` is no principal: the name of an operator or node, an account id, or all",
                shown(bad)
            )));
        }
    }
    match wish.add.iter().find(|principal| wish.remove.contains(principal)) {
        Some(both) => {
            Err(Fault::Validation
                .because(format!("`{both}` is to be added and removed at once: name it once")))
        }
        None if wish.add.is_empty() && wish.remove.is_empty() => {
            Err(Fault::Validation.because("nobody is named: say with whom to share, or with whom no longer"))
        }
        None => Ok(()),
    }
}

async fn check_version(
    house: &House,
    name: &DocumentName,
    version: &str,
) -> Result<Option<String>, DocumentError> {
    if version.is_empty() {
        return Ok(None);
    }
    if version != EVERY_VERSION {
        find::find(house, &Reference { name: name.clone(), version: VersionWanted::parse(version)? }).await?;
    }
    Ok(Some(version.to_owned()))
}
