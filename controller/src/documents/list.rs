//! Lists: documents by name with SSM's filters, and the versions of one.

use fleetwright_documents::library;

use super::fault::{DocumentError, Fault};
use super::find::{self, Owner, View};
use super::names::{DocumentName, shown};
use super::share::ALL;
use crate::house::House;
use crate::records::{next_key, note_unreadable};
use crate::tables::{DOCUMENT, DOCUMENT_SHARE, DOCUMENT_VERSION};

/// Values of one key are alternatives, keys narrow each other down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    key: Key,
    values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Name,
    Owner,
    PlatformTypes,
    DocumentType,
    TargetType,
    SearchKeyword,
    Tag(String),
}

const OWNERS: [&str; 6] = ["Amazon", "Self", "Private", "Public", "ThirdParty", "All"];

impl Filter {
    /// `Name` (a beginning), `Owner`, `PlatformTypes`, `DocumentType`, `TargetType`, `SearchKeyword`, `tag:KEY`.
    pub fn parse(key: &str, values: Vec<String>) -> Result<Self, DocumentError> {
        let key = match key {
            "Name" => Key::Name,
            "Owner" => Key::Owner,
            "PlatformTypes" => Key::PlatformTypes,
            "DocumentType" => Key::DocumentType,
            "TargetType" => Key::TargetType,
            "SearchKeyword" => Key::SearchKeyword,
            _ => match key.strip_prefix("tag:") {
                Some(tag) if !tag.is_empty() => Key::Tag(tag.to_owned()),
                _ => {
                    return Err(Fault::InvalidFilterKey.because(format!(
                        "`{}` is not a filter: Name, Owner, PlatformTypes, DocumentType, TargetType, SearchKeyword \
                         or tag:KEY",
                        shown(key)
                    )));
                }
            },
        };
        if values.is_empty() {
            return Err(
                Fault::InvalidFilterKey.because("a filter without values takes nothing: give it some")
            );
        }
        if key == Key::Owner
            && let Some(bad) = values.iter().find(|value| !OWNERS.contains(&value.as_str()))
        {
            return Err(Fault::InvalidFilterKey.because(format!(
                "`{}` is no owner: one of {}",
                shown(bad),
                OWNERS.join(", ")
            )));
        }
        Ok(Self { key, values })
    }

    fn passes(&self, view: &View, seen: Seen) -> bool {
        let is = |text: &str| self.values.iter().any(|value| value == text);
        match &self.key {
            Key::Name => self.values.iter().any(|value| view.name.starts_with(value.as_str())),
            Key::Owner => self.values.iter().any(|owner| match owner.as_str() {
                "All" => true,
                "Amazon" => view.owner == Owner::Amazon,
                "Self" => view.owner == Owner::Fleet,
                "Public" => view.owner == Owner::Amazon || seen.by_all,
                "Private" => seen.by_caller,
                _ => false,
            }),
            Key::PlatformTypes => view.platform_types.iter().any(|platform| is(platform)),
            Key::DocumentType => is(view.document_type.name()),
            Key::TargetType => view.target_type.as_deref().is_some_and(is),
            Key::SearchKeyword => self.values.iter().all(|word| mentions(view, word)),
            Key::Tag(key) => view.tags.get(key).is_some_and(|value| is(value)),
        }
    }
}

fn mentions(view: &View, word: &str) -> bool {
    let word = word.to_lowercase();
    let texts = [Some(&view.name), view.display_name.as_ref(), view.version_name.as_ref()];
    texts.into_iter().flatten().any(|text| text.to_lowercase().contains(&word))
}

/// With whom a document is shared, as far as filters ask.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    by_all: bool,
    by_caller: bool,
}

/// A page of documents, each as its default version, and the name after which the next page starts.
pub type Documents = (Vec<View>, Option<DocumentName>);

/// Documents by name, shipped ones among them. `caller` is who asks: `Private` is what was shared with them.
pub async fn list(
    house: &House,
    filters: &[Filter],
    caller: &str,
    after: Option<DocumentName>,
    limit: usize,
) -> Result<Documents, DocumentError> {
    let (mut found, mut after) = (Vec::new(), after);
    loop {
        let (views, next) = merged(house, after.as_ref(), limit).await?;
        for view in views {
            let name = DocumentName::parse(&view.name)?;
            let seen = seen(house, filters, &view, caller).await?;
            if filters.iter().all(|filter| filter.passes(&view, seen)) {
                found.push(view);
            }
            if found.len() >= limit {
                return Ok((found, Some(name)));
            }
        }
        match next {
            None => return Ok((found, None)),
            next => after = next,
        }
    }
}

/// Shipped documents and those of the fleet in one order, and where it goes on.
async fn merged(
    house: &House,
    after: Option<&DocumentName>,
    limit: usize,
) -> Result<Documents, DocumentError> {
    let page = DOCUMENT.scan(&*house.store, &(), after, limit).await?;
    note_unreadable("document", &page.unreadable);
    let next = next_key(&page, limit);
    let mut views = Vec::new();
    for row in page.rows {
        let key = (row.value.id.clone(), row.value.default_version);
        // Deleted since the page was read: it is not there any more.
        if let Some(version) = DOCUMENT_VERSION.get(&*house.store, &key).await? {
            views.push(find::view(&row.key, &row.value, key.1, version.value));
        }
    }
    for shipped in library::all() {
        let behind = after.is_none_or(|after| shipped.name > after.as_str());
        let before_next = next.as_ref().is_none_or(|next| shipped.name <= next.as_str());
        if behind && before_next {
            views.push(find::shipped_view(shipped)?);
        }
    }
    views.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((views, next))
}

async fn seen(house: &House, filters: &[Filter], view: &View, caller: &str) -> Result<Seen, DocumentError> {
    if view.owner == Owner::Amazon || !filters.iter().any(|filter| filter.key == Key::Owner) {
        return Ok(Seen::default());
    }
    let row = find::of_fleet(house, &DocumentName::parse(&view.name)?).await?;
    let shared = async |principal: &str| {
        DOCUMENT_SHARE.get(&*house.store, &(row.value.id.clone(), principal.to_owned())).await
    };
    Ok(Seen { by_all: shared(ALL).await?.is_some(), by_caller: shared(caller).await?.is_some() })
}

/// A page of the versions of a document, oldest first, and the version after which the next page starts.
pub async fn versions(
    house: &House,
    name: &str,
    after: Option<u64>,
    limit: usize,
) -> Result<(Vec<View>, Option<u64>), DocumentError> {
    let name = DocumentName::parse(name)?;
    if let Some(shipped) = library::get(name.as_str()) {
        let only = find::shipped_view(shipped)?;
        return Ok((if after.is_none() { vec![only] } else { Vec::new() }, None));
    }
    let document = find::of_fleet(house, &name).await?.value;
    let after = after.map(|version| (document.id.clone(), version));
    let page = DOCUMENT_VERSION.scan(&*house.store, &document.id, after.as_ref(), limit).await?;
    note_unreadable("document-version", &page.unreadable);
    let next = next_key(&page, limit).map(|key| key.1);
    let view = |row: fleetwright_store::Row<(super::records::KeptId, u64), _>| {
        find::view(&name, &document, row.key.1, row.value)
    };
    Ok((page.rows.into_iter().map(view).collect(), next))
}
