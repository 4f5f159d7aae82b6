//! One stored example of each format version of each table. A release must read them for ever: when a record changes,
//! its example stays and a new one joins it.

use fleetwright_store::{Codec, Kept, Table, TableKey};

use super::*;

/// The example is read, and what is written back is the same.
fn check<K: TableKey, V: Codec>(seen: &mut Vec<&'static str>, table: &Table<K, V>, example: &str) {
    let decoded = V::decode(example.as_bytes()).unwrap_or_else(|error| panic!("{}: {error:?}", table.name()));
    let written = decoded.value.encode(&decoded.kept).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), example, "{}", table.name());
    seen.push(table.name());
}

/// A further example of a table that has one.
fn check_again<K: TableKey, V: Codec>(table: &Table<K, V>, example: &str) {
    check(&mut Vec::new(), table, example);
}

#[test]
fn every_table_reads_its_stored_examples() {
    let mut seen = Vec::new();
    check(
        &mut seen,
        &NODE,
        r#"{"format":1,"given_name":"web-1","activation":"67e55044-10b1-426f-9247-bb680e5fe0c8","registered":1790000000000,"key_fingerprint":"ab","certificate_expires":1792592000000,"tags":{"role":"web"},"facts":{"agent_version":"0.1.0","computer_name":"web-1","ip_address":"192.0.2.7","platform_type":"Linux","platform_name":"Debian GNU/Linux","platform_version":"12","kernel_version":"6.1.0","architecture":"x86_64","cpus":2,"memory_bytes":1073741824}}"#,
    );
    check(&mut seen, &NODE_KEY, r#"{"format":1,"node":"mi-0123456789abcdef0"}"#);
    check(&mut seen, &DEPARTURE, r#"{"format":1}"#);
    check(
        &mut seen,
        &PRESENCE,
        r#"{"format":1,"connected":1790000000000,"disconnected":null,"last_seen":1790000000500}"#,
    );
    check(
        &mut seen,
        &ACTIVATION,
        r#"{"format":1,"description":"rack 4","created":1790000000000,"expires":1790086400000,"registration_limit":10,"registrations":3,"default_name":null,"tags":{},"code_digest":"cd"}"#,
    );
    inventory_examples(&mut seen);
    check(&mut seen, &MAILBOX, r#"{"format":1,"work":{"Run":"67e55044-10b1-426f-9247-bb680e5fe0c8"}}"#);
    check(
        &mut seen,
        &COMMAND,
        r#"{"format":1,"document":{"name":"AWS-RunShellScript","version":"1","sha256":"ef","source":"Library"},"parameters":{"Here":"{\"commands\":[\"true\"]}"},"targets":[{"Tag":{"key":"role","values":["web"]}},"All"],"target_count":2,"targets_written":true,"max_concurrency":"50","max_errors":"10%","delivery_timeout_ms":3600000,"execution_timeout_ms":3600000,"comment":"","requested_by":"admin","requested":1790000000000,"client_token":null,"cancel":{"by":"admin","at":1790000001000},"outcome":{"verdict":{"Failed":{"errors":1,"limit":0}},"finished":1790000002000,"counts":{"pending":0,"delayed":0,"in_progress":0,"cancelling":0,"success":1,"failed":1,"timed_out":0,"cancelled":0,"errors":1,"execution_timed_out":0}}}"#,
    );
    check(
        &mut seen,
        &PARAMETER,
        r#"{"format":1,"id":"00112233445566778899aabbccddeeff","written":"/app/db","oldest":1,"version":2,"labels":{"1":1},"latest":{"parameter_type":"SecureString","value":{"Sealed":{"key":"00112233445566778899aabbccddeeff","version":1,"data":"AAAA"}},"key_id":"alias/aws/ssm","description":null,"allowed_pattern":null,"tier":"Advanced","data_type":"text","policies":[{"rule":{"Expiration":{"at":1893456000000}},"text":"{}","status":"Pending"}],"modified":1790000000000,"modified_by":"ada"}}"#,
    );
    check(
        &mut seen,
        &PARAMETER_VERSION,
        r#"{"format":1,"parameter_type":"String","value":{"Text":"x"},"key_id":null,"description":"d","allowed_pattern":".*","tier":"Standard","data_type":"text","policies":[],"modified":1790000000000,"modified_by":"ada"}"#,
    );
    check(&mut seen, &PARAMETER_LABEL, r#"{"format":1,"version":1,"attached":1790000000000}"#);
    check(&mut seen, &PARAMETER_POLICY, r#"{"format":1}"#);
    check(
        &mut seen,
        &SERVICE_SETTING,
        r#"{"format":1,"value":"Advanced","modified":1790000000000,"modified_by":"ada"}"#,
    );
    check(&mut seen, &PARAMETER_TAGS, r#"{"format":1,"tags":{"team":"web"}}"#);
    check(
        &mut seen,
        &KEY,
        r#"{"format":1,"id":"00112233445566778899aabbccddeeff","description":"","created":1790000000000,"created_by":"ada","state":{"PendingDeletion":{"at":1790000000000}},"version":2,"oldest":1,"rotating":true,"rotated":1790000000000}"#,
    );
    check(&mut seen, &KEY_VERSION, r#"{"format":1,"wrapped":"AAAA","created":1790000000000}"#);
    check(&mut seen, &KEY_ROOT, r#"{"format":1,"mark":"0011223344556677"}"#);
    check(
        &mut seen,
        &NOTICE,
        r#"{"format":1,"id":"msg_00","body":"{}","created":1790000000000,"attempts":2,"next":1790000004000,"state":"Waiting","problem":"the receiver answered 500"}"#,
    );
    check(&mut seen, &NOTICE_OPEN, r#"{"format":1}"#);
    check_again(
        &COMMAND,
        r#"{"format":1,"document":{"name":"AWS-RunShellScript","version":"1","sha256":"ef","source":"Library"},"parameters":{"Here":"{}"},"targets":[{"Group":["webs"]}],"target_count":0,"targets_written":true,"max_concurrency":"50","max_errors":"0","delivery_timeout_ms":3600000,"execution_timeout_ms":3600000,"comment":"","requested_by":"admin","requested":1790000000000,"client_token":null,"cancel":null,"outcome":{"verdict":{"NoTargets":{}},"finished":1790000000000,"counts":{"pending":0,"delayed":0,"in_progress":0,"cancelling":0,"success":0,"failed":0,"timed_out":0,"cancelled":0,"errors":0,"execution_timed_out":0}},"notify":{"url":"https://ops.example/hook","events":["Success","Failed"],"about":"Invocation"}}"#,
    );
    check(&mut seen, &COMMAND_TIME, r#"{"format":1}"#);
    check(&mut seen, &COMMAND_OPEN, r#"{"format":1}"#);
    check(&mut seen, &COMMAND_FACET, r#"{"format":1}"#);
    check(
        &mut seen,
        &GROUP,
        r#"{"format":1,"description":"what serves","targets":[{"Tag":{"key":"role","values":["web"]}}],"created":1790000000000,"created_by":"admin"}"#,
    );
    check(&mut seen, &COMMAND_TARGETS, r#"{"format":1,"nodes":["mi-0123456789abcdef0"]}"#);
    check(
        &mut seen,
        &COMMAND_WAVE,
        r#"{"format":1,"dispatch":{"at":1790000000000,"seq":7},"connected":["mi-0123456789abcdef0"],"away":[]}"#,
    );
    check(&mut seen, &COMMAND_TOKEN, r#"{"format":1,"command":"67e55044-10b1-426f-9247-bb680e5fe0c8"}"#);
    check(
        &mut seen,
        &INVOCATION,
        r#"{"format":1,"state":"Failed","reason":{"StepFailed":{"step":"runShellScript","detail":"exit code 3"}},"dispatched":{"at":1790000000000,"seq":7},"started":1790000000100,"finished":1790000000200,"deadline":1790007200000,"report_seq":2,"steps":[{"name":"runShellScript","action":"aws:runShellScript","status":"Failed","exit_code":3,"started_ms":1790000000100,"finished_ms":1790000000190,"detail":"exit code 3","stdout_bytes":0,"stderr_bytes":36,"stdout_dropped_bytes":0,"stderr_dropped_bytes":0}],"cancel":null,"late":{"state":"Success","at":1790000009000}}"#,
    );
    check_again(
        &INVOCATION,
        r#"{"format":1,"state":"Cancelling","reason":{"CancelRequested":{"by":"admin"}},"dispatched":{"at":1790000000000,"seq":7},"started":null,"finished":null,"deadline":1790007200000,"report_seq":0,"steps":[],"cancel":{"by":"admin","at":1790000001000},"late":null,"taken":true}"#,
    );
    check_again(
        &INVOCATION,
        r#"{"format":1,"state":"InProgress","reason":{"RunningStep":{"step":"outer"}},"dispatched":{"at":1790000000000,"seq":7},"started":1790000000100,"finished":null,"deadline":1790007200000,"report_seq":3,"steps":[{"name":"outer","action":"aws:runDocument","status":"InProgress","started_ms":1790000000100,"finished_ms":0,"stdout_bytes":4,"stderr_bytes":0,"stdout_dropped_bytes":0,"stderr_dropped_bytes":0,"inner":[{"name":"inner","action":"aws:runShellScript","status":"Failed","signal":9,"started_ms":1790000000110,"finished_ms":1790000000190,"detail":"ended by signal 9","stdout_bytes":4,"stderr_bytes":0,"stdout_dropped_bytes":0,"stderr_dropped_bytes":0}]}],"cancel":null,"late":null}"#,
    );
    check_again(
        &COMMAND_TOKEN,
        r#"{"format":1,"command":"67e55044-10b1-426f-9247-bb680e5fe0c8","request_sha256":"ab"}"#,
    );
    document_examples(&mut seen);
    window_examples(&mut seen);
    association_examples(&mut seen);
    check(&mut seen, &OUTPUT_LENGTH, r#"{"format":1,"bytes":36}"#);
    check(&mut seen, &OUTPUT, "\0exact bytes");
    access_examples(&mut seen);
    let drawn = include_str!("../tables.rs").matches("Table::new(\"").count();
    assert_eq!(seen.len(), drawn, "every table has an example: {seen:?}");
}

fn association_examples(seen: &mut Vec<&'static str>) {
    check(
        seen,
        &ASSOCIATION,
        r#"{"format":1,"version":2,"content":{"name":"motd","document":"Motd","document_version":"$LATEST","parameters":{"text":["hello"]},"targets":[{"Tag":{"key":"role","values":["web"]}}],"schedule":{"expression":"cron(0 2 ? * SUN *)","zone":"Europe/Berlin","offset_days":1},"only_at_schedule":true,"severity":"High","sync":"Auto","max_concurrency":"10%","max_errors":"1","calendars":["Freeze"],"duration_hours":2},"created":1790000000000,"created_by":"admin","updated":1790000001000,"asked":1790000002000,"note":{"date":1790000003000,"name":"Success","message":"done","additional":""}}"#,
    );
    check_again(
        &ASSOCIATION,
        r#"{"format":1,"version":1,"content":{"name":null,"document":"Motd","document_version":"","parameters":{},"targets":["All"],"schedule":null,"only_at_schedule":false,"severity":"Unspecified","sync":"Manual","max_concurrency":null,"max_errors":null,"duration_hours":0},"created":1790000000000,"created_by":"admin","updated":1790000000000,"asked":null,"note":null}"#,
    );
    check(
        seen,
        &ASSOCIATION_VERSION,
        r#"{"format":1,"content":{"name":null,"document":"Motd","document_version":"1","parameters":{},"targets":["All"],"schedule":{"expression":"rate(30 minutes)","zone":"","offset_days":0},"only_at_schedule":false,"severity":"Critical","sync":"Auto","max_concurrency":null,"max_errors":null,"duration_hours":0},"created":1790000000000,"created_by":"admin"}"#,
    );
    let run = r#"{"format":1,"run":"67e55044-10b1-426f-9247-bb680e5fe0c8","execution":"67e55044-10b1-826f-9247-bb680e5fe0c8","version":2,"document":"Motd","document_version":"3","cause":"Schedule","due":1790000000000,"started":1790000000100,"finished":1790000000200,"state":"Success","reason":{"AllStepsDone":{}},"report_seq":4,"steps":[],"changed":["/etc/motd"],"different":["mode of /etc"]}"#;
    check(seen, &ASSOCIATION_STATUS, run);
    check(seen, &ASSOCIATION_RUN, run);
    check(
        seen,
        &ASSOCIATION_EXECUTION,
        r#"{"format":1,"version":2,"cause":"Refreshed","heard":1790000000100}"#,
    );
    check(
        seen,
        &ASSOCIATION_PRINTED,
        r#"{"format":1,"association":"67e55044-10b1-426f-9247-bb680e5fe0c9","execution":"67e55044-10b1-826f-9247-bb680e5fe0c8"}"#,
    );
    check(seen, &ASSOCIATION_LEAVING, r#"{"format":1}"#);
}

fn access_examples(seen: &mut Vec<&'static str>) {
    check(
        seen,
        &ACCESS_OPERATOR,
        r#"{"format":1,"description":"on call","created":1790000000000,"created_by":"admin","standing":"Enabled","groups":["admins","web"],"credentials":[{"kind":"Certificate","digest":"ab","created":1790000000000,"created_by":"admin","expires":1821536000000}]}"#,
    );
    check(
        seen,
        &ACCESS_KEY,
        r#"{"format":1,"operator":"ada","operator_created":1790000000000,"description":"ci","created":1790000000001,"created_by":"admin","standing":"Disabled","expires":1790086400000,"sealed_secret":{"key":"67e5504410b1426f9247bb680e5fe0c8","version":1,"data":"AAAA"}}"#,
    );
    check(
        seen,
        &ACCESS_POLICY,
        r#"{"format":1,"text":"permit(principal, action, resource);","description":"all","created":1790000000000,"created_by":"admin","changed":1790000000001,"changed_by":"ada"}"#,
    );
    check(seen, &AUDIT, "\u{1}{\"seq\":1}\n{\"seq\":2}");
    check(
        seen,
        &AUDIT_HEAD,
        r#"{"format":1,"head":{"first_seq":1,"first_previous":"00","next_seq":3,"last_hash":"ab"},"signature":"cd"}"#,
    );
    check(
        seen,
        &AUDIT_PENDING,
        r#"{"format":1,"event":{"at":1790000000000,"who":"admin","action":"PutPolicy","on":"policy web","from":"grpc 192.0.2.7","outcome":"done"}}"#,
    );
    check(seen, &KEY_USE, r#"{"format":1,"last_used":1790000000002}"#);
}

fn window_examples(seen: &mut Vec<&'static str>) {
    check(
        seen,
        &LEASE,
        r#"{"format":1,"holder":"67e55044-10b1-426f-9247-bb680e5fe0c8","until":1790000030000}"#,
    );
    check(
        seen,
        &WINDOW,
        r#"{"format":1,"name":"patch-night","description":"","enabled":true,"schedule":"cron(0 2 ? * SUN#2 *)","timezone":"Europe/Berlin","offset_days":2,"start":{"text":"2026-11-04","at":1793750400000},"end":null,"duration_hours":4,"cutoff_hours":1,"grace_minutes":30,"allow_unassociated_targets":false,"calendars":["freeze"],"tags":{"team":"web"},"created":1790000000000,"created_by":"admin","modified":1790000000000,"anchor":1790000000000,"next":1794276000000,"open":"67e55044-10b1-826f-9247-bb680e5fe0c8"}"#,
    );
    check(seen, &WINDOW_DUE, r#"{"format":1}"#);
    check(
        seen,
        &WINDOW_TOKEN,
        r#"{"format":1,"made":"mw-0123456789abcdef0","request":"ef","at":1790000000000}"#,
    );
    check(
        seen,
        &WINDOW_TARGET,
        r#"{"format":1,"resource_type":"INSTANCE","targets":[{"Tag":{"key":"role","values":["web"]}}],"owner_information":"team web","name":"webs","description":"","created":1790000000000}"#,
    );
    check(
        seen,
        &WINDOW_TASK,
        r#"{"format":1,"name":"restart","description":"","document":"AWS-RunShellScript","work":{"RunCommand":{"version":"","hash":{"hash_type":"Sha256","hash":"ab"},"parameters":{"commands":["true"]},"comment":"","timeout_seconds":600,"notify":{"url":"https://ops.example/hook","events":["All"],"about":"Command"}}},"targets":{"Window":["67e55044-10b1-426f-9247-bb680e5fe0c8"]},"priority":1,"max_concurrency":"10%","max_errors":"1","cutoff":"CANCEL_TASK","after":{"task":"67e55044-10b1-426f-9247-bb680e5fe0c9","result":"Success"},"service_role":"","created":1790000000000}"#,
    );
    check_again(
        &WINDOW_TASK,
        r#"{"format":1,"name":"","description":"","document":"Runbook","work":{"Automation":{"version":"1","parameters":{}}},"targets":"None","priority":0,"max_concurrency":null,"max_errors":null,"cutoff":"CONTINUE_TASK","after":null,"service_role":"","created":1790000000000,"registrar":{"name":"ada","at":1790000000000}}"#,
    );
    check(
        seen,
        &WINDOW_EXECUTION,
        r#"{"format":1,"window":"mw-0123456789abcdef0","window_name":"patch-night","scheduled":1790000000000,"started":1790000000100,"cutoff":1790010800000,"end":1790014400000,"calendars":[],"state":"Skipped","reason":{"Missed":{"noticed":1790020000000,"started":1790019000000,"grace_minutes":180}},"finished":1790020000000,"tasks":[],"cancel":null}"#,
    );
    check(seen, &WINDOW_EXECUTION_TIME, r#"{"format":1}"#);
    check(seen, &WINDOW_EXECUTION_OPEN, r#"{"format":1}"#);
    check(
        seen,
        &WINDOW_TASK_RUN,
        r#"{"format":1,"task_id":"67e55044-10b1-426f-9247-bb680e5fe0c9","task":{"name":"","description":"","document":"Runbook","work":{"Automation":{"version":"1","parameters":{}}},"targets":"None","priority":0,"max_concurrency":null,"max_errors":null,"cutoff":"CONTINUE_TASK","after":null,"service_role":"","created":1790000000000},"state":"InProgress","reason":{"AtWork":{}},"started":1790000000200,"finished":null,"invocations":[{"id":"67e55044-10b1-826f-9247-bb680e5fe0c1","target":null,"owner_information":"team web","command":"67e55044-10b1-426f-9247-bb680e5fe0c2","state":"InProgress","reason":{"AtWork":{}},"started":1790000000300,"finished":null}]}"#,
    );
    check_again(
        &WINDOW_TASK_RUN,
        r#"{"format":1,"task_id":"67e55044-10b1-426f-9247-bb680e5fe0c9","task":{"name":"","description":"","document":"Runbook","work":{"Automation":{"version":"1","parameters":{}}},"targets":{"Window":["67e55044-10b1-426f-9247-bb680e5fe0c8"]},"priority":0,"max_concurrency":null,"max_errors":null,"cutoff":"CONTINUE_TASK","after":null,"service_role":"","created":1790000000000,"registrar":{"name":"ada","at":1790000000000}},"state":"Failed","reason":{"NotAllowed":{"registrar":"ada","problem":"no policy allows it"}},"started":1790000000200,"finished":1790000000300,"invocations":[{"id":"67e55044-10b1-826f-9247-bb680e5fe0c1","target":"67e55044-10b1-426f-9247-bb680e5fe0c8","target_type":"RESOURCE_GROUP","owner_information":"","command":null,"state":"Failed","reason":{"NotAllowed":{"registrar":"ada","problem":"no policy allows it"}},"started":null,"finished":1790000000300}]}"#,
    );
}

fn inventory_examples(seen: &mut Vec<&'static str>) {
    check(
        seen,
        &INVENTORY_NODE,
        r#"{"format":1,"types":{"AWS:Application":{"schema":"1.1","digest":"67e5504410b1426f9247bb680e5fe0c8","since":1790000000000,"items":600},"Custom:Rack":{"schema":"1.0","digest":"67e5504410b1426f9247bb680e5fe0c9","since":1790000000000,"items":1,"teller":"Caller"}}}"#,
    );
    check(seen, &INVENTORY_CONTENT, "\u{1}\0\u{5}\u{1}\u{1}\u{7f}");
    check(
        seen,
        &INVENTORY_PAST,
        r#"{"format":1,"since":1790000000000,"schema":"1.1","items":600,"was":{"Undo":{"put":[7],"drop":[611,612]}}}"#,
    );
    check_again(
        &INVENTORY_PAST,
        r#"{"format":1,"since":1790000000000,"schema":"1.0","items":1,"was":{"Whole":"AQAFAQF/"}}"#,
    );
    check(
        seen,
        &INVENTORY_ITEM,
        r#"{"format":1,"attributes":{"Name":"openssl","Version":"3.0.15-1~deb12u1"}}"#,
    );
    check(seen, &INVENTORY_ITEM_ID, r#"{"format":1,"id":7}"#);
    check(seen, &INVENTORY_NEXT, r#"{"format":1,"id":8}"#);
    check(
        seen,
        &INVENTORY_DELETION,
        r#"{"format":1,"type_name":"Custom:Rack","started":1790000000000,"updated":1790000000001,"finished":true,"client_token":null,"versions":{"1.0":7}}"#,
    );
    check(
        seen,
        &COMPLIANCE_SET,
        r#"{"format":1,"generation":7,"execution":{"at":1790000000000,"id":"e-1","kind":"Command"},"content_hash":"ab","changed":1790000000001,"counts":{"compliant":{"Low":1},"non_compliant":{"Critical":2}}}"#,
    );
    check(
        seen,
        &COMPLIANCE_FINDING,
        r#"{"format":1,"title":"disk","severity":"High","standing":"NonCompliant","details":{"used":"97%"}}"#,
    );
}

fn document_examples(seen: &mut Vec<&'static str>) {
    check(
        seen,
        &DOCUMENT,
        r#"{"format":1,"id":"67e5504410b1426f9247bb680e5fe0c8","document_type":"Command","created":1790000000000,"created_by":"admin","default_version":1,"latest_version":3,"last_version":4,"versions":3,"tags":{"team":"web"}}"#,
    );
    check(
        seen,
        &DOCUMENT_VERSION,
        r#"{"format":1,"version_name":"v1","display_name":"Disk","created":1790000000000,"author":"admin","written_in":"JSON","content":{"Here":"{}"},"sha256":"ab","sha1":"cd","bytes":2,"schema_version":"2.2","platform_types":["Linux","Windows"],"target_type":"/AWS::EC2::Instance","requires":[{"name":"Other","version":"$LATEST","version_name":null,"require_type":null}],"attachments":[{"name":"tool.zip","bytes":7,"sha256":"ef","upload":"67e5504410b1426f9247bb680e5fe0c9"}]}"#,
    );
    check(seen, &DOCUMENT_VERSION_NAME, r#"{"format":1,"version":3}"#);
    check(seen, &DOCUMENT_CONTENT, r#"{"format":1,"version":3}"#);
    check(seen, &DOCUMENT_SHARE, r#"{"format":1,"version":null,"shared":1790000000000,"shared_by":"admin"}"#);
    check(seen, &DOCUMENT_REQUIRED, r#"{"format":1,"version":2}"#);
    check(seen, &DOCUMENT_LEAVING, r#"{"format":1,"name":"Disk"}"#);
    check(
        seen,
        &DOCUMENT_UPLOAD,
        r#"{"format":1,"bytes":7,"sha256":"ef","uploaded":1790000000000,"uploaded_by":"admin"}"#,
    );
}

#[test]
fn a_piece_of_output_is_bytes_or_a_blob() {
    use crate::commands::records::OutputRow;
    let rows = [OutputRow::Here(vec![0, 255, b'\n'].into()), OutputRow::Blob { bytes: 1 << 40 }];
    for row in rows {
        let bytes = row.encode(&Kept::default()).unwrap();
        assert_eq!(OutputRow::decode(&bytes).unwrap().value, row);
    }
    for broken in [&b""[..], b"\x01\x00", b"\x02abc"] {
        assert!(OutputRow::decode(broken).is_err(), "{broken:?}");
    }
}
