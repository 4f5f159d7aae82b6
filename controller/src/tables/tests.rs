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
    check(
        &mut seen,
        &INVENTORY,
        r#"{"format":1,"schema_version":"1.0","captured":1790000000000,"items":[{"AgentType":"fleetwright-agent"}]}"#,
    );
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
    check(&mut seen, &OUTPUT_LENGTH, r#"{"format":1,"bytes":36}"#);
    check(&mut seen, &OUTPUT, "\0exact bytes");
    access_examples(&mut seen);
    let drawn = include_str!("../tables.rs").matches("Table::new(\"").count();
    assert_eq!(seen.len(), drawn, "every table has an example: {seen:?}");
}

fn access_examples(seen: &mut Vec<&'static str>) {
    check(
        seen,
        &ACCESS_OPERATOR,
        r#"{"format":1,"description":"on call","created":1790000000000,"created_by":"admin","standing":"Enabled","groups":["admins","web"]}"#,
    );
    check(
        seen,
        &ACCESS_KEY,
        r#"{"format":1,"operator":"ada","operator_created":1790000000000,"description":"ci","created":1790000000001,"created_by":"admin","standing":"Disabled","expires":1790086400000,"sealed_secret":"AAAA"}"#,
    );
    check(seen, &KEY_USE, r#"{"format":1,"last_used":1790000000002}"#);
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
