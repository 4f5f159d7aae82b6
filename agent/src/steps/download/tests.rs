use std::process::Command;
use std::sync::{Arc, Mutex};

use fleetwright_documents::inputs::{HttpLogin, Revision};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::secrets::Secrets;
use crate::steps::library::fake::FakeLibrary;
use crate::steps::tests::{Fixture, fixture};
use crate::steps::{OnStarted, StepEnd};

/// What a server got: the first line, and the headers with names in small letters.
#[derive(Debug, Clone)]
struct Asked {
    path: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

type Respond = dyn Fn(&Asked) -> (u16, Vec<(&'static str, String)>, Vec<u8>) + Send + Sync;

/// A web server whose answers a closure gives; its address, and what it was asked.
async fn serve(respond: Arc<Respond>) -> (String, Arc<Mutex<Vec<Asked>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (respond, log) = (Arc::clone(&respond), Arc::clone(&log));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await?);
                }
                let head = String::from_utf8(head).unwrap();
                let mut lines = head.lines();
                let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
                let headers = lines
                    .filter_map(|line| line.split_once(": "))
                    .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                    .collect();
                let asked = Asked { path, headers };
                let (status, headers, body) = respond(&asked);
                log.lock().unwrap().push(asked);
                let mut answer = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
                if !headers.iter().any(|(name, _)| *name == "content-length") {
                    answer.push_str(&format!("content-length: {}\r\n", body.len()));
                }
                headers.iter().for_each(|(name, value)| answer.push_str(&format!("{name}: {value}\r\n")));
                socket.write_all(format!("{answer}\r\n").as_bytes()).await?;
                socket.write_all(&body).await
            });
        }
    });
    (address, asked)
}

fn step(kind: &str, info: &serde_json::Value, destination: Option<&str>) -> serde_json::Value {
    let mut inputs = json!({ "sourceType": kind, "sourceInfo": info.to_string() });
    if let Some(destination) = destination {
        inputs["destinationPath"] = destination.into();
    }
    json!({ "action": "aws:downloadContent", "name": "download", "inputs": inputs })
}

fn left_over(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    names
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".part"))
        .collect()
}

#[track_caller]
fn failed(end: &StepEnd, wanted: &str) {
    assert!(matches!(&end.how, How::Failed(why) if why.contains(wanted)), "{wanted}: {:?}", end.how);
}

/// Calls a source as its step would.
async fn with_task<T>(fixture: &Fixture, run: impl AsyncFnOnce(&Task<'_>) -> T) -> T {
    let on_started: OnStarted = Arc::new(|_| Box::pin(std::future::ready(Ok(()))));
    let task = Task {
        context: &fixture.context,
        tools: &fixture.tools,
        cancel: &fixture.cancel,
        on_started: &on_started,
    };
    run(&task).await
}

#[test]
fn a_destination_is_below_the_downloads_or_absolute_and_no_name_leaves_it() {
    let folder = tempfile::tempdir().unwrap();
    let downloads = folder.path();
    let place = |text| Place::of(text, downloads);
    assert_eq!(place(None).unwrap(), Place { path: downloads.to_owned(), is_folder: true });
    assert_eq!(place(Some("a/b")).unwrap(), Place { path: downloads.join("a/b"), is_folder: false });
    assert!(place(Some("a/")).unwrap().is_folder && place(Some("/tmp")).unwrap().is_folder);
    for bad in ["../a", "a/../../b"] {
        assert!(matches!(place(Some(bad)), Err(DownloadError::Outside(_))), "{bad}");
    }
    for bad in ["../a", "/etc/passwd", "a/../../b", "", "a\0"] {
        assert!(inside(downloads, bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_file_comes_whole_and_private_from_behind_a_redirect() {
    let (address, _) = serve(Arc::new(|asked: &Asked| match asked.path.as_str() {
        "/old" => (302, vec![("location", "/new/script.sh?x=1".to_owned())], Vec::new()),
        "/new/script.sh?x=1" => (200, Vec::new(), b"#!/bin/sh\necho hi\n".to_vec()),
        _ => (404, Vec::new(), Vec::new()),
    }))
    .await;
    let mut fixture = fixture(&[]);
    let info = json!({ "url": format!("{address}/old"), "allowInsecureDownload": true });
    let end = fixture.run_step(&step("HTTP", &info, Some("deep/script.sh"))).await;
    assert_eq!(end.how, How::Done);
    let path = fixture.context.downloads().join("deep/script.sh");
    assert_eq!(fs::read(&path).unwrap(), b"#!/bin/sh\necho hi\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(fixture.printed().0, format!("Content downloaded to {}\n", path.display()));
    let info = json!({ "url": format!("{address}/none?secret=x"), "allowInsecureDownload": true });
    let end = fixture.run_step(&step("HTTP", &info, None)).await;
    failed(&end, "/none was answered with 404");
    assert!(!format!("{:?}", end.how).contains("secret"));
}

#[tokio::test]
async fn half_a_file_is_never_shown() {
    let (address, _) =
        serve(Arc::new(|_: &Asked| (200, vec![("content-length", "100".to_owned())], b"half".to_vec())))
            .await;
    let mut fixture = fixture(&[]);
    let info = json!({ "url": format!("{address}/file"), "allowInsecureDownload": true });
    failed(&fixture.run_step(&step("HTTP", &info, None)).await, "broke off");
    let downloads = fixture.context.downloads();
    assert!(!downloads.join("file").exists());
    assert_eq!(left_over(&downloads), Vec::<String>::new());
}

#[tokio::test]
async fn a_cancel_ends_a_transfer_and_leaves_nothing() {
    let (address, asked) =
        serve(Arc::new(|_: &Asked| (200, vec![("content-length", "100".to_owned())], Vec::new()))).await;
    let stalled = TcpListener::bind("127.0.0.1:0").await.unwrap();
    drop((address, asked));
    let address = format!("http://{}", stalled.local_addr().unwrap());
    let mut fixture = fixture(&[]);
    let cancel = fixture.cancel.clone();
    let cancelling = async move {
        let _socket = stalled.accept().await.unwrap();
        cancel.cancel();
    };
    let info = json!({ "url": format!("{address}/file"), "allowInsecureDownload": true });
    let step = step("HTTP", &info, None);
    let (end, ()) = tokio::join!(fixture.run_step(&step), cancelling);
    assert_eq!(end.how, How::Cancelled);
    assert_eq!(left_over(&fixture.context.downloads()), Vec::<String>::new());
}

#[tokio::test]
async fn basic_and_digest_log_in_and_show_no_password() {
    let (address, asked) = serve(Arc::new(|asked: &Asked| {
        let good = match (asked.path.as_str(), asked.header("authorization")) {
            ("/basic", Some(login)) => login == "Basic bWU6aHVudGVyMg==",
            ("/digest", Some(login)) => login.contains("username=\"me\"") && login.contains("response=\""),
            _ => false,
        };
        let challenge = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"".to_owned();
        if good {
            (200, Vec::new(), b"ok".to_vec())
        } else {
            (401, vec![("www-authenticate", challenge)], Vec::new())
        }
    }))
    .await;
    let mut fixture = fixture(&[]);
    for (path, method) in [("basic", "Basic"), ("digest", "Digest")] {
        let url = format!("{address}/{path}");
        let info = json!({ "url": url, "allowInsecureDownload": true, "authMethod": method, "username": "me", "password": "hunter2" });
        assert_eq!(fixture.run_step(&step("HTTP", &info, None)).await.how, How::Done, "{method}");
    }
    assert!(asked.lock().unwrap().iter().all(|asked| !format!("{asked:?}").contains("hunter2")));
    let login = HttpLogin::None;
    let place = Place::of(None, &fixture.context.downloads()).unwrap();
    let refused = with_task(&fixture, async |task| {
        http::download((&format!("{address}/basic"), &login, true), None, &place, task).await
    })
    .await;
    assert!(refused.unwrap_err().to_string().contains("401"));
}

#[tokio::test]
async fn what_is_not_encrypted_is_refused_also_behind_a_redirect() {
    let get = fetch::Get::new("http://127.0.0.1/x", false).unwrap_err();
    assert!(get.to_string().contains("allowInsecureDownload"), "{get}");
    assert!(fetch::Get::new("ftp://127.0.0.1/x", true).is_err());
}

#[tokio::test]
async fn a_document_of_the_registry_is_a_file() {
    let mut fixture = fixture(&[]);
    fixture.tools.library = Arc::new(FakeLibrary::with(&[("Mine", "{}")]));
    assert_eq!(fixture.run_step(&step("SSMDocument", &json!({ "name": "Mine" }), None)).await.how, How::Done);
    assert_eq!(fs::read_to_string(fixture.context.downloads().join("Mine.json")).unwrap(), "{}");
    failed(
        &fixture.run_step(&step("SSMDocument", &json!({ "name": "Other" }), None)).await,
        "no document `Other`",
    );
}

fn git(folder: &Path, words: &[&str]) -> String {
    let run = Command::new("git")
        .args(["-c", "user.name=x", "-c", "user.email=x@x"])
        .args(words)
        .current_dir(folder)
        .output();
    let output = run.unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_repository_comes_at_its_branch_or_commit() {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path();
    git(repository, &["init", "--quiet", "--initial-branch=main"]);
    fs::create_dir(repository.join("deep")).unwrap();
    let mut commits = Vec::new();
    for text in ["one", "two"] {
        fs::write(repository.join("deep/file"), text).unwrap();
        git(repository, &["add", "."]);
        git(repository, &["commit", "--quiet", "-m", text]);
        commits.push(git(repository, &["rev-parse", "HEAD"]));
    }
    git(repository, &["branch", "old", &commits[0]]);
    let url = format!("file://{}", repository.display());
    for (options, wanted) in [
        ("", "two"),
        ("branch:old", "one"),
        ("branch:refs/heads/old", "one"),
        (&*format!("commitID:{}", commits[0]), "one"),
    ] {
        let mut fixture = fixture(&[]);
        let info = json!({ "repository": url, "getOptions": options });
        let end = fixture.run_step(&step("Git", &info, Some("clone"))).await;
        assert_eq!(end.how, How::Done, "{options}: {}", fixture.printed().1);
        let file = fixture.context.downloads().join("clone/deep/file");
        assert_eq!(fs::read_to_string(file).unwrap(), wanted, "{options}");
        let left = fs::read_dir(fixture.context.folder()).unwrap().count();
        assert_eq!(left, 0, "what git needed was left behind");
    }
    let mut fixture = fixture(&[]);
    let info = json!({ "repository": url, "getOptions": "branch:none" });
    failed(&fixture.run_step(&step("Git", &info, Some("clone"))).await, "git ended with exit code 128");
    let info = json!({ "repository": "ext::sh -c id" });
    failed(&fixture.run_step(&step("Git", &info, None)).await, "no address of a repository");
}

#[tokio::test]
async fn a_link_out_of_a_repository_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "--quiet"]);
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "--quiet", "-m", "x"]);
    let mut fixture = fixture(&[]);
    let info = json!({ "repository": format!("file://{}", folder.path().display()) });
    failed(&fixture.run_step(&step("Git", &info, None)).await, "no name inside the destination");
}

#[tokio::test]
async fn a_file_and_a_folder_come_from_github() {
    let (address, asked) = serve(Arc::new(|asked: &Asked| {
        let raw = asked.header("accept").is_some_and(|accept| accept.contains("raw"));
        let entry =
            |kind: &str, path: &str| json!({ "type": kind, "name": path.rsplit('/').next(), "path": path });
        let body = match (asked.path.split('?').next().unwrap(), raw) {
            ("/repos/me/repo/contents/dir", false) => {
                json!([entry("file", "dir/a"), entry("dir", "dir/sub"), entry("symlink", "dir/l")])
                    .to_string()
            }
            ("/repos/me/repo/contents/dir/sub", false) => json!([entry("file", "dir/sub/b")]).to_string(),
            ("/repos/me/repo/contents/dir/a", false) => entry("file", "dir/a").to_string(),
            ("/repos/me/repo/contents/dir/a", true) => "A".to_owned(),
            ("/repos/me/repo/contents/dir/sub/b", true) => "B".to_owned(),
            ("/repos/me/repo/contents/evil", false) => json!([entry("file", "evil/../../x")]).to_string(),
            _ => return (404, Vec::new(), Vec::new()),
        };
        (200, Vec::new(), body.into_bytes())
    }))
    .await;
    let fixture = fixture(&[]);
    let source = |path: &str| Source::GitHub {
        owner: "me".to_owned(),
        repository: "repo".to_owned(),
        path: path.to_owned(),
        revision: Revision::Branch("main".to_owned()),
        token: Some(Credential::Plain("hunter2".to_owned())),
    };
    let place = Place::of(None, &fixture.context.downloads()).unwrap();
    let get = async |path: &str| {
        with_task(&fixture, async |task| github::from(&address, &source(path), None, &place, task).await)
            .await
    };
    get("dir").await.unwrap();
    assert_eq!(fs::read_to_string(place.path.join("sub/b")).unwrap(), "B");
    assert_eq!(get("dir/a").await.unwrap(), place.path.join("a"));
    assert!(matches!(get("evil").await, Err(DownloadError::Outside(_))));
    let asked = asked.lock().unwrap().clone();
    assert!(asked.iter().all(|asked| asked.header("authorization") == Some("Bearer hunter2")));
    assert!(asked.iter().all(|asked| asked.path.ends_with("?ref=main")));
}

/// Whether a request is signed with the key `id` and `secret` by the rules of Signature Version 4.
fn is_signed(asked: &Asked, secret: &str) -> bool {
    let key = |key: &[u8], text: &str| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
        ring::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
    };
    let Some((path, query)) = asked.path.split_once('?') else { return false };
    let (mut pairs, mut signature) = (Vec::new(), "");
    for pair in query.split('&') {
        match pair.strip_prefix("X-Amz-Signature=") {
            Some(found) => signature = found,
            None => pairs.push(pair),
        }
    }
    pairs.sort_unstable();
    let value = |name: &str| pairs.iter().find_map(|pair| pair.strip_prefix(name)).unwrap_or_default();
    let date = value("X-Amz-Date=");
    let host = asked.header("host").unwrap();
    let request = format!("GET\n{path}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", pairs.join("&"));
    let scope = value("X-Amz-Credential=").replace("%2F", "/");
    let Some(scope) = scope.strip_prefix("id/") else { return false };
    let sum = ring::digest::digest(&ring::digest::SHA256, request.as_bytes());
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(sum));
    let mut signing = format!("AWS4{secret}").into_bytes();
    for part in scope.split('/') {
        signing = key(&signing, part);
    }
    hex::encode(key(&signing, &text)) == signature
}

#[tokio::test]
async fn objects_come_from_a_store_that_checks_signatures() {
    let (address, _) = serve(Arc::new(|asked: &Asked| {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let is_public = path.starts_with("/public");
        if !is_public && !is_signed(asked, "hunter2") {
            return (403, Vec::new(), Vec::new());
        }
        let list = |keys: &[&str], next: &str| {
            let contents: String = keys
                .iter()
                .map(|key| format!("<Contents><Key>{key}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>\"x\"</ETag><Size>1</Size></Contents>"))
                .collect();
            let is_truncated = !next.is_empty();
            format!("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix></Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>{is_truncated}</IsTruncated>{contents}{next}</ListBucketResult>")
        };
        let body = match path {
            "/bucket/" | "/bucket" if query.contains("prefix=dir") && query.contains("continuation-token=more") => list(&["dir/sub/b"], ""),
            "/bucket/" | "/bucket" if query.contains("prefix=dir") => {
                list(&["dir/a", "directory"], "<NextContinuationToken>more</NextContinuationToken>")
            }
            "/bucket/" | "/bucket" => list(&[], ""),
            "/bucket/dir/a" => "A".to_owned(),
            "/bucket/dir/sub/b" => "B".to_owned(),
            "/bucket/one" | "/public/one" => "1".to_owned(),
            _ => return (404, Vec::new(), Vec::new()),
        };
        (200, Vec::new(), body.into_bytes())
    }))
    .await;
    let fixture = fixture(&[]);
    let place = Place::of(None, &fixture.context.downloads()).unwrap();
    let get = async |secret: Option<&str>, path: &str| {
        let access = s3::Access {
            credentials: secret.map(|secret| rusty_s3::Credentials::new("id", secret)),
            ..s3::Access::default()
        };
        let url = format!("{address}/{path}");
        with_task(&fixture, async |task| s3::from(&access, &url, None, &place, task).await).await
    };
    get(Some("hunter2"), "bucket/dir").await.unwrap();
    assert_eq!(fs::read_to_string(place.path.join("sub/b")).unwrap(), "B");
    assert!(!place.path.join("ectory").exists(), "a key that only begins the same way is another");
    assert_eq!(get(Some("hunter2"), "bucket/one").await.unwrap(), place.path.join("one"));
    assert_eq!(get(None, "public/one").await.unwrap(), place.path.join("one"));
    let refused = get(Some("wrong-one"), "bucket/one").await.unwrap_err().to_string();
    assert!(refused.contains("403") && !refused.contains("Signature"), "{refused}");
}

#[tokio::test]
async fn a_secret_of_the_step_is_covered_in_what_it_says() {
    let mut fixture = fixture(&[]);
    fixture.context.secrets = Secrets::default().and(["hunter2".to_owned()]);
    let end = fixture.run_step(&step("SSMDocument", &json!({ "name": "hunter2" }), None)).await;
    failed(&end, "hunter2");
    assert!(!fixture.printed().1.contains("hunter2"), "{:?}", fixture.printed());
}

#[tokio::test]
async fn a_file_that_is_not_what_it_should_be_is_not_kept() {
    let (address, _) = serve(Arc::new(|_: &Asked| (200, Vec::new(), b"content".to_vec()))).await;
    let mut fixture = fixture(&[]);
    let right = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";
    for (sum, good) in [(right.to_owned(), true), (right.to_uppercase(), true), ("0".repeat(64), false)] {
        let info = json!({ "url": format!("{address}/f"), "allowInsecureDownload": true, "sha256": sum });
        let end = fixture.run_step(&step("HTTP", &info, None)).await;
        let path = fixture.context.downloads().join("f");
        if good {
            assert_eq!(end.how, How::Done);
            fs::remove_file(path).unwrap();
        } else {
            failed(&end, &format!("is {right}; it should be 0000"));
            assert!(!path.exists());
        }
    }
    fixture.tools.downloads.max_bytes = 6;
    let info = json!({ "url": format!("{address}/f"), "allowInsecureDownload": true });
    failed(&fixture.run_step(&step("HTTP", &info, None)).await, "it has more than 6 bytes");
    assert_eq!(left_over(&fixture.context.downloads()), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_brought_into_a_work_folder_that_is_full() {
    let (address, _) = serve(Arc::new(|_: &Asked| (200, Vec::new(), b"content".to_vec()))).await;
    let mut fixture = fixture(&[]);
    let work = fixture.folder.path().join("work");
    fs::create_dir(&work).unwrap();
    // It takes no room on the disk.
    fs::File::create(work.join("large")).unwrap().set_len(WORK_MAX_BYTES).unwrap();
    fixture.tools.downloads.work = work;
    let info = json!({ "url": format!("{address}/f"), "allowInsecureDownload": true });
    failed(&fixture.run_step(&step("HTTP", &info, None)).await, "and its limit is 21474836480");
}

#[tokio::test]
async fn an_object_is_compared_with_its_store_s_own_digest() {
    const MD5: &str = "9a0364b9e99bb480dd25e1f0284c8555";
    let (address, _) = serve(Arc::new(|asked: &Asked| {
        let tag = |text: &str| vec![("etag", format!("\"{text}\""))];
        let path = asked.path.split('?').next().unwrap_or_default();
        let headers = match path {
            "/b/right" => tag(MD5),
            "/b/wrong" => tag("00000000000000000000000000000000"),
            "/b/parts" => tag("00000000000000000000000000000000-2"),
            "/b/sealed" => {
                let way = ("x-amz-server-side-encryption", "aws:kms".to_owned());
                [tag("00000000000000000000000000000000"), vec![way]].concat()
            }
            _ => return (403, Vec::new(), Vec::new()),
        };
        (200, headers, b"content".to_vec())
    }))
    .await;
    let fixture = fixture(&[]);
    let place = Place::of(None, &fixture.context.downloads()).unwrap();
    let access = s3::Access { endpoint: Some(address.clone()), ..s3::Access::default() };
    for (name, good) in [("right", true), ("wrong", false), ("parts", true), ("sealed", true)] {
        let url = format!("{address}/b/{name}");
        let got = with_task(&fixture, async |task| s3::from(&access, &url, None, &place, task).await).await;
        assert_eq!(got.is_ok(), good, "{name}: {got:?}");
    }
}

#[tokio::test]
async fn a_proxy_gets_what_it_needs_and_no_more() {
    let (proxy, asked) = serve(Arc::new(|asked: &Asked| match asked.path.as_str() {
        "http://far.example/f" => (200, Vec::new(), b"content".to_vec()),
        _ => (407, Vec::new(), Vec::new()),
    }))
    .await;
    let mut fixture = fixture(&[]);
    let with_login = proxy.replace("http://", "http://ada:secret@");
    fixture.tools.downloads.proxies = proxy::Proxies::for_all(&with_login);
    let info = json!({ "url": "http://far.example/f", "allowInsecureDownload": true });
    assert_eq!(fixture.run_step(&step("HTTP", &info, None)).await.how, How::Done);
    let info = json!({ "url": "https://far.example/f" });
    let end = fixture.run_step(&step("HTTP", &info, None)).await;
    failed(&end, "the proxy 127.0.0.1 answered `HTTP/1.1 407 X`");
    assert!(!format!("{:?}", end.how).contains("secret"));
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].header("proxy-authorization"), Some("Basic YWRhOnNlY3JldA=="));
    assert_eq!(asked[1].path, "far.example:443");
    assert_eq!(asked[1].header("proxy-authorization"), Some("Basic YWRhOnNlY3JldA=="));
}
