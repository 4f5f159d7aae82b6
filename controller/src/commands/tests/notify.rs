//! Notifications, from the rows of a command to a receiver on this host that fails, hangs and answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleetwright_proto::clock::{ManualClock, Timestamp};
use fleetwright_proto::ids::CommandId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::kept::{finish, wish, with_node};
use crate::commands::explain;
use crate::commands::notify::receiver::Sender;
use crate::commands::notify::sign::Secret;
use crate::commands::notify::{NoticeRecord, NoticeState, outbox};
use crate::commands::send::{NotifyWish, Wish, send};
use crate::commands::tally::Verdict;
use crate::house::House;
use crate::tables::{NOTICE, NOTICE_OPEN};
use crate::tests::test_house;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// How a receiver treats one connection.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Answers(&'static str),
    BreaksOff,
    Hangs,
}

struct Receiver {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// Each connection is treated in the next manner, the last of them for ever.
    async fn start(manners: &'static [Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        tokio::spawn(async move {
            let mut held = Vec::new();
            for at in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                kept.lock().unwrap().push(request);
                match manners[at.min(manners.len() - 1)] {
                    Manner::Answers(head) => {
                        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n");
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                    Manner::BreaksOff => drop(stream),
                    Manner::Hangs => held.push(stream),
                }
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).await.unwrap();
        read.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            header(head, "content-length").parse().is_ok_and(|length: usize| body.len() >= length)
        });
        if whole || length == 0 {
            return text;
        }
    }
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let line = request.lines().find_map(|line| line.split_once(": ").filter(|(found, _)| *found == name));
    line.map_or("", |(_, value)| value)
}

async fn failed_command(house: &House, url: &str) -> CommandId {
    let notify = NotifyWish { url: url.to_owned(), events: vec!["Failed".to_owned()], about: String::new() };
    let (id, _) = send(house, Wish { notify: Some(notify), ..wish("true") }).await.unwrap();
    finish(house, &id, Verdict::Failed { errors: 1, limit: 0 }).await;
    id
}

async fn notice(house: &House, id: &CommandId) -> Option<NoticeRecord> {
    let key = (id.clone(), "command Failed".to_owned());
    NOTICE.get(&*house.store, &key).await.unwrap().map(|row| row.value)
}

async fn until(house: &House, id: &CommandId, reached: impl Fn(&NoticeRecord) -> bool) -> NoticeRecord {
    let waiting = async {
        loop {
            match notice(house, id).await {
                Some(notice) if reached(&notice) => return notice,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    match found {
        Ok(notice) => notice,
        Err(_) => panic!("still {:?}", notice(house, id).await),
    }
}

fn start_outbox(house: &Arc<House>, clock: &ManualClock) {
    let sender = Sender::new(Secret::parse(SECRET).unwrap(), Arc::new(clock.clone()));
    tokio::spawn(outbox::run(house.clone(), sender));
}

#[tokio::test]
async fn a_notice_is_sent_under_one_id_until_it_is_taken() {
    let made = test_house();
    let (house, clock) = (Arc::new(made.house), made.clock);
    with_node(&house).await;
    let receiver = Receiver::start(&[
        Manner::Answers("500 Oh"),
        Manner::Answers("302 Elsewhere"),
        Manner::BreaksOff,
        Manner::Answers("204 Thanks"),
    ])
    .await;
    // The command has ended before anybody looks: what a controller that was killed finds when it starts again.
    let id = failed_command(&house, &receiver.url).await;
    start_outbox(&house, &clock);
    for (attempts, problem) in [(1, "answered 500"), (2, "redirects are not followed"), (3, "receiver")] {
        let tried = until(&house, &id, |notice| notice.attempts == attempts).await;
        assert_eq!(tried.state, NoticeState::Waiting);
        assert!(tried.problem.as_ref().is_some_and(|text| text.contains(problem)), "{tried:?}");
        clock.advance(Duration::from_secs(30));
    }
    let taken = until(&house, &id, |notice| notice.state == NoticeState::Delivered).await;
    let requests = receiver.requests();
    assert_eq!((requests.len(), taken.attempts), (4, 4));
    let secret = Secret::parse(SECRET).unwrap();
    for request in &requests {
        assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
        assert!(request.ends_with(&taken.body), "{request}");
        assert_eq!(header(request, "webhook-id"), taken.id);
        let seconds: i64 = header(request, "webhook-timestamp").parse().unwrap();
        let moment = Timestamp::from_millis(seconds * 1000);
        let want = secret.headers(&taken.id, moment, &taken.body);
        assert_eq!(header(request, "webhook-signature"), want[2].1);
    }
    let told = explain::command(&house, &id).await.unwrap();
    let told = told.facts.iter().find(|fact| fact.name == "notifications").unwrap();
    assert_eq!(told.value, "to 127.0.0.1: 1 delivered, 0 waiting, 0 given up");
    let open = async || NOTICE_OPEN.get(&*house.store, &id).await.unwrap().is_some();
    let let_go = async {
        while open().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), let_go).await.expect("the command is let go");
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_nobody_up() {
    let made = test_house();
    let (house, clock) = (Arc::new(made.house), made.clock);
    with_node(&house).await;
    let slow = Receiver::start(&[Manner::Hangs]).await;
    let quick = Receiver::start(&[Manner::Answers("200 OK")]).await;
    let mut stuck = Vec::new();
    for _ in 0..6 {
        stuck.push(failed_command(&house, &slow.url).await);
    }
    let id = failed_command(&house, &quick.url).await;
    start_outbox(&house, &clock);
    until(&house, &id, |notice| notice.state == NoticeState::Delivered).await;
    let reached = async {
        while slow.requests().len() < 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("four reach the slow receiver");
    clock.advance(Duration::from_secs(11));
    let mut tried = 0;
    for id in &stuck {
        let notice = until(&house, id, |_| true).await;
        tried += notice.attempts;
    }
    assert!(tried <= 4, "no more than four at a time go to one receiver");
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_told_by_why() {
    let made = test_house();
    let (house, clock) = (Arc::new(made.house), made.clock);
    with_node(&house).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let id = failed_command(&house, &format!("http://{nobody}/")).await;
    start_outbox(&house, &clock);
    until(&house, &id, |notice| notice.attempts == 1).await;
    let told = explain::command(&house, &id).await.unwrap();
    let told: Vec<_> = told.facts.iter().filter(|fact| fact.name.starts_with("notification")).collect();
    assert_eq!(told[0].value, "to 127.0.0.1: 0 delivered, 1 waiting, 0 given up");
    assert!(told[1].value.contains("cannot reach the receiver"), "{told:?}");
}
