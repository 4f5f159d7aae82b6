//! `fleetwright.control.v1.Activations`.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::activations_server::Activations;
use fleetwright_proto::control::{
    Activation, CreateActivationRequest, CreateActivationResponse, DeleteActivationRequest,
    DeleteActivationResponse, ListActivationsRequest, ListActivationsResponse,
};
use fleetwright_proto::ids::ActivationId;
use tonic::{Request, Response, Status};

use super::page;
use crate::access::policy::{Kind, Resource};
use crate::doors::access::Asker;
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::activations::{self, DEFAULT_LIFETIME, Expiry, NewActivation};
use crate::nodes::records::ActivationRecord;

/// Translates between the wire and [`activations`].
#[derive(Debug)]
pub struct ActivationsDoor {
    house: Arc<House>,
}

impl ActivationsDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }
}

#[tonic::async_trait]
impl Activations for ActivationsDoor {
    async fn create_activation(
        &self,
        request: Request<CreateActivationRequest>,
    ) -> Result<Response<CreateActivationResponse>, Status> {
        let created = activations::create(&self.house, wish(request.into_inner())?).await?;
        Ok(Response::new(CreateActivationResponse {
            activation: Some(activation(&created.id, &created.record, self.house.clock.now())),
            activation_code: created.code,
            authority_fingerprint: self.house.authority.fingerprint(),
        }))
    }

    async fn list_activations(
        &self,
        request: Request<ListActivationsRequest>,
    ) -> Result<Response<ListActivationsResponse>, Status> {
        let ListActivationsRequest { page_size, page_token } = request.into_inner();
        let limit = page::size(page_size);
        let found = activations::list(&self.house, page::after(&page_token)?, limit).await?;
        let next = found.last().filter(|_| found.len() >= limit).map(|(id, _)| id.clone());
        let now = self.house.clock.now();
        Ok(Response::new(ListActivationsResponse {
            activations: found.iter().map(|(id, record)| activation(id, record, now)).collect(),
            next_page_token: page::token(next),
        }))
    }

    async fn delete_activation(
        &self,
        request: Request<DeleteActivationRequest>,
    ) -> Result<Response<DeleteActivationResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let id: ActivationId = request
            .into_inner()
            .activation_id
            .parse()
            .map_err(|error| Refusal::invalid(format!("{error}")))?;
        asker.may(&self.house, &Resource::Named(Kind::Activation, id.as_str()))?;
        activations::delete(&self.house, &id).await?;
        Ok(Response::new(DeleteActivationResponse {}))
    }
}

fn wish(request: CreateActivationRequest) -> Result<NewActivation, Refusal> {
    let CreateActivationRequest {
        description,
        registration_limit,
        expires_in_ms,
        never_expires,
        default_name,
        tags,
    } = request;
    let expiry = match (never_expires, expires_in_ms) {
        (true, 0) => Expiry::Never,
        (true, _) => return Err(Refusal::invalid("an activation cannot both expire and never expire")),
        (false, 0) => Expiry::After(DEFAULT_LIFETIME),
        (false, millis) => Expiry::After(Duration::from_millis(millis)),
    };
    Ok(NewActivation {
        description,
        registration_limit: registration_limit.max(1),
        expiry,
        default_name: (!default_name.is_empty()).then_some(default_name),
        tags: tags.into_iter().collect(),
        iam_role: None,
    })
}

fn activation(id: &ActivationId, record: &ActivationRecord, now: Timestamp) -> Activation {
    let expired = record.expired(now);
    let ActivationRecord {
        description,
        created,
        expires,
        registration_limit,
        registrations,
        default_name,
        tags,
        iam_role: _,
        code_digest: _,
    } = record.clone();
    Activation {
        activation_id: id.to_string(),
        description,
        created_ms: created.millis(),
        expires_ms: expires.map_or(0, Timestamp::millis),
        registration_limit,
        registrations,
        default_name: default_name.unwrap_or_default(),
        tags: tags.into_iter().collect(),
        expired,
    }
}
