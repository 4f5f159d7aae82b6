//! The engine from outside: what is accepted, what is told, what is planned.

use std::collections::BTreeMap;

use fleetwright_documents::{
    Bound, Checked, Decision, Document, HostTraits, Plan, Platform, StepInputs, parse,
};

mod automation;
mod binding;
mod diagnostics;
mod flow;
mod fuzzed;
mod habits;
mod hostile;
mod library;
mod planning;
mod quirks;

/// A document that must be accepted.
fn accepted(text: &str) -> Checked {
    parse(text.as_bytes()).unwrap_or_else(|found| panic!("refused:\n{found}\n\n{text}"))
}

fn arguments(given: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    given
        .iter()
        .map(|(name, values)| ((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect()))
        .collect()
}

/// All errors on lines of their own.
fn bind(document: &Document, given: &[(&str, &[&str])]) -> Result<Bound, String> {
    document
        .bind(&arguments(given))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// Values that must be accepted.
fn bound(document: &Document, given: &[(&str, &[&str])]) -> Bound {
    bind(document, given).unwrap_or_else(|errors| panic!("not bound:\n{errors}"))
}

/// The plan on a host whose agent can run everything but domain joins.
fn plan(document: &Document, bound: &Bound, platform: Platform) -> Plan {
    let supports = |action: &fleetwright_documents::Action| action.name() != "aws:domainJoin";
    document.plan(bound, &HostTraits { platform, supports: &supports })
}

/// One line for each step: what it will do.
fn shown(plan: &Plan) -> Vec<String> {
    let decision = |step: &fleetwright_documents::PlannedStep| match &step.decision {
        Decision::Run(StepInputs::RunScript(script)) => {
            let mut line = format!("run {:?}", script.lines);
            if script.timeout.as_secs() != 3600 {
                line += &format!(" for {} s", script.timeout.as_secs());
            }
            if let Some(directory) = &script.working_directory {
                line += &format!(" in {directory}");
            }
            for (name, value) in &script.environment {
                line += &format!(" {name}={value}");
            }
            line
        }
        Decision::Run(inputs) => format!("run {inputs:?}"),
        Decision::Skip { reason } => format!("skip {reason}"),
        Decision::Fail { reason } => format!("fail {reason}"),
    };
    plan.steps.iter().map(|step| format!("{}: {}", step.name, decision(step))).collect()
}
