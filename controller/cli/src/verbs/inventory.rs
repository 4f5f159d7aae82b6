//! `fleetwright inventory`: what is on the nodes.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fleetwright_proto::control::inventory_client::InventoryClient;
use fleetwright_proto::control::{
    CountInventoryRequest, DiffInventoryRequest, InventoryEntry, InventoryTypeView, PutInventoryRequest,
    QueryInventoryRequest, ShowInventoryRequest,
};
use serde::Deserialize;
use serde_json::Value;

use super::Asked;
use crate::arguments::ArgumentError;
use crate::arguments::moment::Moment;
use crate::arguments::target::Target;
use crate::connection::Channel;
use crate::data::inventory::{Count, Difference, Item, Match, NodeInventory, Type};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, Format, time};

#[derive(Debug, Clone, Subcommand)]
pub enum InventoryVerb {
    /// List the items of one type on all nodes
    #[command(after_long_help = help::ending(&[
        "fleetwright inventory list --type AWS:Network",
        "fleetwright inventory list --type AWS:Application --target group:webs --at 2026-01-31",
        "fleetwright inventory list --type Custom:Rack -o jsonl",
    ]))]
    List(ListArgs),
    /// Show what is on a node, now or at a moment
    #[command(after_long_help = help::ending(&[
        "fleetwright inventory show web-1",
        "fleetwright inventory show web-1 --type AWS:Application",
        "fleetwright inventory show web-1 --type AWS:Service --at 2h",
    ]))]
    Show(ShowArgs),
    /// Show what changed on a node between two moments
    #[command(after_long_help = help::ending(&[
        "fleetwright inventory diff web-1 --from 24h",
        "fleetwright inventory diff web-1 --from 2026-01-01 --to 2026-02-01 --type AWS:Application",
    ]))]
    Diff(DiffArgs),
    /// Find the nodes that have something, or do not have it
    #[command(
        long_about = "Find the nodes that have something, or do not have it.\n\nA query is a type and, after `where`, \
            conditions on its attributes: = != < <= > >= like begins in exists, with and, or, not and parentheses. Versions \
            are compared as dpkg and rpm compare them.",
        after_long_help = help::ending(&[
            "fleetwright inventory query 'AWS:Application where Name = \"openssl\"'",
            "fleetwright inventory query 'AWS:Service where Status = failed' -t group:webs",
            "fleetwright inventory query 'AWS:Application where Name = zsh' --missing",
            "fleetwright inventory query 'AWS:Application' --count-by Name",
            "fleetwright inventory query 'AWS:Application where Version < 2' --count-by group",
        ]),
    )]
    Query(QueryArgs),
    /// Put inventory of a node that it does not tell itself
    #[command(
        long_about = "Put inventory of a node that it does not tell itself.\n\nThe file is what a node's own inventory \
            files are: a JSON object of SchemaVersion, TypeName and Content, which is an object or a list of objects.",
        after_long_help = help::ending(&["fleetwright inventory put web-1 rack.json"]),
    )]
    Put {
        /// Id of the node, or a name that only one node has
        node: String,
        /// JSON file
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Inventory type, as AWS:Application or Custom:Rack
    #[arg(long = "type", value_name = "TYPE")]
    type_name: String,
    #[command(flatten)]
    scope: ScopeArgs,
}

/// Which nodes, and when.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScopeArgs {
    /// Which nodes: NODE, tag:KEY=VALUE, tag-key:KEY, platform:NAME, group:NAME or all; may be repeated
    #[arg(short, long = "target", value_name = "TARGET")]
    targets: Vec<Target>,
    /// As it was at this moment: 2026-01-31T08:15:00Z, 2026-01-31, or how long ago, as 2h
    #[arg(long, value_name = "MOMENT")]
    at: Option<Moment>,
}

#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Id of the node, or a name that only one node has
    node: String,
    /// Only this type, with its items
    #[arg(long = "type", value_name = "TYPE")]
    type_name: Option<String>,
    /// As it was at this moment: 2026-01-31T08:15:00Z, 2026-01-31, or how long ago, as 2h
    #[arg(long, value_name = "MOMENT")]
    at: Option<Moment>,
}

#[derive(Debug, Clone, Args)]
pub struct DiffArgs {
    /// Id of the node, or a name that only one node has
    node: String,
    /// The earlier moment: 2026-01-31T08:15:00Z, 2026-01-31, or how long ago, as 2h
    #[arg(long, value_name = "MOMENT")]
    from: Moment,
    /// The later moment; else now
    #[arg(long, value_name = "MOMENT")]
    to: Option<Moment>,
    /// Only this type
    #[arg(long = "type", value_name = "TYPE")]
    type_name: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct QueryArgs {
    /// TYPE, or TYPE where CONDITION
    query: String,
    #[command(flatten)]
    scope: ScopeArgs,
    /// The nodes that have no such item
    #[arg(long)]
    missing: bool,
    /// Count nodes instead: by an attribute, platform, tag:KEY, group or group:NAME
    #[arg(long, value_name = "WHAT", conflicts_with = "missing")]
    count_by: Option<String>,
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: InventoryVerb) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    match verb {
        InventoryVerb::List(ListArgs { type_name, scope }) => {
            list(io, asked, &operator, type_name, scope).await?;
        }
        InventoryVerb::Show(args) => show(io, asked, &operator, args).await?,
        InventoryVerb::Diff(args) => diff(io, asked, &operator, args).await?,
        InventoryVerb::Query(args) => match args.count_by.clone() {
            Some(by) => count(io, asked, &operator, args, by).await?,
            None => query(io, asked, &operator, args).await?,
        },
        InventoryVerb::Put { node, file } => put(io, &operator, node, file).await?,
    }
    Ok(Exit::Done)
}

fn client(operator: &Operator) -> InventoryClient<Channel> {
    InventoryClient::with_origin(operator.channel(), operator.channel().origin())
}

fn at(io: &Io, moment: Option<Moment>) -> i64 {
    moment.map_or(0, |moment| moment.millis(io.clock.now()))
}

/// Every page of a query, and how many nodes and items there are.
async fn matches(
    io: &Io,
    operator: &Operator,
    query: &str,
    scope: &ScopeArgs,
    missing: bool,
) -> Result<Vec<Match>, Failure> {
    let targets = operator.targets(&scope.targets).await?;
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = QueryInventoryRequest {
            query: query.to_owned(),
            targets: targets.clone(),
            at_ms: at(io, scope.at),
            missing,
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client(operator).query_inventory(request).await?.into_inner();
        found.extend(page.matches.into_iter().map(Match::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(found);
        }
    }
}

async fn list(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    type_name: String,
    scope: ScopeArgs,
) -> Result<(), Failure> {
    // A type in quotes would be no type; what is typed here is one word and nothing of the language.
    let found = matches(io, operator, &type_name, &scope, false).await?;
    print_matches(io, asked.format, &found)
}

async fn query(io: &mut Io, asked: &Asked, operator: &Operator, args: QueryArgs) -> Result<(), Failure> {
    let found = matches(io, operator, &args.query, &args.scope, args.missing).await?;
    if args.missing {
        render::list(io, asked.format, &found, &["node", "name"], |found| {
            vec![found.node_id.clone(), found.node_name.clone()]
        })?;
        return Ok(());
    }
    print_matches(io, asked.format, &found)
}

/// Nodes in JSON; for people an item a line, with a column for each attribute.
fn print_matches(io: &mut Io, format: Format, found: &[Match]) -> Result<(), Failure> {
    if format != Format::Table {
        render::list(io, format, found, &[], |_| Vec::new())?;
        return Ok(());
    }
    let rows: Vec<(&str, &Item)> = found
        .iter()
        .flat_map(|found| found.items.iter().map(|item| (found.node_name.as_str(), item)))
        .collect();
    let names = columns(rows.iter().map(|(_, item)| *item));
    let header: Vec<&str> = std::iter::once("node").chain(names.iter().map(String::as_str)).collect();
    let cells = |(node, item): &(&str, &Item)| {
        let value = |name: &String| item.get(name).cloned().unwrap_or_default();
        std::iter::once((*node).to_owned()).chain(names.iter().map(value)).collect()
    };
    render::list(io, format, &rows, &header, cells)?;
    Ok(())
}

/// What people look for first, then the rest by name. Long texts are for JSON.
fn columns<'a>(items: impl Iterator<Item = &'a Item>) -> Vec<String> {
    const FIRST: [&str; 4] = ["Name", "Key", "Version", "Status"];
    const LEFT_OUT: [&str; 6] =
        ["Summary", "PackageId", "Publisher", "URL", "DependentServices", "ServicesDependedOn"];
    let all: std::collections::BTreeSet<&String> = items.flat_map(std::collections::BTreeMap::keys).collect();
    let first =
        FIRST.iter().filter(|name| all.iter().any(|known| known == *name)).map(|name| (*name).to_owned());
    let rest =
        all.iter().filter(|name| !FIRST.contains(&name.as_str()) && !LEFT_OUT.contains(&name.as_str()));
    first.chain(rest.map(|name| (*name).clone())).collect()
}

async fn show(io: &mut Io, asked: &Asked, operator: &Operator, args: ShowArgs) -> Result<(), Failure> {
    let wants_items = args.type_name.is_some() || asked.format != Format::Table;
    let request = ShowInventoryRequest {
        node: args.node,
        type_name: args.type_name.clone().unwrap_or_default(),
        at_ms: at(io, args.at),
        with_items: wants_items,
    };
    let answer = client(operator).show_inventory(request).await?.into_inner();
    let inventory = NodeInventory {
        node_id: answer.node_id,
        node_name: answer.node_name,
        looked_at: crate::data::Moment::of_wire(answer.looked_ms),
        types: answer.types.into_iter().map(|told| Type::of(told, wants_items)).collect(),
    };
    let now = io.clock.now();
    if asked.format != Format::Table {
        render::one(io, asked.format, &inventory, |_| Vec::new())?;
        return Ok(());
    }
    if args.type_name.is_some() {
        let items: Vec<&Item> =
            inventory.types.iter().filter_map(|told| told.items.as_ref()).flatten().collect();
        let names = columns(items.iter().copied());
        let header: Vec<&str> = names.iter().map(String::as_str).collect();
        render::list(io, asked.format, &items, &header, |item| {
            names.iter().map(|name| item.get(name).cloned().unwrap_or_default()).collect()
        })?;
        return Ok(());
    }
    render::list(io, asked.format, &inventory.types, &["type", "schema", "items", "since"], |told| {
        vec![
            told.type_name.clone(),
            told.schema_version.clone(),
            told.item_count.to_string(),
            time::absolute(now, told.since),
        ]
    })?;
    Ok(())
}

async fn diff(io: &mut Io, asked: &Asked, operator: &Operator, args: DiffArgs) -> Result<(), Failure> {
    let request = DiffInventoryRequest {
        node: args.node,
        type_name: args.type_name.unwrap_or_default(),
        from_ms: args.from.millis(io.clock.now()),
        to_ms: at(io, args.to),
    };
    let answer = client(operator).diff_inventory(request).await?.into_inner();
    let found: Vec<Difference> = answer.differences.into_iter().map(Difference::from).collect();
    render::list(io, asked.format, &found, &["type", "change", "what", "before", "after"], |found| {
        let what = found.after.as_ref().or(found.before.as_ref()).map(label).unwrap_or_default();
        vec![
            found.type_name.clone(),
            found.change.to_owned(),
            what,
            differing(found.before.as_ref(), found.after.as_ref()),
            differing(found.after.as_ref(), found.before.as_ref()),
        ]
    })?;
    Ok(())
}

fn label(item: &Item) -> String {
    ["Name", "HotFixId", "Id", "ValueName", "Key"]
        .iter()
        .find_map(|name| item.get(*name))
        .cloned()
        .unwrap_or_else(|| render::tags(item))
}

/// Of something that came or went its version; of something that changed what is different, without what follows from
/// it.
fn differing(of: Option<&Item>, other: Option<&Item>) -> String {
    let Some(item) = of else { return String::new() };
    let Some(other) = other else { return item.get("Version").cloned().unwrap_or_default() };
    let is_different =
        |(name, value): &(&String, &String)| *name != "PackageId" && other.get(*name) != Some(*value);
    render::tags(item.iter().filter(is_different))
}

async fn count(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    args: QueryArgs,
    by: String,
) -> Result<(), Failure> {
    let request = CountInventoryRequest {
        query: args.query,
        targets: operator.targets(&args.scope.targets).await?,
        at_ms: at(io, args.scope.at),
        by: by.clone(),
    };
    let answer = client(operator).count_inventory(request).await?.into_inner();
    let counts: Vec<Count> = answer
        .counts
        .into_iter()
        .map(|count| Count { value: count.value, nodes: count.nodes, items: count.items })
        .collect();
    render::list(io, asked.format, &counts, &[&by, "nodes", "items"], |count| {
        vec![count.value.clone(), count.nodes.to_string(), count.items.to_string()]
    })?;
    Ok(())
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    schema_version: String,
    type_name: String,
    content: Value,
}

async fn put(io: &mut Io, operator: &Operator, node: String, file: PathBuf) -> Result<(), Failure> {
    let wrong = |why: String| ArgumentError::InventoryFile { path: file.clone(), why };
    let text = std::fs::read(&file).map_err(|error| wrong(error.to_string()))?;
    let Written { schema_version, type_name, content } =
        serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let items = match content {
        Value::Array(items) => items,
        other => vec![other],
    };
    let items: Result<Vec<InventoryEntry>, _> = items
        .into_iter()
        .map(serde_json::from_value)
        .map(|item| {
            item.map(|attributes: std::collections::HashMap<String, String>| InventoryEntry { attributes })
        })
        .collect();
    let items = items.map_err(|error| wrong(format!("Content is no list of objects with texts: {error}")))?;
    let told = InventoryTypeView {
        type_name: type_name.clone(),
        schema_version,
        item_count: u32::try_from(items.len()).unwrap_or(u32::MAX),
        items,
        since_ms: 0,
    };
    client(operator).put_inventory(PutInventoryRequest { node: node.clone(), types: vec![told] }).await?;
    io.note(&format!("put {} of {}", escape(&type_name), escape(&node)));
    Ok(())
}
