//! The whole key space, drawn in one place. A table is declared here and nowhere else.
//!
//! ```text
//! node             NodeId                                  who belongs to the fleet
//! node-key         key fingerprint                         which node has this key
//! departure        NodeId                                  who leaves the fleet and is not gone yet
//! presence         NodeId                                  when its stream opened, closed, was last heard
//! activation       ActivationId                            who may join, how often, until when
//! group            name                                    targets under a name
//! inventory-node         NodeId                            which types it has told, and their digests
//! inventory-content      type name, NodeId                 the items of one type on one node
//! inventory-past         NodeId, type name, newest first   what it was before, until when
//! inventory-item         type name, number                 an item that nodes share
//! inventory-item-id      type name, SHA-256                which number it has
//! inventory-next         type name                         the number that is given next
//! inventory-deletion     newest first, id                  a custom type that was taken from all nodes
//! compliance-set         NodeId, type                      when it was found, the counts, which findings count
//! compliance-finding     NodeId, type, generation, id      a finding
//! mailbox          NodeId, seq                             what it is to be told and has not confirmed yet
//! command          CommandId                               what was asked
//! command-time     newest first, CommandId                 the list of commands
//! command-open     CommandId                               commands without a final state
//! command-facet    facet, newest first, CommandId          the list of commands of a document, operator or end
//! command-targets  CommandId, part                         the nodes that it is for
//! command-wave     CommandId, number                       the nodes that it was sent to at one moment
//! command-token    client token                            which command a repeated request made
//! invocation       CommandId, NodeId                       a command on a node, from the first news of it
//! document         DocumentName                            what the versions of a document share
//! document-version       KeptId, version                   one version, with its text while that is small
//! document-version-name  KeptId, version name              which version has it
//! document-content       KeptId, SHA-256                   which version says this
//! document-share         KeptId, principal                 to whom it is shown
//! document-required      DocumentName, DocumentName, version  which document is required by which version of another
//! document-leaving       KeptId                            a deleted one whose versions are not all gone yet
//! document-upload        KeptId                            a file that no document has taken yet
//! parameter        ParameterKey                            a parameter with its latest version
//! parameter-version      KeptId, version                   a former version
//! parameter-label        KeptId, label                     which version has it
//! parameter-tags         KeptId                            its tags
//! parameter-policy       ParameterKey                      parameters that have policies
//! key              KeyName                                 a named key and what may be done with it
//! key-version            KeptId, version                   its bytes, wrapped by the root key
//! key-root         0                                       which root key wraps them
//! notice           CommandId, subject and event            what an operator's program is to hear of it
//! notice-open      CommandId                               commands of which somebody has still to hear
//! association      AssociationId                           a document that is kept applied to targets
//! association-version    AssociationId, version            what was wanted in it
//! association-status     AssociationId, NodeId             the last time that the node applied it
//! association-execution  AssociationId, newest first, ExecutionId  a moment at which it was to be applied
//! association-run        AssociationId, ExecutionId, NodeId  a node applying it then
//! association-printed    CommandId, NodeId                 whose run printed something
//! association-leaving    AssociationId                     a deleted one of which not everything is gone yet
//! output-length    CommandId, NodeId, step and stream         how many bytes of a stream are durable
//! output           CommandId, NodeId, step and stream, offset  a piece of it, or where its blob is
//! access-operator  name                                    who may ask
//! access-key       AccessKeyId                             an access key, its secret sealed
//! key-use          AccessKeyId                             when it was last used
//! access-policy    name                                    who may do what
//! audit            number of the last line in it            lines of the audit log
//! audit-head       "head"                                  its signed ends
//! audit-pending    moment and a random number              what is to join it
//! service-setting  SSM's id of it                          what somebody set of the service
//! lease            what is done under it                   which controller does it, until when
//! window           WindowId                                when what is done
//! window-due       moment, WindowId                        what is due next, first
//! window-token     operation and client token              what a repeated request made
//! window-target    WindowId, TargetId                      targets under an id
//! window-task      WindowId, TaskId                        what is done on them
//! window-execution       ExecutionId                       what became of an occurrence
//! window-execution-time  WindowId, newest first, ExecutionId  the list of executions
//! window-execution-open  ExecutionId                       executions without a final state
//! window-task-run        ExecutionId, TaskRunId            a task in an execution, and its invocations
//! ```
//!
//! Limits: rows of finished commands go by age (`retention.commands_days`), with everything under their id; nodes and
//! activations stay until an operator deletes them, expired activations go after the same age. Documents stay until an
//! operator deletes them and are counted against `documents.*`; uploads go after a day. Operators, their access keys
//! and policies stay until an operator deletes them, and are counted. Parameters stay until somebody deletes them or they
//! expire, and are counted against `parameters.*`; of each the last 100 versions are kept. What inventory was before goes
//! by age (`retention.inventory_days`) and number, and items when nothing names them any more. Executions of windows that
//! have ended go by the age of commands, and beyond a thousand of one window; client tokens of windows go after a day.
//! Associations stay until an operator deletes them; their executions go by number (`associations::sweep`). The audit log
//! goes by `audit.days` and `audit.lines_max`.

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{ActivationId, AssociationId, CommandId, ExecutionId, NodeId};
use fleetwright_store::{Reverse, Table};

use crate::access::key_id::AccessKeyId;
use crate::access::records::{AccessKeyRecord, AccessKeyUseRecord, OperatorRecord, PolicyRecord};
use crate::associations::records::{
    AssociationRecord, ExecutionRecord, PrintedRecord, RunRecord, VersionRecord as AssociationVersionRecord,
};
use crate::audit::records::{Block, HeadRecord, PendingRecord};
use crate::commands::notify::NoticeRecord;
use crate::commands::records::{
    CommandRecord, InvocationRecord, Mark, OutputLength, OutputRow, TargetsRecord, TokenRecord, WaveRecord,
};
use crate::compliance::records::{FindingRecord, SetRecord};
use crate::documents::names::DocumentName;
use crate::documents::records::{
    DocumentRecord, KeptId, LeavingRecord, RequiredRecord, ShareRecord, UploadRecord, VersionNumber,
    VersionRecord,
};
use crate::inventory::content::Content;
use crate::inventory::deletions::DeletionRecord;
use crate::inventory::records::{ItemNumber, ItemRecord, NodeInventory, PastRecord};
use crate::keys::names::KeyName;
use crate::keys::records::{DataKeyRecord, KeyRecord, RootRecord};
use crate::lease::LeaseRecord;
use crate::mailbox::MailboxRecord;
use crate::nodes::groups::GroupRecord;
use crate::nodes::records::{ActivationRecord, KeyRecord as NodeKeyRecord, NodeRecord, PresenceRecord};
use crate::parameters::names::ParameterKey;
use crate::parameters::records::{
    LabelRecord, ParameterRecord, TagsRecord, VersionRecord as ParameterVersion,
};
use crate::service_settings::SettingRecord;
use crate::windows::ids::{ExecutionId as WindowExecutionId, TargetId, TaskId, TaskRunId, WindowId};
use crate::windows::records::{
    ExecutionRecord as WindowExecutionRecord, TargetRecord, TaskRecord, TaskRunRecord, WindowRecord,
    WindowTokenRecord,
};

pub const NODE: Table<NodeId, NodeRecord> = Table::new("node");
pub const NODE_KEY: Table<String, NodeKeyRecord> = Table::new("node-key");
pub const DEPARTURE: Table<NodeId, Mark> = Table::new("departure");
pub const PRESENCE: Table<NodeId, PresenceRecord> = Table::new("presence");
pub const ACTIVATION: Table<ActivationId, ActivationRecord> = Table::new("activation");
pub const GROUP: Table<String, GroupRecord> = Table::new("group");
pub const INVENTORY_NODE: Table<NodeId, NodeInventory> = Table::new("inventory-node");
pub const INVENTORY_CONTENT: Table<(String, NodeId), Content> = Table::new("inventory-content");
pub const INVENTORY_PAST: Table<(NodeId, String, Reverse<u64>), PastRecord> = Table::new("inventory-past");
pub const INVENTORY_ITEM: Table<(String, u32), ItemRecord> = Table::new("inventory-item");
pub const INVENTORY_ITEM_ID: Table<(String, String), ItemNumber> = Table::new("inventory-item-id");
pub const INVENTORY_NEXT: Table<String, ItemNumber> = Table::new("inventory-next");
pub const INVENTORY_DELETION: Table<(Reverse<u64>, String), DeletionRecord> =
    Table::new("inventory-deletion");
pub const COMPLIANCE_SET: Table<(NodeId, String), SetRecord> = Table::new("compliance-set");
pub const COMPLIANCE_FINDING: Table<(NodeId, String, u64, String), FindingRecord> =
    Table::new("compliance-finding");
pub const MAILBOX: Table<(NodeId, u64), MailboxRecord> = Table::new("mailbox");
pub const COMMAND: Table<CommandId, CommandRecord> = Table::new("command");
pub const COMMAND_TIME: Table<(Reverse<u64>, CommandId), Mark> = Table::new("command-time");
pub const COMMAND_OPEN: Table<CommandId, Mark> = Table::new("command-open");
pub const COMMAND_FACET: Table<(String, Reverse<u64>, CommandId), Mark> = Table::new("command-facet");
pub const COMMAND_TARGETS: Table<(CommandId, u64), TargetsRecord> = Table::new("command-targets");
pub const COMMAND_WAVE: Table<(CommandId, u64), WaveRecord> = Table::new("command-wave");
pub const COMMAND_TOKEN: Table<String, TokenRecord> = Table::new("command-token");
pub const NOTICE: Table<(CommandId, String), NoticeRecord> = Table::new("notice");
pub const NOTICE_OPEN: Table<CommandId, Mark> = Table::new("notice-open");
pub const INVOCATION: Table<(CommandId, NodeId), InvocationRecord> = Table::new("invocation");
pub const DOCUMENT: Table<DocumentName, DocumentRecord> = Table::new("document");
pub const DOCUMENT_VERSION: Table<(KeptId, u64), VersionRecord> = Table::new("document-version");
pub const DOCUMENT_VERSION_NAME: Table<(KeptId, String), VersionNumber> = Table::new("document-version-name");
pub const DOCUMENT_CONTENT: Table<(KeptId, String), VersionNumber> = Table::new("document-content");
pub const DOCUMENT_SHARE: Table<(KeptId, String), ShareRecord> = Table::new("document-share");
pub const DOCUMENT_REQUIRED: Table<(DocumentName, DocumentName, u64), RequiredRecord> =
    Table::new("document-required");
pub const DOCUMENT_LEAVING: Table<KeptId, LeavingRecord> = Table::new("document-leaving");
pub const DOCUMENT_UPLOAD: Table<KeptId, UploadRecord> = Table::new("document-upload");
pub const PARAMETER: Table<ParameterKey, ParameterRecord> = Table::new("parameter");
pub const PARAMETER_VERSION: Table<(KeptId, u64), ParameterVersion> = Table::new("parameter-version");
pub const PARAMETER_LABEL: Table<(KeptId, String), LabelRecord> = Table::new("parameter-label");
pub const PARAMETER_TAGS: Table<KeptId, TagsRecord> = Table::new("parameter-tags");
pub const PARAMETER_POLICY: Table<ParameterKey, Mark> = Table::new("parameter-policy");
pub const KEY: Table<KeyName, KeyRecord> = Table::new("key");
pub const KEY_VERSION: Table<(KeptId, u32), DataKeyRecord> = Table::new("key-version");
pub const KEY_ROOT: Table<u8, RootRecord> = Table::new("key-root");
pub const ASSOCIATION: Table<AssociationId, AssociationRecord> = Table::new("association");
pub const ASSOCIATION_VERSION: Table<(AssociationId, u64), AssociationVersionRecord> =
    Table::new("association-version");
pub const ASSOCIATION_STATUS: Table<(AssociationId, NodeId), RunRecord> = Table::new("association-status");
pub const ASSOCIATION_EXECUTION: Table<(AssociationId, Reverse<u64>, ExecutionId), ExecutionRecord> =
    Table::new("association-execution");
pub const ASSOCIATION_RUN: Table<(AssociationId, ExecutionId, NodeId), RunRecord> =
    Table::new("association-run");
pub const ASSOCIATION_PRINTED: Table<(CommandId, NodeId), PrintedRecord> = Table::new("association-printed");
pub const ASSOCIATION_LEAVING: Table<AssociationId, Mark> = Table::new("association-leaving");
pub const OUTPUT_LENGTH: Table<(CommandId, NodeId, u64), OutputLength> = Table::new("output-length");
pub const OUTPUT: Table<(CommandId, NodeId, u64, u64), OutputRow> = Table::new("output");
pub const ACCESS_OPERATOR: Table<String, OperatorRecord> = Table::new("access-operator");
pub const ACCESS_KEY: Table<AccessKeyId, AccessKeyRecord> = Table::new("access-key");
pub const ACCESS_POLICY: Table<String, PolicyRecord> = Table::new("access-policy");
pub const AUDIT: Table<u64, Block> = Table::new("audit");
pub const AUDIT_HEAD: Table<String, HeadRecord> = Table::new("audit-head");
pub const AUDIT_PENDING: Table<String, PendingRecord> = Table::new("audit-pending");
pub const KEY_USE: Table<AccessKeyId, AccessKeyUseRecord> = Table::new("key-use");
pub const SERVICE_SETTING: Table<String, SettingRecord> = Table::new("service-setting");
pub const LEASE: Table<String, LeaseRecord> = Table::new("lease");
pub const WINDOW: Table<WindowId, WindowRecord> = Table::new("window");
pub const WINDOW_DUE: Table<(Timestamp, WindowId), Mark> = Table::new("window-due");
pub const WINDOW_TOKEN: Table<String, WindowTokenRecord> = Table::new("window-token");
pub const WINDOW_TARGET: Table<(WindowId, TargetId), TargetRecord> = Table::new("window-target");
pub const WINDOW_TASK: Table<(WindowId, TaskId), TaskRecord> = Table::new("window-task");
pub const WINDOW_EXECUTION: Table<WindowExecutionId, WindowExecutionRecord> = Table::new("window-execution");
pub const WINDOW_EXECUTION_TIME: Table<(WindowId, Reverse<u64>, WindowExecutionId), Mark> =
    Table::new("window-execution-time");
pub const WINDOW_EXECUTION_OPEN: Table<WindowExecutionId, Mark> = Table::new("window-execution-open");
pub const WINDOW_TASK_RUN: Table<(WindowExecutionId, TaskRunId), TaskRunRecord> =
    Table::new("window-task-run");

#[cfg(test)]
mod tests;
