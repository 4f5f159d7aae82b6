//! `fleetwright.agent.v1.Agent`.

mod associations;
mod documents;
mod inventory;
mod parameters;
mod session;
mod words;

use std::pin::Pin;
use std::sync::Arc;

use fleetwright_proto::agent::agent_server::Agent;
use fleetwright_proto::agent::{
    AgentMessage, ControllerMessage, EnrollRequest, EnrollResponse, GetAttachmentRequest,
    GetAttachmentResponse, GetDocumentRequest, GetDocumentResponse, HostFacts,
};
use fleetwright_proto::ids::{ActivationId, NodeId};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::authority::Identity;
use crate::doors::access::Peer;
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::enrolment::{self, Enrolment};
use crate::nodes::operations::member;

/// Translates between agents and the house.
#[derive(Debug)]
pub struct AgentDoor {
    house: Arc<House>,
}

impl AgentDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }
}

#[tonic::async_trait]
impl Agent for AgentDoor {
    async fn enroll(&self, request: Request<EnrollRequest>) -> Result<Response<EnrollResponse>, Status> {
        let EnrollRequest { activation_id, activation_code, certificate_request, host } =
            request.into_inner();
        let activation: ActivationId =
            activation_id.parse().map_err(|_| crate::nodes::activations::wrong_activation())?;
        let wish = Enrolment {
            activation,
            code: activation_code,
            certificate_request: certificate_request.to_vec(),
            host: host.unwrap_or_else(HostFacts::default),
        };
        let enrolled = enrolment::enrol(&self.house, wish).await?;
        tracing::info!(node = %enrolled.node, "a node enrolled");
        Ok(Response::new(EnrollResponse {
            node_id: enrolled.node.to_string(),
            certificate: enrolled.certificate.to_vec().into(),
            authority: self.house.authority.certificate().to_vec().into(),
        }))
    }

    type ConnectStream = Pin<Box<dyn Stream<Item = Result<ControllerMessage, Status>> + Send>>;

    async fn connect(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let node = self.node(&request).await?;
        let outbound = session::open(self.house.clone(), node, request.into_inner());
        Ok(Response::new(Box::pin(outbound)))
    }

    async fn get_document(
        &self,
        request: Request<GetDocumentRequest>,
    ) -> Result<Response<GetDocumentResponse>, Status> {
        self.node(&request).await?;
        Ok(Response::new(documents::document(&self.house, &request.into_inner()).await?))
    }

    type GetAttachmentStream = Pin<Box<dyn Stream<Item = Result<GetAttachmentResponse, Status>> + Send>>;

    async fn get_attachment(
        &self,
        request: Request<GetAttachmentRequest>,
    ) -> Result<Response<Self::GetAttachmentStream>, Status> {
        self.node(&request).await?;
        let pieces = documents::attachment(self.house.clone(), &request.into_inner()).await?;
        Ok(Response::new(Box::pin(pieces)))
    }
}

impl AgentDoor {
    /// The calling node, if it still belongs to the fleet.
    async fn node<T>(&self, request: &Request<T>) -> Result<NodeId, Refusal> {
        let Some(Peer::Known(Identity::Node { id, key_fingerprint })) = request.extensions().get::<Peer>()
        else {
            return Err(Refusal::denied("only a node may do this: enrol first"));
        };
        member(&self.house, id, key_fingerprint).await?;
        Ok(id.clone())
    }
}
