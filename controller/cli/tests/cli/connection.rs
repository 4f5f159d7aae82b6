//! No controller, the wrong controller, the wrong certificate: one clear line each, and the exit code of its kind.

use fleetwright_cli::{Environment, Exit};

use crate::controller::{FakeController, Script};
use crate::fleet::{Fleet, Seat, environment, types};
use crate::pki::Authority;

#[tokio::test]
async fn nothing_configured() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml").to_str().unwrap().to_owned();
    let environment: Environment = [("FLEETWRIGHT_CONFIG".to_owned(), config)].into_iter().collect();
    types(environment, Seat::default(), "status").await.check(
        Exit::Unreachable,
        "",
        "error: no controller configured: start one with `fleetwright dev` or set FLEETWRIGHT_ADDR\n",
    );
}

#[tokio::test]
async fn nobody_listens() {
    let address = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let operator = Authority::new().operator();
    let environment = environment(&address, &operator);
    types(environment, Seat::default(), "status").await.check(
        Exit::Unreachable,
        "",
        &format!("error: nothing listens at {address}: is the controller running there?\n"),
    );
}

#[tokio::test]
async fn a_host_that_does_not_exist() {
    let operator = Authority::new().operator();
    let environment = environment("no-such-host.invalid:1", &operator);
    let ended = types(environment, Seat::default(), "status").await;
    assert_eq!(ended.exit, Exit::Unreachable);
    assert!(
        ended.stderr.starts_with("error: cannot find the host no-such-host.invalid: "),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_wrong_address_is_found_before_anything_is_asked() {
    let operator = Authority::new().operator();
    let environment = environment("fleet", &operator);
    types(environment, Seat::default(), "status").await.check(
        Exit::Usage,
        "",
        "error: `fleet` is not an address: write HOST:PORT, as in fleet.example.org:7443\n",
    );
}

#[tokio::test]
async fn the_controller_of_another_fleet() {
    let fleet = Fleet::start(Script::default()).await;
    let mine = Authority::new().operator();
    let address = fleet.controller.address.to_string();
    types(environment(&address, &mine), Seat::default(), "status").await.check(
        Exit::Unreachable,
        "",
        &format!(
            "error: the certificate of {address} is not signed by the authority in {}: this is another fleet's \
             controller, or the authority is an old one\n",
            mine.authority().display()
        ),
    );
}

#[tokio::test]
async fn the_operator_of_another_fleet() {
    let fleet = Fleet::start(Script::default()).await;
    let other = Authority::new().operator();
    // Its authority is right, its certificate is not.
    std::fs::copy(fleet.operator.authority(), other.authority()).unwrap();
    let address = fleet.controller.address.to_string();
    types(environment(&address, &other), Seat::default(), "status").await.check(
        Exit::Refused,
        "",
        &format!(
            "error: the controller at {address} does not accept your certificate {}: it was made by another \
             authority, perhaps another fleet's\n",
            other.certificate().display()
        ),
    );
}

#[tokio::test]
async fn the_controller_has_an_expired_certificate_or_another_name() {
    let authority = Authority::new();
    let operator = authority.operator();
    let ended = |controller: FakeController| {
        let environment = environment(&controller.address.to_string(), &operator);
        async move { (types(environment, Seat::default(), "status").await, controller.address) }
    };
    let expired = FakeController::start(authority.server_config("127.0.0.1", 2020), Script::default()).await;
    let (result, address) = ended(expired).await;
    result.check(
        Exit::Unreachable,
        "",
        &format!(
            "error: the certificate of the controller at {address} has expired or is not valid yet: are both clocks \
             right?\n"
        ),
    );
    let renamed =
        FakeController::start(authority.server_config("fleet.example.org", 4000), Script::default()).await;
    let (result, address) = ended(renamed).await;
    result.check(
        Exit::Unreachable,
        "",
        &format!(
            "error: the certificate of the controller is not made for the name in {address}: use a name or address \
             that it has\n"
        ),
    );
}

#[tokio::test]
async fn the_own_certificate_has_expired() {
    let operator = Authority::new().operator_until(2020);
    types(environment("127.0.0.1:1", &operator), Seat::default(), "status").await.check(
        Exit::Refused,
        "",
        &format!(
            "error: your certificate {} expired on 2020-01-01T00:00:00Z: ask for a new one\n",
            operator.certificate().display()
        ),
    );
}

#[tokio::test]
async fn files_that_are_missing_or_something_else() {
    let operator = Authority::new().operator();
    let environment = || environment("127.0.0.1:1", &operator);
    std::fs::write(operator.key(), "not a key").unwrap();
    types(environment(), Seat::default(), "status").await.check(
        Exit::Usage,
        "",
        &format!("error: {} holds no private key in PEM\n", operator.key().display()),
    );
    let other = Authority::new().operator();
    std::fs::copy(other.key(), operator.key()).unwrap();
    types(environment(), Seat::default(), "status").await.check(
        Exit::Usage,
        "",
        &format!(
            "error: the certificate {} and the key {} do not belong together\n",
            operator.certificate().display(),
            operator.key().display()
        ),
    );
    std::fs::remove_file(operator.authority()).unwrap();
    let ended = types(environment(), Seat::default(), "status").await;
    assert_eq!(ended.exit, Exit::Usage);
    let want = format!("error: cannot read {}: ", operator.authority().display());
    assert!(ended.stderr.starts_with(&want), "{}", ended.stderr);
}

#[tokio::test]
async fn something_that_speaks_no_tls() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"SSH-2.0-OpenSSH_10.0\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let operator = Authority::new().operator();
    types(environment(&address, &operator), Seat::default(), "status").await.check(
        Exit::Unreachable,
        "",
        &format!("error: {address} does not speak TLS: is this the port of a controller?\n"),
    );
}
