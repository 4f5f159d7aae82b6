//! `fleetwright compliance`: what is as it should be, and what is not.

use clap::{Args, Subcommand, ValueEnum};
use fleetwright_proto::control::compliance_client::ComplianceClient;
use fleetwright_proto::control::{
    ComplianceFinding, ListComplianceRequest, PutComplianceRequest, SummarizeComplianceRequest,
};

use super::Asked;
use crate::arguments::tag::Tag;
use crate::arguments::target::Target;
use crate::connection::Channel;
use crate::data::compliance::{Finding, Summary};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, time};

#[derive(Debug, Clone, Subcommand)]
pub enum ComplianceVerb {
    /// Count findings by compliance type, node or group
    #[command(after_long_help = help::ending(&[
        "fleetwright compliance summary",
        "fleetwright compliance summary --by node --type Patch",
        "fleetwright compliance summary --by group -o json",
    ]))]
    Summary(SummaryArgs),
    /// List findings, each with its reason
    #[command(after_long_help = help::ending(&[
        "fleetwright compliance list --status NON_COMPLIANT",
        "fleetwright compliance list --target web-1 --type Association",
    ]))]
    List(ListArgs),
    /// Put a finding of your own
    #[command(after_long_help = help::ending(&[
        "fleetwright compliance put web-1 Custom:Disk root --status COMPLIANT",
        "fleetwright compliance put web-1 Custom:Disk root --status NON_COMPLIANT \\\n      --severity HIGH --title 'disk is full' --detail used=97%",
    ]))]
    Put(PutArgs),
}

/// By what findings are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    Type,
    Node,
    Group,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Node => "node",
            Self::Group => "group",
        }
    }
}

#[derive(Debug, Clone, Args)]
pub struct SummaryArgs {
    /// By what
    #[arg(long, value_enum, default_value_t = By::Type)]
    by: By,
    /// Only this compliance type: Association, Patch or Custom:NAME
    #[arg(long = "type", value_name = "TYPE")]
    compliance_type: Option<String>,
    /// Which nodes: NODE, tag:KEY=VALUE, tag-key:KEY, platform:NAME, group:NAME or all; may be repeated
    #[arg(short, long = "target", value_name = "TARGET")]
    targets: Vec<Target>,
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only this compliance type: Association, Patch or Custom:NAME
    #[arg(long = "type", value_name = "TYPE")]
    compliance_type: Option<String>,
    /// Only COMPLIANT or NON_COMPLIANT findings
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only findings of this severity: CRITICAL, HIGH, MEDIUM, LOW, INFORMATIONAL or UNSPECIFIED
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<String>,
    /// Which nodes: NODE, tag:KEY=VALUE, tag-key:KEY, platform:NAME, group:NAME or all; may be repeated
    #[arg(short, long = "target", value_name = "TARGET")]
    targets: Vec<Target>,
}

#[derive(Debug, Clone, Args)]
pub struct PutArgs {
    /// Id of the node, or a name that only one node has
    node: String,
    /// Compliance type, as Custom:Disk
    compliance_type: String,
    /// Id of the finding; one that the node has is replaced
    id: String,
    /// COMPLIANT or NON_COMPLIANT
    #[arg(long, value_name = "STATUS")]
    status: String,
    /// CRITICAL, HIGH, MEDIUM, LOW, INFORMATIONAL or UNSPECIFIED
    #[arg(long, value_name = "SEVERITY", default_value = "UNSPECIFIED")]
    severity: String,
    /// What it is about
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    title: String,
    /// A detail that tells why; may be repeated
    #[arg(long = "detail", value_name = "NAME=VALUE")]
    details: Vec<Tag>,
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: ComplianceVerb) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    match verb {
        ComplianceVerb::Summary(args) => summary(io, asked, &operator, args).await?,
        ComplianceVerb::List(args) => list(io, asked, &operator, args).await?,
        ComplianceVerb::Put(args) => put(io, &operator, args).await?,
    }
    Ok(Exit::Done)
}

fn client(operator: &Operator) -> ComplianceClient<Channel> {
    ComplianceClient::with_origin(operator.channel(), operator.channel().origin())
}

async fn summary(io: &mut Io, asked: &Asked, operator: &Operator, args: SummaryArgs) -> Result<(), Failure> {
    let targets = operator.targets(&args.targets).await?;
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = SummarizeComplianceRequest {
            targets: targets.clone(),
            compliance_type: args.compliance_type.clone().unwrap_or_default(),
            by: args.by.name().to_owned(),
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client(operator).summarize_compliance(request).await?.into_inner();
        found.extend(page.summaries.into_iter().map(Summary::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let header = [args.by.name(), "status", "worst", "compliant", "not compliant", "nodes", "of them not"];
    render::list(io, asked.format, &found, &header, |sum| {
        let of = if sum.node_name.is_empty() { &sum.of } else { &sum.node_name };
        vec![
            of.clone(),
            sum.status.clone(),
            sum.overall_severity.clone(),
            sum.compliant.values().sum::<u64>().to_string(),
            sum.non_compliant.values().sum::<u64>().to_string(),
            sum.nodes.to_string(),
            sum.non_compliant_nodes.to_string(),
        ]
    })?;
    Ok(())
}

async fn list(io: &mut Io, asked: &Asked, operator: &Operator, args: ListArgs) -> Result<(), Failure> {
    let targets = operator.targets(&args.targets).await?;
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListComplianceRequest {
            targets: targets.clone(),
            compliance_type: args.compliance_type.clone().unwrap_or_default(),
            status: args.status.clone().unwrap_or_default(),
            severity: args.severity.clone().unwrap_or_default(),
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client(operator).list_compliance(request).await?.into_inner();
        found.extend(page.findings.into_iter().map(Finding::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let now = io.clock.now();
    let header = ["node", "type", "id", "status", "severity", "found", "title", "reason"];
    render::list(io, asked.format, &found, &header, |finding| {
        vec![
            finding.node_name.clone(),
            finding.compliance_type.clone(),
            finding.id.clone(),
            finding.status.clone(),
            finding.severity.clone(),
            time::relative(now, finding.executed_at),
            finding.title.clone(),
            finding.reason.clone(),
        ]
    })?;
    Ok(())
}

async fn put(io: &mut Io, operator: &Operator, args: PutArgs) -> Result<(), Failure> {
    let finding = ComplianceFinding {
        id: args.id.clone(),
        title: args.title,
        severity: args.severity,
        status: args.status,
        details: args.details.into_iter().map(|detail| (detail.key, detail.value)).collect(),
        ..ComplianceFinding::default()
    };
    let request = PutComplianceRequest {
        node: args.node.clone(),
        compliance_type: args.compliance_type,
        findings: vec![finding],
        partial: true,
        ..PutComplianceRequest::default()
    };
    client(operator).put_compliance(request).await?;
    io.note(&format!("put finding {} of {}", escape(&args.id), escape(&args.node)));
    Ok(())
}
