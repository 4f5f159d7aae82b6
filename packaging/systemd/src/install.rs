//! A program that makes itself a service, from wherever it was unpacked, and undoes that.
//!
//! The program comes first and the service last, each by a rename: whatever is interrupted, what runs goes on running,
//! and doing it again completes it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is to be a service.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// Of the program and the unit.
    pub name: &'a str,
    /// The unit as a package installs it, with the program in `/usr/bin`.
    pub unit: &'a str,
    /// The configuration's file name and what it says when nobody has changed it.
    pub configuration: (&'a str, &'a str),
    /// The account that it runs as, with its home; root's own when none.
    pub account: Option<&'a str>,
    /// What it keeps, for a removal that leaves nothing.
    pub state: &'a str,
}

/// Where it is installed. The default is this system; another root is for images and tests.
#[derive(Debug, Clone)]
pub struct Site {
    root: PathBuf,
    systemctl: PathBuf,
    useradd: PathBuf,
}

/// Whether a removal leaves what the service kept and what people configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purge {
    KeepData,
    Everything,
}

/// Why it is not installed or not removed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("installing a service needs root: try again with sudo")]
    NotRoot,
    #[error("this system was not started by systemd; start `{0}` from the service manager that it has")]
    NoSystemd(String),
    #[error(
        "`{name}` is installed from a package here; use the package manager, or remove the package first"
    )]
    Packaged { name: String },
    #[error("cannot {doing}")]
    Io { doing: String, source: io::Error },
    #[error("`{command}` failed: {said}")]
    Command { command: String, said: String },
}

impl Default for Site {
    fn default() -> Self {
        Self { root: "/".into(), systemctl: "systemctl".into(), useradd: "useradd".into() }
    }
}

impl Site {
    /// Copies the program that runs, writes unit and configuration, and starts the service. Safe to repeat: a newer
    /// program takes the place of an older one.
    ///
    /// # Errors
    /// When something is in the way; what was there before still works.
    pub fn install(&self, service: &Service<'_>, program: &Path) -> Result<(), InstallError> {
        self.check(service, &format!("{} run", service.name))?;
        if let Some(account) = service.account {
            self.ensure_account(account, service)?;
        }
        let bytes = read(program)?;
        replace(&self.program(service), &bytes, 0o755)?;
        let configuration = self.configuration(service);
        if !configuration.exists() {
            replace(&configuration, service.configuration.1.as_bytes(), 0o644)?;
        }
        let unit = service.unit.replace("/usr/bin/", "/usr/local/bin/");
        replace(&self.unit(service), unit.as_bytes(), 0o644)?;
        self.systemctl(&["daemon-reload"])?;
        self.systemctl(&["enable", service.name])?;
        self.systemctl(&["restart", service.name])
    }

    /// Stops the service and takes away what [`Site::install`] made. Safe to repeat.
    ///
    /// # Errors
    /// When something stays.
    pub fn uninstall(&self, service: &Service<'_>, purge: Purge) -> Result<(), InstallError> {
        self.check(service, service.name)?;
        if self.unit(service).exists() {
            self.systemctl(&["disable", "--now", service.name])?;
            remove(&self.unit(service))?;
            self.systemctl(&["daemon-reload"])?;
        }
        remove(&self.program(service))?;
        if purge == Purge::Everything {
            remove(&self.configuration(service))?;
            let state = self.at(service.state);
            match fs::remove_dir_all(&state) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(format!("remove `{}`", state.display()))(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check(&self, service: &Service<'_>, start: &str) -> Result<(), InstallError> {
        if !rustix::process::geteuid().is_root() {
            return Err(InstallError::NotRoot);
        }
        if !self.at("/run/systemd/system").is_dir() {
            return Err(InstallError::NoSystemd(start.to_owned()));
        }
        let packaged = ["/usr/lib/systemd/system", "/lib/systemd/system"];
        let unit = format!("{}.service", service.name);
        if packaged.iter().any(|folder| self.at(folder).join(&unit).exists()) {
            return Err(InstallError::Packaged { name: service.name.to_owned() });
        }
        Ok(())
    }

    fn ensure_account(&self, account: &str, service: &Service<'_>) -> Result<(), InstallError> {
        let accounts = fs::read_to_string(self.at("/etc/passwd")).unwrap_or_default();
        if accounts.lines().any(|line| line.split(':').next() == Some(account)) {
            return Ok(());
        }
        let arguments =
            ["--system", "--user-group", "--no-create-home", "--home-dir", service.state, "--shell"];
        let mut command = Command::new(&self.useradd);
        run(command.args(arguments).args(["/usr/sbin/nologin", account]))
    }

    fn systemctl(&self, arguments: &[&str]) -> Result<(), InstallError> {
        run(Command::new(&self.systemctl).args(arguments))
    }

    fn program(&self, service: &Service<'_>) -> PathBuf {
        self.at("/usr/local/bin").join(service.name)
    }

    fn configuration(&self, service: &Service<'_>) -> PathBuf {
        self.at("/etc/fleetwright").join(service.configuration.0)
    }

    fn unit(&self, service: &Service<'_>) -> PathBuf {
        self.at("/etc/systemd/system").join(format!("{}.service", service.name))
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

fn run(command: &mut Command) -> Result<(), InstallError> {
    let shown = || {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    };
    let shown = shown();
    let output = command
        .output()
        .map_err(|error| InstallError::Command { command: shown.clone(), said: error.to_string() })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(InstallError::Command { command: shown, said })
}

fn read(path: &Path) -> Result<Vec<u8>, InstallError> {
    fs::read(path).map_err(failed(format!("read `{}`", path.display())))
}

/// Whole or not at all; a program that runs is replaced, too.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), InstallError> {
    let write = || {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        }
        let aside = path.with_added_extension("new");
        fs::write(&aside, bytes)?;
        fs::set_permissions(&aside, Permissions::from_mode(mode))?;
        fs::File::open(&aside)?.sync_all()?;
        fs::rename(&aside, path)
    };
    write().map_err(failed(format!("write `{}`", path.display())))
}

fn remove(path: &Path) -> Result<(), InstallError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(format!("remove `{}`", path.display()))(error))
        }
        _ => Ok(()),
    }
}

fn failed(doing: String) -> impl FnOnce(io::Error) -> InstallError {
    move |source| InstallError::Io { doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Service<'static> = Service {
        name: "thing",
        unit: "[Service]\nExecStart=/usr/bin/thing run\n",
        configuration: ("thing.toml", "# nothing\n"),
        account: Some("thing"),
        state: "/var/lib/thing",
    };

    /// A system whose systemctl and useradd write down how they were called.
    struct Fake {
        root: tempfile::TempDir,
        site: Site,
    }

    impl Fake {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let (calls, tool) = (root.path().join("calls"), root.path().join("tool"));
            fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
            fs::write(root.path().join("program"), "new build").unwrap();
            fs::write(&tool, format!("#!/bin/sh\necho \"$*\" >>{}\n", calls.display())).unwrap();
            fs::set_permissions(&tool, Permissions::from_mode(0o755)).unwrap();
            let site = Site { root: root.path().to_owned(), systemctl: tool.clone(), useradd: tool };
            Self { root, site }
        }

        fn at(&self, path: &str) -> PathBuf {
            self.root.path().join(path)
        }

        fn install(&self) -> Result<(), InstallError> {
            self.site.install(&SERVICE, &self.at("program"))
        }

        fn text(&self, path: &str) -> String {
            fs::read_to_string(self.at(path)).unwrap_or_default()
        }
    }

    /// The functions ask who runs them first, so the rest can be seen only as root.
    fn as_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[test]
    fn installed_twice_and_removed_it_keeps_what_people_changed() {
        let fake = Fake::new();
        if !as_root() {
            assert!(matches!(fake.install(), Err(InstallError::NotRoot)));
            return;
        }
        fake.install().unwrap();
        assert_eq!(fake.text("usr/local/bin/thing"), "new build");
        assert!(fake.text("etc/systemd/system/thing.service").contains("=/usr/local/bin/thing run"));
        let calls = fake.text("calls");
        assert!(calls.starts_with("--system") && calls.ends_with("restart thing\n"), "{calls}");

        fs::write(fake.at("etc/fleetwright/thing.toml"), "changed").unwrap();
        fs::create_dir_all(fake.at("var/lib/thing")).unwrap();
        fake.install().unwrap();
        fake.site.uninstall(&SERVICE, Purge::KeepData).unwrap();
        assert!(!fake.at("usr/local/bin/thing").exists());
        assert_eq!(fake.text("etc/fleetwright/thing.toml"), "changed");
        assert!(fake.at("var/lib/thing").exists());
        fake.site.uninstall(&SERVICE, Purge::Everything).unwrap();
        assert!(!fake.at("etc/fleetwright/thing.toml").exists() && !fake.at("var/lib/thing").exists());
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        if !as_root() {
            return;
        }
        let fake = Fake::new();
        let packaged = fake.at("usr/lib/systemd/system");
        fs::create_dir_all(&packaged).unwrap();
        fs::write(packaged.join("thing.service"), "").unwrap();
        assert!(matches!(fake.install(), Err(InstallError::Packaged { .. })));

        fs::remove_file(packaged.join("thing.service")).unwrap();
        fs::write(fake.at("tool"), "#!/bin/sh\necho no bus >&2; exit 1\n").unwrap();
        let error = fake.install().unwrap_err().to_string();
        assert!(error.contains("no bus"), "{error}");

        fs::remove_dir(fake.at("run/systemd/system")).unwrap();
        assert!(matches!(fake.install(), Err(InstallError::NoSystemd(_))));
    }
}
