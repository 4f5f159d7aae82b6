//! Who may call what: one row for every rpc, and nothing without a row.

use http::Extensions;

use crate::authority::{CertificateRefusal, Identity};
use crate::error::Refusal;

/// Who is at the other end of a connection. Judged once, when the connection opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Showed no certificate.
    Anonymous,
    Known(Identity),
    /// Showed a certificate that is not accepted.
    Refused(CertificateRefusal),
}

/// Who may call an rpc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Anyone,
    Node,
    Operator,
}

/// The table. A test compares it with the rpcs that exist.
pub const RPCS: &[(&str, Caller)] = &[
    ("/fleetwright.agent.v1.Agent/Enroll", Caller::Anyone),
    ("/fleetwright.agent.v1.Agent/Connect", Caller::Node),
    ("/fleetwright.agent.v1.Agent/GetDocument", Caller::Node),
    ("/fleetwright.agent.v1.Agent/GetAttachment", Caller::Node),
    ("/fleetwright.control.v1.Controller/GetStatus", Caller::Operator),
    ("/fleetwright.control.v1.Activations/CreateActivation", Caller::Operator),
    ("/fleetwright.control.v1.Activations/ListActivations", Caller::Operator),
    ("/fleetwright.control.v1.Activations/DeleteActivation", Caller::Operator),
    ("/fleetwright.control.v1.Nodes/ListNodes", Caller::Operator),
    ("/fleetwright.control.v1.Nodes/GetNode", Caller::Operator),
    ("/fleetwright.control.v1.Nodes/ChangeTags", Caller::Operator),
    ("/fleetwright.control.v1.Nodes/WaitNodes", Caller::Operator),
    ("/fleetwright.control.v1.Nodes/DeregisterNode", Caller::Operator),
    ("/fleetwright.control.v1.Nodes/CreateGroup", Caller::Operator),
    ("/fleetwright.control.v1.Nodes/ListGroups", Caller::Operator),
    ("/fleetwright.control.v1.Nodes/GetGroup", Caller::Operator),
    ("/fleetwright.control.v1.Nodes/DeleteGroup", Caller::Operator),
    ("/fleetwright.control.v1.Commands/SendCommand", Caller::Operator),
    ("/fleetwright.control.v1.Commands/CheckCommand", Caller::Operator),
    ("/fleetwright.control.v1.Commands/ListCommands", Caller::Operator),
    ("/fleetwright.control.v1.Commands/GetCommand", Caller::Operator),
    ("/fleetwright.control.v1.Commands/ListInvocations", Caller::Operator),
    ("/fleetwright.control.v1.Commands/WatchCommand", Caller::Operator),
    ("/fleetwright.control.v1.Commands/GetOutput", Caller::Operator),
    ("/fleetwright.control.v1.Commands/CancelCommand", Caller::Operator),
    ("/fleetwright.control.v1.Commands/Explain", Caller::Operator),
    ("/fleetwright.control.v1.Documents/CreateDocument", Caller::Operator),
    ("/fleetwright.control.v1.Documents/UpdateDocument", Caller::Operator),
    ("/fleetwright.control.v1.Documents/SetDefaultVersion", Caller::Operator),
    ("/fleetwright.control.v1.Documents/ReadDocument", Caller::Operator),
    ("/fleetwright.control.v1.Documents/ListDocuments", Caller::Operator),
    ("/fleetwright.control.v1.Documents/ListVersions", Caller::Operator),
    ("/fleetwright.control.v1.Documents/DeleteDocument", Caller::Operator),
    ("/fleetwright.control.v1.Documents/ShareDocument", Caller::Operator),
    ("/fleetwright.control.v1.Documents/ChangeDocumentTags", Caller::Operator),
    ("/fleetwright.control.v1.Documents/UploadAttachment", Caller::Operator),
    ("/fleetwright.control.v1.Access/CreateAccessKey", Caller::Operator),
    ("/fleetwright.control.v1.Access/ListAccessKeys", Caller::Operator),
    ("/fleetwright.control.v1.Access/ChangeAccessKey", Caller::Operator),
    ("/fleetwright.control.v1.Access/DeleteAccessKey", Caller::Operator),
];

/// Whether this peer may call this path. A path without a row is let through to be answered as unknown.
pub fn authorise(path: &str, peer: &Peer) -> Result<(), Refusal> {
    let Some((_, caller)) = RPCS.iter().find(|(rpc, _)| *rpc == path) else {
        return Ok(());
    };
    match (caller, peer) {
        (_, Peer::Refused(refusal)) => Err(Refusal::denied(refusal.to_string())),
        (Caller::Anyone, _)
        | (Caller::Node, Peer::Known(Identity::Node { .. }))
        | (Caller::Operator, Peer::Known(Identity::Operator(_))) => Ok(()),
        (Caller::Node, _) => Err(Refusal::denied("only a node may do this: enrol first")),
        (Caller::Operator, Peer::Anonymous) => {
            Err(Refusal::denied("only an operator may do this, and you showed no certificate"))
        }
        (Caller::Operator, _) => Err(Refusal::denied("only an operator may do this, and you are a node")),
    }
}

/// The operator's name, for the record of who asked.
pub fn operator(extensions: &Extensions) -> Result<String, Refusal> {
    match extensions.get::<Peer>() {
        Some(Peer::Known(Identity::Operator(name))) => Ok(name.clone()),
        _ => Err(Refusal::denied("only an operator may do this")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rpc_has_a_row_and_every_row_an_rpc() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto");
        let files = [
            "fleetwright/agent/v1/agent.proto",
            "fleetwright/control/v1/control.proto",
            "fleetwright/control/v1/access.proto",
        ];
        let descriptors = protox::compile(files, [root]).unwrap();
        let rpcs: BTreeSet<_> = descriptors
            .file
            .iter()
            .flat_map(|file| {
                file.service.iter().flat_map(|service| {
                    service
                        .method
                        .iter()
                        .map(|rpc| format!("/{}.{}/{}", file.package(), service.name(), rpc.name()))
                })
            })
            .collect();
        let rows: BTreeSet<_> = RPCS.iter().map(|(rpc, _)| (*rpc).to_owned()).collect();
        assert_eq!(rows, rpcs);
    }

    #[test]
    fn nobody_gets_through_the_wrong_door() {
        let node = Peer::Known(Identity::Node {
            id: "mi-0123456789abcdef0".parse().unwrap(),
            key_fingerprint: String::new(),
        });
        let operator = Peer::Known(Identity::Operator("ada".to_owned()));
        let refused = Peer::Refused(CertificateRefusal::Expired);
        for (rpc, caller) in RPCS {
            let allowed = |peer| authorise(rpc, peer).is_ok();
            assert_eq!(allowed(&Peer::Anonymous), *caller == Caller::Anyone, "{rpc}");
            assert_eq!(allowed(&node), *caller != Caller::Operator, "{rpc}");
            assert_eq!(allowed(&operator), *caller != Caller::Node, "{rpc}");
            assert!(!allowed(&refused), "{rpc}");
        }
    }
}
