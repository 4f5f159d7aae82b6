//! etcd, as Debian has it, with its defaults: one member, then three, on loopback and on the disk of the temporary
//! folder. Where it is not installed, that is a figure, too.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::figures::Figures;
use super::process::{Place, Process, folder};
use super::ssm::Load;
use crate::run;

const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);

pub(crate) fn measure(seconds: u64, (readers, writers): (u32, u32), figures: &mut Figures) -> Result<()> {
    let Some(version) = version() else {
        run::say("etcd is not installed (etcd-server in Debian): it is not measured");
        figures.text("etcd", "not installed");
        return Ok(());
    };
    figures.text("etcd", &version);
    for members in [1, 3] {
        run::say(&format!("etcd with {members} member(s)"));
        let cluster = Cluster::start(members)?;
        let server = ["etcd", "--members", &cluster.clients.join(",")].map(str::to_owned).to_vec();
        let load = Load { server, environment: Vec::new(), costs: None, seconds };
        load.ask("fill", writers, None)?;
        let key = |name: &str| format!("etcd_{members}_{name}");
        load.at_most(figures, &key("get"), "get", readers)?;
        load.at_most(figures, &key("get_serializable"), "get-serializable", readers)?;
        load.at_most(figures, &key("put"), "put", writers)?;
    }
    Ok(())
}

fn version() -> Option<String> {
    let output = Command::new("etcd").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(|line| line.trim_start_matches("etcd Version: ").to_owned())
}

/// It, and its data, go away with this value.
#[derive(Debug)]
struct Cluster {
    _members: Vec<Process>,
    /// Where its members answer clients.
    clients: Vec<String>,
    _folder: TempDir,
}

impl Cluster {
    fn start(members: usize) -> Result<Self> {
        let folder = folder(Place::Disk)?;
        let addresses = free_addresses(2 * members)?;
        let (clients, peers) = addresses.split_at(members);
        let cluster: Vec<_> =
            peers.iter().enumerate().map(|(at, peer)| format!("m{at}=http://{peer}")).collect();
        let mut running = Vec::new();
        for (at, (client, peer)) in clients.iter().zip(peers).enumerate() {
            running.push(member(folder.path(), at, client, peer, &cluster.join(","))?);
        }
        let started = Self { _members: running, clients: clients.to_vec(), _folder: folder };
        started.wait()?;
        Ok(started)
    }

    fn wait(&self) -> Result<()> {
        let begun = Instant::now();
        let (_nobody, silence) = channel::<()>();
        loop {
            let mut command = Command::new("etcdctl");
            command.env("ETCDCTL_API", "3").args([
                "--endpoints",
                &self.clients.join(","),
                "endpoint",
                "health",
            ]);
            let asked = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            if asked.context("etcdctl cannot be started (etcd-client in Debian)")?.success() {
                return Ok(());
            }
            if begun.elapsed() > READY_WITHIN {
                bail!("etcd was not ready within {READY_WITHIN:?}");
            }
            let _ = silence.recv_timeout(LOOK_AGAIN_AFTER);
        }
    }
}

fn member(folder: &Path, at: usize, client: &str, peer: &str, cluster: &str) -> Result<Process> {
    let (client, peer) = (format!("http://{client}"), format!("http://{peer}"));
    let child = Command::new("etcd")
        .args(["--name", &format!("m{at}"), "--log-level", "error", "--initial-cluster", cluster])
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .arg("--data-dir")
        .arg(folder.join(format!("m{at}")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.map(Process::new).context("cannot start etcd")
}

/// Ports that nobody has at this moment.
fn free_addresses(count: usize) -> Result<Vec<String>> {
    let bound: Vec<_> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
    bound.iter().map(|listener| Ok(listener.local_addr()?.to_string())).collect()
}
