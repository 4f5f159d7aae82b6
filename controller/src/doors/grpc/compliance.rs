//! `fleetwright.control.v1.Compliance`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::compliance_server::Compliance;
use fleetwright_proto::control::{
    ComplianceFinding, ComplianceSummary, ListComplianceRequest, ListComplianceResponse,
    PutComplianceRequest, PutComplianceResponse, SummarizeComplianceRequest, SummarizeComplianceResponse,
};
use tonic::{Request, Response, Status};

use super::inventory::selectors;
use super::page;
use crate::access::policy::Resource;
use crate::compliance::list::{self, Filter, FindingView};
use crate::compliance::put::{self, NewFinding, Upload, Wish};
use crate::compliance::records::{Execution, Severity, Standing};
use crate::compliance::summary::{self, By, Summary};
use crate::doors::access::Asker;
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::operations::resolve;

/// Translates between the wire and [`crate::compliance`].
#[derive(Debug)]
pub struct ComplianceDoor {
    house: Arc<House>,
}

impl ComplianceDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }
}

#[tonic::async_trait]
impl Compliance for ComplianceDoor {
    async fn summarize_compliance(
        &self,
        request: Request<SummarizeComplianceRequest>,
    ) -> Result<Response<SummarizeComplianceResponse>, Status> {
        let SummarizeComplianceRequest { targets, compliance_type, by, page_size, page_token } =
            request.into_inner();
        let (targets, by) = (selectors(targets)?, By::parse(&by)?);
        let wanted = some(compliance_type);
        let after: Option<String> = page::after(&page_token)?;
        let found = summary::summarize(&self.house, &targets, wanted.as_deref(), by).await?;
        let limit = page::size(page_size);
        let rest = found.into_iter().filter(|sum| after.as_ref().is_none_or(|after| sum.of > *after));
        let mut rest: Vec<_> = rest.take(limit + 1).collect();
        let is_more = rest.len() > limit;
        rest.truncate(limit);
        let next = rest.last().filter(|_| is_more).map(|last| last.of.clone());
        Ok(Response::new(SummarizeComplianceResponse {
            summaries: rest.into_iter().map(wire_summary).collect(),
            next_page_token: page::token(next),
        }))
    }

    async fn list_compliance(
        &self,
        request: Request<ListComplianceRequest>,
    ) -> Result<Response<ListComplianceResponse>, Status> {
        let ListComplianceRequest { targets, compliance_type, status, severity, page_size, page_token } =
            request.into_inner();
        let filter = Filter {
            targets: selectors(targets)?,
            compliance_type: some(compliance_type),
            standing: some(status).map(|text| Standing::parse(&text)).transpose()?,
            severity: some(severity).map(|text| Severity::parse(&text)).transpose()?,
        };
        let after = page::after(&page_token)?;
        let (found, next) = list::list(&self.house, &filter, after, page::size(page_size)).await?;
        Ok(Response::new(ListComplianceResponse {
            findings: found.into_iter().map(wire_finding).collect(),
            next_page_token: page::token(next),
        }))
    }

    async fn put_compliance(
        &self,
        request: Request<PutComplianceRequest>,
    ) -> Result<Response<PutComplianceResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let PutComplianceRequest {
            node,
            compliance_type,
            executed_ms,
            execution_id,
            execution_type,
            findings,
            partial,
        } = request.into_inner();
        let (node, record) = resolve(&self.house, &node).await?;
        asker.may(&self.house, &Resource::Node(&node, &record))?;
        let at = if executed_ms == 0 { self.house.clock.now() } else { Timestamp::from_millis(executed_ms) };
        let findings = findings.into_iter().map(finding).collect::<Result<_, _>>()?;
        let wish = Wish {
            node,
            compliance_type,
            execution: Execution { at, id: execution_id, kind: execution_type },
            content_hash: String::new(),
            upload: if partial { Upload::Partial } else { Upload::Complete },
            findings,
        };
        put::put(&self.house, wish).await?;
        Ok(Response::new(PutComplianceResponse {}))
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn finding(told: ComplianceFinding) -> Result<NewFinding, Refusal> {
    let severity = some(told.severity).map_or(Ok(Severity::Unspecified), |text| Severity::parse(&text))?;
    Ok(NewFinding {
        id: told.id,
        title: told.title,
        severity,
        standing: Standing::parse(&told.status)?,
        details: told.details.into_iter().collect(),
    })
}

fn wire_finding(view: FindingView) -> ComplianceFinding {
    ComplianceFinding {
        reason: view.reason(),
        node_id: view.node.into(),
        node_name: view.node_name,
        compliance_type: view.compliance_type,
        id: view.id,
        title: view.record.title,
        severity: view.record.severity.name().to_owned(),
        status: view.record.standing.name().to_owned(),
        details: view.record.details.into_iter().collect(),
        executed_ms: view.execution.at.millis(),
        execution_id: view.execution.id,
        execution_type: view.execution.kind,
    }
}

fn wire_summary(sum: Summary) -> ComplianceSummary {
    let by_severity = |counts: &BTreeMap<Severity, u64>| -> HashMap<String, u64> {
        counts.iter().map(|(severity, count)| (severity.name().to_owned(), *count)).collect()
    };
    ComplianceSummary {
        status: sum.counts.standing().name().to_owned(),
        overall_severity: sum.counts.overall_severity().name().to_owned(),
        compliant: by_severity(&sum.counts.compliant),
        non_compliant: by_severity(&sum.counts.non_compliant),
        of: sum.of,
        node_name: sum.node_name,
        executed_ms: sum.executed.millis(),
        nodes: sum.nodes,
        non_compliant_nodes: sum.non_compliant_nodes,
    }
}
