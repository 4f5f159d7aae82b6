//! `fleetwright.control.v1.Access`.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::access_server::Access;
use fleetwright_proto::control::{
    AccessKey, ChangeAccessKeyRequest, ChangeAccessKeyResponse, CreateAccessKeyRequest,
    CreateAccessKeyResponse, DeleteAccessKeyRequest, DeleteAccessKeyResponse, ListAccessKeysRequest,
    ListAccessKeysResponse,
};
use tonic::{Request, Response, Status};

use super::page;
use crate::access::key_id::AccessKeyId;
use crate::access::keys::{self, AccessKeyView, NewAccessKey};
use crate::access::records::Standing;
use crate::doors::access::operator;
use crate::error::Refusal;
use crate::house::House;

/// Translates between the wire and [`crate::access`].
#[derive(Debug)]
pub struct AccessDoor {
    house: Arc<House>,
}

impl AccessDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }
}

#[tonic::async_trait]
impl Access for AccessDoor {
    async fn create_access_key(
        &self,
        request: Request<CreateAccessKeyRequest>,
    ) -> Result<Response<CreateAccessKeyResponse>, Status> {
        let created_by = operator(request.extensions())?;
        let CreateAccessKeyRequest { operator, description, expires_in_ms } = request.into_inner();
        let wish = NewAccessKey {
            operator: if operator.is_empty() { created_by.clone() } else { operator },
            description,
            expires_in: (expires_in_ms != 0).then(|| Duration::from_millis(expires_in_ms)),
            created_by,
        };
        let created = keys::create(&self.house, wish).await?;
        Ok(Response::new(CreateAccessKeyResponse {
            access_key: Some(access_key(created.key, self.house.clock.now())),
            secret_access_key: created.secret.reveal().to_owned(),
        }))
    }

    async fn list_access_keys(
        &self,
        request: Request<ListAccessKeysRequest>,
    ) -> Result<Response<ListAccessKeysResponse>, Status> {
        let ListAccessKeysRequest { operator, page_size, page_token } = request.into_inner();
        let operator = (!operator.is_empty()).then_some(operator.as_str());
        let (found, next) =
            keys::list(&self.house, operator, page::after(&page_token)?, page::size(page_size)).await?;
        let now = self.house.clock.now();
        let access_keys = found.into_iter().map(|key| access_key(key, now)).collect();
        Ok(Response::new(ListAccessKeysResponse { access_keys, next_page_token: page::token(next) }))
    }

    async fn change_access_key(
        &self,
        request: Request<ChangeAccessKeyRequest>,
    ) -> Result<Response<ChangeAccessKeyResponse>, Status> {
        let ChangeAccessKeyRequest { access_key_id, enabled } = request.into_inner();
        let id = key_id(&access_key_id)?;
        let standing = if enabled { Standing::Enabled } else { Standing::Disabled };
        let changed = keys::set_standing(&self.house, &id, standing).await?;
        let access_key = Some(access_key(changed, self.house.clock.now()));
        Ok(Response::new(ChangeAccessKeyResponse { access_key }))
    }

    async fn delete_access_key(
        &self,
        request: Request<DeleteAccessKeyRequest>,
    ) -> Result<Response<DeleteAccessKeyResponse>, Status> {
        let id = key_id(&request.into_inner().access_key_id)?;
        keys::delete(&self.house, &id).await?;
        Ok(Response::new(DeleteAccessKeyResponse {}))
    }
}

fn key_id(text: &str) -> Result<AccessKeyId, Refusal> {
    text.parse().map_err(|error| Refusal::invalid(format!("{error}")))
}

fn access_key(view: AccessKeyView, now: Timestamp) -> AccessKey {
    let AccessKeyView { id, record, last_used } = view;
    AccessKey {
        access_key_id: id.into(),
        expired: record.expired(now),
        operator: record.operator,
        description: record.description,
        created_ms: record.created.millis(),
        created_by: record.created_by,
        enabled: record.standing == Standing::Enabled,
        expires_ms: record.expires.map_or(0, Timestamp::millis),
        last_used_ms: last_used.map_or(0, Timestamp::millis),
    }
}
