//! Who may use the controller, as answered to a person and to a program.

use fleetwright_cli::Exit;
use fleetwright_proto::control::*;
use tonic::Status;

use crate::controller::{Asked, Script};
use crate::fleet::*;

fn access_key(id: &str, enabled: bool, expires_ms: i64) -> AccessKey {
    AccessKey {
        access_key_id: id.into(),
        operator: "ci".into(),
        description: "build server".into(),
        created_ms: NOW_MS - 3_600_000,
        created_by: "admin".into(),
        enabled,
        expires_ms,
        expired: expires_ms != 0 && expires_ms < NOW_MS,
        last_used_ms: if enabled { NOW_MS - 60_000 } else { 0 },
    }
}

fn script() -> Script {
    Script {
        access_keys: vec![
            access_key("AKIAIOSFODNN7EXAMPLE", true, NOW_MS + 86_400_000),
            access_key("AKIAIOSFODNN7EXAMPLF", false, 0),
            access_key("AKIAIOSFODNN7EXAMPLG", true, NOW_MS - 1000),
        ],
        operators: vec![
            Operator {
                name: "ada".into(),
                description: "on call".into(),
                created_ms: NOW_MS - 3_600_000,
                created_by: "admin".into(),
                enabled: true,
                groups: vec!["admins".into(), "web".into()],
                credentials: vec![Credential {
                    credential_id: "3f1c0d9a7b2e4c55".into(),
                    kind: CredentialKind::Certificate.into(),
                    created_ms: NOW_MS - 3_600_000,
                    created_by: "admin".into(),
                    expires_ms: NOW_MS + 86_400_000,
                    expired: false,
                }],
            },
            Operator { name: "grace".into(), groups: vec!["web".into()], ..Operator::default() },
        ],
        policies: vec![
            AccessPolicy {
                name: "web".into(),
                description: "the web team".into(),
                text: "permit(principal in Group::\"web\",\n  action, resource);\n".into(),
                created_ms: NOW_MS - 7_200_000,
                created_by: "admin".into(),
                changed_ms: NOW_MS - 3_600_000,
                changed_by: "ada".into(),
            },
            AccessPolicy { name: "x".into(), ..AccessPolicy::default() },
        ],
        audit: vec![
            AuditLine {
                seq: 1,
                at_ms: NOW_MS - 60_000,
                who: "ada".into(),
                action: "PutPolicy".into(),
                on: "policy web".into(),
                from: "192.0.2.7".into(),
                outcome: "done".into(),
                detail: String::new(),
            },
            AuditLine {
                seq: 2,
                at_ms: NOW_MS - 1_000,
                who: "eve".into(),
                action: "SendCommand".into(),
                on: "document \u{1b}x".into(),
                from: "192.0.2.9".into(),
                outcome: "denied".into(),
                detail: "no policy allows it".into(),
            },
        ],
        ..Script::default()
    }
}

/// The answer of each line in all three formats; on a terminal too.
#[tokio::test]
async fn answers_are_golden() {
    let fleet = Fleet::start(script()).await;
    let lines = [
        ("access_key_create", "access key create --operator ci --expires-in 1d --description build~server"),
        ("access_key_list", "access key list"),
        ("access_key_disable", "access key disable AKIAIOSFODNN7EXAMPLE"),
        ("access_key_enable", "access key enable AKIAIOSFODNN7EXAMPLE"),
        ("access_key_delete", "access key delete AKIAIOSFODNN7EXAMPLE"),
        ("access_operator_create", "access operator create ada --group web --token --expires-in 1d"),
        ("access_operator_list", "access operator list"),
        ("access_operator_show", "access operator show ada"),
        ("access_operator_disable", "access operator disable ada"),
        ("access_operator_issue", "access operator issue ada --token"),
        ("access_operator_revoke", "access operator revoke ada 3f1c0d9a7b2e4c55"),
        ("access_operator_delete", "access operator delete ada"),
        ("access_group_list", "access group list"),
        ("access_group_add", "access group add web ada grace"),
        ("access_group_remove", "access group remove web ada"),
        ("access_policy_put", "access policy put web - --description the~web~team"),
        ("access_policy_get", "access policy get web"),
        ("access_policy_list", "access policy list"),
        ("access_policy_delete", "access policy delete web"),
        ("access_policy_schema", "access policy schema"),
        ("audit_list", "audit list --who ada --outcome done"),
        ("audit_export", "audit export"),
        ("audit_verify", "audit verify"),
        ("access_check_yes", "access check --principal ada --action GetStatus"),
        ("access_check_no", "access check --principal grace --action GetStatus --resource fleet"),
    ];
    for (name, line) in lines {
        let mut golden = String::new();
        for format in ["table", "json", "jsonl"] {
            let ended = fleet.types(&format!("{line} -o {format}")).await;
            golden.push_str(&format!("=== piped -o {format}\n{}", ended.text()));
        }
        let ended = fleet.types_at(Seat::at_terminal(""), line).await;
        golden.push_str(&format!("=== 80 columns\n{}", ended.text()));
        insta::assert_snapshot!(name, golden);
    }
    let first = fleet.controller.asked().into_iter().find(|asked| matches!(asked, Asked::CreateAccessKey(_)));
    let Some(Asked::CreateAccessKey(request)) = first else { panic!() };
    let want = CreateAccessKeyRequest {
        operator: "ci".into(),
        description: "build server".into(),
        expires_in_ms: 86_400_000,
    };
    assert_eq!(request, want);
}

#[tokio::test]
async fn an_access_key_is_printed_as_sdks_read_it() {
    let fleet = Fleet::start(script()).await;
    let ended = fleet.types("access key create --format env").await;
    let want = format!(
        "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\nAWS_SECRET_ACCESS_KEY=secret/of+40+characters\n\
         AWS_ENDPOINT_URL_SSM=https://{}\nAWS_CA_BUNDLE={}\n",
        fleet.controller.address,
        fleet.operator.authority().display()
    );
    ended.check(Exit::Done, &want, "the secret is shown only now\n");
}

#[tokio::test]
async fn a_refusal_is_one_line() {
    let refusal = Some(Status::permission_denied("you may not do CreateAccessKey"));
    let fleet = Fleet::start(Script { refusal, ..script() }).await;
    let ended = fleet.types("access key create").await;
    ended.check(Exit::Refused, "", "error: you may not do CreateAccessKey\n");
    let ended = fleet.types("access key create --expires-in 3").await;
    assert_eq!(ended.exit, Exit::Usage);
    assert!(ended.stderr.contains("`3` has no unit"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_certificate_is_put_where_only_its_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let fleet = Fleet::start(script()).await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("ada");
    let line = format!("access operator create ada --group web --out {}", out.display());
    assert_eq!(fleet.types(&line).await.exit, Exit::Done);
    for (name, text) in
        [("ada.pem", "the certificate\n"), ("ada.key", "the key\n"), ("authority.pem", "the authority\n")]
    {
        let path = out.join(name);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o700);
    // What is there may be somebody's only copy.
    std::fs::write(out.join("ada.key"), "another key").unwrap();
    let ended = fleet.types(&line).await;
    assert_eq!(ended.exit, Exit::Usage);
    assert!(ended.stderr.contains("ada.pem exists"), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(out.join("ada.key")).unwrap(), "another key");
    let ended = fleet.types("access operator create ada").await;
    assert_eq!(ended.exit, Exit::Usage, "{}", ended.stderr);
}

#[tokio::test]
async fn a_broken_log_is_told_and_counts() {
    let fleet = Fleet::start(Script { audit: Vec::new(), ..script() }).await;
    let want =
        "chain      BROKEN\nlines      2\nlast hash  abcd\nbroken     record 3: its text was altered\n";
    fleet.types("audit verify").await.check(Exit::TargetFailed, want, "");
    // A file needs no controller.
    let seat = Seat { stdin: "not a line\n", ..Seat::default() };
    let ended = fleet.types_at(seat, "audit verify - -o json").await;
    assert_eq!(ended.exit, Exit::TargetFailed);
    assert!(String::from_utf8_lossy(&ended.stdout).contains("it cannot be read"));
    let ended = fleet.types("audit verify /nonexistent").await;
    ended.check(Exit::Usage, "", "error: cannot read /nonexistent: No such file or directory (os error 2)\n");
}
