//! The gRPC door: one file for each service, and the one place where refusals become status codes.

pub mod access;
pub mod activations;
pub mod agent;
pub mod associations;
pub mod backups;
pub mod calendars;
pub mod commands;
pub mod compliance;
pub mod controller;
pub mod documents;
pub mod inventory;
pub mod keys;
pub mod nodes;
mod page;
pub mod parameters;
#[cfg(test)]
mod permitted;
pub mod windows;

use std::sync::Arc;

use fleetwright_proto::MESSAGE_MAX_BYTES;
use fleetwright_proto::agent::agent_server::AgentServer;
use fleetwright_proto::control::access_server::AccessServer;
use fleetwright_proto::control::activations_server::ActivationsServer;
use fleetwright_proto::control::associations_server::AssociationsServer;
use fleetwright_proto::control::backups_server::BackupsServer;
use fleetwright_proto::control::calendars_server::CalendarsServer;
use fleetwright_proto::control::commands_server::CommandsServer;
use fleetwright_proto::control::compliance_server::ComplianceServer;
use fleetwright_proto::control::controller_server::ControllerServer;
use fleetwright_proto::control::documents_server::DocumentsServer;
use fleetwright_proto::control::inventory_server::InventoryServer;
use fleetwright_proto::control::keys_server::KeysServer;
use fleetwright_proto::control::nodes_server::NodesServer;
use fleetwright_proto::control::parameters_server::ParametersServer;
use fleetwright_proto::control::windows_server::WindowsServer;
use tonic::service::Routes;
use tonic::{Code, Status};

use crate::associations::fault::AssociationError;
use crate::calendars::CalendarError;
use crate::documents::fault::DocumentError;
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::windows::fault::WindowError;

/// Longest list that an operator puts: the largest that is kept, with what the wire adds to it.
const LISTS_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Every service of this door.
#[must_use]
pub fn routes(house: &Arc<House>) -> Routes {
    let agent =
        AgentServer::new(agent::AgentDoor::new(house.clone())).max_decoding_message_size(MESSAGE_MAX_BYTES);
    let commands = CommandsServer::new(commands::CommandsDoor::new(house.clone()))
        .max_decoding_message_size(MESSAGE_MAX_BYTES);
    let documents = DocumentsServer::new(documents::DocumentsDoor::new(house.clone()))
        .max_decoding_message_size(MESSAGE_MAX_BYTES);
    let inventory = InventoryServer::new(inventory::InventoryDoor::new(house.clone()))
        .max_decoding_message_size(LISTS_MAX_BYTES);
    let compliance = ComplianceServer::new(compliance::ComplianceDoor::new(house.clone()))
        .max_decoding_message_size(LISTS_MAX_BYTES);
    let associations = AssociationsServer::new(associations::AssociationsDoor::new(house.clone()));
    Routes::new(agent)
        .add_service(associations)
        .add_service(inventory)
        .add_service(compliance)
        .add_service(documents)
        .add_service(commands)
        .add_service(ParametersServer::new(parameters::ParametersDoor::new(house.clone())))
        .add_service(KeysServer::new(keys::KeysDoor::new(house.clone())))
        .add_service(BackupsServer::new(backups::BackupsDoor::new(house.clone())))
        .add_service(NodesServer::new(nodes::NodesDoor::new(house.clone())))
        .add_service(WindowsServer::new(windows::WindowsDoor::new(house.clone())))
        .add_service(CalendarsServer::new(calendars::CalendarsDoor::new(house.clone())))
        .add_service(ActivationsServer::new(activations::ActivationsDoor::new(house.clone())))
        .add_service(AccessServer::new(access::AccessDoor::new(house.clone())))
        .add_service(ControllerServer::new(controller::ControllerDoor::new(house.clone())))
}

/// The one mapping from refusals to gRPC.
#[must_use]
pub fn status(refusal: &Refusal) -> Status {
    let code = match refusal.kind {
        Kind::NotFound => Code::NotFound,
        Kind::AlreadyExists => Code::AlreadyExists,
        Kind::Invalid => Code::InvalidArgument,
        Kind::Conflict => Code::Aborted,
        Kind::Denied => Code::PermissionDenied,
        Kind::Exhausted => Code::ResourceExhausted,
        Kind::Unavailable => Code::Unavailable,
        Kind::TimedOut => Code::DeadlineExceeded,
        Kind::Internal => Code::Internal,
    };
    if refusal.kind == Kind::Internal {
        tracing::error!(error = refusal.message, "an operation failed");
    }
    Status::new(code, refusal.message.clone())
}

impl From<DocumentError> for Status {
    fn from(error: DocumentError) -> Self {
        status(&error.into())
    }
}

impl From<AssociationError> for Status {
    fn from(error: AssociationError) -> Self {
        status(&error.into())
    }
}

impl From<WindowError> for Status {
    fn from(error: WindowError) -> Self {
        status(&error.into())
    }
}

impl From<CalendarError> for Status {
    fn from(error: CalendarError) -> Self {
        status(&error.into())
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        status(&refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_code() {
        for (refusal, code) in [
            (Refusal::not_found("x"), Code::NotFound),
            (Refusal::already_exists("x"), Code::AlreadyExists),
            (Refusal::invalid("x"), Code::InvalidArgument),
            (Refusal::conflict("x"), Code::Aborted),
            (Refusal::denied("x"), Code::PermissionDenied),
            (Refusal::exhausted("x"), Code::ResourceExhausted),
            (Refusal::unavailable("x"), Code::Unavailable),
            (Refusal::timed_out("x"), Code::DeadlineExceeded),
            (Refusal::internal("x"), Code::Internal),
        ] {
            assert_eq!(status(&refusal).code(), code);
        }
    }
}
