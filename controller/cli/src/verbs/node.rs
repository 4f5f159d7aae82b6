//! `fleetwright node`: the hosts that joined.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::{
    ChangeTagsRequest, DeregisterNodeRequest, ListNodesRequest, PingStatus, Target as WireTarget,
    WaitNodesRequest,
};

use super::Asked;
use crate::arguments::ArgumentError;
use crate::arguments::duration::duration;
use crate::arguments::tag::{self, Tag};
use crate::arguments::target::Target;
use crate::data::node::Node;
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, time};

#[derive(Debug, Clone, Subcommand)]
pub enum NodeVerb {
    /// List nodes, with when each was last seen
    #[command(after_long_help = help::ending(&[
        "fleetwright node list",
        "fleetwright node list --target tag:env=prod --status lost",
        "fleetwright node list -o jsonl | jq -r .ip_address",
    ]))]
    List(ListArgs),
    /// Show all that is known of a node
    #[command(after_long_help = help::ending(&["fleetwright node show web-1"]))]
    Show {
        /// Id of the node, or a name that only one node has
        node: String,
    },
    /// Set tags of a node; a tag that it has gets the new value
    #[command(after_long_help = help::ending(&["fleetwright node tag web-1 env=prod role=web"]))]
    Tag(TagArgs),
    /// Remove tags of a node
    #[command(after_long_help = help::ending(&["fleetwright node untag web-1 role"]))]
    Untag {
        /// Id of the node, or a name that only one node has
        node: String,
        /// Keys of the tags to remove
        #[arg(required = true, value_name = "KEY", value_parser = tag::key)]
        keys: Vec<String>,
    },
    /// Wait until nodes are connected
    #[command(
        long_about = "Wait until nodes are connected, then list them.\n\nEnds with exit code 6, and says who is \
            missing, when the time-out passes before.",
        after_long_help = help::ending(&[
            "fleetwright node wait web-1 web-2 --timeout 5m",
            "fleetwright node wait --target tag:env=prod --count 3",
        ]),
    )]
    Wait(WaitArgs),
    /// Remove a node: its certificate is refused from now on
    #[command(
        long_about = "Remove a node from the fleet.\n\nIts connection is closed, its certificate is refused from \
            now on, and what it has still to do is ended. To come back the host has to join again, and gets another \
            id. Asks first on a terminal; elsewhere --yes is required.",
        after_long_help = help::ending(&["fleetwright node deregister web-1", "fleetwright node deregister web-1 --yes"]),
    )]
    Deregister {
        /// Id of the node, or a name that only one node has
        node: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, Args)]
pub struct TagArgs {
    /// Id of the node, or a name that only one node has
    node: String,
    /// Tags to set
    #[arg(required = true, value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only these: NODE, tag:KEY=VALUE, tag-key:KEY, platform:NAME, group:NAME or all; may be repeated
    #[arg(short, long = "target", value_name = "TARGET")]
    targets: Vec<Target>,
    /// Only nodes with this connection
    #[arg(long, value_enum)]
    status: Option<Connection>,
}

#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// Nodes to wait for, by id or name
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// Targets to wait for: tag:KEY=VALUE, tag-key:KEY, platform:NAME, group:NAME or all; may be repeated [default: all]
    #[arg(short, long = "target", value_name = "TARGET")]
    targets: Vec<Target>,
    /// How many have to be connected [default: every one that matches, and at least one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// How long to wait (30s, 5m, 1h)
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    timeout: Duration,
}

/// How a node is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Connection {
    Online,
    Lost,
    Never,
}

impl From<Connection> for PingStatus {
    fn from(connection: Connection) -> Self {
        match connection {
            Connection::Online => PingStatus::Online,
            Connection::Lost => PingStatus::ConnectionLost,
            Connection::Never => PingStatus::NeverConnected,
        }
    }
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: NodeVerb) -> Result<Exit, Failure> {
    if let NodeVerb::Deregister { yes: false, .. } = verb
        && !io.can_ask()
    {
        return Err(ArgumentError::DeregisterWantsYes.into());
    }
    let operator = Operator::connect(&asked.flags, io).await?;
    match verb {
        NodeVerb::List(args) => list(io, asked, &operator, args).await?,
        NodeVerb::Show { node } => show(io, asked, &operator.node(&node).await?.into())?,
        NodeVerb::Tag(TagArgs { node, tags }) => {
            let set = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
            let request = ChangeTagsRequest { node, set, remove: Vec::new() };
            change_tags(io, asked, &operator, request).await?;
        }
        NodeVerb::Untag { node, keys } => {
            let request = ChangeTagsRequest { node, remove: keys, ..ChangeTagsRequest::default() };
            change_tags(io, asked, &operator, request).await?;
        }
        NodeVerb::Wait(args) => wait(io, asked, &operator, args).await?,
        NodeVerb::Deregister { node, yes } => deregister(io, &operator, &node, yes).await?,
    }
    Ok(Exit::Done)
}

async fn list(io: &mut Io, asked: &Asked, operator: &Operator, args: ListArgs) -> Result<(), Failure> {
    let targets = operator.targets(&args.targets).await?;
    let ping_status = args.status.map_or(PingStatus::Unspecified, PingStatus::from);
    list_matching(io, asked, operator, targets, ping_status).await
}

/// The nodes that these targets take now.
pub(crate) async fn list_matching(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    targets: Vec<WireTarget>,
    ping_status: PingStatus,
) -> Result<(), Failure> {
    let mut nodes = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListNodesRequest {
            targets: targets.clone(),
            ping_status: ping_status.into(),
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = operator.nodes().list_nodes(request).await?.into_inner();
        nodes.extend(page.nodes.into_iter().map(Node::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    table(io, asked, &nodes)
}

fn table(io: &mut Io, asked: &Asked, nodes: &[Node]) -> Result<(), Failure> {
    let now = io.clock.now();
    let header = ["node", "name", "status", "seen", "platform", "tags"];
    render::list(io, asked.format, nodes, &header, |node| {
        vec![
            node.node_id.clone(),
            node.name.clone(),
            node.ping_status.into(),
            time::relative(now, node.last_seen_at),
            platform(node),
            render::tags(&node.tags),
        ]
    })?;
    Ok(())
}

fn platform(node: &Node) -> String {
    format!("{} {}", node.platform_name, node.platform_version).trim().to_owned()
}

fn show(io: &mut Io, asked: &Asked, node: &Node) -> Result<(), Failure> {
    let now = io.clock.now();
    render::one(io, asked.format, node, |node| fields(now, node))?;
    Ok(())
}

fn fields(now: Timestamp, node: &Node) -> Vec<(&str, String)> {
    vec![
        ("node", node.node_id.clone()),
        ("name", node.name.clone()),
        ("status", node.ping_status.into()),
        ("last seen", time::absolute(now, node.last_seen_at)),
        ("registered", time::absolute(now, node.registered_at)),
        ("activation", node.activation_id.clone()),
        ("tags", render::tags(&node.tags)),
        ("agent", node.agent_version.clone()),
        ("computer", node.computer_name.clone()),
        ("ip address", node.ip_address.clone()),
        ("platform", format!("{} ({})", platform(node), node.platform_type)),
        ("kernel", node.kernel_version.clone()),
        ("architecture", node.architecture.clone()),
        ("cpus", node.cpus.to_string()),
        ("memory", time::bytes(node.memory_bytes)),
        ("certificate", time::absolute(now, node.certificate_expires_at)),
    ]
}

async fn change_tags(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    request: ChangeTagsRequest,
) -> Result<(), Failure> {
    let node = operator.nodes().change_tags(request).await?.into_inner().node;
    show(io, asked, &node.ok_or(Failure::IncompleteAnswer("node"))?.into())
}

async fn wait(io: &mut Io, asked: &Asked, operator: &Operator, args: WaitArgs) -> Result<(), Failure> {
    let mut targets = args.targets;
    targets.extend(args.nodes.into_iter().map(Target::Node));
    if targets.is_empty() {
        targets.push(Target::All);
    }
    let request = WaitNodesRequest {
        targets: operator.targets(&targets).await?,
        count: args.count.unwrap_or(0),
        timeout_ms: u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX),
    };
    let nodes = operator.nodes().wait_nodes(request).await?.into_inner().nodes;
    let nodes: Vec<Node> = nodes.into_iter().map(Node::from).collect();
    table(io, asked, &nodes)
}

async fn deregister(io: &mut Io, operator: &Operator, node: &str, yes: bool) -> Result<(), Failure> {
    let found = operator.node(node).await?;
    let said = format!("{} ({})", escape(&found.name), escape(&found.node_id));
    if !yes && !io.confirm(&format!("Deregister {said}? Its certificate is refused from then on."))? {
        return Err(Failure::NotConfirmed);
    }
    operator.nodes().deregister_node(DeregisterNodeRequest { node: found.node_id }).await?;
    io.note(&format!("deregistered {said}"));
    Ok(())
}
