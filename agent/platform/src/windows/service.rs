//! The service manager of Windows: being one of its services, and becoming one. The event log.
//!
//! The service restarts whatever ends it but a wish to stop: its recovery actions have no end, and count a plain end
//! with an error as well as a crash.
#![allow(
    unsafe_code,
    reason = "the entry point that the service manager calls is made by a macro of its crate"
)]

use std::ffi::OsString;
use std::fmt::{self, Write};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::signal::windows::{CtrlC, CtrlClose, CtrlShutdown, ctrl_c, ctrl_close, ctrl_shutdown};
use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use windows_registry::LOCAL_MACHINE;
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceControlAccept,
    ServiceErrorControl, ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo,
    ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{define_windows_service, service_dispatcher};

use super::system::{EventKind, EventSource};
use crate::service::{Purge, ServiceNews};
use crate::stop::Request;
use crate::{HostError, Platform};

const NAME: &str = "FleetwrightAgent";
const DISPLAY_NAME: &str = "Fleetwright Agent";
const DESCRIPTION: &str = "Keeps one connection to the controller of its fleet and runs what operators send.";
const PROGRAM: &str = "fleetwright-agent.exe";
/// Where the event log learns how to show what this program writes: a program of Windows whose messages are the text.
const EVENT_SOURCE: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application\FleetwrightAgent";
const EVENT_MESSAGES: &str = r"%SystemRoot%\System32\EventCreate.exe";
/// What stopping may take: the steps that run have 20 s, and what they are made of 10 s more.
const STOP_TIME: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);
const RESTART_AFTER: Duration = Duration::from_secs(3);

/// The codes of Windows that are expected.
const UNKNOWN_LEVEL: i32 = 124;
const ALREADY_RUNS: i32 = 1056;
const NO_SUCH_SERVICE: i32 = 1060;
const NOT_RUNNING: i32 = 1062;

type Work = Box<dyn FnOnce() -> u8 + Send>;

/// What the service manager's thread is to do.
static WORK: Mutex<Option<Work>> = Mutex::new(None);
static STATUS: Mutex<Option<ServiceStatusHandle>> = Mutex::new(None);
static STOP: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// Does `work` as the service for which this process was started. Returns when the service has stopped.
pub(crate) fn run(work: Work) -> Result<u8, HostError> {
    *lock(&WORK) = Some(work);
    service_dispatcher::start(NAME, ffi_service_main)
        .map_err(failed("be the service that it is started as"))?;
    Ok(0)
}

define_windows_service!(ffi_service_main, service_main);

fn service_main(_arguments: Vec<OsString>) {
    let Ok(handle) = service_control_handler::register(NAME, |control| match control {
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        ServiceControl::Stop | ServiceControl::Shutdown | ServiceControl::Preshutdown => {
            report(ServiceState::StopPending, 0);
            STOP.send_replace(true);
            ServiceControlHandlerResult::NoError
        }
        _ => ServiceControlHandlerResult::NotImplemented,
    }) else {
        // Without it there is nobody to report to; the service manager sees the end of the process.
        return;
    };
    *lock(&STATUS) = Some(handle);
    report(ServiceState::Running, 0);
    let work = lock(&WORK).take();
    let code = work.map_or(1, |work| work());
    report(ServiceState::Stopped, code);
}

fn report(state: ServiceState, code: u8) {
    let Some(handle) = *lock(&STATUS) else { return };
    let pending = state == ServiceState::StopPending;
    let accepts = match state {
        ServiceState::Running => ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN,
        _ => ServiceControlAccept::empty(),
    };
    let told = handle.set_service_status(ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: accepts,
        exit_code: match code {
            0 => ServiceExitCode::Win32(0),
            code => ServiceExitCode::ServiceSpecific(code.into()),
        },
        checkpoint: 0,
        wait_hint: if pending { STOP_TIME } else { Duration::ZERO },
        process_id: None,
    });
    if let Err(error) = told {
        tracing::debug!("the service manager cannot be told {state:?}: {error}");
    }
}

pub(crate) fn tell(news: ServiceNews<'_>) {
    match news {
        ServiceNews::Ready(_) => report(ServiceState::Running, 0),
        ServiceNews::Stopping => report(ServiceState::StopPending, 0),
        ServiceNews::Reloading | ServiceNews::Alive => {}
    }
}

/// Who asks this process to end.
#[derive(Debug)]
pub(crate) struct Events {
    interrupt: CtrlC,
    close: CtrlClose,
    shutdown: CtrlShutdown,
    service: watch::Receiver<bool>,
}

impl Events {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
            service: STOP.subscribe(),
        })
    }

    pub(crate) async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
            _ = self.service.wait_for(|stop| *stop) => {}
        }
        Request::Stop
    }
}

/// For a service, which has no standard error that anybody reads.
pub(crate) fn event_log<S>(_name: &str) -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    lock(&STATUS).as_ref()?;
    let source = EventSource::register(NAME).ok()?;
    Some(Box::new(EventLog { source }))
}

struct EventLog {
    source: EventSource,
}

impl<S: Subscriber> Layer<S> for EventLog {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let kind = match *event.metadata().level() {
            Level::ERROR => EventKind::Error,
            Level::WARN => EventKind::Warning,
            _ => EventKind::Information,
        };
        // A log that takes nothing cannot be told of.
        let _lost = self.source.report(kind, &format!("{}{}", text.message, text.fields));
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _infallible = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

pub(crate) fn install(program: &Path, configuration: &str) -> Result<(), HostError> {
    let platform = super::Windows::default();
    let folders = platform.folders();
    platform.ensure_private_folder(&folders.config)?;
    let settings = folders.config.join("agent.toml");
    if !settings.exists() {
        let doing = || format!("write `{}`", settings.display());
        fs::write(&settings, configuration.replace('\n', "\r\n")).map_err(HostError::io(doing))?;
    }
    let manager = manager(ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)?;
    let existing = open(&manager)?;
    if let Some(service) = &existing {
        stop(service)?;
    }
    let installed = place(program)?;
    let info = info(&installed);
    let service = match existing {
        Some(service) => {
            service.change_config(&info).map_err(failed("change the service"))?;
            service
        }
        None => manager
            .create_service(&info, ServiceAccess::ALL_ACCESS)
            .map_err(failed("create the service; run this as an administrator"))?,
    };
    service.set_description(DESCRIPTION).map_err(failed("describe the service"))?;
    keep_alive(&service)?;
    register_event_source()?;
    match service.start::<OsString>(&[]) {
        Err(error) if code(&error) == Some(ALREADY_RUNS) => Ok(()),
        started => started.map_err(failed("start the service")),
    }
}

pub(crate) fn uninstall(purge: Purge) -> Result<(), HostError> {
    let manager = manager(ServiceManagerAccess::CONNECT)?;
    if let Some(service) = open(&manager)? {
        stop(&service)?;
        service.delete().map_err(failed("delete the service"))?;
    }
    let installed = installed_program();
    // A program that runs cannot be removed; whoever runs the one that is installed removes it, as Windows Installer.
    if std::env::current_exe().is_ok_and(|running| running != installed) {
        remove(&installed, |path| fs::remove_file(path))?;
    }
    // Whether it was registered or not, it is not now.
    let _absent = LOCAL_MACHINE.remove_tree(EVENT_SOURCE);
    if purge == Purge::Everything {
        remove(&super::Windows::default().folders().config, |path| fs::remove_dir_all(path))?;
    }
    Ok(())
}

fn info(program: &Path) -> ServiceInfo {
    ServiceInfo {
        name: NAME.into(),
        display_name: DISPLAY_NAME.into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: program.to_owned(),
        launch_arguments: ["run", "--wait-for-enrolment", "--as-service"].map(OsString::from).into(),
        dependencies: Vec::new(),
        // The system's own account, as what is installed for a host has to have.
        account_name: None,
        account_password: None,
    }
}

/// The last action is the one for every further failure.
fn keep_alive(service: &Service) -> Result<(), HostError> {
    let restart = ServiceAction { action_type: ServiceActionType::Restart, delay: RESTART_AFTER };
    let actions = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(Duration::from_secs(24 * 3600)),
        reboot_msg: None,
        command: None,
        actions: Some(vec![restart; 3]),
    };
    service.update_failure_actions(actions).map_err(failed("set what follows a failure of the service"))?;
    match service.set_failure_actions_on_non_crash_failures(true) {
        // Every Windows that is still kept up knows this level; Wine does not.
        Err(error) if code(&error) == Some(UNKNOWN_LEVEL) => Ok(()),
        set => set.map_err(failed("set what follows a failure of the service")),
    }
}

fn register_event_source() -> Result<(), HostError> {
    let register = || {
        let key = LOCAL_MACHINE.create(EVENT_SOURCE)?;
        key.set_expand_string("EventMessageFile", EVENT_MESSAGES)?;
        key.set_u32("TypesSupported", 7)
    };
    let doing = || format!(r"register the event source in HKEY_LOCAL_MACHINE\{EVENT_SOURCE}");
    register().map_err(io::Error::from).map_err(HostError::io(doing))
}

fn installed_program() -> PathBuf {
    let programs =
        std::env::var_os("ProgramFiles").map_or_else(|| PathBuf::from(r"C:\Program Files"), PathBuf::from);
    programs.join("Fleetwright").join(PROGRAM)
}

/// Copies the program to its place. One that runs there cannot be written over, and can be renamed.
fn place(program: &Path) -> Result<PathBuf, HostError> {
    let installed = installed_program();
    if program == installed {
        return Ok(installed);
    }
    let doing = || format!("write `{}`", installed.display());
    let copy = || {
        if let Some(folder) = installed.parent() {
            fs::create_dir_all(folder)?;
        }
        if installed.exists() {
            let old = installed.with_extension("old");
            match fs::remove_file(&old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => fs::rename(&installed, &old)?,
            }
        }
        fs::copy(program, &installed).map(drop)
    };
    copy().map_err(HostError::io(doing))?;
    Ok(installed)
}

fn remove(path: &Path, remove: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), HostError> {
    match remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(HostError::io(|| format!("remove `{}`", path.display()))),
    }
}

fn manager(access: ServiceManagerAccess) -> Result<ServiceManager, HostError> {
    ServiceManager::local_computer(None::<&str>, access)
        .map_err(failed("open the service manager; run this as an administrator"))
}

fn open(manager: &ServiceManager) -> Result<Option<Service>, HostError> {
    match manager.open_service(NAME, ServiceAccess::ALL_ACCESS) {
        Ok(service) => Ok(Some(service)),
        Err(error) if code(&error) == Some(NO_SUCH_SERVICE) => Ok(None),
        Err(error) => Err(failed("open the service")(error)),
    }
}

/// Returns when it has stopped.
fn stop(service: &Service) -> Result<(), HostError> {
    match service.stop() {
        Err(error) if code(&error) == Some(NOT_RUNNING) => return Ok(()),
        asked => drop(asked.map_err(failed("stop the service"))?),
    }
    let (_nobody, never) = mpsc::channel::<()>();
    for _look in 0..STOP_TIME.as_millis() / LOOK.as_millis() {
        let status = service.query_status().map_err(failed("ask for the service's state"))?;
        if status.current_state == ServiceState::Stopped {
            return Ok(());
        }
        let _rested = never.recv_timeout(LOOK);
    }
    let source = io::Error::from(io::ErrorKind::TimedOut);
    Err(HostError::Io { doing: "stop the service".to_owned(), source })
}

fn code(error: &windows_service::Error) -> Option<i32> {
    match error {
        windows_service::Error::Winapi(error) => error.raw_os_error(),
        _ => None,
    }
}

fn failed(doing: &str) -> impl FnOnce(windows_service::Error) -> HostError {
    let doing = doing.to_owned();
    move |error| {
        let source = match error {
            windows_service::Error::Winapi(error) => error,
            other => io::Error::other(other),
        };
        HostError::Io { doing, source }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
