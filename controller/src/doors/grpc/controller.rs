//! `fleetwright.control.v1.Controller`.

use std::sync::Arc;

use fleetwright_proto::control::controller_server::Controller;
use fleetwright_proto::control::{GetStatusRequest, GetStatusResponse, HealthPart, Usage};
use fleetwright_store::{Codec, Table, TableKey};
use tonic::{Request, Response, Status};

use crate::bounds;
use crate::error::Refusal;
use crate::folders;
use crate::health;
use crate::house::House;
use crate::nodes::operations;
use crate::records::Pages;
use crate::tables::{ACTIVATION, COMMAND, INVENTORY_ITEM, INVENTORY_PAST, INVOCATION, MAILBOX, OUTPUT};

/// Rows of a table that are counted; of a larger table it is told that there are so many or more.
const COUNTED_ROWS: u64 = 20_000;

/// Says how the controller itself is.
#[derive(Debug)]
pub struct ControllerDoor {
    house: Arc<House>,
}

impl ControllerDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }
}

#[tonic::async_trait]
impl Controller for ControllerDoor {
    async fn get_status(
        &self,
        _request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let house = &self.house;
        let nodes = operations::count(house).await?;
        let unbounded = house.store.usage().into_iter().filter(|usage| usage.limit.is_none());
        let mut usage: Vec<_> =
            bounds::all(house).into_iter().chain(unbounded).map(|usage| row(&usage)).collect();
        usage.push(row(&house.blobs.usage().await.map_err(Refusal::from)?));
        usage.extend(kept(house));
        usage.extend(folder_rows(house).await?);
        usage.extend(table_rows(house).await?);
        let parts = health::ready(house).into_iter();
        let parts = parts
            .map(|part| HealthPart { name: part.name.to_owned(), ok: part.ok, detail: part.detail })
            .collect();
        Ok(Response::new(GetStatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms: house.started.millis(),
            nodes: nodes as u64,
            connected_nodes: house.lines.count() as u64,
            open_commands: house.lives.count() as u64,
            usage,
            health: parts,
            uptime_ms: i64::try_from(house.started.until(house.clock.now()).as_millis()).unwrap_or(i64::MAX),
        }))
    }
}

/// How old something gets.
fn kept(house: &House) -> [Usage; 3] {
    let limits = &house.limits;
    let ages = [
        ("finished commands", limits.keep_commands),
        ("history of inventory", limits.keep_inventory),
        ("audit log", limits.audit.age),
    ];
    ages.map(|(name, age)| Usage {
        name: name.to_owned(),
        used: 0,
        limit: age.as_secs() / (24 * 3600),
        unit: "days".to_owned(),
    })
}

/// Everything in the data folder. None where everything is in memory.
async fn folder_rows(house: &House) -> Result<Vec<Usage>, Refusal> {
    let (data, space, reserve) = (house.data_dir.clone(), house.store.health().space, house.limits.reserve);
    if data.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let read = tokio::task::spawn_blocking(move || folders::usage(&data, space, reserve));
    let folders = read.await.map_err(|error| Refusal::internal(error.to_string()))?;
    let row = |folder: folders::FolderUsage| Usage {
        name: format!("folder {}", folder.name),
        used: folder.used,
        limit: folder.limit,
        unit: "bytes".to_owned(),
    };
    Ok(folders.into_iter().map(row).collect())
}

/// The tables that grow with what is done, not with how many nodes there are.
async fn table_rows(house: &House) -> Result<[Usage; 7], Refusal> {
    Ok([
        count(house, &ACTIVATION).await?,
        count(house, &COMMAND).await?,
        count(house, &INVOCATION).await?,
        count(house, &OUTPUT).await?,
        count(house, &MAILBOX).await?,
        count(house, &INVENTORY_ITEM).await?,
        count(house, &INVENTORY_PAST).await?,
    ])
}

async fn count<K: TableKey, V: Codec>(house: &House, table: &Table<K, V>) -> Result<Usage, Refusal> {
    let mut used = 0;
    let mut pages = Pages::of(table, ());
    while used < COUNTED_ROWS
        && let Some(rows) = pages.next(&*house.store).await?
    {
        used += rows.len() as u64;
    }
    let unit = if used < COUNTED_ROWS { "rows" } else { "rows or more" };
    Ok(Usage { name: format!("table {}", table.name()), used, limit: 0, unit: unit.to_owned() })
}

fn row(usage: &fleetwright_store::Usage) -> Usage {
    Usage {
        name: usage.name.to_owned(),
        used: usage.used.unwrap_or(0),
        limit: usage.limit.unwrap_or(0),
        unit: usage.unit.to_string(),
    }
}
