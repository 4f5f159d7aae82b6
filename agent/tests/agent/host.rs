//! A host with an agent, and what commands it is given.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_agent::executor::ExecutorLimits;
use fleetwright_agent::identity::Identity;
use fleetwright_agent::inventory::InventorySettings;
use fleetwright_agent::journal::MemoryJournal;
use fleetwright_agent::parameters::ParameterSettings;
use fleetwright_agent::spool::SpoolLimits;
use fleetwright_agent::status::LinkStatus;
use fleetwright_agent::{Agent, AgentHandle, AgentSettings, Keeping};
use fleetwright_platform::fake::FakePlatform;
use fleetwright_proto::agent::{CancelCommand, RunDocument, delivery};
use fleetwright_proto::clock::{SharedClock, SystemClock};
use fleetwright_proto::ids::CommandId;
use serde_json::json;
use tempfile::TempDir;

use crate::authority::{Life, ONE_DAY};
use crate::controller::Controller;

pub(crate) struct Host {
    pub(crate) platform: FakePlatform,
    pub(crate) journal: MemoryJournal,
    pub(crate) controller: Controller,
    pub(crate) limits: ExecutorLimits,
    pub(crate) collecting: InventorySettings,
    identity: Identity,
    scratch: TempDir,
}

impl Host {
    pub(crate) fn of(controller: &Controller) -> Self {
        Self::with_certificate(controller, ONE_DAY)
    }

    pub(crate) fn with_certificate(controller: &Controller, life: Life) -> Self {
        Self {
            platform: FakePlatform::numbered(1, clock()),
            journal: MemoryJournal::default(),
            controller: controller.clone(),
            limits: ExecutorLimits { stop_timeout: Duration::from_millis(100), ..ExecutorLimits::default() },
            collecting: InventorySettings::default(),
            identity: controller.authority.node(&controller.address, life),
            scratch: tempfile::tempdir().unwrap(),
        }
    }

    /// The agent calls another controller than the one that it enrolled with.
    pub(crate) fn go_to(&mut self, controller: &Controller) {
        self.controller = controller.clone();
        self.identity.controller = controller.address.clone();
    }

    /// Starts the agent, again if there was one: journal, spool and host are the same.
    pub(crate) fn start_agent(&self) -> AgentHandle {
        let scratch = self.scratch.path().to_owned();
        Agent::start(AgentSettings {
            identity: self.identity.clone(),
            keeping: Keeping::Memory { journal: self.journal.clone(), scratch },
            platform: Arc::new(self.platform.clone()),
            clock: clock(),
            connector: Arc::new(self.controller.network.clone()),
            executor: self.limits,
            spool: SpoolLimits::default(),
            inventory: self.collecting,
            parameters: ParameterSettings::default(),
        })
        .unwrap()
    }

    /// How often the first step's script of a command was let go.
    pub(crate) fn runs(&self, command: &CommandId) -> u32 {
        self.platform.runs().get(&format!("{command}/0")).copied().unwrap_or_default()
    }
}

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

/// Waits until the agent's link is in some state.
pub(crate) async fn until_link(
    agent: &AgentHandle,
    what: &str,
    wanted: impl Fn(&LinkStatus) -> bool,
) -> LinkStatus {
    let mut status = agent.status();
    let waited = tokio::time::timeout(Duration::from_secs(20), status.wait_for(|status| wanted(status)));
    match waited.await {
        Ok(status) => status.unwrap().clone(),
        Err(_) => panic!("the link was never {what}; last status: {:?}", *agent.status().borrow()),
    }
}

/// Waits for a condition that nobody announces.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    });
    assert!(waited.await.is_ok(), "never: {what}");
}

/// A document with one step for each script, in the language of the fake host.
pub(crate) fn run(command: &CommandId, scripts: &[&[&str]]) -> delivery::Work {
    let steps: Vec<_> = scripts
        .iter()
        .enumerate()
        .map(|(index, lines)| {
            json!({
                "action": "aws:runShellScript",
                "name": format!("step{index}"),
                "inputs": { "runCommand": lines },
            })
        })
        .collect();
    run_document(command, &json!({ "schemaVersion": "2.2", "description": "a test", "mainSteps": steps }))
}

pub(crate) fn run_document(command: &CommandId, document: &serde_json::Value) -> delivery::Work {
    delivery::Work::Run(RunDocument {
        command_id: command.to_string(),
        document_name: "Test".to_owned(),
        document_version: "1".to_owned(),
        content: document.to_string().into(),
        parameters: "{}".into(),
        start_within_ms: 60_000,
    })
}

pub(crate) fn cancel(command: &CommandId) -> delivery::Work {
    delivery::Work::Cancel(CancelCommand { command_id: command.to_string() })
}
