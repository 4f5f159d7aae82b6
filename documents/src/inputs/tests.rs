//! Inputs with their values, and what is said when they cannot be used.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::bind::Reference;

/// The inputs as they are read, and which keys have no meaning for the action.
fn check(action: Action, inputs: &Value, expected: &StepInputs) {
    assert_eq!(bound(action, inputs, &Value::Null).as_ref(), Ok(expected), "{action} {inputs}");
    assert_eq!(problems(action, inputs), [], "{action} {inputs}");
}

/// What is said about inputs whose values are known; the same is told when the document is checked.
fn refuse(action: Action, rows: &[(Value, &str)]) {
    for (inputs, expected) in rows {
        assert_eq!(bound(action, inputs, &Value::Null).unwrap_err(), *expected, "{action} {inputs}");
        if !expected.starts_with("they are") {
            let found = problems(action, inputs);
            assert!(found.iter().any(|problem| problem.fault != Fault::Unknown), "{action} {inputs}");
        }
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn named(name: &str, version: Option<&str>) -> (String, Option<String>) {
    (name.to_owned(), version.map(str::to_owned))
}

#[test]
fn a_document_in_a_document() {
    let registered = |path: &str, name: &str, version| {
        let (name, version) = named(name, version);
        check(
            Action::RunDocument,
            &json!({"documentType": "SSMDocument", "documentPath": path}),
            &StepInputs::RunDocument(RunDocument {
                document: InnerDocument::Registered { name, version },
                parameters: BTreeMap::new(),
            }),
        );
    };
    registered("AWS-Noop", "AWS-Noop", None);
    registered("mine:3", "mine", Some("3"));
    registered("mine:$LATEST", "mine", Some("$LATEST"));
    let arn = "arn:aws:ssm:eu-west-1:123456789012:document/mine";
    registered(arn, arn, None);
    registered(&format!("{arn}:7"), arn, Some("7"));
    for parameters in [
        json!({"commands": ["ls", "date"], "n": 5, "on": true, "m": {"a": 1}, "none": null}),
        json!("{\"commands\": [\"ls\", \"date\"], \"n\": 5, \"on\": true, \"m\": {\"a\": 1}}"),
        json!("commands: [ls, date]\nn: 5\non: true\nm: {a: 1}\n"),
    ] {
        check(
            Action::RunDocument,
            &json!({"DocumentType": "LocalPath", "documentPath": "a/b.yaml", "documentParameters": parameters}),
            &StepInputs::RunDocument(RunDocument {
                document: InnerDocument::LocalPath("a/b.yaml".to_owned()),
                parameters: [
                    ("commands", texts(&["ls", "date"])),
                    ("n", texts(&["5"])),
                    ("on", texts(&["true"])),
                    ("m", texts(&["{\"a\":1}"])),
                ]
                .into_iter()
                .map(|(name, values)| (name.to_owned(), values))
                .collect(),
            }),
        );
    }
    refuse(
        Action::RunDocument,
        &[
            (json!({}), "documentType is missing, and documentPath is missing"),
            (
                json!({"documentType": "Local", "documentPath": "x", "documentParameters": "[1"}),
                "documentType: found `Local`; use one of SSMDocument, LocalPath, and documentParameters: it is no map \
                 of parameters; write a map from parameter to value, or JSON or YAML text of one",
            ),
            (json!("x"), "they are no map"),
        ],
    );
}

fn downloaded(source_type: &str, info: &Value, source: Source) {
    check(
        Action::DownloadContent,
        &json!({"sourceType": source_type, "sourceInfo": info, "destinationPath": "/opt/x/"}),
        &StepInputs::DownloadContent(DownloadContent {
            source,
            destination: Some("/opt/x/".to_owned()),
            sha256: None,
        }),
    );
}

fn stored(name: &str) -> Credential {
    Credential::Stored(Reference { name: name.to_owned(), selector: None, secure: true })
}

#[test]
fn content_from_elsewhere() {
    let url = "https://s3.eu-west-1.amazonaws.com/bucket/scripts/".to_owned();
    downloaded("S3", &json!({"path": url}), Source::S3 { url: url.clone() });
    downloaded("s3", &json!(format!("{{\"path\": \"{url}\"}}")), Source::S3 { url });
    downloaded(
        "GitHub",
        &json!({"owner": "o", "repository": "r", "path": "p", "getOptions": "branch: main",
               "tokenInfo": "{{ ssm-secure:token }}"}),
        Source::GitHub {
            owner: "o".to_owned(),
            repository: "r".to_owned(),
            path: "p".to_owned(),
            revision: Revision::Branch("main".to_owned()),
            token: Some(stored("token")),
        },
    );
    downloaded(
        "Git",
        &json!({"repository": "git@host:r.git", "getOptions": "commitID:abc", "privateSSHKey": "{{ssm-secure:/k/1}}",
               "skipHostKeyChecking": "true", "username": "u", "password": ""}),
        Source::Git {
            repository: "git@host:r.git".to_owned(),
            revision: Revision::Commit("abc".to_owned()),
            private_key: Some(stored("/k/1")),
            skip_host_key_checking: true,
            user: Some(Credential::Plain("u".to_owned())),
            password: None,
        },
    );
    downloaded(
        "HTTP",
        &json!({"url": "http://host/f", "allowInsecureDownload": true, "authMethod": "Digest", "username": "u",
               "password": "{{ssm-secure:p}}"}),
        Source::Http {
            url: "http://host/f".to_owned(),
            login: HttpLogin::Digest { user: Credential::Plain("u".to_owned()), password: stored("p") },
            allow_insecure: true,
        },
    );
    let (name, version) = named("mine", Some("2"));
    downloaded("SSMDocument", &json!({"name": "mine:2"}), Source::Document { name, version });
}

#[test]
fn content_that_cannot_be_found() {
    let info = |source_type: &str, info: Value| json!({"sourceType": source_type, "sourceInfo": info});
    refuse(
        Action::DownloadContent,
        &[
            (json!({"sourceType": "S3"}), "sourceInfo is missing"),
            (
                info("FTP", json!({})),
                "sourceType: found `FTP`; use one of S3, GitHub, Git, HTTP, SSMDocument",
            ),
            (info("S3", json!({"Key": "x"})), "sourceInfo.path is missing"),
            (
                info("GitHub", json!("{}")),
                "sourceInfo.owner is missing, and sourceInfo.repository is missing",
            ),
            (
                info("Git", json!({"repository": "r", "getOptions": "main"})),
                "sourceInfo.getOptions: found `main`; write branch:NAME or commitID:HASH",
            ),
            (
                info("Git", json!({"repository": "r", "getOptions": "branch:--upload-pack=x"})),
                "sourceInfo.getOptions: found `branch:--upload-pack=x`; write branch:NAME or commitID:HASH",
            ),
            (
                info("HTTP", json!({"url": "http://host/f"})),
                "sourceInfo.url: `http://host/f` is not encrypted; use https, or allow it with \
                 allowInsecureDownload: true",
            ),
            (
                info("HTTP", json!({"url": "https://host/f", "authMethod": "Basic", "username": "u"})),
                "sourceInfo.password is missing",
            ),
            (
                info("S3", json!("not json")),
                "sourceInfo: the text is no JSON: expected ident at line 1 column 2; write a map, or JSON text of one",
            ),
        ],
    );
    let shown = format!("{:?}", Credential::Plain("hunter".to_owned()));
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn packages() {
    check(
        Action::ConfigurePackage,
        &json!({"name": "agent", "action": "Install", "version": "latest", "installationType": "In-place update",
                "additionalArguments": "{\"SSM_A\": \"x\", \"SSM_B\": 1}", "repository": "beta", "source": ""}),
        &StepInputs::ConfigurePackage(ConfigurePackage {
            name: "agent".to_owned(),
            action: PackageAction::Install,
            version: Some(LATEST.to_owned()),
            installation_type: InstallationType::InPlaceUpdate,
            variables: [("SSM_A", "x"), ("SSM_B", "1")]
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }),
    );
    refuse(
        Action::ConfigurePackage,
        &[
            (json!({"name": " "}), "name is missing, and action is missing"),
            (
                json!({"name": "a", "action": "Remove", "source": "https://x"}),
                "action: found `Remove`; use one of Install, Uninstall, and source: a package cannot be fetched from \
                 an address; name a package that was created, and leave source out",
            ),
            (
                json!({"name": "a", "action": "Install", "additionalArguments": {"PATH": "/x", "SSM_L": []}}),
                "additionalArguments: `PATH` cannot be an argument; begin every name with SSM_, followed by letters, \
                 digits and _, and additionalArguments: `SSM_L` is no text; write a text",
            ),
        ],
    );
}

#[test]
fn docker() {
    check(
        Action::RunDockerAction,
        &json!({"action": "Run", "image": "nginx:1.27", "container": "web", "cmd": "sh -c 'sleep 1'", "memory": "64m",
                "volume": ["/a:/b", ""], "env": "A=1 B=2", "publish": "8080:80", "user": "", "cpuShares": 512}),
        &StepInputs::RunDockerAction(RunDockerAction {
            action: DockerAction::Run,
            container: Some("web".to_owned()),
            image: Some("nginx:1.27".to_owned()),
            command: texts(&["sh", "-c", "sleep 1"]),
            memory: Some("64m".to_owned()),
            cpu_shares: Some("512".to_owned()),
            volumes: texts(&["/a:/b"]),
            environment: texts(&["A=1", "B=2"]),
            user: None,
            publish: texts(&["8080:80"]),
            working_directory: None,
            timeout: Duration::from_secs(3600),
        }),
    );
    refuse(
        Action::RunDockerAction,
        &[
            (json!({"action": "Run"}), "image is missing"),
            (json!({"action": "Exec", "container": "c"}), "cmd is missing"),
            (json!({"action": "Inspect"}), "container is missing"),
            (
                json!({"action": "Stop", "container": "-f"}),
                "container: `-f` begins with a dash; write a name",
            ),
            (
                json!({"action": "Exec", "container": "c", "cmd": "a; b"}),
                "cmd: it has the character ';'; write it without ; , & and |",
            ),
            (
                json!({"action": "Exec", "container": "c", "cmd": "echo 'x"}),
                "cmd: `echo 'x` has a quote that is not closed; close the quote",
            ),
        ],
    );
    check(
        Action::ConfigureDocker,
        &json!({"action": "Uninstall"}),
        &StepInputs::ConfigureDocker(ConfigureDocker { action: DockerInstallation::Uninstall }),
    );
    refuse(Action::ConfigureDocker, &[(json!({}), "action is missing")]);
}

#[test]
fn inventory() {
    check(
        Action::SoftwareInventory,
        &json!({"applications": "Enabled", "services": "Disabled", "customInventory": "Enabled",
                "files": "[{\"Path\": \"/etc\", \"Pattern\": [\"*.conf\"], \"Recursive\": true, \"DirScanLimit\": 1000}]",
                "windowsRegistry": [{"Path": "HKEY_LOCAL_MACHINE\\x", "ValueNames": ["a"]}],
                "customInventoryDirectory": "/srv/inventory", "changeDetectionFrequency": "2",
                "changeDetectionTypes": ["AWS:Application"]}),
        &StepInputs::SoftwareInventory(SoftwareInventory {
            gatherers: BTreeSet::from([Gatherer::Applications, Gatherer::CustomInventory]),
            custom_directory: Some("/srv/inventory".to_owned()),
            files: vec![FileQuery {
                path: "/etc".to_owned(),
                patterns: texts(&["*.conf"]),
                recursive: true,
                dir_scan_limit: Some(1000),
            }],
            registry: vec![RegistryQuery {
                path: "HKEY_LOCAL_MACHINE\\x".to_owned(),
                recursive: false,
                value_names: texts(&["a"]),
            }],
            change_detection_frequency: Some(2),
            change_detection_types: texts(&["AWS:Application"]),
        }),
    );
    refuse(
        Action::SoftwareInventory,
        &[
            (json!({"files": [{"Pattern": ["x"]}]}), "files[0].Path is missing"),
            (
                json!({"files": {"Path": "x"}}),
                "files: found a map; write a list of maps, or JSON text of one",
            ),
            (
                json!({"changeDetectionFrequency": "often"}),
                "changeDetectionFrequency: found `often`; write a whole number from 1",
            ),
        ],
    );
}

#[test]
fn windows_packages_and_modules() {
    let hash = "AB".repeat(32);
    check(
        Action::Applications,
        &json!({"id": "0.aws:applications", "action": "Repair", "source": "https://host/a.msi", "sourceHash": hash,
                "parameters": "/quiet"}),
        &StepInputs::Applications(Applications {
            action: InstallerAction::Repair,
            source: "https://host/a.msi".to_owned(),
            source_hash: Some(hash.to_lowercase()),
            parameters: "/quiet".to_owned(),
        }),
    );
    refuse(
        Action::Applications,
        &[
            (json!({"action": "Install"}), "source is missing"),
            (
                json!({"action": "Install", "source": "x", "sourceHash": "abc"}),
                "sourceHash: found `abc`; write the SHA-256 of the file in 64 hexadecimal digits, or leave it out",
            ),
        ],
    );
    check(
        Action::PsModule,
        &json!({"source": "", "sourceHash": "", "runCommand": ["Get-Date", ""], "timeoutSeconds": "60"}),
        &StepInputs::PsModule(PsModule {
            source: None,
            source_hash: None,
            lines: texts(&["Get-Date", ""]),
            working_directory: None,
            timeout: Duration::from_secs(60),
        }),
    );
    refuse(
        Action::PsModule,
        &[(json!({"runCommand": {}}), "runCommand: runCommand is no list of lines; write a list of lines")],
    );
}

#[test]
fn domains() {
    check(
        Action::DomainJoin,
        &json!({"directoryId": "d-1", "directoryName": "corp.example", "dnsIpAddresses": "10.0.0.2, ::1",
                "keepHostName": "True", "hostNameNumAppendDigits": "3", "directoryOU": "OU=All Hosts,DC=corp"}),
        &StepInputs::DomainJoin(DomainJoin {
            directory_id: "d-1".to_owned(),
            directory_name: "corp.example".to_owned(),
            directory_ou: Some("OU=All Hosts,DC=corp".to_owned()),
            dns_ip_addresses: texts(&["10.0.0.2", "::1"]),
            host_name: None,
            host_name_digits: Some(3),
            keep_host_name: true,
        }),
    );
    refuse(
        Action::DomainJoin,
        &[
            (json!({"directoryName": "n"}), "directoryId is missing"),
            (
                json!({"directoryId": "d", "directoryName": "n", "dnsIpAddresses": ["dns"]}),
                "dnsIpAddresses: `dns` is no address; write addresses such as 10.0.0.2",
            ),
        ],
    );
    let told = bound(
        Action::DomainJoin,
        &json!({"directoryId": "d", "directoryName": "n", "hostName": "a;reboot"}),
        &Value::Null,
    );
    assert!(told.unwrap_err().starts_with("hostName: `a;reboot` has the character ';'; write it without"));
}

#[test]
fn associations_and_agents() {
    check(
        Action::RefreshAssociation,
        &json!({"associationIds": ["a", ""]}),
        &StepInputs::RefreshAssociation(RefreshAssociation { association_ids: texts(&["a"]) }),
    );
    check(
        Action::RefreshAssociation,
        &Value::Null,
        &StepInputs::RefreshAssociation(RefreshAssociation { association_ids: Vec::new() }),
    );
    refuse(
        Action::RefreshAssociation,
        &[(
            json!({"associationIds": [["a"]]}),
            "associationIds: found a list or map in the list; write a list of texts",
        )],
    );
    for action in [Action::UpdateSsmAgent, Action::UpdateAgent] {
        check(
            action,
            &json!({"agentName": "amazon-ssm-agent", "source": "https://x/manifest.json", "targetVersion": "latest",
                    "allowDowngrade": "true"}),
            &StepInputs::UpdateAgent(UpdateAgent {
                agent_name: Some("amazon-ssm-agent".to_owned()),
                source: Some("https://x/manifest.json".to_owned()),
                target_version: None,
                allow_downgrade: true,
            }),
        );
        refuse(
            action,
            &[(json!({"allowDowngrade": "yes"}), "allowDowngrade: found `yes`; use one of true, false")],
        );
    }
}

#[test]
fn another_programs_configuration() {
    let told = |inputs: &Value, settings: &Value| bound(Action::CloudWatch, inputs, settings);
    let enabled = json!({"startType": "Enabled"});
    for inputs in [json!({"a": 1}), json!("{\"a\": 1}"), json!({"properties": "{\"a\": 1}"})] {
        let Ok(StepInputs::CloudWatch(found)) = told(&inputs, &enabled) else { panic!("refused") };
        assert_eq!((found.enabled, Value::Object(found.configuration)), (true, json!({"a": 1})));
    }
    assert!(matches!(
        told(&Value::Null, &json!({"startType": "Disabled"})),
        Ok(StepInputs::CloudWatch(CloudWatch { enabled: false, .. }))
    ));
    assert_eq!(
        told(&json!({}), &Value::Null).unwrap_err(),
        "settings.startType is missing; write Enabled or Disabled"
    );
    assert_eq!(
        told(&json!([1]), &enabled).unwrap_err(),
        "the properties are no map, and no JSON text of one"
    );
}

#[test]
fn what_is_not_known_yet_is_not_judged() {
    for (action, inputs) in [
        (
            Action::RunDocument,
            json!({"documentType": "{{ t }}", "documentPath": "{{ p }}", "documentParameters": "{{ m }}"}),
        ),
        (Action::DownloadContent, json!({"sourceType": "{{ t }}", "sourceInfo": "{{ i }}"})),
        (Action::DownloadContent, json!({"sourceType": "S3", "sourceInfo": "{\"path\":\"{{ p }}\"}"})),
        (
            Action::DownloadContent,
            json!({"sourceType": "HTTP", "sourceInfo": {"url": "{{ u }}", "authMethod": "{{ m }}"}}),
        ),
        (
            Action::ConfigurePackage,
            json!({"name": "{{ n }}", "action": "{{ a }}", "additionalArguments": "{{ x }}"}),
        ),
        (Action::RunDockerAction, json!({"action": "{{ a }}", "container": "{{ c }}", "cmd": "{{ x }}"})),
        (Action::SoftwareInventory, json!({"applications": "{{ a }}", "files": "{{ f }}"})),
        (
            Action::DomainJoin,
            json!({"directoryId": "{{ d }}", "directoryName": "{{ n }}", "dnsIpAddresses": ["{{ a }}"]}),
        ),
        (Action::Applications, json!({"action": "{{ a }}", "source": "{{ s }}", "sourceHash": "{{ h }}"})),
        (Action::UpdateSsmAgent, json!({"allowDowngrade": "{{ d }}", "targetVersion": "{{ v }}"})),
        (Action::PsModule, json!({"runCommand": "{{ c }}", "timeoutSeconds": "{{ t }}"})),
    ] {
        assert_eq!(problems(action, &inputs), [], "{action} {inputs}");
    }
}

#[test]
fn keys_without_a_meaning_are_named() {
    let found = problems(
        Action::DownloadContent,
        &json!({"sourceType": "S3", "sourceInfo": {"path": "x", "paht": "y"}, "destination": "z"}),
    );
    let shown: Vec<(String, &str)> =
        found.iter().map(|problem| (format!("{:?}", problem.path.last()), problem.help.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("Some(Key(\"paht\"))".to_owned(), "did you mean `path`?"),
            ("Some(Key(\"destination\"))".to_owned(), "did you mean `destinationPath`?"),
        ]
    );
}

#[test]
fn every_action_of_a_node_has_typed_inputs() {
    for action in Action::ALL.iter().filter(|action| action.runs_on_nodes()) {
        // An action that is missing in the table gives nothing, and no reason for it.
        let read = bound(*action, &Value::Null, &Value::Null);
        assert!(action.is_script() || read != Err("they are not complete".to_owned()), "{action}");
    }
}
