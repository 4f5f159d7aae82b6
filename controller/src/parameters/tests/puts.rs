//! Making, overwriting, labelling, deleting, and what policies do.

use std::time::Duration;

use fleetwright_store::Batch;

use super::super::delete::{self, Deleted};
use super::super::fault::Fault;
use super::super::history::history;
use super::super::kinds::{ParameterType, Tier};
use super::super::labels::{label, unlabel};
use super::super::policies::PolicyStatus;
use super::super::put::{self, Overwrite, PutWish};
use super::super::read::{self, Decryption};
use super::super::{expire, list, tags};
use super::{check, get, over, put_ok, value, wish};
use crate::access::Principal;
use crate::error::Kind;
use crate::meters::PolicyEvent;
use crate::nodes::records::Tags;
use crate::tables::{AUDIT_PENDING, PARAMETER, PARAMETER_LABEL, PARAMETER_TAGS, PARAMETER_VERSION};
use crate::tests::{TestHouse, test_house};

fn secret(name: &str, value: &str) -> PutWish {
    PutWish::new(name, value, ParameterType::SecureString, "ada")
}

#[tokio::test]
async fn a_parameter_is_made_read_overwritten_and_deleted() {
    let TestHouse { house, clock, _folder } = test_house();
    let made = put_ok(&house, PutWish { description: Some("first".into()), ..wish("/app/db", "one") }).await;
    assert_eq!((made.version, made.tier), (1, Tier::Standard));
    let found = get(&house, "/app/db").await.unwrap();
    assert_eq!((found.name.as_str(), found.data_type.as_str(), found.selector), ("/app/db", "text", None));
    check(
        put::put(&house, wish("/app/db", "two")).await,
        Fault::ParameterAlreadyExists,
        "set the overwrite option in the request to true",
    );
    clock.advance(Duration::from_secs(5));
    assert_eq!(put_ok(&house, over("/app/db", "two")).await.version, 2);
    let found = get(&house, "/app/db").await.unwrap();
    assert_eq!((found.value.expose(), found.version, found.modified), ("two", 2, house.clock.now()));
    let before = get(&house, "/app/db:1").await.unwrap();
    assert_eq!((before.value.expose(), before.selector.as_deref()), ("one", Some(":1")));
    check(get(&house, "/app/db:3").await, Fault::ParameterVersionNotFound, "find version 3 of /app/db.");
    check(get(&house, "/app/db:prod").await, Fault::ParameterVersionNotFound, "find label prod");
    check(get(&house, "/app/no:2").await, Fault::ParameterNotFound, "Parameter /app/no:2 not found.");
    let described = list::describe(&house, &[], None, 10).await.unwrap().items;
    assert_eq!(described[0].description.as_deref(), Some("first"), "what is not said stays");
    delete::delete(&house, "/app/db", None).await.unwrap();
    check(
        delete::delete(&house, "/app/db", None).await,
        Fault::ParameterNotFound,
        "Parameter /app/db not found.",
    );
    assert_eq!(put_ok(&house, wish("/app/db", "new")).await.version, 1);
    check(get(&house, "/app/db:2").await, Fault::ParameterVersionNotFound, "version 2");
}

#[tokio::test]
async fn a_name_with_and_without_its_slash_is_one_parameter() {
    let TestHouse { house, _folder, .. } = test_house();
    put_ok(&house, wish("db", "x")).await;
    for (asked, answered) in [
        ("db", "db"),
        ("/db", "/db"),
        (" db ", "db"),
        ("arn:aws:ssm:us-east-1:123456789012:parameter/db", "db"),
    ] {
        let found = get(&house, asked).await.unwrap();
        assert_eq!((found.name.as_str(), found.key.as_str()), (answered, "/db"), "{asked}");
    }
    check(put::put(&house, wish("/db", "y")).await, Fault::ParameterAlreadyExists, "");
}

#[tokio::test]
async fn what_is_refused() {
    let TestHouse { house, _folder, .. } = test_house();
    put_ok(&house, wish("there", "x")).await;
    let typed = |text: Option<&str>| PutWish { parameter_type: text.map(str::to_owned), ..wish("new", "v") };
    let tag = Tags::from([("a".to_owned(), "b".to_owned())]);
    for (wish, fault, part) in [
        (wish("new", ""), Fault::Validation, "Value '' at 'value' failed"),
        (typed(None), Fault::Validation, "A parameter type is required when you create a parameter."),
        (typed(Some("str")), Fault::Validation, "Value 'str' at 'type' failed to satisfy constraint"),
        (PutWish { tier: Some("Gold".into()), ..wish("new", "v") }, Fault::Validation, "'tier'"),
        (
            PutWish { tags: tag, ..over("there", "v") },
            Fault::Validation,
            "tags and overwrite can't be used together",
        ),
        (
            PutWish { parameter_type: Some("StringList".into()), ..over("there", "v") },
            Fault::HierarchyTypeMismatch,
            "is a String and cannot become a StringList",
        ),
        (wish("new", "{{ssm:other}}"), Fault::Validation, "can't nest another parameter"),
        (wish("new", &"x".repeat(4097)), Fault::Validation, "4096 characters"),
        (
            PutWish { data_type: Some("not_text".into()), ..wish("new", "v") },
            Fault::Validation,
            "The following data type is not supported: not_text (Data type names are all lowercase.)",
        ),
        (
            PutWish { allowed_pattern: Some("[".into()), ..wish("new", "v") },
            Fault::InvalidAllowedPattern,
            "allowedPattern [",
        ),
        (
            PutWish { allowed_pattern: Some(r"^\d+$".into()), ..wish("new", "hunter2") },
            Fault::ParameterPatternMismatch,
            "cannot be validated against allowedPattern",
        ),
        (
            PutWish { description: Some("d".repeat(1025)), ..wish("new", "v") },
            Fault::Validation,
            "'description'",
        ),
        (PutWish { key_id: Some("ü".into()), ..secret("new", "v") }, Fault::InvalidKeyId, "name of a key"),
        (
            PutWish { policies: Some("[]".into()), tier: Some("Bronze".into()), ..wish("new", "") },
            Fault::Validation,
            "2 validation errors detected",
        ),
    ] {
        check(put::put(&house, wish).await, fault, part);
    }
    assert!(get(&house, "new").await.is_err(), "nothing of it was written");
}

#[tokio::test]
async fn a_pattern_stays_and_holds_for_later_values() {
    let TestHouse { house, _folder, .. } = test_house();
    put_ok(&house, PutWish { allowed_pattern: Some(r"\d+".into()), ..wish("n", "1") }).await;
    check(put::put(&house, over("n", "x")).await, Fault::ParameterPatternMismatch, r"\d+");
    put_ok(&house, PutWish { allowed_pattern: Some(String::new()), ..over("n", "x") }).await;
    assert_eq!(value(&house, "n").await, "x");
}

#[tokio::test]
async fn limits_are_settings() {
    let TestHouse { mut house, _folder, .. } = test_house();
    house.limits.parameters.standard = 2;
    house.limits.parameters.advanced = 1;
    put_ok(&house, wish("a", "1")).await;
    put_ok(&house, wish("b", "1")).await;
    check(put::put(&house, wish("c", "1")).await, Fault::ParameterLimitExceeded, "parameters.standard_max");
    let wishing = |tier: &str| PutWish { tier: Some(tier.into()), ..wish("c", "1") };
    assert_eq!(put_ok(&house, wishing("Intelligent-Tiering")).await.tier, Tier::Advanced);
    let fourth = PutWish { tier: Some("Advanced".into()), ..wish("d", "1") };
    check(put::put(&house, fourth).await, Fault::ParameterLimitExceeded, "parameters.advanced_max");
    put_ok(&house, over("a", "2")).await;
}

#[tokio::test]
async fn a_hundred_versions_are_kept_and_a_label_protects_the_oldest() {
    let TestHouse { house, _folder, .. } = test_house();
    put_ok(&house, wish("v", "value-1")).await;
    for number in 2..=101_u64 {
        assert_eq!(put_ok(&house, over("v", &format!("value-{number}"))).await.version, number);
    }
    check(get(&house, "v:1").await, Fault::ParameterVersionNotFound, "version 1 of v");
    assert_eq!(value(&house, "v:2").await, "value-2");
    label(&house, "v", Some(2), &["keep".to_owned()], None).await.unwrap();
    check(
        put::put(&house, over("v", "x")).await,
        Fault::ParameterMaxVersionLimitExceeded,
        "Version 2, the oldest version, can't be deleted because it has a label",
    );
    label(&house, "v", None, &["keep".to_owned()], None).await.unwrap();
    assert_eq!(put_ok(&house, over("v", "x")).await.version, 102);
    assert_eq!(value(&house, "v:keep").await, "value-101");
    // Pages whose size changes meanwhile.
    let (mut seen, mut after, mut limit) = (Vec::new(), None, 50);
    loop {
        let (entries, next) = history(&house, "v", Decryption::No, after, limit).await.unwrap();
        seen.extend(entries.iter().map(|entry| entry.version));
        (after, limit) = (next, 7);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (3..=102).collect::<Vec<_>>());
    delete::delete(&house, "v", None).await.unwrap();
    assert!(house.store.scan(b"parameter", None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn labels_move_are_counted_and_bad_ones_are_told() {
    let TestHouse { house, _folder, .. } = test_house();
    let labels = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    put_ok(&house, wish("l", "one")).await;
    put_ok(&house, over("l", "two")).await;
    let done = label(&house, "l", None, &labels(&["b", "a", "b", "awsx", "9x", "a/b"]), None).await.unwrap();
    assert_eq!((done.version, done.invalid), (2, labels(&["awsx", "9x", "a/b"])));
    assert_eq!(value(&house, "l:a").await, "two");
    label(&house, "l", Some(1), &labels(&["a"]), None).await.unwrap();
    assert_eq!(value(&house, "l:a").await, "one");
    label(&house, "l", Some(1), &labels(&["a"]), None).await.unwrap();
    let (entries, _) = history(&house, "l", Decryption::No, None, 50).await.unwrap();
    let found: Vec<_> = entries.into_iter().map(|entry| entry.labels).collect();
    assert_eq!(found, [labels(&["a"]), labels(&["b"])]);
    let nine: Vec<_> = (0..9).map(|number| format!("x{number}")).collect();
    label(&house, "l", Some(2), &nine, None).await.unwrap();
    check(
        label(&house, "l", Some(2), &labels(&["eleventh"]), None).await,
        Fault::ParameterVersionLabelLimitExceeded,
        "can have maximum 10 labels",
    );
    label(&house, "l", Some(2), &labels(&["b", "x0"]), None).await.unwrap();
    check(
        label(&house, "none", None, &labels(&["a"]), None).await,
        Fault::ParameterNotFound,
        "Parameter none not",
    );
    check(
        label(&house, "l", Some(5), &labels(&["a"]), None).await,
        Fault::ParameterVersionNotFound,
        "version 5 of l",
    );
    check(label(&house, "l", None, &labels(&[&"a".repeat(101)]), None).await, Fault::Validation, "'labels'");
    let gone = unlabel(&house, "l", 2, &labels(&["b", "a", "nobody", "b"]), None).await.unwrap();
    assert_eq!((gone.removed, gone.invalid), (labels(&["b"]), labels(&["a", "nobody", "b"])));
    check(get(&house, "l:b").await, Fault::ParameterVersionNotFound, "label b");
    label(&house, "l", Some(2), &labels(&["tenth"]), None).await.unwrap();
    check(unlabel(&house, "l", 9, &labels(&["b"]), None).await, Fault::ParameterVersionNotFound, "version 9");
}

#[tokio::test]
async fn several_at_once() {
    let TestHouse { house, _folder, .. } = test_house();
    put_ok(&house, wish("a", "1")).await;
    put_ok(&house, over("a", "2")).await;
    put_ok(&house, wish("b", "3")).await;
    let names = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let asked = names(&["a:1", "none", "b", "a:9", "a", "b", "a:label"]);
    let many = read::get_many(&house, &asked, Decryption::No).await.unwrap();
    let found: Vec<_> = many.parameters.iter().map(|found| (found.name.as_str(), found.version)).collect();
    assert_eq!(found, [("a", 1), ("b", 1), ("a", 2)]);
    assert_eq!(many.invalid, names(&["none", "a:9", "a:label"]));
    let eleven = names(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]);
    let words = "Value '[a, b, c, d, e, f, g, h, i, j, k]' at 'names' failed to satisfy constraint: Member must have \
                 length less than or equal to 10.";
    check(read::get_many(&house, &eleven, Decryption::No).await, Fault::Validation, words);
    let flood = vec!["name".to_owned(); 100_000];
    let refused = read::get_many(&house, &flood, Decryption::No).await.unwrap_err();
    assert!(refused.message.len() < 2_200, "{}", refused.message.len());
    check(read::get_many(&house, &[], Decryption::No).await, Fault::Validation, "greater than or equal to 1");
    let gone = delete::delete_many(&house, &names(&["a", "none", "a"]), None).await.unwrap();
    assert_eq!(gone, Deleted { deleted: names(&["a"]), invalid: names(&["none"]) });
}

#[tokio::test]
async fn a_secret_is_sealed_for_its_place_and_never_in_the_store() {
    let TestHouse { house, _folder, .. } = test_house();
    put_ok(&house, secret("/a/password", "hunter2-hunter2")).await;
    put_ok(
        &house,
        PutWish { key_id: Some("alias/payments".into()), ..secret("/a/other", "hunter2-hunter2") },
    )
    .await;
    put_ok(&house, PutWish { overwrite: Overwrite::Yes, ..secret("/a/password", "hunter3-hunter3") }).await;
    assert_eq!(value(&house, "/a/password").await, "hunter3-hunter3");
    assert_eq!(value(&house, "/a/password:1").await, "hunter2-hunter2");
    let sealed = read::get(&house, "/a/password", Decryption::No).await.unwrap();
    assert_eq!(sealed.key_id.as_deref(), Some("alias/aws/ssm"));
    assert!(!sealed.value.expose().contains("hunter"));
    for entry in house.store.scan(b"", None, 1000).await.unwrap() {
        assert!(!entry.value.windows(6).any(|part| part == b"hunter"), "{}", entry.key.escape_ascii());
    }
    // A value that stands somewhere else does not open there.
    let password = PARAMETER.get(&*house.store, &"/a/password".parse().unwrap()).await.unwrap().unwrap();
    let mut other = PARAMETER.get(&*house.store, &"/a/other".parse().unwrap()).await.unwrap().unwrap();
    other.value.latest = password.value.latest;
    let mut batch = Batch::new();
    PARAMETER.replace(&mut batch, &other).unwrap();
    house.store.commit(batch).await.unwrap();
    let moved = get(&house, "/a/other").await.unwrap_err();
    assert!(moved.message.contains("cannot be opened") && !moved.message.contains("hunter"), "{moved}");
}

#[tokio::test]
async fn a_key_that_may_not_be_used_is_no_key() {
    let TestHouse { house, _folder, .. } = test_house();
    let with_key = |name: &str| PutWish { key_id: Some("alias/k".into()), ..secret(name, "hunter2") };
    put_ok(&house, with_key("a")).await;
    let set = |wanted| crate::keys::operations::set_enabled(&house, "alias/k", wanted);
    set(crate::keys::operations::Use::Forbidden).await.unwrap();
    check(put::put(&house, with_key("b")).await, Fault::InvalidKeyId, "disabled");
    check(get(&house, "a").await, Fault::InvalidKeyId, "`key enable alias/k`");
    assert!(read::get(&house, "a", Decryption::No).await.is_ok());
    set(crate::keys::operations::Use::Allowed).await.unwrap();
    assert_eq!(value(&house, "a").await, "hunter2");
}

#[tokio::test]
async fn tags_come_with_the_parameter_and_go_with_it() {
    let TestHouse { house, _folder, .. } = test_house();
    let tag = |key: &str, value: &str| Tags::from([(key.to_owned(), value.to_owned())]);
    put_ok(&house, PutWish { tags: tag("team", "web"), ..wish("t", "x") }).await;
    put_ok(&house, over("t", "y")).await;
    assert_eq!(tags::list(&house, "t").await.unwrap(), tag("team", "web"));
    let changed = tags::change(&house, "t", &tag("env", "prod"), &["team".to_owned()], None).await.unwrap();
    assert_eq!(changed, tag("env", "prod"));
    check(tags::list(&house, "none").await, Fault::InvalidResourceId, "no parameter none");
    check(tags::change(&house, "a b", &tag("a", "b"), &[], None).await, Fault::InvalidResourceId, "a b");
    let many: Tags = (0..51).map(|number| (format!("k{number}"), String::new())).collect();
    check(tags::change(&house, "t", &many, &[], None).await, Fault::TooManyTags, "50 at most");
    delete::delete(&house, "t", None).await.unwrap();
    check(tags::list(&house, "t").await, Fault::InvalidResourceId, "no parameter t");
    assert!(PARAMETER_TAGS.scan(&*house.store, &(), None, 1).await.unwrap().rows.is_empty());
}

#[tokio::test]
async fn policies_expire_and_tell_once() {
    let TestHouse { house, clock, _folder } = test_house();
    let at = crate::records::rfc3339(house.clock.now().plus(Duration::from_secs(10 * 24 * 3600)));
    let policies = format!(
        r#"[{{"Type":"Expiration","Version":"1.0","Attributes":{{"Timestamp":"{at}"}}}},
            {{"Type":"ExpirationNotification","Version":"1.0","Attributes":{{"Before":"2","Unit":"Days"}}}}]"#
    );
    let wish = PutWish { tier: Some("Advanced".into()), policies: Some(policies), ..wish("p", "x") };
    put_ok(&house, wish).await;
    put_ok(&house, over("p", "y")).await;
    expire::run_once(&house).await.unwrap();
    let told = || house.meters.parameter_policies.get(PolicyEvent::Notified);
    assert_eq!(told(), 0);
    clock.advance(Duration::from_secs(8 * 24 * 3600));
    expire::run_once(&house).await.unwrap();
    expire::run_once(&house).await.unwrap();
    assert_eq!(told(), 1);
    let described = list::describe(&house, &[], None, 10).await.unwrap().items;
    let states: Vec<_> = described[0].policies.iter().map(|policy| policy.status).collect();
    assert_eq!(states, [PolicyStatus::Pending, PolicyStatus::Finished]);
    clock.advance(Duration::from_secs(2 * 24 * 3600));
    expire::run_once(&house).await.unwrap();
    check(get(&house, "p").await, Fault::ParameterNotFound, "Parameter p not found.");
    assert_eq!(house.meters.parameter_policies.get(PolicyEvent::Expired), 1);
    assert!(PARAMETER_VERSION.scan(&*house.store, &(), None, 1).await.unwrap().rows.is_empty());
    assert!(PARAMETER_LABEL.scan(&*house.store, &(), None, 1).await.unwrap().rows.is_empty());
}

#[tokio::test]
async fn policies_can_be_taken_away() {
    let TestHouse { house, _folder, .. } = test_house();
    let policies =
        r#"[{"Type":"NoChangeNotification","Version":"1.0","Attributes":{"After":"1","Unit":"Days"}}]"#;
    let advanced = |policies: &str| PutWish {
        tier: Some("Advanced".into()),
        policies: Some(policies.to_owned()),
        overwrite: Overwrite::Yes,
        ..wish("p", "x")
    };
    let count = async || list::describe(&house, &[], None, 10).await.unwrap().items[0].policies.len();
    put_ok(&house, advanced(policies)).await;
    put_ok(&house, over("p", "y")).await;
    assert_eq!(count().await, 1);
    put_ok(&house, advanced("[{}]")).await;
    assert_eq!(count().await, 0);
    let standard = PutWish { policies: Some(policies.to_owned()), ..wish("q", "x") };
    check(put::put(&house, standard).await, Fault::Validation, "do not support parameter policies");
}

#[tokio::test]
async fn of_many_writers_at_once_each_gets_a_version_of_its_own() {
    let TestHouse { house, _folder, .. } = test_house();
    put_ok(&house, wish("race", "0")).await;
    let writes = (0..20).map(|number| {
        let house = &house;
        async move { put_ok(house, over("race", &number.to_string())).await.version }
    });
    let mut versions = futures::future::join_all(writes).await;
    versions.sort_unstable();
    assert_eq!(versions, (2..=21).collect::<Vec<_>>());
}

fn somebody() -> Principal {
    Principal { name: "mallory".into(), groups: [].into(), from: "here".into() }
}

#[tokio::test]
async fn policies_say_who_seals_and_opens_with_a_key_that_has_a_name() {
    let TestHouse { house, _folder, .. } = test_house();
    let mallory = somebody();
    let own = PutWish { caller: Some(mallory.clone()), ..secret("own", "hunter2") };
    put_ok(&house, own).await;
    let opened = read::get(&house, "own", Decryption::For(&mallory)).await;
    check(opened, Fault::Other(Kind::Denied), "may not Decrypt on key alias/aws/ssm");
    let named = PutWish { key_id: Some("alias/k".into()), ..secret("named", "hunter2") };
    put_ok(&house, named.clone()).await;
    let denied = Fault::Other(Kind::Denied);
    check(
        read::get(&house, "named", Decryption::For(&mallory)).await,
        denied,
        "may not Decrypt on key alias/k",
    );
    let over = PutWish { caller: Some(mallory), overwrite: Overwrite::Yes, ..named };
    check(put::put(&house, over).await, denied, "may not Encrypt on key alias/k");
    assert!(read::get(&house, "named", Decryption::No).await.is_ok());
}

#[tokio::test]
async fn a_change_and_its_line_of_the_audit_log_are_one_commit() {
    let TestHouse { house, _folder, .. } = test_house();
    let mallory = somebody();
    let by = Some(&mallory);
    put_ok(&house, PutWish { caller: by.cloned(), ..wish("p", "1") }).await;
    let taken = PutWish { caller: by.cloned(), ..wish("p", "2") };
    check(put::put(&house, taken).await, Fault::ParameterAlreadyExists, "");
    label(&house, "p", None, &["live".to_owned()], by).await.unwrap();
    label(&house, "p", None, &["live".to_owned()], by).await.unwrap();
    unlabel(&house, "p", 1, &["live".to_owned()], by).await.unwrap();
    tags::change(&house, "p", &Tags::from([("team".to_owned(), "web".to_owned())]), &[], by).await.unwrap();
    delete::delete(&house, "p", by).await.unwrap();
    let pending = AUDIT_PENDING.scan(&*house.store, &(), None, 100).await.unwrap().rows;
    let mut told: Vec<_> = pending
        .iter()
        .map(|row| format!("{} {} {}", row.value.event.action, row.value.event.on, row.value.event.detail))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "AddTagsToResource /p team",
            "DeleteParameter /p ",
            "LabelParameterVersion /p version 1: live",
            "PutParameter /p version 1",
            "UnlabelParameterVersion /p version 1: live",
        ]
    );
}
