use super::*;
use crate::commands::limits::Limit;
use crate::commands::tests::command;

fn parse(url: &str, events: &[&str], about: &str) -> Result<Notify, String> {
    let events: Vec<_> = events.iter().map(|event| (*event).to_owned()).collect();
    Notify::parse(url, &events, about, PlainHttp::LoopbackOnly).map_err(|refusal| refusal.message)
}

#[test]
fn what_a_caller_wrote_is_checked() {
    use Event::*;
    let all = parse("https://ops.example/hook?team=1", &[], "").unwrap();
    assert_eq!((all.events, all.about), (Event::ALL.to_vec(), About::Command));
    let some = parse("http://127.0.0.1:8080/x", &["Failed", "InProgress", "Failed"], "Invocation").unwrap();
    assert_eq!((some.events, some.about), (vec![InProgress, Failed], About::Invocation));
    assert_eq!(parse("http://[::1]/x", &["Failed", "All"], "Command").unwrap().events, Event::ALL);
    let table = [
        ("http://ops.example/x", &[][..], "", "is plain http beyond this host"),
        ("https://ada:secret@ops.example/", &[], "", "holds a user name or password"),
        ("arn:aws:sns:eu-west-1:1:topic", &[], "", "https://HOST/PATH"),
        ("ftp://ops.example/", &[], "", "is neither https nor http"),
        ("/hook", &[], "", "https://HOST/PATH"),
        ("https://ops.example/", &["Done"], "", "`Done` is no event"),
        ("https://ops.example/", &[], "Step", "`Step` is no type"),
    ];
    for (url, events, about, words) in table {
        let refusal = parse(url, events, about).unwrap_err();
        assert!(refusal.contains(words) && !refusal.contains("secret"), "{url}: {refusal}");
    }
    let anywhere = Notify::parse("http://ops.example/x", &[], "", PlainHttp::Anywhere);
    assert!(anywhere.is_ok());
}

#[test]
fn states_tell_their_events() {
    use Event::*;
    let table: [(Status, bool, &[Event]); 6] = [
        (Status::Pending, false, &[]),
        (Status::InProgress, false, &[InProgress]),
        (Status::Cancelling, true, &[InProgress]),
        (Status::Success, true, &[InProgress, Success]),
        (Status::Cancelled, false, &[Cancelled]),
        (Status::TimedOut, true, &[InProgress, TimedOut]),
    ];
    for (status, worked, want) in table {
        assert_eq!(command_events(status, worked), want, "{status:?}");
    }
    assert_eq!(invocation_events(State::Delayed, false), []);
    assert_eq!(invocation_events(State::InProgress, true), [InProgress]);
    assert_eq!(invocation_events(State::Failed, true), [InProgress, Failed]);
    assert_eq!(invocation_events(State::TimedOut, false), [TimedOut]);
}

fn one(subject: &Subject) -> NoticeRecord {
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap();
    let command = command(1, Limit::Count(1), Limit::Count(0));
    notice(&id, &command, subject, Event::Failed, "Execution Timed Out", Timestamp::default())
}

#[test]
fn a_notice_says_what_happened_and_always_has_the_same_id() {
    let node = Subject::Node("mi-0123456789abcdef0".parse().unwrap());
    let notice = one(&node);
    assert_eq!(notice.id, one(&node).id);
    assert_ne!(notice.id, one(&Subject::Command).id);
    let body: serde_json::Value = serde_json::from_str(&notice.body).unwrap();
    let want = serde_json::json!({
        "type": "invocation.status",
        "timestamp": "1970-01-01T00:00:00Z",
        "data": {
            "commandId": "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "instanceId": "mi-0123456789abcdef0",
            "documentName": "AWS-RunShellScript",
            "status": "Failed",
            "statusDetails": "Execution Timed Out",
            "requestedDateTime": "1970-01-01T00:00:00Z",
        },
    });
    assert_eq!(body, want);
}

#[test]
fn attempts_become_rarer_until_they_are_given_up() {
    let (mut notice, mut now, mut waits) = (one(&Subject::Command), Timestamp::default(), Vec::new());
    while notice.state == NoticeState::Waiting {
        notice = attempted(notice, Attempt::Failed("the receiver answered 500".into()), now);
        waits.push(now.until(notice.next));
        now = notice.next;
    }
    assert_eq!(notice.state, NoticeState::GivenUp);
    assert_eq!(notice.problem.as_deref(), Some("the receiver answered 500"));
    assert!(waits[0] >= BACK_OFF_FIRST / 2 && waits[0] <= BACK_OFF_FIRST, "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= BACK_OFF_LAST), "{waits:?}");
    assert!((25..80).contains(&waits.len()), "{} attempts in a day", waits.len());
    assert_eq!(attempted(one(&Subject::Command), Attempt::Gone, now).state, NoticeState::GivenUp);
    let taken = attempted(one(&Subject::Command), Attempt::Taken, now);
    assert_eq!((taken.state, taken.problem), (NoticeState::Delivered, None));
}
