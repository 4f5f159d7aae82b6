//! What happens to the packages, in order. Each chapter goes on where the one before ended.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::machine::{Machine, pause};
use super::{unpackaged, updates};
use crate::package::{self, Both};
use crate::run;

type Chapter = fn(&Machine) -> Result<()>;

const CHAPTERS: [(&str, Chapter); 19] = [
    ("installed, the controller serves and the agent waits", installed),
    ("a join file that was there before lets the agent join and is gone", joined_by_file),
    ("somebody enrols by answering questions", enrolled_by_answers),
    ("a command runs, and the journal has its fields", command),
    ("a command reboots the host by 194 and goes on", reboot),
    ("killed, both programs come back", killed),
    ("a start that fails for long disables nothing", failing_start),
    ("a package is upgraded under a running command, which ends well", upgraded_under_a_command),
    ("a command upgrades the agent that runs it", upgraded_by_a_command),
    ("builds that crash, hang or cannot connect are taken back", updates::bad),
    ("a build that passes its trial and crashes later is taken back", updates::bad_later),
    ("a build that works is taken up, and the next package counts again", updates::good),
    (
        "killed at every step of an update, and without power in the middle, a build that works runs",
        updates::cut,
    ),
    ("the network is cut while a command runs", network_cut),
    ("clocks jump", clocks),
    ("the agent's disk is full", agent_disk_full),
    ("the controller's disk is full", controller_disk_full),
    ("removed, installed again, and purged", removed_and_purged),
    ("without a package, the programs of a tarball install and uninstall themselves", unpackaged::tarballs),
];

/// What is tried. The tarballs and the Red Hat packages, of two revisions, may be missing.
#[derive(Debug)]
pub(super) struct Packages {
    pub(super) debs: Both,
    pub(super) tarballs: Option<Both>,
    pub(super) rpms: Option<(Both, Both)>,
}

/// Fails with the first chapter that does not go as it should.
pub(super) fn tell(machine: &Machine, packages: &Packages) -> Result<()> {
    let inside = machine.root().join("packages");
    fs::create_dir_all(&inside).context("cannot make a folder in the system")?;
    for (name, from) in [("controller", &packages.debs.controller), ("agent", &packages.debs.agent)] {
        fs::copy(from, inside.join(format!("{name}-1.deb"))).context("cannot copy a package")?;
        fs::write(inside.join(format!("{name}-2.deb")), package::next_revision(from)?)
            .context("cannot write a package")?;
    }
    for (name, from) in packages.tarballs.iter().flat_map(Both::named) {
        fs::copy(from, inside.join(format!("{name}.tar.gz"))).context("cannot copy a tarball")?;
    }
    machine.boot()?;
    for (what, chapter) in CHAPTERS {
        let begun = Instant::now();
        chapter(machine).context(what)?;
        run::say(&format!("ok {:5.1} s  {what}", begun.elapsed().as_secs_f64()));
    }
    match &packages.rpms {
        Some(rpms) => unpackaged::rpms(machine, rpms),
        None => {
            run::say("the rpm packages were NOT tested: there are none of two revisions");
            Ok(())
        }
    }
}

pub(super) const CONNECTED: &str = "fleetwright-agent status";
pub(super) const RUNS: &str =
    "test \"$(fleetwright run --target all -- 'echo it runs' 2>/dev/null)\" = 'it runs'";
pub(super) const BOTH: &str = "fleetwright.service fleetwright-agent.service";

fn installed(machine: &Machine) -> Result<()> {
    machine.does("dpkg -i /packages/controller-1.deb")?;
    // Quick heartbeats, so that a cut is noticed soon.
    machine
        .does("sed -i 's/^heartbeat_seconds.*/heartbeat_seconds = 2/' /etc/fleetwright/fleetwright.toml")?;
    machine.does("systemctl restart fleetwright && systemctl is-active fleetwright")?;
    use_it(machine)?;
    machine.does(&format!("fleetwright status && {}", activation("/root/activation")))?;
    machine.does("test \"$(stat -c %U:%a /var/lib/fleetwright)\" = fleetwright:700")?;
    let exposure = machine.does("systemd-analyze security --no-pager fleetwright | tail -1")?;
    ensure!(exposure.contains("OK"), "the controller's unit is not well hardened: {exposure}");
    machine.does("test -s /usr/share/man/man1/fleetwright.1.gz")?;
    machine.does("test -s /usr/share/bash-completion/completions/fleetwright")?;
    Ok(())
}

/// The command line inside is that of the controller's first operator.
pub(super) fn use_it(machine: &Machine) -> Result<()> {
    machine.until("the controller is up", "test -s /var/lib/fleetwright/operator/admin.key")?;
    machine.does(
        "fleetwright context set fleet --address 127.0.0.1:7443 \
         --authority /var/lib/fleetwright/authority/authority.pem \
         --certificate /var/lib/fleetwright/operator/admin.pem --key /var/lib/fleetwright/operator/admin.key",
    )?;
    machine.until("the controller answers", "fleetwright status").map(drop)
}

/// Keeps a new activation as a join file.
pub(super) fn activation(path: &str) -> String {
    format!(
        "fleetwright activation create -o json | sed -nE \
         -e 's/.*\"(activation_id|activation_code)\": \"([^\"]+)\".*/\\1 = \"\\2\"/p' \
         -e 's/.*\"authority_fingerprint\": \"([^\"]+)\".*/authority = \"\\1\"/p' >{path} && \
         echo 'controller = \"127.0.0.1:7443\"' >>{path} && test $(wc -l <{path}) = 4"
    )
}

fn joined_by_file(machine: &Machine) -> Result<()> {
    machine.does("mkdir -p /etc/fleetwright && cp /root/activation /etc/fleetwright/join.toml")?;
    machine.does("dpkg -i /packages/agent-1.deb")?;
    machine.until("the agent has joined", CONNECTED)?;
    machine.does("test ! -e /etc/fleetwright/join.toml")?;
    machine.does(&format!("systemctl is-enabled {BOTH}"))?;
    machine.does("test \"$(stat -c %U:%a /var/lib/fleetwright-agent)\" = root:700")?;
    // One that is wrong is put aside, with the reason in the log and without its text.
    machine.does("printf 'controller = 7\\nactivation_code = sesame\\n' >/etc/fleetwright/join.toml")?;
    machine.does("fleetwright-agent enroll --from /etc/fleetwright/join.toml; test $? = 2")?;
    machine.does("rm /etc/fleetwright/join.toml")?;
    Ok(())
}

fn enrolled_by_answers(machine: &Machine) -> Result<()> {
    machine.does(&activation("/root/second"))?;
    let read = |key: &str| format!("$(sed -n 's/^{key} = \"\\(.*\\)\"/\\1/p' /root/second)");
    let answers = format!(
        "(echo nonsense; echo 127.0.0.1:7443; echo {}; sleep 1; echo {}; echo {}) | \
         script -qec 'fleetwright-agent enroll --state-dir /root/second-state' /dev/null",
        read("activation_id"),
        read("activation_code"),
        read("authority")
    );
    let said = machine.does(&answers)?;
    ensure!(said.contains("mi-"), "no node id:\n{said}");
    let node =
        machine.does("fleetwright-agent status --state-dir /root/second-state | awk '/^node/ {print $2}'")?;
    machine.does(&format!("fleetwright node deregister --yes {}", node.trim()))?;
    Ok(())
}

fn command(machine: &Machine) -> Result<()> {
    machine.does(RUNS)?;
    let fields =
        machine.does("journalctl -u fleetwright -o json --no-pager | grep '\"MESSAGE\":\"ready\"'")?;
    ensure!(fields.contains("\"ADDRESS\""), "no field of ours in the journal:\n{fields}");
    let environment = machine.does("fleetwright run --target all -- env")?;
    ensure!(!environment.contains("NOTIFY_SOCKET"), "the service's own variables reach scripts");
    Ok(())
}

/// Starts a command without waiting for it; its id goes to a file.
pub(super) fn begin(machine: &Machine, script: &str, file: &str) -> Result<()> {
    machine.does(&format!("fleetwright run --target all --detach -- '{script}' >{file}")).map(drop)
}

fn succeeds(machine: &Machine, file: &str, wanted: &str) -> Result<()> {
    let node = "$(fleetwright node list -o json | sed -nE 's/.*\"node_id\": \"([^\"]+)\".*/\\1/p' | head -1)";
    machine.until(
        "the command ends well",
        &format!("fleetwright command show $(cat {file}) | grep -E 'status +Success'"),
    )?;
    machine.does(&format!("fleetwright command output $(cat {file}) {node} | grep -x '{wanted}'")).map(drop)
}

fn reboot(machine: &Machine) -> Result<()> {
    let script = "if [ -e /root/rebooted ]; then echo came back; else touch /root/rebooted; exit 194; fi";
    begin(machine, script, "/root/reboot")?;
    machine.reboot_when_asked()?;
    machine.until("the agent is connected again", CONNECTED)?;
    succeeds(machine, "/root/reboot", "came back")
}

fn killed(machine: &Machine) -> Result<()> {
    for unit in ["fleetwright", "fleetwright-agent"] {
        machine.does(&format!("kill -9 $(systemctl show --value -p MainPID {unit})"))?;
        machine.until(
            "it was started again",
            &format!("test $(systemctl show --value -p NRestarts {unit}) -ge 1"),
        )?;
        machine.until("it is active", &format!("systemctl is-active {unit}"))?;
    }
    machine.until("commands run again", RUNS)?;
    // A hang is noticed as well: the watchdog ends what stands still.
    machine.does("mkdir -p /run/systemd/system/fleetwright-agent.service.d && \
                  printf '[Service]\\nWatchdogSec=3\\n' >/run/systemd/system/fleetwright-agent.service.d/w.conf && \
                  systemctl daemon-reload && systemctl restart fleetwright-agent")?;
    machine.until("the agent is connected", CONNECTED)?;
    machine.does(
        "systemctl show --value -p MainPID fleetwright-agent >/root/pid && kill -STOP $(cat /root/pid)",
    )?;
    machine.until(
        "another process took its place",
        "systemctl is-active fleetwright-agent && \
         test $(systemctl show --value -p MainPID fleetwright-agent) != $(cat /root/pid)",
    )?;
    machine.does(
        "rm -r /run/systemd/system/fleetwright-agent.service.d && systemctl daemon-reload && \
                  systemctl restart fleetwright-agent",
    )?;
    machine.until("commands run again", RUNS).map(drop)
}

fn failing_start(machine: &Machine) -> Result<()> {
    let faults = [("fleetwright", "fleetwright.toml"), ("fleetwright-agent", "agent.toml")];
    for (unit, file) in faults {
        machine
            .does(&format!("cp /etc/fleetwright/{file} /root/ && echo nonsense >>/etc/fleetwright/{file}"))?;
        machine.does(&format!("systemctl reset-failed {unit}; systemctl restart {unit}; true"))?;
    }
    for (unit, _) in faults {
        // Systemd's own limit would have been five starts in ten seconds.
        machine.until(
            "it was tried again and again",
            &format!(
                "test $(systemctl show --value -p NRestarts {unit}) -ge 6 && ! systemctl is-failed {unit}"
            ),
        )?;
    }
    for (unit, file) in faults {
        machine.does(&format!("cp /root/{file} /etc/fleetwright/{file} && systemctl is-enabled {unit}"))?;
    }
    machine.until("commands run again, without anybody's help", RUNS).map(drop)
}

fn upgraded_under_a_command(machine: &Machine) -> Result<()> {
    machine.does("echo '# changed by hand' >>/etc/fleetwright/agent.toml")?;
    begin(machine, "touch /root/begun; sleep 6; echo survived", "/root/upgrade")?;
    machine.until("the command runs", "test -e /root/begun")?;
    machine.does("dpkg -i /packages/controller-2.deb /packages/agent-2.deb")?;
    machine.does(&format!("systemctl is-enabled {BOTH}"))?;
    succeeds(machine, "/root/upgrade", "survived")?;
    machine.does("grep -x '# changed by hand' /etc/fleetwright/agent.toml")?;
    new_program_runs(machine)?;
    machine.until("commands run", RUNS).map(drop)
}

pub(super) fn new_program_runs(machine: &Machine) -> Result<()> {
    machine
        .until(
            "the installed program is the one that runs",
            "test \"$(readlink /proc/$(systemctl show --value -p MainPID fleetwright-agent)/exe)\" = \
             /usr/bin/fleetwright-agent",
        )
        .map(drop)
}

fn upgraded_by_a_command(machine: &Machine) -> Result<()> {
    begin(
        machine,
        "dpkg -i /packages/agent-1.deb /packages/agent-2.deb && echo upgraded myself",
        "/root/self",
    )?;
    succeeds(machine, "/root/self", "upgraded myself")?;
    new_program_runs(machine)?;
    machine.until("commands run", RUNS).map(drop)
}

fn network_cut(machine: &Machine) -> Result<()> {
    begin(machine, "touch /root/cut-begun; sleep 4; echo done in the dark", "/root/cut")?;
    machine.until("the command runs", "test -e /root/cut-begun")?;
    machine.does("ip link set lo down")?;
    pause(Duration::from_secs(12));
    machine.does("fleetwright-agent status; test $? = 1")?;
    machine.does("ip link set lo up")?;
    machine.until("the agent is connected", CONNECTED)?;
    succeeds(machine, "/root/cut", "done in the dark")
}

/// Both programs under a clock that can be moved: forward by an hour in a cut, as if it had been that long, and back.
fn clocks(machine: &Machine) -> Result<()> {
    for unit in ["fleetwright", "fleetwright-agent"] {
        machine.does(&format!(
            "mkdir -p /run/systemd/system/{unit}.service.d && \
             lib=$(echo /usr/lib/*/faketime/libfaketime.so.1) && test -e $lib && \
             printf '[Service]\\nEnvironment=LD_PRELOAD=%s FAKETIME_TIMESTAMP_FILE=/etc/clock FAKETIME_NO_CACHE=1 \
             FAKETIME_DONT_FAKE_MONOTONIC=1\\n' $lib >/run/systemd/system/{unit}.service.d/clock.conf"
        ))?;
    }
    machine.does(&format!("echo +0 >/etc/clock; systemctl daemon-reload && systemctl restart {BOTH}"))?;
    machine.until("the agent is connected", CONNECTED)?;
    begin(machine, "sleep 3; echo an hour later", "/root/hour")?;
    pause(Duration::from_secs(1));
    machine.does("ip link set lo down; echo +3600s >/etc/clock")?;
    pause(Duration::from_secs(8));
    machine.does("ip link set lo up")?;
    machine.until("the agent is connected after an hour", CONNECTED)?;
    succeeds(machine, "/root/hour", "an hour later")?;
    for jump in ["+7200s", "-1800s", "+0"] {
        machine.does(&format!("echo {jump} >/etc/clock"))?;
        machine.until("commands run", RUNS)?;
    }
    machine.does(&format!(
        "rm -r /run/systemd/system/fleetwright*.service.d; systemctl daemon-reload && systemctl restart {BOTH}"
    ))?;
    machine.until("commands run", RUNS).map(drop)
}

/// Puts a small disk in the place of a folder while the unit is stopped.
fn small_disk(machine: &Machine, unit: &str, folder: &str, mebibytes: u32) -> Result<()> {
    let owner = format!("$(stat -c %u:%g {folder})");
    machine
        .does(&format!(
            "owner={owner}; systemctl stop {unit} && cp -a {folder} /root/kept-{unit} && \
             mount -t tmpfs -o size={mebibytes}m,mode=700 small {folder} && cp -a /root/kept-{unit}/. {folder}/ && \
             chown $owner {folder} && systemctl start {unit}"
        ))
        .map(drop)
}

fn old_disk(machine: &Machine, unit: &str, folder: &str) -> Result<()> {
    machine
        .does(&format!(
            "systemctl stop {unit} && rm -rf /root/kept-{unit} && cp -a {folder} /root/kept-{unit} && umount {folder} && \
             cp -a /root/kept-{unit}/. {folder}/ && rm -r /root/kept-{unit} && systemctl start {unit}"
        ))
        .map(drop)
}

fn agent_disk_full(machine: &Machine) -> Result<()> {
    let (unit, folder) = ("fleetwright-agent", "/var/lib/fleetwright-agent");
    machine.does(&format!("rm -rf {folder}/update"))?;
    small_disk(machine, unit, folder, 32)?;
    machine.until("the agent is connected", RUNS)?;
    machine.does(&format!("dd if=/dev/zero of={folder}/filler bs=64k 2>/dev/null; test $(df --output=avail {folder} | tail -1) = 0"))?;
    let said = machine.does("timeout 20 fleetwright run --target all -- true 2>&1; test $? -ne 0")?;
    machine.does(&format!("systemctl is-active {unit} && {CONNECTED}"))?;
    machine.does(&format!("rm {folder}/filler"))?;
    machine.until("commands run when there is room", RUNS).context(said)?;
    old_disk(machine, unit, folder)?;
    machine.until("commands run", RUNS).map(drop)
}

fn controller_disk_full(machine: &Machine) -> Result<()> {
    let (unit, folder) = ("fleetwright", "/var/lib/fleetwright");
    small_disk(machine, unit, folder, 600)?;
    machine.until("commands run", RUNS)?;
    machine.does(&format!("dd if=/dev/zero of={folder}/filler bs=1M 2>/dev/null; true"))?;
    machine.until("new work is refused", "fleetwright run --target all -- true; test $? = 3")?;
    machine.does(&format!("systemctl is-active {unit} && fleetwright node list"))?;
    machine.does(&format!("rm {folder}/filler"))?;
    machine.until("commands run when there is room", RUNS)?;
    old_disk(machine, unit, folder)?;
    machine.until("commands run", RUNS).map(drop)
}

fn removed_and_purged(machine: &Machine) -> Result<()> {
    let node = "fleetwright-agent status | awk '/^node/ {print $2}'";
    let before = machine.does(node)?;
    machine.does("dpkg -r fleetwright-agent && ! systemctl is-active fleetwright-agent")?;
    machine.does("test -e /etc/fleetwright/agent.toml && test -d /var/lib/fleetwright-agent/identity")?;
    machine.does("dpkg -i /packages/agent-2.deb && systemctl is-enabled fleetwright-agent")?;
    machine.until("commands run", RUNS)?;
    ensure!(machine.does(node)? == before, "it is another node now");
    machine.does("dpkg -P fleetwright-agent fleetwright")?;
    nothing_is_left(machine)
}

pub(super) fn nothing_is_left(machine: &Machine) -> Result<()> {
    let left = machine.does(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /packages -o -path /root -o -path /run -o -path /tmp \
         -o -path /var/log/journal -o -path /var/lib/dpkg -o -path /dev \\) -prune -o -name '*fleetwright*' -print; \
         getent passwd fleetwright; true",
    )?;
    ensure!(left.is_empty(), "something is left:\n{left}");
    machine.does(&format!("! systemctl is-enabled {BOTH} && ! pgrep fleetwright")).map(drop)
}
