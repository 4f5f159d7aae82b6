//! The table of the API's operations: every one that its model names has a row, and a request for one that this
//! controller does not answer is told so.

use std::pin::Pin;

use serde_json::Value;

use super::call::{Answer, Call};
use super::fault::Fault;
use super::shape::{Shape, structure};
use super::{
    associations, commands, compliance, documents, inventory, nodes, parameters, service_settings, tags,
    windows,
};

type Running<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// A row.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) input: &'static Shape,
    run: Run,
}

#[derive(Debug)]
enum Run {
    Here(for<'a> fn(Call<'a>, Value) -> Running<'a>),
    /// Belongs to a capability that this controller does not have yet.
    NotYet,
    /// Belongs to AWS, and never will be here.
    Never(&'static str),
}

static ANYTHING: Shape = structure! {};

impl Operation {
    /// Whether it changes anything. The API's names say so.
    pub(super) fn changes(&self) -> bool {
        !["Get", "Describe", "List"].iter().any(|reading| self.name.starts_with(reading))
    }

    pub(super) async fn run(&self, call: Call<'_>, input: Value) -> Answer {
        match &self.run {
            Run::Here(run) => run(call, input).await,
            Run::NotYet => Err(unsupported(format!("this controller does not have {} yet", self.name))),
            Run::Never(why) => Err(unsupported(format!("this controller has no {}: {why}", self.name))),
        }
    }
}

fn unsupported(message: String) -> Fault {
    Fault::new("UnsupportedOperationException", message)
}

/// The operation of this name.
pub(super) fn find(name: &str) -> Option<&'static Operation> {
    let at = OPERATIONS.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
    OPERATIONS.get(at)
}

macro_rules! operations {
    ($($name:literal => $kind:ident $(($($about:tt)*))?,)*) => {
        &[$(Operation {
            name: $name,
            input: operations!(@input $kind $(($($about)*))?),
            run: operations!(@run $kind $(($($about)*))?),
        }),*]
    };
    (@input here ($run:path, $input:path)) => { &$input };
    (@input $other:ident $(($($about:tt)*))?) => { &ANYTHING };
    (@run here ($run:path, $input:path)) => { Run::Here(|call, input| Box::pin($run(call, input))) };
    (@run not_yet) => { Run::NotYet };
    (@run never ($why:expr)) => { Run::Never($why) };
}

const IAM: &str = "it is about roles and accounts of AWS";
const CLOUD: &str = "it is about data that only AWS has";

/// Sorted by name.
static OPERATIONS: &[Operation] = operations! {
    "AddTagsToResource" => here(tags::add, tags::ADD),
    "AssociateOpsItemRelatedItem" => not_yet,
    "CancelCommand" => here(commands::cancel, commands::CANCEL),
    "CancelMaintenanceWindowExecution" => here(windows::cancel_execution, windows::EXECUTION),
    "CreateActivation" => here(nodes::create_activation, nodes::CREATE_ACTIVATION),
    "CreateAssociation" => here(associations::create, associations::CREATE),
    "CreateAssociationBatch" => here(associations::create_batch, associations::CREATE_BATCH),
    "CreateCloudConnector" => never(CLOUD),
    "CreateDocument" => here(documents::create, documents::CREATE),
    "CreateMaintenanceWindow" => here(windows::create, windows::CREATE),
    "CreateOpsItem" => not_yet,
    "CreateOpsMetadata" => never(CLOUD),
    "CreatePatchBaseline" => not_yet,
    "CreateResourceDataSync" => never(CLOUD),
    "DeleteActivation" => here(nodes::delete_activation, nodes::DELETE_ACTIVATION),
    "DeleteAssociation" => here(associations::delete, associations::WHICH),
    "DeleteCloudConnector" => never(CLOUD),
    "DeleteDocument" => here(documents::delete, documents::DELETE),
    "DeleteInventory" => here(inventory::delete, inventory::DELETE),
    "DeleteMaintenanceWindow" => here(windows::delete, windows::WINDOW),
    "DeleteOpsItem" => not_yet,
    "DeleteOpsMetadata" => never(CLOUD),
    "DeleteParameter" => here(parameters::delete, parameters::DELETE),
    "DeleteParameters" => here(parameters::delete_many, parameters::DELETE_MANY),
    "DeletePatchBaseline" => not_yet,
    "DeleteResourceDataSync" => never(CLOUD),
    "DeleteResourcePolicy" => never(IAM),
    "DeregisterDefaultHostManagementConfiguration" => never(IAM),
    "DeregisterManagedInstance" => here(nodes::deregister, nodes::DEREGISTER),
    "DeregisterPatchBaselineForPatchGroup" => not_yet,
    "DeregisterTargetFromMaintenanceWindow" => here(windows::deregister_target, windows::DEREGISTER_TARGET),
    "DeregisterTaskFromMaintenanceWindow" => here(windows::deregister_task, windows::TASK),
    "DescribeActivations" => here(nodes::describe_activations, nodes::DESCRIBE_ACTIVATIONS),
    "DescribeAssociation" => here(associations::describe, associations::WHICH),
    "DescribeAssociationExecutionTargets" => here(associations::execution_targets, associations::EXECUTION_TARGETS),
    "DescribeAssociationExecutions" => here(associations::executions, associations::EXECUTIONS),
    "DescribeAutomationExecutions" => not_yet,
    "DescribeAutomationStepExecutions" => not_yet,
    "DescribeAvailablePatches" => not_yet,
    "DescribeDocument" => here(documents::describe, documents::DESCRIBE),
    "DescribeDocumentPermission" => here(documents::permission, documents::PERMISSION),
    "DescribeEffectiveInstanceAssociations" => here(associations::effective, associations::EFFECTIVE),
    "DescribeEffectivePatchesForPatchBaseline" => not_yet,
    "DescribeInstanceAssociationsStatus" => here(associations::instance_status, associations::INSTANCE_STATUS),
    "DescribeInstanceInformation" => here(nodes::describe_instances, nodes::DESCRIBE_INSTANCES),
    "DescribeInstancePatchStates" => not_yet,
    "DescribeInstancePatchStatesForPatchGroup" => not_yet,
    "DescribeInstancePatches" => not_yet,
    "DescribeInstanceProperties" => not_yet,
    "DescribeInventoryDeletions" => here(inventory::describe_deletions, inventory::DELETIONS),
    "DescribeMaintenanceWindowExecutionTaskInvocations" => here(windows::invocations, windows::OF_TASK_RUN),
    "DescribeMaintenanceWindowExecutionTasks" => here(windows::execution_tasks, windows::OF_EXECUTION),
    "DescribeMaintenanceWindowExecutions" => here(windows::executions, windows::OF_WINDOW),
    "DescribeMaintenanceWindowSchedule" => here(windows::schedule, windows::SCHEDULED),
    "DescribeMaintenanceWindowTargets" => here(windows::targets, windows::OF_WINDOW),
    "DescribeMaintenanceWindowTasks" => here(windows::tasks, windows::OF_WINDOW),
    "DescribeMaintenanceWindows" => here(windows::list, windows::LIST),
    "DescribeMaintenanceWindowsForTarget" => here(windows::for_target, windows::FOR_TARGET),
    "DescribeOpsItems" => not_yet,
    "DescribeParameters" => here(parameters::describe, parameters::DESCRIBE),
    "DescribePatchBaselines" => not_yet,
    "DescribePatchGroupState" => not_yet,
    "DescribePatchGroups" => not_yet,
    "DescribePatchProperties" => not_yet,
    "DescribeSessions" => not_yet,
    "DisassociateOpsItemRelatedItem" => not_yet,
    "GetAccessToken" => never(IAM),
    "GetAutomationExecution" => not_yet,
    "GetCalendarState" => here(windows::calendar_state, windows::CALENDAR_STATE),
    "GetCloudConnector" => never(CLOUD),
    "GetCommandInvocation" => here(commands::get, commands::GET),
    "GetConnectionStatus" => not_yet,
    "GetDefaultPatchBaseline" => not_yet,
    "GetDeployablePatchSnapshotForInstance" => never(CLOUD),
    "GetDocument" => here(documents::get, documents::GET),
    "GetExecutionPreview" => not_yet,
    "GetInventory" => here(inventory::get, inventory::GET),
    "GetInventorySchema" => here(inventory::schema, inventory::SCHEMA),
    "GetMaintenanceWindow" => here(windows::get, windows::WINDOW),
    "GetMaintenanceWindowExecution" => here(windows::execution, windows::EXECUTION),
    "GetMaintenanceWindowExecutionTask" => here(windows::execution_task, windows::TASK_RUN),
    "GetMaintenanceWindowExecutionTaskInvocation" => here(windows::invocation, windows::INVOCATION),
    "GetMaintenanceWindowTask" => here(windows::task, windows::TASK),
    "GetOpsItem" => not_yet,
    "GetOpsMetadata" => never(CLOUD),
    "GetOpsSummary" => never(CLOUD),
    "GetParameter" => here(parameters::get, parameters::GET),
    "GetParameterHistory" => here(parameters::history, parameters::HISTORY),
    "GetParameters" => here(parameters::get_many, parameters::GET_MANY),
    "GetParametersByPath" => here(parameters::by_path, parameters::BY_PATH),
    "GetPatchBaseline" => not_yet,
    "GetPatchBaselineForPatchGroup" => not_yet,
    "GetResourcePolicies" => never(IAM),
    "GetServiceSetting" => here(service_settings::get, service_settings::WHICH),
    "LabelParameterVersion" => here(parameters::label, parameters::LABEL),
    "ListAssociationVersions" => here(associations::versions, associations::VERSIONS),
    "ListAssociations" => here(associations::list, associations::LIST),
    "ListCloudConnectors" => never(CLOUD),
    "ListCommandInvocations" => here(commands::invocations, commands::INVOCATIONS),
    "ListCommands" => here(commands::list, commands::LIST),
    "ListComplianceItems" => here(compliance::list_items, compliance::LIST),
    "ListComplianceSummaries" => here(compliance::list_summaries, compliance::SUMMARIES),
    "ListDocumentMetadataHistory" => not_yet,
    "ListDocumentVersions" => here(documents::versions, documents::VERSIONS),
    "ListDocuments" => here(documents::list, documents::LIST),
    "ListInventoryEntries" => here(inventory::entries, inventory::ENTRIES),
    "ListNodes" => not_yet,
    "ListNodesSummary" => not_yet,
    "ListOpsItemEvents" => not_yet,
    "ListOpsItemRelatedItems" => not_yet,
    "ListOpsMetadata" => never(CLOUD),
    "ListResourceComplianceSummaries" => here(compliance::list_resource_summaries, compliance::SUMMARIES),
    "ListResourceDataSync" => never(CLOUD),
    "ListTagsForResource" => here(tags::list, tags::LIST),
    "ModifyDocumentPermission" => here(documents::modify_permission, documents::MODIFY_PERMISSION),
    "PutComplianceItems" => here(compliance::put, compliance::PUT),
    "PutInventory" => here(inventory::put, inventory::PUT),
    "PutParameter" => here(parameters::put, parameters::PUT),
    "PutResourcePolicy" => never(IAM),
    "RegisterDefaultHostManagementConfiguration" => never(IAM),
    "RegisterDefaultPatchBaseline" => not_yet,
    "RegisterPatchBaselineForPatchGroup" => not_yet,
    "RegisterTargetWithMaintenanceWindow" => here(windows::register_target, windows::REGISTER_TARGET),
    "RegisterTaskWithMaintenanceWindow" => here(windows::register_task, windows::REGISTER_TASK),
    "RemoveTagsFromResource" => here(tags::remove, tags::REMOVE),
    "ResetServiceSetting" => here(service_settings::reset, service_settings::WHICH),
    "ResumeSession" => not_yet,
    "SendAutomationSignal" => not_yet,
    "SendCommand" => here(commands::send, commands::SEND),
    "StartAccessRequest" => never(IAM),
    "StartAssociationsOnce" => here(associations::start_once, associations::START_ONCE),
    "StartAutomationExecution" => not_yet,
    "StartChangeRequestExecution" => never(CLOUD),
    "StartExecutionPreview" => not_yet,
    "StartSession" => not_yet,
    "StopAutomationExecution" => not_yet,
    "TerminateSession" => not_yet,
    "UnlabelParameterVersion" => here(parameters::unlabel, parameters::UNLABEL),
    "UpdateAssociation" => here(associations::update, associations::UPDATE),
    "UpdateAssociationStatus" => here(associations::update_status, associations::UPDATE_STATUS),
    "UpdateCloudConnector" => never(CLOUD),
    "UpdateDocument" => here(documents::update, documents::UPDATE),
    "UpdateDocumentDefaultVersion" => here(documents::set_default, documents::SET_DEFAULT),
    "UpdateDocumentMetadata" => not_yet,
    "UpdateMaintenanceWindow" => here(windows::update, windows::UPDATE),
    "UpdateMaintenanceWindowTarget" => here(windows::update_target, windows::UPDATE_TARGET),
    "UpdateMaintenanceWindowTask" => here(windows::update_task, windows::UPDATE_TASK),
    "UpdateManagedInstanceRole" => never(IAM),
    "UpdateOpsItem" => not_yet,
    "UpdateOpsMetadata" => never(CLOUD),
    "UpdatePatchBaseline" => not_yet,
    "UpdateResourceDataSync" => never(CLOUD),
    "UpdateServiceSetting" => here(service_settings::update, service_settings::UPDATE),
    "ValidateCloudConnector" => never(CLOUD),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_every_operation_of_the_model_has_one() {
        assert!(OPERATIONS.is_sorted_by(|one, other| one.name < other.name));
        assert_eq!(OPERATIONS.len(), 154);
        for operation in OPERATIONS {
            assert!(std::ptr::eq(find(operation.name).unwrap(), operation), "{}", operation.name);
        }
        for name in ["", "getparameter", "GetParameter2", "AmazonSSM.GetParameter"] {
            assert!(find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_not_answered_yet_belongs_to_what_is_not_there_yet() {
        let not_yet = OPERATIONS.iter().filter(|operation| matches!(operation.run, Run::NotYet));
        let parts = ["Patch", "OpsItem", "Automation", "Session", "ConnectionStatus", "ExecutionPreview"];
        // Of the rest nothing else depends on one of these.
        let spare = [
            "DescribeInstanceProperties",
            "ListDocumentMetadataHistory",
            "ListNodes",
            "ListNodesSummary",
            "UpdateDocumentMetadata",
        ];
        for operation in not_yet {
            let of_a_part = parts.iter().any(|part| operation.name.contains(part));
            assert!(of_a_part || spare.contains(&operation.name), "{}", operation.name);
        }
    }

    /// Every pattern of a shape.
    fn patterns(shape: &Shape, seen: &mut Vec<&'static crate::doors::ssm::shape::Pattern>) {
        match shape {
            Shape::Text { pattern, .. } => seen.extend(*pattern),
            Shape::List { of, .. } | Shape::Map(of) => patterns(of, seen),
            Shape::Structure(members) => members.iter().for_each(|member| patterns(member.shape, seen)),
            Shape::Word(_) | Shape::Number { .. } | Shape::Flag | Shape::Moment => {}
        }
    }

    #[test]
    fn every_pattern_can_be_matched() {
        let mut seen = Vec::new();
        OPERATIONS.iter().for_each(|operation| patterns(operation.input, &mut seen));
        assert!(seen.len() > 50, "{}", seen.len());
        for pattern in seen {
            assert!(pattern.compiles(), "{pattern:?}");
        }
    }

    #[test]
    fn reading_changes_nothing() {
        for (name, changes) in [
            ("GetParameter", false),
            ("ListCommands", false),
            ("DescribeParameters", false),
            ("DeleteParameter", true),
            ("SendCommand", true),
            ("StartSession", true),
            ("LabelParameterVersion", true),
        ] {
            assert_eq!(find(name).unwrap().changes(), changes, "{name}");
        }
    }
}
