//! How a node leaves: first its identity ends, then what still belongs to it.
//!
//! ```text
//! member ── one commit ──► departing ── invocations ended, mailbox and inventory swept ──► gone
//! ```
//!
//! That a node is departing is a row, written in the commit that ends its identity and deleted last. Whoever is
//! stopped in between leaves the rest to [`finish_all`], and no command waits for a node that nobody knows.

use std::time::Duration;

use fleetwright_proto::ids::NodeId;
use fleetwright_store::Batch;

use super::operations::resolve;
use super::presence::Closing;
use super::targets::unknown_node;
use crate::commands::reconcile::end_on_node;
use crate::commands::records::Mark;
use crate::error::Refusal;
use crate::house::House;
use crate::records::{Pages, delete_below};
use crate::tables::{DEPARTURE, MAILBOX, NODE, NODE_KEY, PRESENCE};

/// How often [`finish_all`] is due. A departure whose caller went away in the middle waits for it.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// Ends a node's identity. Durable when this returns: its record, key and mailbox are gone, its open invocations
/// ended; its certificate is refused from then on.
pub async fn deregister(house: &House, wanted: &str) -> Result<NodeId, Refusal> {
    let (id, _) = resolve(house, wanted).await?;
    let row = NODE.get(&*house.store, &id).await?.ok_or_else(|| unknown_node(wanted))?;
    let mut batch = Batch::new();
    NODE.delete_at(&mut batch, &id, row.revision);
    NODE_KEY.delete(&mut batch, &row.value.key_fingerprint);
    DEPARTURE.put(&mut batch, &id, &Mark {})?;
    house.store.commit(batch).await?;
    house.lines.ask_to_close(&id, Closing::Deregistered);
    // From here on nothing new can be sent to it; what was is ended and swept.
    finish(house, &id).await?;
    Ok(id)
}

/// Brings departures to their end that were left in the middle.
pub async fn finish_all(house: &House) -> Result<(), Refusal> {
    let mut departing = Pages::of(&DEPARTURE, ());
    while let Some(rows) = departing.next(&*house.store).await? {
        for row in rows {
            finish(house, &row.key).await?;
        }
    }
    Ok(())
}

async fn finish(house: &House, id: &NodeId) -> Result<(), Refusal> {
    end_on_node(house, id).await?;
    delete_below(&*house.store, &MAILBOX, id.clone()).await?;
    crate::inventory::sweep::forget(house, id).await?;
    crate::compliance::put::forget(house, id).await?;
    let mut batch = Batch::new();
    PRESENCE.delete(&mut batch, id);
    DEPARTURE.delete(&mut batch, id);
    house.store.commit(batch).await?;
    Ok(())
}
