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
    let Some(Asked::CreateAccessKey(request)) = fleet.controller.asked().first().cloned() else { panic!() };
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
