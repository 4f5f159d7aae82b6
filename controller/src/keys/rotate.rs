//! Rotation, on line. Each step may be the last before a kill; the chore goes on where it stopped.
//!
//! ```text
//! a named key:  add a version ── seal every value anew ── open every value ── drop the versions before
//!               (one commit)     (a commit for each)      (none is left)      (one commit)
//!
//! the root key: a new key beside the file ── every data key wrapped anew ── the new file takes the place of the old
//!                                            (one commit)
//! ```

use std::time::Duration;

use fleetwright_store::{Batch, CommitError};

use super::names::{ACCESS, COMMANDS, KeyName};
use super::operations::{self, KeyView};
use super::records::{KeyState, RootRecord};
use super::ring::{KeyError, Maker, about_key};
use super::root::RootKey;
use crate::error::Refusal;
use crate::house::House;
use crate::mirror::Held;
use crate::parameters::reseal;
use crate::records::{COMMIT_ATTEMPTS, Pages};
use crate::tables::{KEY, KEY_ROOT, KEY_VERSION};

/// How often unfinished rotations and due deletions are looked for.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// How often a walk may find values that others changed meanwhile before the chore takes over.
const WALKS_MAX: usize = 8;

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    pub key: KeyView,
    /// Values that were sealed anew by this call.
    pub resealed: u64,
    /// Values that were opened with the new version afterwards.
    pub verified: u64,
}

/// Adds a version to a key and seals everything anew with it. Values can be read and written all the time.
pub async fn rotate(house: &House, name: &str, by: &str) -> Result<Rotated, KeyError> {
    let name = KeyName::parse(name)?;
    let maker = Maker { name: by, now: house.clock.now() };
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = operations::find(house, &name).await?;
        operations::refuse_unless_enabled(&name, &row.value)?;
        // Values of commands and access keys stay under the version that they were sealed with, and go with them.
        row.value.rotating = !matches!(name.as_str(), COMMANDS | ACCESS);
        row.value.version += 1;
        row.value.rotated = Some(maker.now);
        let mut batch = Batch::new();
        KEY.replace(&mut batch, &row)?;
        let id = (row.value.id.clone(), row.value.version);
        house.keys.add_version(&*house.store, &mut batch, id, maker.now).await?;
        match house.store.commit(batch).await {
            Ok(_) => return finish(house, &name, by).await,
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::conflict(format!("others change key {name} all the time: try again")).into())
}

/// Carries a rotation to its end, from wherever it was stopped.
async fn finish(house: &House, name: &KeyName, by: &str) -> Result<Rotated, KeyError> {
    let (mut resealed, mut verified) = (0, 0);
    for _ in 0..WALKS_MAX {
        let mut row = operations::find(house, name).await?;
        let done = |row: &fleetwright_store::Row<_, _>, resealed, verified| {
            Ok(Rotated { key: operations::view(name, &row.value), resealed, verified })
        };
        if !row.value.rotating {
            return done(&row, resealed, verified);
        }
        let maker = Maker { name: by, now: house.clock.now() };
        let found = reseal::run(house, name, &row.value, &maker).await.map_err(Refusal::from)?;
        resealed += found.anew;
        if found.anew + found.again > 0 {
            continue;
        }
        // This walk opened every value, and all of them with the latest version; nothing can be sealed with another
        // one since the commit that added it.
        verified = found.verified;
        let (id, oldest, version) = (row.value.id.clone(), row.value.oldest, row.value.version);
        row.value.rotating = false;
        row.value.oldest = version;
        let mut batch = Batch::new();
        KEY.replace(&mut batch, &row)?;
        (oldest..version).for_each(|former| KEY_VERSION.delete(&mut batch, &(id.clone(), former)));
        match house.store.commit(batch).await {
            Ok(_) => {
                house.keys.forget(&id, version);
                return done(&row, resealed, verified);
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable(format!(
        "key {name} has its new version, and values are changed faster than they are sealed anew ({resealed} so far, \
         {verified} verified): it goes on by itself"
    ))
    .into())
}

/// A rotation of the root key may have been committed without anybody being told: then the key that is beside the file
/// is the one that wraps everything.
async fn adopt_root(house: &House) -> Result<(), KeyError> {
    let root = house.keys.root();
    let Some(row) = KEY_ROOT.get(&*house.store, &0).await? else { return Ok(()) };
    if row.value.mark == root.mark() {
        return Ok(());
    }
    let next = RootKey::next_to(&root, &row.value.mark)?.ok_or_else(|| {
        Refusal::internal(format!(
            "the keys of the store are wrapped with root key {}, and this controller has {}",
            row.value.mark,
            root.mark()
        ))
    })?;
    house.keys.replace_root(next);
    Ok(())
}

/// Makes a new root key and wraps every data key with it.
pub async fn rotate_root(house: &House) -> Result<String, KeyError> {
    adopt_root(house).await?;
    let root = house.keys.root();
    let Some(path) = root.file() else {
        return Err(Refusal::conflict(format!(
            "the root key is kept in {} and not in a file of this controller: only who keeps it there can make another",
            root.place()
        ))
        .into());
    };
    let next = root.write_beside(path)?;
    let mut batch = Batch::new();
    match KEY_ROOT.get(&*house.store, &0).await? {
        Some(mut row) => {
            row.value.mark = next.mark().to_owned();
            KEY_ROOT.replace(&mut batch, &row)?;
        }
        None => KEY_ROOT.insert(&mut batch, &0, &RootRecord { mark: next.mark().to_owned() })?,
    }
    let mut pages = Pages::of(&KEY_VERSION, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        for mut row in rows {
            let about = about_key(&row.key);
            let bytes = root.unwrap(&about, &row.value.wrapped)?;
            row.value.wrapped = next.wrap(&about, &bytes)?;
            if next.unwrap(&about, &row.value.wrapped)? != bytes {
                return Err(Refusal::internal("a data key that was wrapped anew is not the same").into());
            }
            KEY_VERSION.replace(&mut batch, &row)?;
        }
    }
    house.store.commit(batch).await?;
    let mark = next.mark().to_owned();
    house.keys.replace_root(next);
    // From here on a start finds the new key beside the old one, too.
    RootKey::take_place(path)?;
    Ok(mark)
}

/// Goes on with rotations that were stopped, and deletes keys whose time has come.
pub async fn run_once(house: &House) -> Result<(), KeyError> {
    adopt_root(house).await?;
    let now = house.clock.now();
    let keys = house.keys.keys.look(&*house.store, |rows| {
        let held = rows.iter().filter_map(|(name, held)| match held {
            Held::Here(row) => Some((name.clone(), row.value.clone())),
            Held::Away => None,
        });
        held.collect::<Vec<_>>()
    });
    for (name, record) in keys.await? {
        match record.state {
            KeyState::PendingDeletion { at } if at <= now => operations::remove(house, &name).await?,
            KeyState::Enabled if record.rotating => {
                let done = finish(house, &name, &record.created_by).await?;
                tracing::info!(key = %name, resealed = done.resealed, "a rotation was carried to its end");
            }
            _ => {}
        }
    }
    Ok(())
}
