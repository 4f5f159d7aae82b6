//! Parameters on a host, with the real agent: the command line, programs that are started with them, texts that are
//! filled, and the loopback address, with and without the controller.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::parameters::{files_with, filled};
use crate::programs::{Ended, Program, until};
use crate::site::{Host, LogLevel, PATIENCE, Site, free_address};

const USAGE: i32 = 2;
const REFUSED: i32 = 3;
const NOT_FOUND: i32 = 4;
const UNREACHABLE: i32 = 5;

struct Scene {
    site: Site,
    host: Host,
    address: SocketAddr,
}

impl Scene {
    /// What is below `/app` is for the one host.
    fn new() -> Self {
        let site = Site::start_logging(LogLevel::Trace);
        filled(&site);
        site.types(&["parameter", "put", "/other/url", "https://other.example"]).expect_code(0);
        let policy = site.path().join("hosts.cedar");
        let text =
            "permit(principal is Node, action == Action::\"GetParameter\", resource in Path::\"/app\");";
        fs::write(&policy, text).unwrap();
        site.types(&["access", "policy", "put", "hosts", policy.to_str().unwrap()]).expect_code(0);
        let mut host = site.host("web");
        let address = free_address();
        let config = format!("[parameters]\nport = {}\n", address.port());
        fs::write(host.state().join("agent.toml"), config).unwrap();
        host.start();
        site.wait_for_nodes(1);
        let scene = Self { site, host, address };
        scene.until_given();
        scene
    }

    fn agent(&self, words: &[&str]) -> Ended {
        let (asked, program) = match words.iter().position(|word| *word == "--") {
            Some(at) => words.split_at(at),
            None => (words, &[][..]),
        };
        let mut command = Program::Agent.command(self.site.path());
        command.args(asked).arg("--state-dir").arg(self.host.state()).args(program);
        Ended::of(&mut command)
    }

    fn until_given(&self) {
        until("the agent gives parameters", PATIENCE, || {
            let got = self.agent(&["parameter", "get", "/app/url"]);
            if got.code == Some(0) { Ok(()) } else { Err(format!("{got:?}")) }
        });
    }

    fn path(&self, name: &str) -> PathBuf {
        self.site.path().join(name)
    }

    #[track_caller]
    fn fails(&self, code: i32, words: &[&str], wanted: &str) {
        let ended = self.agent(words).expect_code(code);
        assert!(ended.stderr.contains(wanted), "{words:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter") && ended.stdout.is_empty(), "{ended:?}");
    }

    /// The status and the body of an answer on the loopback address.
    fn asks(&self, path: &str, headers: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let address = self.address;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
    }

    fn token(&self) -> String {
        fs::read_to_string(self.host.state().join("parameters.token")).unwrap()
    }
}

#[test]
fn applications_read_what_policies_give_to_their_host() {
    let scene = Scene::new();
    let get = |words: &[&str]| scene.agent(&[&["parameter", "get"], words].concat()).expect_code(0).text();
    assert_eq!(get(&["/app/url"]), "https://app.example\n");
    assert!(!get(&["/app/password"]).contains("hunter"), "a secret is shown as its ciphertext");
    assert_eq!(get(&["/app/password", "--with-decryption"]), "hunter2-hunter2\n");
    assert_eq!(get(&["/app/password:before", "--with-decryption"]), "hunter1-hunter1\n");
    let json: serde_json::Value = serde_json::from_str(&get(&["/app/url", "-o", "json"])).unwrap();
    assert_eq!((&json["Type"], &json["Version"]), (&"String".into(), &1.into()));
    scene.fails(NOT_FOUND, &["parameter", "get", "/app/none"], "/app/none not found");
    scene.fails(REFUSED, &["parameter", "get", "/other/url"], "may not GetParameter on parameter /other/url");
    scene.fails(
        REFUSED,
        &["parameter", "get", "/other/none"],
        "may not GetParameter on parameter /other/none",
    );

    let shown = format!("X-Aws-Parameters-Secrets-Token: {}\r\n", scene.token());
    let path = "/systemsmanager/parameters/get?name=%2Fapp%2Fpassword&withDecryption=true";
    let (status, body) = scene.asks(path, &shown);
    let found: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, "200", "{body}");
    assert_eq!(found["Parameter"]["Value"], "hunter2-hunter2");
    assert_eq!(found["ResultMetadata"], serde_json::json!({}));
    let labelled = "/systemsmanager/parameters/get?name=/app/password&label=before&withDecryption=true";
    assert!(scene.asks(labelled, &shown).1.contains("hunter1-hunter1"));
    let (status, body) = scene.asks("/systemsmanager/parameters/get?name=/app/none", &shown);
    assert!(status == "400" && body.contains(r#""__type":"ParameterNotFound""#), "{body}");
    let (status, body) = scene.asks("/systemsmanager/parameters/get?name=/other/url", &shown);
    assert!(status == "400" && body.contains("AccessDeniedException"), "{body}");
    assert_eq!(scene.asks(path, "").0, "403");
    assert_eq!(scene.asks(path, &format!("{shown}X-Forwarded-For: 192.0.2.1\r\n")).0, "400");
    for file in ["parameters.sock", "parameters.token", "parameters"] {
        let mode = fs::metadata(scene.host.state().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn programs_and_texts_get_them_with_and_without_the_controller() {
    let mut scene = Scene::new();
    let check = "test \"$URL $PASSWORD\" = 'https://app.example hunter2-hunter2' && exit 7";
    scene.agent(&["exec", "--path", "/app/", "--", "/bin/sh", "-c", check]).expect_code(7);
    let named = ["exec", "--env", "DB=/app/password:1", "--", "/bin/sh", "-c", "test $DB = hunter1-hunter1"];
    scene.agent(&named).expect_code(0);
    let both = [
        "exec",
        "--path",
        "/app",
        "--env",
        "URL=/app/password",
        "--",
        "/bin/sh",
        "-c",
        "test $URL = hunter2-hunter2",
    ];
    scene.agent(&both).expect_code(0);
    let killed = scene.agent(&["exec", "--path", "/app", "--", "/bin/sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.code, None, "a signal became an exit code");
    scene.fails(NOT_FOUND, &["exec", "--path", "/other", "--", "true"], "no parameter below /other");
    scene.fails(NOT_FOUND, &["exec", "--env", "A=/app/none", "--", "true"], "/app/none not found");
    scene.fails(USAGE, &["exec", "--env", "A", "--", "true"], "`A` is not NAME=PARAMETER");
    scene.fails(USAGE, &["exec", "--", "true"], "--path or --env");
    scene.fails(127, &["exec", "--path", "/app", "--", "no-such-program"], "cannot start `no-such-program`");

    let (template, output) = (scene.path("server.conf.in"), scene.path("server.conf"));
    let (from, to) = (template.to_str().unwrap().to_owned(), output.to_str().unwrap().to_owned());
    fs::write(&template, "url = {{ssm:/app/url}}\npassword = {{ ssm-secure:/app/password }}\n").unwrap();
    scene.agent(&["render", &from, "-o", &to]).expect_code(0);
    let wanted = "url = https://app.example\npassword = hunter2-hunter2\n";
    assert_eq!(fs::read_to_string(&output).unwrap(), wanted);
    assert_eq!(fs::metadata(&output).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(scene.agent(&["render", &from]).expect_code(0).text(), wanted);
    for (text, code, words) in [
        ("a\n b {{ssm:/app/none}}", NOT_FOUND, "line 2, column 4: Parameter /app/none not found"),
        ("{{ssm:/app/password}}", REFUSED, "line 1, column 1: /app/password is a SecureString"),
        ("{{ssm:/other/url}}", REFUSED, "line 1, column 1: "),
        ("{{ssm:/app/url", USAGE, "line 1, column 1: `{{` is not closed"),
    ] {
        fs::write(&template, text).unwrap();
        scene.fails(code, &["render", &from, "-o", &to], words);
        assert_eq!(fs::read_to_string(&output).unwrap(), wanted, "nothing was written");
    }
    fs::write(&template, "{{ssm:/app/url}}").unwrap();
    scene.fails(REFUSED, &["render", &from, "-o", "/nowhere/x"], "cannot write `/nowhere/x`");

    scene.site.kill_controller();
    scene.agent(&["exec", "--path", "/app/", "--", "/bin/sh", "-c", check]).expect_code(7);
    scene.host.kill();
    scene.fails(UNREACHABLE, &["parameter", "get", "/app/url"], "is it running");
    scene.host.start();
    scene.until_given();
    scene.agent(&["exec", "--path", "/app/", "--", "/bin/sh", "-c", check]).expect_code(7);
    scene.fails(UNREACHABLE, &["parameter", "get", "/app/later"], "the controller cannot be reached");
    let mut found = Vec::new();
    files_with(scene.host.state(), "hunter", &mut found);
    assert!(found.is_empty(), "{found:?}");
    assert!(!scene.host.agent().log().contains("hunter"));

    scene.site.start_controller();
    scene.site.wait_for_nodes(1);
    let secret = ["parameter", "put", "/app/url", "https://new.example", "--overwrite"];
    scene.site.types(&secret).expect_code(0);
    until("the change is there", PATIENCE, || {
        let got = scene.agent(&["parameter", "get", "/app/url"]).expect_code(0).text();
        if got == "https://new.example\n" { Ok(()) } else { Err(got) }
    });
}
