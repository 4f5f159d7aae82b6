//! `fleetwright.control.v1.Backups`.

use std::pin::Pin;
use std::sync::Arc;

use fleetwright_proto::control::backups_server::Backups;
use fleetwright_proto::control::{TakeBackupRequest, TakeBackupResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use crate::backup::take::{SealWish, take};
use crate::doors::access::operator;
use crate::house::House;

/// Pieces that wait for their reader.
const PIECES: usize = 4;

/// Translates between the wire and [`crate::backup`].
#[derive(Debug)]
pub struct BackupsDoor {
    house: Arc<House>,
}

impl BackupsDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }
}

#[tonic::async_trait]
impl Backups for BackupsDoor {
    type TakeBackupStream = Pin<Box<dyn Stream<Item = Result<TakeBackupResponse, Status>> + Send>>;

    async fn take_backup(
        &self,
        request: Request<TakeBackupRequest>,
    ) -> Result<Response<Self::TakeBackupStream>, Status> {
        let by = operator(request.extensions())?;
        let passphrase = Zeroizing::new(request.into_inner().passphrase);
        let wish = match passphrase.is_empty() {
            true => SealWish::RootKey,
            false => SealWish::Passphrase(passphrase),
        };
        tracing::info!(by, "a backup is taken");
        let (pieces, received) = mpsc::channel(PIECES);
        tokio::spawn(take(self.house.clone(), wish, pieces));
        let pieces = ReceiverStream::new(received)
            .map(|piece| piece.map(|data| TakeBackupResponse { data }).map_err(Status::from));
        Ok(Response::new(Box::pin(pieces)))
    }
}
