//! The actions that a step can name: one table, from which names, kinds and platforms are read.
//!
//! Adding an action is a row here and a file in the agent. What an action does is not known here.

use std::fmt;

/// An operating system as documents name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    Linux,
    Windows,
    MacOs,
}

impl Platform {
    pub const ALL: [Platform; 3] = [Platform::Linux, Platform::Windows, Platform::MacOs];

    /// The spelling of `platformType` in preconditions and in node lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Platform::Linux => "Linux",
            Platform::Windows => "Windows",
            Platform::MacOs => "MacOS",
        }
    }

    /// Without regard to case, as preconditions compare it (reference, section 1.8).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! actions {
    ($($variant:ident $name:literal $host:ident)*) => {
        /// What a step does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $($variant,)*
        }

        impl Action {
            pub const ALL: &'static [Action] = &[$(Action::$variant,)*];

            /// For example `aws:runShellScript`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Action::$variant => $name,)*
                }
            }

            fn host(self) -> Host {
                match self {
                    $(Action::$variant => Host::$host,)*
                }
            }
        }
    };
}

/// Where an action runs (reference, sections 2.1 and 8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    /// On a node, whatever its system.
    Any,
    /// On a node with Linux or macOS.
    Unix,
    /// On a node with Linux or Windows.
    LinuxWindows,
    /// On a node with Windows.
    Windows,
    /// At the controller, in an Automation document.
    Controller,
}

actions! {
    RunShellScript "aws:runShellScript" Unix
    RunPowerShellScript "aws:runPowerShellScript" Any
    RunDocument "aws:runDocument" LinuxWindows
    DownloadContent "aws:downloadContent" LinuxWindows
    ConfigurePackage "aws:configurePackage" Any
    SoftwareInventory "aws:softwareInventory" Any
    RefreshAssociation "aws:refreshAssociation" Any
    UpdateSsmAgent "aws:updateSsmAgent" Any
    ConfigureDocker "aws:configureDocker" LinuxWindows
    RunDockerAction "aws:runDockerAction" LinuxWindows
    DomainJoin "aws:domainJoin" LinuxWindows
    Applications "aws:applications" Windows
    PsModule "aws:psModule" Windows
    RunCmdScript "fleetwright:runCmdScript" Windows
    UpdateAgent "aws:updateAgent" Windows
    CloudWatch "aws:cloudWatch" Windows
    Approve "aws:approve" Controller
    AssertAwsResourceProperty "aws:assertAwsResourceProperty" Controller
    WaitForAwsResourceProperty "aws:waitForAwsResourceProperty" Controller
    Branch "aws:branch" Controller
    ChangeInstanceState "aws:changeInstanceState" Controller
    CopyImage "aws:copyImage" Controller
    CreateImage "aws:createImage" Controller
    CreateStack "aws:createStack" Controller
    DeleteStack "aws:deleteStack" Controller
    CreateTags "aws:createTags" Controller
    DeleteImage "aws:deleteImage" Controller
    ExecuteAutomation "aws:executeAutomation" Controller
    ExecuteAwsApi "aws:executeAwsApi" Controller
    ExecuteScript "aws:executeScript" Controller
    ExecuteStateMachine "aws:executeStateMachine" Controller
    InvokeLambdaFunction "aws:invokeLambdaFunction" Controller
    InvokeWebhook "aws:invokeWebhook" Controller
    Loop "aws:loop" Controller
    Pause "aws:pause" Controller
    RunCommand "aws:runCommand" Controller
    RunInstances "aws:runInstances" Controller
    Sleep "aws:sleep" Controller
    UpdateVariable "aws:updateVariable" Controller
}

impl Action {
    /// Whether its inputs are a script.
    #[must_use]
    pub fn is_script(self) -> bool {
        matches!(self, Self::RunShellScript | Self::RunPowerShellScript | Self::RunCmdScript)
    }

    /// Exact, as the service compares it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }

    /// Whether a Command or Policy document may use it; the others belong to Automation documents.
    #[must_use]
    pub fn runs_on_nodes(self) -> bool {
        self.host() != Host::Controller
    }

    /// Whether such a node can have a handler for it (reference, section 2.1).
    #[must_use]
    pub fn exists_on(self, platform: Platform) -> bool {
        match self.host() {
            Host::Any => true,
            Host::Unix => platform != Platform::Windows,
            Host::LinuxWindows => platform != Platform::MacOs,
            Host::Windows => platform == Platform::Windows,
            Host::Controller => false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
