//! Other builds of the agent on the booted system: which one runs in the end, whatever happens on the way.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::machine::Machine;
use super::story::{BOTH, RUNS, new_program_runs};

const STATE: &str = "/var/lib/fleetwright-agent/update/state.json";
/// For what takes some starts of the service.
const LONG: Duration = Duration::from_secs(120);

/// Says a version as a build does, and does something else when it runs.
fn build(file: &str, run: &str) -> String {
    format!(
        "printf '#!/bin/sh\\nif [ \"$1\" = version ]; then echo fleetwright-agent 9.9; else {run}; fi\\n' >{file} \
         && chmod 755 {file}"
    )
}

pub(super) fn bad(machine: &Machine) -> Result<()> {
    machine.does(
        "sed -i 's/^reach_seconds.*/reach_seconds = 5/' /etc/fleetwright/agent.toml && \
                  systemctl reload fleetwright-agent",
    )?;
    machine.until("commands run", RUNS)?;
    for (name, run, wanted) in [
        ("crash", "exit 7", "it ended with exit status: 7"),
        ("hang", "exec sleep 1000", "did not reach the controller within 5 s"),
        (
            "lost",
            "exec /usr/bin/fleetwright-agent \"$@\" --controller 127.0.0.1:9",
            "did not reach the controller within 5 s",
        ),
    ] {
        let file = format!("/root/{name}");
        machine.does(&build(&file, run))?;
        let said = machine.does(&format!("fleetwright-agent update --file {file} 2>&1; test $? = 1"))?;
        ensure!(said.contains(wanted), "{name}: {said}");
        new_program_runs(machine)?;
        machine.until("commands run as before", RUNS)?;
        machine.does(&format!("systemctl is-enabled {BOTH}"))?;
    }
    // One that cannot even start is not tried, and nothing is interrupted.
    machine.does(
        "echo nonsense >/root/nonsense && fleetwright-agent update --file /root/nonsense; test $? = 3",
    )?;
    // Killed in the middle of a trial, the service ends on a build that works.
    machine.does("fleetwright-agent update --file /root/hang >/dev/null 2>&1 & \
                  until pgrep -xf 'sleep 1000'; do :; done; \
                  kill -9 $(systemctl show --value -p MainPID fleetwright-agent); pkill -xf 'sleep 1000'; true")?;
    machine.until_within("commands run as before", RUNS, LONG).map(drop)
}

pub(super) fn bad_later(machine: &Machine) -> Result<()> {
    machine.until("no trial goes on", &format!("! grep -q '\"starts\"' {STATE}"))?;
    machine.does(&build("/root/later", "(sleep 2; kill -9 $$) & exec /usr/bin/fleetwright-agent \"$@\""))?;
    let said = machine.does("fleetwright-agent update --file /root/later")?;
    ensure!(said.contains("runs 9.9 now"), "it did not pass its trial: {said}");
    machine.until_within("it is taken back", "fleetwright-agent status | grep -F 'ended 5 times'", LONG)?;
    new_program_runs(machine)?;
    machine.does(&format!("systemctl is-enabled {BOTH}"))?;
    machine.until("commands run as before", RUNS).map(drop)
}

pub(super) fn good(machine: &Machine) -> Result<()> {
    machine.until("no trial goes on", &format!("! grep -q '\"starts\"' {STATE}"))?;
    machine.does(
        "sed -i 's/^healthy_seconds.*/healthy_seconds = 5/' /etc/fleetwright/agent.toml && \
                  systemctl reload fleetwright-agent",
    )?;
    machine.until("commands run", RUNS)?;
    let said = machine
        .does("cp /usr/bin/fleetwright-agent /root/good && fleetwright-agent update --file /root/good")?;
    ensure!(said.contains("runs"), "{said}");
    let slot = "readlink /proc/$(systemctl show --value -p MainPID fleetwright-agent)/exe | grep /update/";
    machine.does("systemctl restart fleetwright-agent")?;
    machine.until("the new build is the one that is started", slot)?;
    machine.until("commands run", RUNS)?;
    machine.until("it is trusted", &format!("grep -q '\"probation\": null' {STATE}"))?;
    // The same by a command, from the controller.
    publish(machine)?;
    let said = machine.does("timeout 60 fleetwright run --target all -d AWS-UpdateSSMAgent 2>&1")?;
    ensure!(said.contains("Success"), "{said}");
    // Another program in a package counts, whatever was brought before.
    machine.does(
        "cp /usr/bin/fleetwright-agent /root/other && echo >>/root/other && \
         mv /root/other /usr/bin/fleetwright-agent && systemctl reload fleetwright-agent",
    )?;
    new_program_runs(machine)?;
    machine.until("commands run", RUNS)?;
    machine.does("dpkg -i /packages/agent-2.deb")?;
    new_program_runs(machine)?;
    machine.until("commands run", RUNS).map(drop)
}

/// The build that runs, under another version: it is asked for its version by a script that lies.
fn publish(machine: &Machine) -> Result<()> {
    machine
        .does(
            "printf '#!/bin/sh\\nif [ \"$1\" = version ]; then echo fleetwright-agent 9.9; else \
             exec /usr/bin/fleetwright-agent \"$@\"; fi\\n' >/root/published && sum=$(sha256sum /root/published) && \
             printf '{\"schemaVersion\": \"2.0\", \"version\": \"9.9\", \"packages\": {\"_any\": {\"_any\": {\"_any\": \
             {\"file\": \"published\"}}}}, \"files\": {\"published\": {\"checksums\": {\"sha256\": \"%s\"}}}}' \
             \"${sum%% *}\" >/root/manifest.json && \
             fleetwright document create FleetwrightAgent /root/manifest.json --type Package --attach /root/published",
        )
        .map(drop)
}

/// What the journal of updates says at each step of one.
const STEPS: [(&str, &str); 3] = [
    ("it waits to be tried", r#""starts": 0"#),
    ("it is tried", r#""starts": 1"#),
    ("it has just reached the controller", r#""verdict": "updated""#),
];

pub(super) fn cut(machine: &Machine) -> Result<()> {
    let begin = "rm -f /root/cut-update; (fleetwright-agent update --file /root/good; echo $? >/root/cut-update) \
                 >/dev/null 2>&1 &";
    let goes_on = |step: &str| {
        machine.until_within(&format!("killed when {step}: commands run"), RUNS, LONG)?;
        machine.does(&format!("systemctl is-enabled {BOTH}"))
    };
    let fresh = format!(
        "systemctl stop fleetwright-agent && rm -rf {} && systemctl start fleetwright-agent",
        folder()
    );
    // Whoever brings the build in, in the middle of its copy or wherever the moment finds it.
    machine.does(&format!(
        "{fresh}; {begin} until ls {}/?/*.new || [ -s /root/cut-update ]; do :; done \
                           >/dev/null 2>&1; pkill -9 -xf 'fleetwright-agent update --file /root/good'; true",
        folder()
    ))?;
    goes_on("it is copied")?;
    for (step, pattern) in STEPS {
        machine.does(&fresh)?;
        machine.until("commands run", RUNS)?;
        machine.does(&format!(
            "{begin} until grep -qF '{pattern}' {STATE} || [ -s /root/cut-update ]; do :; done 2>/dev/null; \
             systemctl kill --signal=KILL --kill-whom=all fleetwright-agent; true"
        ))?;
        goes_on(step)?;
    }
    machine.does(&fresh)?;
    machine.until("commands run", RUNS)?;
    machine.does(&format!("{begin} until grep -qF '\"starts\": 1' {STATE}; do :; done 2>/dev/null"))?;
    machine.cut_the_power()?;
    goes_on("the power was cut")?;
    // Nothing of that is in the way of the next update.
    machine.until("no trial goes on", &format!("! grep -q '\"trial\": {{' {STATE}"))?;
    machine.does("fleetwright-agent update --file /root/good")?;
    machine.until("commands run", RUNS)?;
    machine.does(&fresh)?;
    new_program_runs(machine)?;
    machine.until("commands run", RUNS).map(drop)
}

fn folder() -> &'static str {
    STATE.trim_end_matches("/state.json")
}
