//! `fleetwright.control.v1.Controller`.

use std::sync::Arc;

use fleetwright_proto::control::controller_server::Controller;
use fleetwright_proto::control::{GetStatusRequest, GetStatusResponse, Usage};
use tonic::{Request, Response, Status};

use crate::error::Refusal;
use crate::house::House;
use crate::nodes::operations;

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
        let mut usage: Vec<_> = house.store.usage().iter().map(row).collect();
        usage.push(row(&house.blobs.usage().await.map_err(Refusal::from)?));
        usage.push(Usage {
            name: "finished commands".to_owned(),
            used: 0,
            limit: house.limits.keep_commands.as_secs() / (24 * 3600),
            unit: "days".to_owned(),
        });
        Ok(Response::new(GetStatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms: house.started.millis(),
            nodes: nodes as u64,
            connected_nodes: house.lines.count() as u64,
            open_commands: house.lives.count() as u64,
            usage,
        }))
    }
}

fn row(usage: &fleetwright_store::Usage) -> Usage {
    Usage {
        name: usage.name.to_owned(),
        used: usage.used.unwrap_or(0),
        limit: usage.limit.unwrap_or(0),
        unit: usage.unit.to_string(),
    }
}
