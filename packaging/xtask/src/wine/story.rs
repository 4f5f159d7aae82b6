//! What happens to the agent on Windows, in order. Each chapter goes on where the one before ended.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::prefix::Prefix;
use crate::bench::controller::Controller;
use crate::boot::pause;
use crate::windows::Built;
use crate::{package, run};

const SERVICE: &str = "FleetwrightAgent";
const INSTALLED: &str = r"C:\Program Files\Fleetwright\fleetwright-agent.exe";
/// Where the zip is unpacked.
const UNPACKED: &str = r"C:\unpacked";
/// For whatever is waited for, if nothing else is said.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);

struct Host<'a> {
    prefix: &'a Prefix,
    built: &'a Built,
    controller: Controller,
    scratch: PathBuf,
}

type Chapter = fn(&Host<'_>) -> Result<()>;

const CHAPTERS: [(&str, Chapter); 9] = [
    ("installed from its zip, the service runs and its folders are private", installed),
    ("enrolled, the service connects", enrolled),
    ("scripts for the command prompt run", scripts),
    ("a time-out and a cancellation end the whole tree", trees_end),
    ("stopped and started, it is there again", stopped_and_started),
    ("builds that crash or hang are taken back", bad_updates),
    ("a build that works is taken up", good_update),
    ("uninstalled, nothing is left", uninstalled),
    ("installed and removed by Windows Installer", by_installer),
];

/// Fails with the first chapter that does not go as it should.
pub(super) fn tell(prefix: &Prefix, built: &Built, controller: &Path) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let controller = Controller::of(controller.to_owned(), "")?;
    let host = Host { prefix, built, controller, scratch: scratch.path().to_owned() };
    for (what, chapter) in CHAPTERS {
        let begun = Instant::now();
        chapter(&host).with_context(|| what.to_owned())?;
        run::say(&format!("ok {:5.1} s  {what}", begun.elapsed().as_secs_f64()));
    }
    Ok(())
}

impl Host<'_> {
    /// Where the agent keeps its things, as this system sees it.
    fn data(&self) -> PathBuf {
        self.prefix.drive().join("ProgramData/Fleetwright/Agent")
    }

    fn operator(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.controller.operator();
        command.args(arguments).output().context("cannot run the operator's command line")
    }

    /// What a command of the operator prints that has to end with this exit code.
    fn ends(&self, arguments: &[&str], code: i32) -> Result<String> {
        let output = self.operator(arguments)?;
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.code() != Some(code) {
            let words = arguments.join(" ");
            bail!("`fleetwright {words}` ended with {} and not {code}:\n{said}{complained}", output.status);
        }
        Ok(said.replace("\r\n", "\n"))
    }

    /// Runs a line with the command prompt on the node, and gives what it prints.
    fn cmd(&self, line: &str) -> Result<String> {
        self.ends(&["run", "--target", "all", "--timeout", "1m", "--yes", "--cmd", "--", line], 0)
    }

    fn until(&self, what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !holds()? {
            if Instant::now() > deadline {
                bail!("not within {} s: {what}\n{}", PATIENCE.as_secs(), self.status()?);
            }
            pause(LOOK);
        }
        Ok(())
    }

    fn status(&self) -> Result<String> {
        Ok(self.prefix.run(Path::new(INSTALLED), &["status"])?.summary())
    }

    fn service_is(&self, state: &str) -> Result<bool> {
        Ok(self.prefix.run(Path::new("sc"), &["query", SERVICE])?.stdout.contains(state))
    }

    fn connected(&self) -> Result<()> {
        self.until("the agent is connected", || {
            Ok(self.prefix.run(Path::new(INSTALLED), &["status"])?.status.success())
        })
    }
}

fn installed(host: &Host<'_>) -> Result<()> {
    let (name, bytes) = package::windows_zip(host.built.folder())?;
    let unpacked = host.prefix.drive().join("unpacked");
    zip::ZipArchive::new(Cursor::new(bytes))?.extract(&unpacked)?;
    fs::rename(unpacked.join(name.trim_end_matches(".zip")), unpacked.join("agent"))?;
    host.prefix.does("cmd", &["/c", &format!(r"{UNPACKED}\agent\install.cmd")])?;
    host.until("the service runs", || host.service_is("RUNNING"))?;
    // A second time is an upgrade, and keeps what was configured.
    let settings = host.data().join("agent.toml");
    let text = fs::read_to_string(&settings).context("there is no configuration")?;
    let changed = text.replace("reach_seconds = 180", "reach_seconds = 20");
    fs::write(&settings, &changed)?;
    host.prefix.does("cmd", &["/c", &format!(r"{UNPACKED}\agent\install.cmd")])?;
    host.until("the service runs", || host.service_is("RUNNING"))?;
    ensure!(fs::read_to_string(&settings)? == changed, "the configuration was not kept");
    // Wine shows the administrators' rights as those of the group.
    let mode = fs::metadata(host.data())?.permissions().mode() & 0o777;
    ensure!(mode & 0o007 == 0, "others may look into the agent's folder: its mode is {mode:o}");
    Ok(())
}

fn enrolled(host: &Host<'_>) -> Result<()> {
    let activation = host.controller.activate(1)?;
    let code = format!("Z:{}", activation.code_file.display());
    let told = host.prefix.does(
        INSTALLED,
        &[
            "enroll",
            "--controller",
            &host.controller.address,
            "--activation-id",
            &activation.id,
            "--activation-code-file",
            &code,
            "--authority",
            &activation.fingerprint,
        ],
    )?;
    ensure!(told.starts_with("mi-"), "no node id: {told}");
    host.connected()?;
    let nodes = host.ends(&["node", "list", "-o", "json"], 0)?;
    ensure!(nodes.contains("\"Windows\""), "it is no node with Windows:\n{nodes}");
    let private = host.data().join("State/identity");
    ensure!(private.is_dir(), "the service and the program do not use the same folder");
    Ok(())
}

fn scripts(host: &Host<'_>) -> Result<()> {
    let said = host.cmd("echo hello& echo %AWS_SSM_PLATFORM_NAME%& if exist C:\\windows echo it is there")?;
    let lines: Vec<_> = said.lines().map(str::trim).collect();
    ensure!(lines.len() == 3 && lines[0] == "hello" && lines[1].contains("Windows"), "{said}");
    let failed = ["run", "--target", "all", "--yes", "--cmd", "-o", "json", "--", "exit /b 7"];
    let told = host.ends(&failed, 1)?;
    ensure!(told.contains('7'), "the exit code is not told:\n{told}");
    // What a parameter brings is no part of the line, whatever it is.
    let document = host.scratch.join("document.json");
    fs::write(&document, DOCUMENT)?;
    let document = format!("./{}", document.file_name().unwrap_or_default().to_string_lossy());
    let mut command = host.controller.operator();
    command.current_dir(&host.scratch).args(["run", "--target", "all", "--yes", "-d", &document]);
    let output = command.args(["-p", "what=a&echo b"]).output()?;
    let said = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    ensure!(output.status.success() && said.trim() == "it is a&echo b", "{said}");
    Ok(())
}

const DOCUMENT: &str = r#"{
  "schemaVersion": "2.2",
  "description": "One step for each system",
  "parameters": {"what": {"type": "String", "description": "Any", "interpolationType": "ENV_VAR"}},
  "mainSteps": [
    {"action": "aws:runShellScript", "name": "linux",
     "precondition": {"StringEquals": ["platformType", "Linux"]},
     "inputs": {"runCommand": ["echo no"]}},
    {"action": "fleetwright:runCmdScript", "name": "windows",
     "precondition": {"StringEquals": ["platformType", "Windows"]},
     "inputs": {"runCommand": ["echo it is {{ what }}"]}}
  ]
}
"#;

const TREE: &str = "start /b ping -n 300 127.0.0.1 & cmd /c ping -n 300 127.0.0.1";

fn trees_end(host: &Host<'_>) -> Result<()> {
    let begin = |timeout: &str| {
        let words =
            ["run", "--target", "all", "--yes", "--detach", "--timeout", timeout, "--cmd", "--", TREE];
        host.ends(&words, 0).map(|id| id.trim().to_owned())
    };
    let two_run = || host.until("the tree runs", || Ok(host.prefix.count("ping") == 2));
    let none_runs = || host.until("the tree is gone", || Ok(host.prefix.count("ping") == 0));
    let command = begin("8s")?;
    two_run()?;
    none_runs()?;
    host.until("the command has timed out", || {
        Ok(host.ends(&["command", "show", &command, "-o", "json"], 0)?.contains("TimedOut"))
    })?;
    let command = begin("5m")?;
    two_run()?;
    host.ends(&["command", "cancel", &command], 0)?;
    none_runs()?;
    host.cmd("echo on").map(drop)
}

fn stopped_and_started(host: &Host<'_>) -> Result<()> {
    host.prefix.does("sc", &["stop", SERVICE])?;
    host.until("the service has stopped", || host.service_is("STOPPED"))?;
    let status = host.prefix.run(Path::new(INSTALLED), &["status"])?;
    ensure!(status.stdout.contains("the agent is not running"), "{}", status.summary());
    host.prefix.does("sc", &["start", SERVICE])?;
    host.connected()?;
    host.cmd("echo on").map(drop)
}

/// Says a version as a build does, and does something else when it runs.
fn bad_build(host: &Host<'_>, name: &str, does: &str) -> Result<Option<String>> {
    let (source, program) =
        (host.scratch.join(format!("{name}.c")), host.scratch.join(format!("{name}.exe")));
    let text = format!(
        "#include <stdio.h>\n#include <string.h>\n#include <windows.h>\nint main(int n, char **word) {{\n\
         if (n > 1 && !strcmp(word[1], \"version\")) {{ puts(\"fleetwright-agent 9.9\"); return 0; }}\n{does}\n}}\n"
    );
    fs::write(&source, text)?;
    let compilers = ["x86_64-w64-mingw32-gcc-posix", "x86_64-w64-mingw32-gcc"];
    for compiler in compilers {
        let mut command = Command::new(compiler);
        command.arg(&source).arg("-o").arg(&program).stdin(Stdio::null());
        match command.output() {
            Ok(output) if output.status.success() => return Ok(Some(format!("Z:{}", program.display()))),
            Ok(output) => bail!("{compiler}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => {}
        }
    }
    Ok(None)
}

fn bad_updates(host: &Host<'_>) -> Result<()> {
    for (name, does, wanted) in [
        ("crash", "return 7;", "it ended with exit code: 7"),
        ("hang", "Sleep(INFINITE);", "did not reach the controller within 20 s"),
    ] {
        let Some(build) = bad_build(host, name, does)? else {
            run::say("builds that crash or hang were NOT tried: there is no C compiler for Windows");
            return Ok(());
        };
        let ended = host.prefix.run(Path::new(INSTALLED), &["update", "--file", &build])?;
        ensure!(
            ended.status.code() == Some(1) && ended.stderr.contains(wanted),
            "{name}: {}",
            ended.summary()
        );
        host.connected()?;
        host.cmd("echo as before")?;
    }
    Ok(())
}

fn good_update(host: &Host<'_>) -> Result<()> {
    let build = format!(r"{UNPACKED}\agent\fleetwright-agent.exe");
    let told = host.prefix.does(INSTALLED, &["update", "--file", &build])?;
    ensure!(told.contains("runs"), "{told}");
    host.cmd("echo the new one")?;
    host.prefix.does("sc", &["stop", SERVICE])?;
    host.until("the service has stopped", || host.service_is("STOPPED"))?;
    host.prefix.does("sc", &["start", SERVICE])?;
    host.connected()?;
    let status = host.prefix.does(INSTALLED, &["status"])?;
    ensure!(status.contains("by an update"), "{status}");
    host.cmd("echo the new one again").map(drop)
}

fn uninstalled(host: &Host<'_>) -> Result<()> {
    host.prefix.does("cmd", &["/c", &format!(r"{UNPACKED}\agent\uninstall.cmd --purge")])?;
    host.until("the service is gone", || Ok(!host.service_is("STATE")?))?;
    let programs = host.prefix.drive().join("Program Files/Fleetwright");
    for left in [host.data(), programs.join("fleetwright-agent.exe")] {
        ensure!(!left.exists(), "{} is left", left.display());
    }
    ensure!(host.prefix.count("fleetwright-agent") == 0, "the agent still runs");
    Ok(())
}

fn by_installer(host: &Host<'_>) -> Result<()> {
    let Some((name, bytes)) = package::windows_msi(host.built.folder())? else {
        run::say(
            "the package for Windows Installer was NOT tried: there is no wixl (Debian: apt-get install wixl)",
        );
        return Ok(());
    };
    fs::write(host.prefix.drive().join("unpacked").join(&name), bytes)?;
    let package = format!(r"{UNPACKED}\{name}");
    host.prefix.does("msiexec", &["/i", &package, "/qn"])?;
    host.until("the service runs", || host.service_is("RUNNING"))?;
    ensure!(host.data().join("agent.toml").exists(), "there is no configuration");
    host.prefix.does("msiexec", &["/x", &package, "/qn"])?;
    host.until("the service is gone", || Ok(!host.service_is("STATE")?))?;
    let program = host.prefix.drive().join("Program Files/Fleetwright/fleetwright-agent.exe");
    ensure!(!program.exists(), "the program is left");
    ensure!(host.data().join("agent.toml").exists(), "the configuration is gone");
    Ok(())
}
