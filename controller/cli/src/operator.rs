//! The operator's side of the conversation: one connection, and the few questions that several verbs ask.

use fleetwright_proto::clock::SharedClock;
use fleetwright_proto::control::commands_client::CommandsClient;
use fleetwright_proto::control::nodes_client::NodesClient;
use fleetwright_proto::control::{
    Command, GetCommandRequest, GetNodeRequest, Invocation, ListInvocationsRequest, Node,
    Target as WireTarget,
};
use fleetwright_proto::ids::NodeId;

use crate::arguments::target::{Target, into_wire};
use crate::connection::{self, Channel};
use crate::context::Context;
use crate::context::resolve::{Flags, resolve};
use crate::failure::Failure;
use crate::io::Io;

/// Rows of one page: as many as go into one message with room to spare.
pub(crate) const PAGE_SIZE: u32 = 500;

/// An operator who is connected to a controller.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) context: Context,
    clock: SharedClock,
    channel: Channel,
}

impl Operator {
    pub(crate) async fn connect(flags: &Flags, io: &Io) -> Result<Self, Failure> {
        let context = resolve(flags, &io.environment)?;
        let channel = connection::open(&context, io.clock.now()).await?;
        Ok(Self { context, clock: io.clock.clone(), channel })
    }

    /// Opens another connection in place of one that was lost.
    pub(crate) async fn reconnect(&mut self) -> Result<(), Failure> {
        self.channel = connection::open(&self.context, self.clock.now()).await?;
        Ok(())
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn nodes(&self) -> NodesClient<Channel> {
        NodesClient::with_origin(self.channel(), self.channel.origin())
    }

    pub(crate) fn commands(&self) -> CommandsClient<Channel> {
        CommandsClient::with_origin(self.channel(), self.channel.origin())
    }

    pub(crate) async fn node(&self, node: &str) -> Result<Node, Failure> {
        let answer = self.nodes().get_node(GetNodeRequest { node: node.into() }).await?;
        answer.into_inner().node.ok_or(Failure::IncompleteAnswer("node"))
    }

    /// The id behind an id or a name. An id is not looked up: its node may be gone and its history still there.
    pub(crate) async fn node_id(&self, node: &str) -> Result<String, Failure> {
        match node.parse::<NodeId>() {
            Ok(id) => Ok(id.into()),
            Err(_) => Ok(self.node(node).await?.node_id),
        }
    }

    /// Looks up the names among targets, and puts them into the form of the wire.
    pub(crate) async fn targets(&self, targets: &[Target]) -> Result<Vec<WireTarget>, Failure> {
        let mut known = Vec::with_capacity(targets.len());
        for target in targets {
            known.push(match target {
                Target::Node(node) => Target::Node(self.node_id(node).await?),
                other => other.clone(),
            });
        }
        Ok(into_wire(&known))
    }

    pub(crate) async fn command(&self, command_id: &str) -> Result<Command, Failure> {
        let answer = self.commands().get_command(GetCommandRequest { command_id: command_id.into() }).await?;
        answer.into_inner().command.ok_or(Failure::IncompleteAnswer("command"))
    }

    pub(crate) async fn invocations(&self, command_id: &str) -> Result<Vec<Invocation>, Failure> {
        let mut invocations = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListInvocationsRequest {
                command_id: command_id.into(),
                page_size: PAGE_SIZE,
                page_token,
                ..ListInvocationsRequest::default()
            };
            let page = self.commands().list_invocations(request).await?.into_inner();
            invocations.extend(page.invocations);
            if page.next_page_token.is_empty() {
                return Ok(invocations);
            }
            page_token = page.next_page_token;
        }
    }
}
