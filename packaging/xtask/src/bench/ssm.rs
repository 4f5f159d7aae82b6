//! A controller whose SSM door is asked by `fleetwright-load`, and etcd beside it where it is installed.
//!
//! ```text
//! controller ──► 10,000 parameters, 10,000 secrets ──► plain listener, then TLS: each question as fast as it is
//!                                                      answered, reads again at half of that
//! etcd, one member, then three ──► 10,000 keys of the same size ──► reads, durable writes
//! ```
//!
//! One program asks at a time, and the two share the processors with it. Every request is signed for itself, on
//! connections that are kept.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::controller::Controller;
use super::etcd;
use super::figures::Figures;
use super::process::Process;
use crate::run;

/// Of the parameters and keys that are read and written: as many as a path has.
const ITEMS: u32 = 10_000;
const VALUE_BYTES: u32 = 100;
/// Who reads a secret waits for the audit log as well: more of them are at it.
const READERS: u32 = 32;
const SECRET_READERS: u32 = 128;
const WRITERS: u32 = 64;

/// Room for what is put here; everything else is as it is without a configuration.
const CONFIGURATION: &str = "[ssm]\nlisten = \"127.0.0.1:0\"\n[parameters]\nstandard_max = 100000\n";

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) seconds: u64,
}

/// Asking one server.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    /// Where it is: what stands between the numbers and the question.
    pub(crate) server: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// What it costs; none where nobody looks.
    pub(crate) costs: Option<&'a Process>,
    pub(crate) seconds: u64,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    asked: f64,
    server_cpu_us: f64,
    client_cpu_us: f64,
}

impl Load<'_> {
    pub(crate) fn ask(&self, question: &str, connections: u32, rate: Option<u32>) -> Result<Outcome> {
        let mut command = Command::new(run::release("fleetwright-load"));
        command.args(["--connections", &connections.to_string(), "--seconds", &self.seconds.to_string()]);
        command.args(["--items", &ITEMS.to_string(), "--value-bytes", &VALUE_BYTES.to_string()]);
        if let Some(rate) = rate {
            command.args(["--rate", &rate.to_string()]);
        }
        command.args(&self.server).arg(question).envs(self.environment.iter().cloned());
        let before = self.costs.map(Process::cpu).transpose()?;
        let mut child =
            Process::new(command.stdout(Stdio::piped()).spawn().context("cannot start the load")?);
        let mut line = String::new();
        let mut stdout = child.child().stdout.take().context("standard output is a pipe")?;
        std::io::Read::read_to_string(&mut stdout, &mut line)?;
        // It has ended, and is still there to be asked what it used.
        let client = child.cpu()?;
        let status = child.child().wait()?;
        ensure!(status.success(), "`fleetwright-load … {question}` ended with {status}");
        let told: Value = serde_json::from_str(&line)?;
        let number = |name: &str| told[name].as_f64().unwrap_or(f64::NAN);
        let asked = number("asked");
        let server = match (self.costs, before) {
            (Some(process), Some(before)) => (process.cpu()? - before).as_secs_f64(),
            _ => f64::NAN,
        };
        Ok(Outcome {
            per_second: number("per_second"),
            p50_ms: number("p50_us") / 1_000.0,
            p99_ms: number("p99_us") / 1_000.0,
            asked,
            server_cpu_us: 1e6 * server / asked,
            client_cpu_us: 1e6 * client.as_secs_f64() / asked,
        })
    }

    /// As fast as it is answered.
    pub(crate) fn at_most(
        &self,
        figures: &mut Figures,
        key: &str,
        question: &str,
        connections: u32,
    ) -> Result<f64> {
        let outcome = self.ask(question, connections, None)?;
        figures.number(&format!("{key}_per_second"), outcome.per_second);
        figures.number(&format!("{key}_p50_ms"), outcome.p50_ms);
        figures.number(&format!("{key}_p99_ms"), outcome.p99_ms);
        if outcome.server_cpu_us.is_finite() {
            figures.number(&format!("{key}_server_cpu_us"), outcome.server_cpu_us);
        }
        figures.number(&format!("{key}_client_cpu_us"), outcome.client_cpu_us);
        Ok(outcome.per_second)
    }

    /// As fast as it is answered, and then half as fast.
    fn at_most_and_at_half(
        &self,
        figures: &mut Figures,
        key: &str,
        question: &str,
        connections: u32,
    ) -> Result<()> {
        let most = self.at_most(figures, key, question, connections)?;
        // A rate is a whole number, and this one is far from the ends.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
        let half = ((most / 2.0) as u32).max(1);
        let outcome = self.ask(question, connections, Some(half))?;
        figures.number(&format!("{key}_p50_ms_at_half_load"), outcome.p50_ms);
        figures.number(&format!("{key}_p99_ms_at_half_load"), outcome.p99_ms);
        Ok(())
    }
}

pub(crate) fn measure(settings: &Settings) -> Result<Figures> {
    let mut figures = Figures::default();
    figures.number("parameters", ITEMS.into());
    figures.number("value_bytes", VALUE_BYTES.into());
    figures.number("read_connections", READERS.into());
    figures.number("secret_read_connections", SECRET_READERS.into());
    figures.number("write_connections", WRITERS.into());
    let controller = Controller::start_with(CONFIGURATION)?;
    let environment = access_key(&controller)?;
    let Some(plain) = controller.ssm_address.clone() else {
        bail!("the controller has no plain SSM listener")
    };
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let authority = controller.data().join("authority/authority.pem").display().to_string();
    let listeners = [
        ("", words(&["ssm", "--address", &plain])),
        ("tls_", words(&["ssm", "--address", &controller.address, "--authority", &authority])),
    ];
    for (prefix, server) in listeners {
        let costs = Some(&controller.process);
        let load = Load { server, environment: environment.clone(), costs, seconds: settings.seconds };
        if prefix.is_empty() {
            run::say(&format!("{ITEMS} parameters and {ITEMS} secrets are put"));
            let filled = load.ask("fill", WRITERS, None)?;
            figures.number("put_new_parameter_per_second", filled.per_second);
            ensure!(filled.asked as u32 == ITEMS, "not every parameter was put");
            load.ask("fill-secrets", WRITERS, None)?;
        }
        run::say(&format!(
            "{} is asked",
            if prefix.is_empty() { "the plain listener" } else { "the TLS listener" }
        ));
        let key = |name: &str| format!("{prefix}{name}");
        load.at_most_and_at_half(&mut figures, &key("get_parameter"), "get", READERS)?;
        load.at_most_and_at_half(&mut figures, &key("get_secure_parameter"), "get-secret", SECRET_READERS)?;
        load.at_most_and_at_half(&mut figures, &key("get_by_path_page"), "by-path", READERS)?;
        load.at_most(&mut figures, &key("put_parameter"), "put", WRITERS)?;
        load.at_most(&mut figures, &key("put_secure_parameter"), "put-secret", WRITERS)?;
    }
    figures.number("controller_rss_bytes", controller.process.rss_bytes()? as f64);
    drop(controller);
    etcd::measure(settings.seconds, (READERS, WRITERS), &mut figures)?;
    Ok(figures)
}

/// A new access key, as the load takes it: never as an argument.
fn access_key(controller: &Controller) -> Result<Vec<(&'static str, String)>> {
    let output = controller.operator().args(["access", "key", "create", "-o", "json"]).output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`fleetwright access key create` failed: {}", complaint.trim());
    let made: Value = serde_json::from_slice(&output.stdout)?;
    let field = |name: &str| made[name].as_str().map(str::to_owned).context("an access key lacks a field");
    Ok(vec![
        ("AWS_ACCESS_KEY_ID", field("access_key_id")?),
        ("AWS_SECRET_ACCESS_KEY", field("secret_access_key")?),
    ])
}
