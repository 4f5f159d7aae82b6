//! Nouns and verbs: the same answers as tables and as JSON, all pages of them.

use fleetwright_cli::Exit;
use fleetwright_proto::control::*;
use tonic::Status;

use crate::controller::{Asked, Script};
use crate::fleet::*;

fn activation(number: u32) -> Activation {
    Activation {
        activation_id: format!("67e55044-10b1-426f-9247-bb680e5fe0c{number}"),
        description: "web servers".into(),
        created_ms: NOW_MS - 3_600_000,
        expires_ms: if number == 0 { 0 } else { NOW_MS + 82_800_000 },
        registration_limit: 10,
        registrations: number,
        default_name: "web".into(),
        tags: [("env".to_owned(), "prod".to_owned()), ("role".to_owned(), "web".to_owned())].into(),
        expired: number == 2,
    }
}

fn group(name: &str, key: &str, value: &str) -> Group {
    Group {
        name: name.into(),
        description: "what serves".into(),
        targets: vec![Target { key: key.into(), values: vec![value.into()] }],
        created_ms: NOW_MS - 3_600_000,
        created_by: "operator".into(),
    }
}

fn script() -> Script {
    let fact = |name: &str, value: &str| Fact { name: name.into(), value: value.into() };
    let usage =
        |name: &str, used, limit, unit: &str| Usage { name: name.into(), used, limit, unit: unit.into() };
    let part = |name: &str, ok, detail: &str| HealthPart { name: name.into(), ok, detail: detail.into() };
    let mut lost = node(DB, "data\u{1b}[2Jbase");
    lost.ping_status = PingStatus::ConnectionLost.into();
    lost.last_seen_ms = NOW_MS - 7_200_000;
    Script {
        status: GetStatusResponse {
            version: "0.1.0".into(),
            started_ms: NOW_MS - 3_600_000,
            nodes: 2,
            connected_nodes: 1,
            open_commands: 3,
            uptime_ms: 3_600_000,
            health: vec![
                part("store", true, "takes commits"),
                part("disk", false, "9 MiB are free and new work needs 256 MiB"),
            ],
            usage: vec![usage("output", 1 << 30, 4 << 30, "bytes"), usage("commands", 120, 10_000, "rows")],
        },
        activations: vec![activation(0), activation(1), activation(2)],
        nodes: vec![node(WEB, "web-1"), lost],
        groups: vec![group("canaries", "InstanceIds", WEB), group("webs", "tag:role", "web")],
        commands: vec![command(CommandStatus::CommandFailed, "Failed", 2)],
        invocations: vec![
            invocation(WEB, "web-1", InvocationState::Success, "Success"),
            invocation(DB, "database", InvocationState::Failed, "Failed"),
        ],
        output: vec![
            chunk(WEB, false, 0, "one\ntwo"),
            chunk(WEB, true, 0, "warning\n"),
            chunk(DB, false, 0, vec![0xff, b'\n']),
        ],
        explanation: ExplainResponse {
            facts: vec![
                fact("state", "Failed"),
                fact("exit code", "3"),
                fact("last line", "no \u{1b}such file"),
            ],
            reason: Some(Reason {
                code: "StepFailed".into(),
                text: "step run ended with exit code 3".into(),
                values: [("step".to_owned(), "run".to_owned())].into(),
            }),
        },
        ..Script::default()
    }
}

/// The answer of each line in all three formats; on a terminal too when it is a table.
#[tokio::test]
async fn answers_are_golden() {
    let fleet = Fleet::start(script()).await;
    let lines = [
        ("status", "status".to_owned()),
        ("node_list", "node list".to_owned()),
        ("node_show", "node show web-1".to_owned()),
        ("node_tag", "node tag web-1 role=web".to_owned()),
        ("node_untag", "node untag web-1 env".to_owned()),
        ("activation_list", "activation list".to_owned()),
        ("group_create", "group create webs -t tag:role=web".to_owned()),
        ("group_list", "group list".to_owned()),
        ("group_show", "group show webs".to_owned()),
        ("group_delete", "group delete webs".to_owned()),
        ("run_dry", "run --dry-run -t group:webs -- uptime".to_owned()),
        ("command_list", "command list".to_owned()),
        ("command_show", format!("command show {COMMAND}")),
        ("command_cancel", format!("command cancel {COMMAND}")),
        ("why", format!("why {COMMAND} web-1")),
    ];
    for (name, line) in lines {
        let mut golden = String::new();
        for format in ["table", "json", "jsonl"] {
            let ended = fleet.types(&format!("{line} -o {format}")).await;
            golden.push_str(&format!("=== piped -o {format}\n{}", ended.text()));
        }
        let ended = fleet.types_at(Seat::at_terminal(""), &line).await;
        golden.push_str(&format!("=== 80 columns\n{}", ended.text()));
        let golden = golden.replace(&fleet.controller.address.to_string(), "HOST:PORT");
        insta::assert_snapshot!(name, golden);
    }
}

#[tokio::test]
async fn an_activation_comes_with_the_line_to_paste() {
    let fleet = Fleet::start(script()).await;
    let line = "activation create --limit 10 --expires-in 7d --name web --tag env=prod --description x";
    for format in ["table", "json"] {
        let ended = fleet.types(&format!("{line} -o {format}")).await;
        let golden = ended.text().replace(&fleet.controller.address.to_string(), "127.0.0.1:PORT");
        insta::assert_snapshot!(format!("activation_create_{format}"), golden);
    }
    let Some(Asked::CreateActivation(request)) = fleet.controller.asked().first().cloned() else { panic!() };
    let want = CreateActivationRequest {
        description: "x".into(),
        registration_limit: 10,
        expires_in_ms: 7 * 86_400_000,
        never_expires: false,
        default_name: "web".into(),
        tags: [("env".to_owned(), "prod".to_owned())].into(),
    };
    assert_eq!(request, want);
}

#[tokio::test]
async fn output_of_one_node_is_its_bytes() {
    let fleet = Fleet::start(script()).await;
    let check = |line: String, stdout: &'static str, stderr: &'static str| {
        let fleet = &fleet;
        async move { fleet.types(&line).await.check(Exit::Done, stdout, stderr) }
    };
    check(format!("command output {COMMAND} web-1"), "one\ntwo", "warning\n").await;
    check(format!("command output {COMMAND} web-1 --stream stdout"), "one\ntwo", "").await;
    check(format!("command output {COMMAND} web-1 --stream stderr"), "", "warning\n").await;
    let ended = fleet.types(&format!("command output {COMMAND} {DB}")).await;
    assert_eq!(ended.stdout, b"\xff\n");
    let ended = fleet.types(&format!("command output {COMMAND}")).await;
    assert_eq!(ended.stdout, b"web-1    | one\nweb-1    | two\ndatabase | \xff\n");
    assert_eq!(ended.stderr, "web-1    | warning\n");
}

#[tokio::test]
async fn output_as_data() {
    let fleet = Fleet::start(script()).await;
    fleet.types(&format!("command output {COMMAND} -o jsonl")).await.check(
        Exit::Done,
        &format!(
            "{{\"command_id\":\"{COMMAND}\",\"node_id\":\"{WEB}\",\"stdout\":\"one\\ntwo\",\
             \"stdout_encoding\":\"utf-8\",\"stderr\":\"warning\\n\",\"stderr_encoding\":\"utf-8\"}}\n\
             {{\"command_id\":\"{COMMAND}\",\"node_id\":\"{DB}\",\"stdout\":\"/wo=\",\
             \"stdout_encoding\":\"base64\",\"stderr\":\"\",\"stderr_encoding\":\"utf-8\"}}\n"
        ),
        "",
    );
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let fleet = Fleet::start(script()).await;
    let other = "00000000-10b1-426f-9247-bb680e5fe0c8";
    let table = [
        ("node show nobody".to_owned(), "no node `nobody`".to_owned()),
        ("run --target nobody -- x".to_owned(), "no node `nobody`".to_owned()),
        (format!("command show {other}"), format!("no command `{other}`")),
        (format!("command output --follow {other}"), format!("no command `{other}`")),
        (format!("why {other}"), format!("no command `{other}`")),
        (format!("activation delete {other}"), format!("no activation `{other}`")),
        ("context use nobody".to_owned(), "no context `nobody`; there is none".to_owned()),
    ];
    for (line, want) in table {
        fleet.types(&line).await.check(Exit::NotFound, "", &format!("error: {want}\n"));
    }
}

#[tokio::test]
async fn an_id_of_another_form_is_a_usage_error() {
    let fleet = Fleet::start(script()).await;
    fleet.types("why nonsense").await.check(
        Exit::Usage,
        "",
        "error: invalid value 'nonsense' for '<COMMAND>': `nonsense` is not a command id: a UUID of 36 \
         characters\n\nFor more information, try '--help'.\n",
    );
}

#[tokio::test]
async fn waiting_for_nodes() {
    let fleet = Fleet::start(script()).await;
    let ended = fleet.types("node wait web-1 --target tag:env=prod --count 2 --timeout 5m").await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.text());
    let target = |key: &str, value: &str| Target { key: key.into(), values: vec![value.into()] };
    let Some(Asked::Wait(request)) = fleet.controller.asked().pop() else { panic!() };
    let want = WaitNodesRequest {
        targets: vec![target("tag:env", "prod"), target("InstanceIds", WEB)],
        count: 2,
        timeout_ms: 300_000,
    };
    assert_eq!(request, want);
    fleet.controller.shared.script.lock().unwrap().refusal =
        Some(Status::deadline_exceeded("1 of 2 nodes connected after 5m; missing: database"));
    fleet.types("node wait").await.check(
        Exit::TimedOut,
        "",
        "error: 1 of 2 nodes connected after 5m; missing: database\n",
    );
}

#[tokio::test]
async fn filters_are_sent() {
    let fleet = Fleet::start(script()).await;
    fleet.types("node list --target platform:Linux --status lost").await;
    let Some(Asked::ListNodes(request)) = fleet.controller.asked().first().cloned() else { panic!() };
    assert_eq!(request.ping_status(), PingStatus::ConnectionLost);
    assert_eq!(request.targets, [Target { key: "platform".into(), values: vec!["Linux".into()] }]);
    fleet.types("command list --status failed --status timed-out --node web-1 --limit 7").await;
    let Some(Asked::ListCommands(request)) = fleet.controller.asked().pop() else { panic!() };
    assert_eq!(
        request.statuses().collect::<Vec<_>>(),
        [CommandStatus::CommandFailed, CommandStatus::CommandTimedOut]
    );
    assert_eq!((request.node_id.as_str(), request.page_size), (WEB, 7));
    fleet.types(&format!("command cancel {COMMAND} web-1 {DB}")).await;
    let Some(Asked::Cancel(request)) = fleet.controller.asked().pop() else { panic!() };
    assert_eq!(request.nodes, [WEB, DB]);
}

/// What a controller that starts does for its operator, and what the operator then need not type.
#[tokio::test]
async fn a_refreshed_context_is_found() {
    let fleet = Fleet::start(script()).await;
    let files = &fleet.operator;
    let context = fleetwright_cli::Context {
        address: fleet.controller.address.to_string(),
        authority: files.authority(),
        certificate: files.certificate(),
        key: files.key(),
        token_file: None,
    };
    let file = files.folder().join("config.toml");
    let refreshed = fleetwright_cli::refresh_context(Some(&file), "dev", &context).unwrap();
    assert_eq!(refreshed, fleetwright_cli::Refreshed::Current);
    let variable = ("FLEETWRIGHT_CONFIG".to_owned(), file.to_str().unwrap().to_owned());
    let ended = types([variable].into_iter().collect(), Seat::default(), "status").await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.text());
}

#[tokio::test]
async fn contexts_are_set_used_shown_and_deleted() {
    let fleet = Fleet::start(script()).await;
    let files = &fleet.operator;
    let set = |name: &str, address: &str| {
        format!(
            "context set {name} --address {address} --authority {} --certificate {} --key {}",
            files.authority().display(),
            files.certificate().display(),
            files.key().display()
        )
    };
    let address = fleet.controller.address.to_string();
    fleet.types(&set("here", &address)).await.check(
        Exit::Done,
        "",
        "set context here, which is the current one\n",
    );
    fleet.types(&set("there", "there.example.org:1")).await.check(Exit::Done, "", "set context there\n");
    fleet.types("context list").await.check(
        Exit::Done,
        &format!("   CONTEXT  ADDRESS\n*  here     {address}\n   there    there.example.org:1\n"),
        "",
    );
    fleet.types("context use there").await.check(Exit::Done, "", "the current context is there\n");
    let shown = fleet.types("context show -o json").await;
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&shown["name"], &shown["current"]), (&"there".into(), &true.into()));
    // The flag is nearer than the address in the environment, which is the same controller.
    let ended = fleet.types("status --context here -o jsonl").await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.text());
    fleet.types("context delete there").await.check(Exit::Done, "", "deleted context there\n");
    let ended = fleet.types(&set("bad", "nowhere")).await;
    assert_eq!(ended.exit, Exit::Usage, "{}", ended.text());
}
