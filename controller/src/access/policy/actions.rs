//! The verbs of policies: operations of the SSM API under their own names, and ours.
//!
//! Each stands in one of four groups that policies can name (`action in Action::"Read"`), and says which kinds of
//! resources it is about. What is about nothing in particular, as a list, is about the `Fleet`.

use std::fmt;
use std::str::FromStr;

use super::resources::Kind;

/// What a verb is, for policies that allow many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Looks, changes nothing, opens no secret.
    Read,
    /// Opens a secret.
    ReadSecret,
    /// Changes something in the fleet.
    Change,
    /// Changes who may do what.
    Administer,
}

impl Group {
    pub const ALL: [Self; 4] = [Self::Read, Self::ReadSecret, Self::Change, Self::Administer];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::ReadSecret => "ReadSecret",
            Self::Change => "Change",
            Self::Administer => "Administer",
        }
    }
}

macro_rules! actions {
    ($($group:ident [$($kind:ident),+]: $($name:ident)+;)+) => {
        /// See the head of this module.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($($name,)+)+
        }

        impl Action {
            /// All of them.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)+)+];

            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $($(Self::$name => stringify!($name),)+)+
                }
            }

            #[must_use]
            pub fn group(self) -> Group {
                match self {
                    $($(Self::$name)|+ => Group::$group,)+
                }
            }

            /// The kinds of resources that it is about.
            #[must_use]
            pub fn kinds(self) -> &'static [Kind] {
                match self {
                    $($(Self::$name)|+ => &[$(Kind::$kind),+],)+
                }
            }
        }
    };
}

actions! {
    // Parameters and their keys.
    Read [Parameter]: GetParameter GetParameters GetParameterHistory;
    Read [Path]: GetParametersByPath;
    Read [Fleet]: DescribeParameters ListKeys;
    Change [Parameter]: PutParameter DeleteParameter DeleteParameters LabelParameterVersion
        UnlabelParameterVersion;
    ReadSecret [Key]: Decrypt;
    Change [Key]: Encrypt CreateKey RotateKey ChangeKey DeleteKey;
    Read [Key]: GetKey;
    // Documents.
    Read [Document]: GetDocument DescribeDocument ListDocumentVersions DescribeDocumentPermission;
    Read [Fleet]: ListDocuments;
    Change [Document]: CreateDocument UpdateDocument UpdateDocumentDefaultVersion DeleteDocument
        ModifyDocumentPermission;
    Change [Fleet]: UploadAttachment;
    // Commands.
    Change [Document, Node]: SendCommand;
    Change [Command]: CancelCommand;
    Read [Fleet]: ListCommands;
    Read [Command]: GetCommand GetCommandInvocation GetOutput ExplainCommand;
    Read [Command, Fleet]: ListCommandInvocations;
    // Nodes, how they join, and targets under a name.
    Read [Fleet]: DescribeInstanceInformation DescribeInstanceProperties DescribeActivations ListNodeGroups;
    Read [Node]: GetNode GetConnectionStatus;
    Change [Node]: DeregisterManagedInstance;
    Change [Fleet]: CreateActivation;
    Change [Activation]: DeleteActivation;
    Read [NodeGroup]: GetNodeGroup;
    Change [NodeGroup]: CreateNodeGroup DeleteNodeGroup;
    // Tags, of whatever has them.
    Change [Node, Document, Parameter, Activation, Window, Association, Baseline, Automation]: AddTagsToResource
        RemoveTagsFromResource;
    Read [Node, Document, Parameter, Activation, Window, Association, Baseline, Automation]: ListTagsForResource;
    // Associations.
    Change [Association, Document, Node]: CreateAssociation CreateAssociationBatch UpdateAssociation
        StartAssociationsOnce;
    Change [Association]: DeleteAssociation UpdateAssociationStatus;
    Read [Association]: DescribeAssociation ListAssociationVersions DescribeAssociationExecutions
        DescribeAssociationExecutionTargets;
    Read [Node]: DescribeEffectiveInstanceAssociations DescribeInstanceAssociationsStatus;
    Read [Fleet]: ListAssociations;
    // Inventory and compliance.
    Change [Node]: PutInventory PutComplianceItems;
    Change [Fleet]: DeleteInventory;
    Read [Fleet]: GetInventory GetInventorySchema DescribeInventoryDeletions ListComplianceItems
        ListComplianceSummaries ListResourceComplianceSummaries;
    Read [Node]: ListInventoryEntries;
    // Patches.
    Change [Baseline]: CreatePatchBaseline DeletePatchBaseline UpdatePatchBaseline RegisterDefaultPatchBaseline
        RegisterPatchBaselineForPatchGroup DeregisterPatchBaselineForPatchGroup;
    Read [Baseline]: GetPatchBaseline DescribeEffectivePatchesForPatchBaseline;
    Read [Fleet]: DescribePatchBaselines GetDefaultPatchBaseline GetPatchBaselineForPatchGroup DescribePatchGroups
        DescribePatchGroupState DescribeAvailablePatches DescribeInstancePatchStates
        DescribeInstancePatchStatesForPatchGroup DescribePatchProperties;
    Read [Node]: DescribeInstancePatches;
    // Maintenance windows.
    Change [Window]: CreateMaintenanceWindow UpdateMaintenanceWindow DeleteMaintenanceWindow
        RegisterTargetWithMaintenanceWindow DeregisterTargetFromMaintenanceWindow UpdateMaintenanceWindowTarget
        RegisterTaskWithMaintenanceWindow DeregisterTaskFromMaintenanceWindow UpdateMaintenanceWindowTask
        CancelMaintenanceWindowExecution;
    Read [Window]: GetMaintenanceWindow DescribeMaintenanceWindowTargets GetMaintenanceWindowTask
        DescribeMaintenanceWindowTasks DescribeMaintenanceWindowExecutions
        DescribeMaintenanceWindowExecutionTasks DescribeMaintenanceWindowExecutionTaskInvocations
        GetMaintenanceWindowExecution GetMaintenanceWindowExecutionTask
        GetMaintenanceWindowExecutionTaskInvocation;
    Read [Window, Fleet]: DescribeMaintenanceWindowSchedule;
    Read [Fleet]: DescribeMaintenanceWindows DescribeMaintenanceWindowsForTarget;
    // Automation, sessions, settings, calendars.
    Change [Document, Node]: StartAutomationExecution;
    Change [Automation]: StopAutomationExecution SendAutomationSignal;
    Read [Automation]: GetAutomationExecution DescribeAutomationStepExecutions;
    Read [Fleet]: DescribeAutomationExecutions DescribeSessions;
    Change [Node]: StartSession;
    Change [Session]: ResumeSession TerminateSession;
    Read [Fleet]: GetServiceSetting GetCalendarState;
    Change [Fleet]: UpdateServiceSetting ResetServiceSetting;
    // The controller itself.
    Read [Fleet]: GetStatus GetMetrics;
    Administer [Fleet]: Backup Restore RotateRootKey;
    // Access.
    Read [Fleet]: ListOperators ListAccessKeys ListPolicies CheckAccess ReadAudit;
    Read [Policy]: GetPolicy;
    Administer [Operator]: CreateOperator ChangeOperator DeleteOperator IssueCredential RevokeCredential
        CreateAccessKey;
    Administer [AccessKey]: ChangeAccessKey DeleteAccessKey;
    Administer [Group]: ChangeGroup;
    Administer [Policy]: PutPolicy DeletePolicy;
}

impl Action {
    /// Whether it changes who may do what; then its own commit has its line of the audit log.
    #[must_use]
    pub fn changes_access(self) -> bool {
        self.group() == Group::Administer && self.kinds() != [Kind::Fleet]
    }

    /// Whether nodes themselves may be allowed this.
    #[must_use]
    pub fn is_for_nodes(self) -> bool {
        matches!(self, Self::GetParameter | Self::GetParameters | Self::GetParametersByPath | Self::Decrypt)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no such verb.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{wanted}` is not an action{}", .near.map(|near| format!(": did you mean {near}?")).unwrap_or_default())]
pub struct ActionError {
    wanted: String,
    near: Option<&'static str>,
}

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        Self::ALL.iter().copied().find(|action| action.name() == text).ok_or_else(|| ActionError {
            wanted: text.chars().take(60).collect::<String>().escape_debug().to_string(),
            near: Self::ALL.iter().map(|action| action.name()).find(|name| name.eq_ignore_ascii_case(text)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_stands_there_once_and_parses_back() {
        let names: BTreeSet<_> = Action::ALL.iter().map(|action| action.name()).collect();
        assert_eq!(names.len(), Action::ALL.len());
        for action in Action::ALL {
            assert_eq!(action.name().parse(), Ok(*action));
        }
        let error = "sendcommand".parse::<Action>().unwrap_err().to_string();
        assert_eq!(error, "`sendcommand` is not an action: did you mean SendCommand?");
        assert_eq!("x\n".parse::<Action>().unwrap_err().to_string(), "`x\\n` is not an action");
    }
}
