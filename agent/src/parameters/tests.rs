//! What is held, with a controller whose words the tests put in; the sealed file; the endpoints over real sockets.

use std::sync::Arc;

use fleetwright_platform::fake::FakePlatform;
use fleetwright_platform::local::Audience;
use fleetwright_platform::{SharedPlatform, local};
use fleetwright_proto::agent::{ParameterNames, ParameterUnchanged, ParameterValue};
use fleetwright_proto::clock::{ManualClock, SystemClock};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::endpoint::Endpoint;
use super::sealed::{SealedFile, Written};
use super::settings::{LoopbackSettings, SocketSettings};
use super::*;
use crate::identity::{HostKey, Identity};

const HOUR: Duration = Duration::from_secs(3600);

fn clock() -> ManualClock {
    ManualClock::starting_at(Timestamp::from_millis(1_790_000_000_000))
}

fn held_by(clock: &ManualClock) -> Parameters {
    Parameters::new(CacheLimits::default(), Arc::new(clock.clone()))
}

fn query(text: &str) -> Query {
    Query::value(text, Decryption::Yes).unwrap()
}

fn state(query: &Query, said: Said) -> ParameterState {
    ParameterState { query: Some(query.to_wire()), state: Some(said) }
}

fn value(query: &Query, text: &str, version: u64, kind: &str) -> ParameterState {
    let said = Said::Value(ParameterValue {
        token: vec![u8::try_from(version).unwrap()].into(),
        name: query.to_string(),
        r#type: kind.to_owned(),
        value: text.to_owned(),
        version,
        data_type: "text".to_owned(),
        ..ParameterValue::default()
    });
    state(query, said)
}

fn refused(query: &Query, code: &str, later: bool) -> ParameterState {
    let said = ParameterRefused { code: code.to_owned(), message: format!("{code} of {query}"), later };
    state(query, Said::Refused(said))
}

fn tell(parameters: &Parameters, states: Vec<ParameterState>) {
    parameters.told(ParameterStates { states });
}

fn text(answer: Answer) -> String {
    match answer {
        Ok(Given::Value(value)) => format!("{}:{}", value.text, value.version),
        Ok(Given::Names(names)) => names.join(","),
        Err(error) => error.to_string(),
    }
}

/// Asks, checks what the controller is asked, and answers in its place.
async fn ask(parameters: &Parameters, query: &Query, answer: ParameterState) -> String {
    let controller = async {
        parameters.changed().await;
        let asked: Vec<_> = parameters.to_send().into_iter().flat_map(|message| message.wanted).collect();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].query, Some(query.to_wire()));
        tell(parameters, vec![answer]);
    };
    text(tokio::join!(parameters.get(query), controller).0)
}

#[tokio::test]
async fn a_parameter_is_asked_for_once_and_given_from_memory_afterwards() {
    let parameters = held_by(&clock());
    let (secret, plain) = (query("/a"), Query::value("/a", Decryption::No).unwrap());
    parameters.disconnected();
    assert!(text(parameters.get(&secret).await).contains("the controller cannot be reached"));
    assert!(parameters.connected().is_empty(), "nothing is held, and nothing is said");
    assert_eq!(ask(&parameters, &secret, value(&secret, "x", 1, "SecureString")).await, "x:1");
    assert_eq!(text(parameters.get(&secret).await), "x:1");
    assert_eq!(ask(&parameters, &plain, value(&plain, "cipher", 1, "SecureString")).await, "cipher:1");
    let other = query("/b");
    assert_eq!(ask(&parameters, &other, value(&other, "y", 2, "String")).await, "y:2");
    let undecrypted = Query::value("/b", Decryption::No).unwrap();
    assert_eq!(text(parameters.get(&undecrypted).await), "y:2", "it is no secret either way");
    tell(&parameters, vec![value(&secret, "z", 2, "SecureString")]);
    assert_eq!(text(parameters.get(&secret).await), "z:2");
    tell(&parameters, vec![refused(&secret, "ParameterNotFound", false)]);
    assert_eq!(parameters.held(&secret), None);
    assert_eq!(
        ask(&parameters, &secret, refused(&secret, "AccessDeniedException", false)).await,
        "AccessDeniedException of /a"
    );
    assert_eq!(parameters.used().0, 2, "what is refused is not held");
}

#[tokio::test]
async fn whoever_asks_while_the_agent_starts_waits_for_its_first_try_to_connect() {
    let parameters = held_by(&clock());
    let query = query("/a");
    let welcome = async {
        let said = parameters.connected();
        assert_eq!(said.len(), 1);
        assert!(said[0].whole && said[0].wanted[0].query == Some(query.to_wire()));
        assert!(parameters.to_send().is_empty(), "it is said once");
        tell(&parameters, vec![value(&query, "x", 1, "String")]);
    };
    assert_eq!(text(tokio::join!(parameters.get(&query), welcome).0), "x:1");
    let parameters = held_by(&clock());
    let refused = async { parameters.disconnected() };
    let (answer, ()) = tokio::join!(parameters.get(&query), refused);
    assert!(text(answer).contains("the controller cannot be reached"));
}

#[tokio::test]
async fn what_nobody_asked_for_is_not_held() {
    let parameters = held_by(&clock());
    parameters.connected();
    tell(
        &parameters,
        vec![
            value(&query("/a"), "x", 1, "String"),
            state(&query("/b"), Said::Unchanged(ParameterUnchanged {})),
        ],
    );
    tell(&parameters, vec![ParameterState::default()]);
    assert_eq!(parameters.used().0, 0);
    assert!(parameters.to_send().is_empty());
}

#[tokio::test]
async fn whoever_waits_hears_that_the_link_ended() {
    let parameters = held_by(&clock());
    parameters.connected();
    let query = query("/a");
    let cut = async {
        parameters.changed().await;
        parameters.disconnected();
    };
    let (answer, ()) = tokio::join!(parameters.get(&query), cut);
    assert!(text(answer).contains("the controller cannot be reached"));
    assert!(parameters.to_send().is_empty(), "it is not asked for by itself later");
}

#[tokio::test]
async fn without_the_controller_reads_go_on_until_the_lease_is_over() {
    let clock = clock();
    let parameters = held_by(&clock);
    parameters.connected();
    let query = query("/a");
    ask(&parameters, &query, value(&query, "x", 1, "String")).await;
    clock.advance(10 * HOUR);
    parameters.heard();
    parameters.disconnected();
    clock.advance(24 * HOUR);
    assert_eq!(text(parameters.get(&query).await), "x:1");
    clock.advance(HOUR);
    let error = text(parameters.get(&query).await);
    assert!(
        error.contains("the lease of parameter /a is over") && error.contains("confirmed it last at 2026-"),
        "{error}"
    );
    // Back again: the controller is told what is held, and a reader waits for its word.
    let said = parameters.connected();
    assert!(said[0].whole && said[0].wanted[0].query == Some(query.to_wire()));
    let told = async { tell(&parameters, vec![value(&query, "y", 2, "String")]) };
    assert_eq!(text(tokio::join!(parameters.get(&query), told).0), "y:2");
}

#[tokio::test]
async fn after_a_reconnect_each_is_held_when_the_controller_has_said_so() {
    let clock = clock();
    let parameters = held_by(&clock);
    parameters.connected();
    let names = ["/a", "/b", "/c", "/d"].map(query);
    for query in &names {
        ask(&parameters, query, value(query, "x", 1, "String")).await;
    }
    parameters.disconnected();
    clock.advance(20 * HOUR);
    assert_eq!(parameters.connected().iter().map(|message| message.wanted.len()).sum::<usize>(), 4);
    let [a, b, c, d] = &names;
    tell(
        &parameters,
        vec![
            state(a, Said::Unchanged(ParameterUnchanged {})),
            value(b, "y", 2, "String"),
            refused(c, "x", false),
            refused(d, "x", true),
        ],
    );
    clock.advance(5 * HOUR);
    parameters.heard();
    assert_eq!(text(parameters.get(a).await), "x:1");
    assert_eq!(text(parameters.get(b).await), "y:2");
    assert_eq!(parameters.held(c), None);
    assert_eq!(parameters.held(d), None, "25 hours after the last word on it");
}

#[tokio::test]
async fn below_a_path_the_values_are_fetched_along() {
    let parameters = held_by(&clock());
    parameters.connected();
    let path = Query::below("/app").unwrap();
    let names = Said::Names(ParameterNames {
        token: vec![1].into(),
        names: vec!["/app/a".to_owned(), "/app/b".to_owned()],
    });
    assert_eq!(ask(&parameters, &path, state(&path, names)).await, "/app/a,/app/b");
    let wanted: Vec<_> = parameters.to_send().into_iter().flat_map(|message| message.wanted).collect();
    assert_eq!(wanted.len(), 2);
    tell(&parameters, vec![value(&query("/app/a"), "x", 1, "SecureString")]);
    assert_eq!(text(parameters.get(&query("/app/a")).await), "x:1");
}

#[tokio::test]
async fn what_goes_for_something_newer_is_released() {
    let limits = CacheLimits { entries: 2, ..CacheLimits::default() };
    let parameters = Parameters::new(limits, Arc::new(clock()));
    parameters.connected();
    for name in ["/a", "/b", "/c"] {
        let query = query(name);
        ask(&parameters, &query, value(&query, "x", 1, "String")).await;
    }
    let released: Vec<_> = parameters.to_send().into_iter().flat_map(|message| message.released).collect();
    assert_eq!(released, [query("/a").to_wire()]);
}

fn identity(key: &HostKey, node: &str) -> Identity {
    Identity {
        node_id: node.parse().unwrap(),
        controller: "localhost:7443".parse().unwrap(),
        key: key.clone(),
        certificate: CertificateDer::from(Vec::new()),
        authority: CertificateDer::from(Vec::new()),
    }
}

fn platform() -> SharedPlatform {
    Arc::new(FakePlatform::numbered(1, Arc::new(SystemClock)))
}

#[tokio::test]
async fn a_copied_file_is_of_no_use_without_the_key_of_the_host() {
    const NODE: &str = "mi-0123456789abcdef0";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parameters");
    let (key, other) = (HostKey::generate().unwrap(), HostKey::generate().unwrap());
    let of = |key: &HostKey, node: &str| SealedFile::of(&identity(key, node), path.clone(), platform());
    let own = of(&key, NODE);
    assert!(own.read().unwrap().is_none());
    let parameters = held_by(&clock());
    parameters.connected();
    let query = query("/a");
    ask(&parameters, &query, value(&query, "hunter2-hunter2", 1, "SecureString")).await;
    let written = Written { at_ms: Timestamp::from_millis(7), entries: parameters.lock().cache.written() };
    own.write(&written).unwrap();
    assert_eq!(own.read().unwrap().unwrap(), written);
    let bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
    for (key, node) in [(&other, NODE), (&key, "mi-0123456789abcdef1")] {
        let error = of(key, node).read().unwrap_err();
        assert!(error.to_string().contains("was not sealed with the key of this host"), "{error}");
    }
    for at in [0, MAGIC_AND_MORE, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert!(own.read().is_err(), "byte {at}");
    }
    std::fs::write(&path, b"short").unwrap();
    assert!(own.read().is_err());
    // An agent that finds such a file holds nothing, and goes on.
    let (parameters, _keeper) = Keeper::open(
        path.clone(),
        &identity(&key, NODE),
        CacheLimits::default(),
        platform(),
        Arc::new(clock()),
    );
    assert_eq!(parameters.used().0, 0);
}

const MAGIC_AND_MORE: usize = 9;

/// An endpoint on a socket or on the loopback address, which holds one secret.
struct Open {
    task: JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn with_secret() -> Endpoint {
    let parameters = Arc::new(held_by(&clock()));
    parameters.connected();
    let query = query("/a");
    ask(&parameters, &query, value(&query, "x", 1, "SecureString")).await;
    parameters.disconnected();
    Endpoint { parameters, platform: platform(), clock: Arc::new(SystemClock) }
}

/// What comes back for bytes, until the other side hangs up or falls silent for good.
async fn talk<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    mut stream: S,
    request: &str,
) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer));
    drop(read.await.expect("an answer and an end"));
    String::from_utf8_lossy(&answer).into_owned()
}

async fn connected<S>(connect: &impl AsyncFn() -> std::io::Result<S>) -> S {
    let found = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            if let Ok(stream) = connect().await {
                return stream;
            }
            tokio::task::yield_now().await;
        }
    });
    found.await.expect("the endpoint opens")
}

#[tokio::test]
async fn the_socket_answers_whom_the_system_lets_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = local::address(folder.path(), false);
    let settings = SocketSettings { path: path.clone(), audience: Audience::Nobody, connections: 4 };
    let open = Open { task: tokio::spawn(with_secret().await.serve_socket(settings)), folder };
    let connect = async || local::connect(&path).await;
    let get = "GET /systemsmanager/parameters/get?name=%2Fa&withDecryption=true HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = talk(connected(&connect).await, get).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""Value":"x""#), "{answer}");
    let mut client = client::Client::connect(&path).await.unwrap();
    let found = client.get("/a", Decryption::Yes).await.unwrap();
    assert!(found.value == "x" && found.is_secret && found.json["Parameter"]["Version"] == 1);
    let away = client.get("/b", Decryption::No).await.unwrap_err();
    assert!(matches!(away, client::ClientError::Unavailable(_)), "{away}");
    let away = client.below("/b").await.unwrap_err();
    assert!(matches!(away, client::ClientError::Unavailable(_)), "{away}");
    drop(client);
    // Where the system tells whose they are, one account has no more than half of the places.
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(connected(&connect).await);
    }
    let answer = talk(connected(&connect).await, "").await;
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    drop(taken);
    let again = tokio::time::timeout(Duration::from_secs(10), async {
        while !talk(connected(&connect).await, get).await.starts_with("HTTP/1.1 200") {}
    });
    again.await.expect("a place is free again");
    let huge = format!("GET /?{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(20_000));
    let answer = talk(connected(&connect).await, &huge).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    let nobody = client::Client::connect(&open.folder.path().join("other.sock")).await.unwrap_err();
    assert!(nobody.to_string().contains("is it running"), "{nobody}");
}

#[tokio::test]
async fn the_loopback_address_answers_as_the_aws_extension_does() {
    let folder = tempfile::tempdir().unwrap();
    let (port, token_file) = (free_port(), folder.path().join("token"));
    let settings =
        LoopbackSettings { port, token_file: token_file.clone(), audience: Audience::Nobody, connections: 8 };
    let _open = Open { task: tokio::spawn(with_secret().await.serve_loopback(settings)), folder };
    let connect = async || TcpStream::connect(("127.0.0.1", port)).await;
    drop(connected(&connect).await);
    let token = std::fs::read_to_string(&token_file).unwrap();
    let ask = async |path: &str, headers: &str| {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\n{headers}connection: close\r\n\r\n");
        talk(connected(&connect).await, &request).await
    };
    let get = "/systemsmanager/parameters/get?name=/a&withDecryption=true";
    let shown = format!("X-Aws-Parameters-Secrets-Token: {token}\r\n");
    let answer = ask(get, &shown).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""ResultMetadata":{}"#), "{answer}");
    for (path, headers, status) in [
        ("/ping", "", "200"),
        (get, "", "403"),
        (get, "X-Aws-Parameters-Secrets-Token: another\r\n", "403"),
        (get, &format!("{shown}X-Forwarded-For: 192.0.2.1\r\n"), "400"),
        ("/other", &shown, "404"),
        ("/systemsmanager/parameters/get", &shown, "400"),
        ("/systemsmanager/parameters/get?name=/b", &shown, "503"),
    ] {
        let answer = ask(path, headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} {headers}: {answer}");
        assert!(!answer.contains(&token), "{answer}");
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
