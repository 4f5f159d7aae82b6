//! `fleetwright.control.v1.Keys`.

use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::keys_server::Keys;
use fleetwright_proto::control::{
    ChangeKeyRequest, ChangeKeyResponse, CreateKeyRequest, CreateKeyResponse, Key, KeyChange,
    ListKeysRequest, ListKeysResponse, RotateKeyRequest, RotateKeyResponse, RotateRootKeyRequest,
    RotateRootKeyResponse,
};
use tonic::{Request, Response, Status};

use crate::access::policy::{Action, Kind, Resource};
use crate::doors::access::Asker;
use crate::error::Refusal;
use crate::house::House;
use crate::keys::operations::{self, KeyView, Use};
use crate::keys::records::KeyState;
use crate::keys::ring::KeyError;
use crate::keys::rotate;

/// Translates between the wire and [`crate::keys`].
#[derive(Debug)]
pub struct KeysDoor {
    house: Arc<House>,
}

impl KeysDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    fn ask(&self, asker: &Asker, action: Action, name: &str) -> Result<(), Refusal> {
        asker.may_do(&self.house, action, &Resource::Named(Kind::Key, name))
    }
}

impl From<KeyError> for Status {
    fn from(error: KeyError) -> Self {
        super::status(&error.into())
    }
}

#[tonic::async_trait]
impl Keys for KeysDoor {
    async fn create_key(
        &self,
        request: Request<CreateKeyRequest>,
    ) -> Result<Response<CreateKeyResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let CreateKeyRequest { name, description } = request.into_inner();
        self.ask(&asker, asker.action, &name)?;
        let by = asker.principal.name.to_string();
        let made = operations::create(&self.house, &name, &description, &by).await?;
        Ok(Response::new(CreateKeyResponse { key: Some(key(made)) }))
    }

    async fn list_keys(
        &self,
        _request: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        let keys = operations::list(&self.house).await?.into_iter().map(key).collect();
        let root = self.house.keys.root();
        Ok(Response::new(ListKeysResponse {
            keys,
            root_mark: root.mark().to_owned(),
            root_place: root.place().to_owned(),
        }))
    }

    async fn change_key(
        &self,
        request: Request<ChangeKeyRequest>,
    ) -> Result<Response<ChangeKeyResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let request = request.into_inner();
        let action = match request.change() {
            KeyChange::Delete => Action::DeleteKey,
            _ => asker.action,
        };
        self.ask(&asker, action, &request.name)?;
        let (house, name) = (&self.house, request.name.as_str());
        let changed = match request.change() {
            KeyChange::Enable => operations::set_enabled(house, name, Use::Allowed).await,
            KeyChange::Disable => operations::set_enabled(house, name, Use::Forbidden).await,
            KeyChange::Delete => {
                let days = if request.days == 0 { *operations::DELETION_DAYS.end() } else { request.days };
                operations::schedule_deletion(house, name, days).await
            }
            KeyChange::CancelDeletion => operations::cancel_deletion(house, name).await,
            KeyChange::Unspecified => {
                Err(Refusal::invalid("nothing is said to be changed: enable, disable, delete or keep").into())
            }
        };
        Ok(Response::new(ChangeKeyResponse { key: Some(key(changed?)) }))
    }

    async fn rotate_key(
        &self,
        request: Request<RotateKeyRequest>,
    ) -> Result<Response<RotateKeyResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let name = request.into_inner().name;
        self.ask(&asker, asker.action, &name)?;
        let done = rotate::rotate(&self.house, &name, &asker.principal.name).await?;
        Ok(Response::new(RotateKeyResponse {
            key: Some(key(done.key)),
            resealed: done.resealed,
            verified: done.verified,
        }))
    }

    async fn rotate_root_key(
        &self,
        _request: Request<RotateRootKeyRequest>,
    ) -> Result<Response<RotateRootKeyResponse>, Status> {
        let root_mark = rotate::rotate_root(&self.house).await?;
        Ok(Response::new(RotateRootKeyResponse { root_mark }))
    }
}

fn key(view: KeyView) -> Key {
    let deletion = match view.state {
        KeyState::PendingDeletion { at } => Some(at),
        KeyState::Enabled | KeyState::Disabled => None,
    };
    Key {
        state: view.state.name().to_owned(),
        name: view.name,
        description: view.description,
        version: view.version,
        rotating: view.rotating,
        created_ms: view.created.millis(),
        created_by: view.created_by,
        rotated_ms: view.rotated.map_or(0, Timestamp::millis),
        deletion_ms: deletion.map_or(0, Timestamp::millis),
    }
}
