//! The programs on a booted system that has none of our Debian packages: from tarballs, and from packages for rpm.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::machine::Machine;
use super::story::{BOTH, CONNECTED, RUNS, activation, nothing_is_left, use_it};
use crate::package::Both;
use crate::run;

pub(super) fn tarballs(machine: &Machine) -> Result<()> {
    if !machine.root().join("packages/agent.tar.gz").exists() {
        run::say("the tarballs were NOT tested: there are none");
        return Ok(());
    }
    machine.does(
        "mkdir -p /root/unpacked && for one in controller agent; do tar -xzf /packages/$one.tar.gz -C /root/unpacked \
         --no-same-owner || exit 1; done",
    )?;
    machine.does("/root/unpacked/fleetwright-[0-9]*/fleetwright install")?;
    use_it(machine)?;
    join(machine, "/root/unpacked/fleetwright-agent-*/fleetwright-agent install")?;
    machine.does(&format!("systemctl is-enabled {BOTH}"))?;
    machine.does("test \"$(stat -c %U:%a /var/lib/fleetwright)\" = fleetwright:700")?;
    // A second time is an upgrade.
    machine.does("echo '# changed by hand' >>/etc/fleetwright/agent.toml")?;
    machine.does("/root/unpacked/fleetwright-agent-*/fleetwright-agent install")?;
    machine.does("grep -x '# changed by hand' /etc/fleetwright/agent.toml")?;
    machine.until("commands run", RUNS)?;
    machine.does("fleetwright-agent uninstall --purge && fleetwright uninstall --purge")?;
    machine.does(&format!("! systemctl is-enabled {BOTH} && ! pgrep fleetwright"))?;
    machine.does("! getent passwd fleetwright || userdel fleetwright")?;
    nothing_is_left(machine)
}

/// With a join file that is there before the agent is.
fn join(machine: &Machine, install: &str) -> Result<()> {
    machine.does(&format!(
        "mkdir -p /etc/fleetwright && {} && mv /root/third /etc/fleetwright/join.toml",
        activation("/root/third")
    ))?;
    machine.does(install)?;
    machine.until("the agent has joined", CONNECTED)?;
    machine.until("commands run", RUNS).map(drop)
}

/// This machine's rpm, with the root of the system inside.
fn rpm(machine: &Machine, arguments: &[&str], packages: &[&Path]) -> Result<String> {
    let mut command = Command::new("rpm");
    command.arg("--root").arg(machine.mounted_root()?).arg("--nodeps").args(arguments).args(packages);
    let output = command.output().context("cannot run rpm")?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("rpm {} ended with {}: {said}", arguments.join(" "), output.status);
    }
    ensure!(!said.contains("scriptlet failed"), "{said}");
    Ok(said)
}

pub(super) fn rpms(machine: &Machine, (first, second): &(Both, Both)) -> Result<()> {
    if Command::new("rpm").arg("--version").output().is_err() {
        run::say("the rpm packages were NOT tested: there is no rpm (Debian: apt-get install rpm)");
        return Ok(());
    }
    with_rpm(machine, first, second).context("installed, upgraded and removed with rpm")?;
    run::say("ok          installed, upgraded and removed with rpm");
    Ok(())
}

fn with_rpm(machine: &Machine, first: &Both, second: &Both) -> Result<()> {
    rpm(machine, &["--initdb"], &[])?;
    rpm(machine, &["--install"], &[&first.controller])?;
    use_it(machine)?;
    machine.does(&format!(
        "mkdir -p /etc/fleetwright && {} && mv /root/fourth /etc/fleetwright/join.toml",
        activation("/root/fourth")
    ))?;
    rpm(machine, &["--install"], &[&first.agent])?;
    machine.until("the agent has joined", CONNECTED)?;
    machine.does(&format!("systemctl is-enabled {BOTH}"))?;
    machine.until("commands run", RUNS)?;
    machine.does("test -s /usr/share/man/man1/fleetwright-agent.1.gz")?;
    machine.does("test -s /usr/share/zsh/site-functions/_fleetwright-agent")?;
    machine.does("echo '# changed by hand' >>/etc/fleetwright/agent.toml")?;
    machine.does("echo '# changed by hand' >>/etc/fleetwright/fleetwright.toml")?;
    rpm(machine, &["--upgrade"], &[&second.controller, &second.agent])?;
    machine
        .does("grep -x '# changed by hand' /etc/fleetwright/agent.toml /etc/fleetwright/fleetwright.toml")?;
    machine.does(&format!("systemctl is-enabled {BOTH} && systemctl is-active {BOTH}"))?;
    machine.until("commands run after the upgrade", RUNS)?;
    rpm(machine, &["--erase", "fleetwright-agent", "fleetwright"], &[])?;
    machine.does(&format!(
        "! systemctl is-active {BOTH} && ! pgrep fleetwright && ! test -e /usr/bin/fleetwright"
    ))?;
    // Rpm has no purge: what people changed is kept aside, what the services kept stays.
    machine
        .does("test -e /etc/fleetwright/agent.toml.rpmsave && test -d /var/lib/fleetwright-agent/identity")
        .map(drop)
}
