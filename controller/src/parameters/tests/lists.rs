//! What lists show: paths, filters and pages.

use super::super::fault::Fault;
use super::super::filters::FilterWish;
use super::super::kinds::ParameterType;
use super::super::labels::label;
use super::super::list::{self, PathWish};
use super::super::names::Depth;
use super::super::put::PutWish;
use super::super::read::Decryption;
use super::{check, over, put_ok, wish};
use crate::house::House;
use crate::nodes::records::Tags;
use crate::tests::{TestHouse, test_house};

fn filter(key: &str, option: Option<&str>, values: &[&str]) -> FilterWish {
    FilterWish {
        key: key.to_owned(),
        option: option.map(str::to_owned),
        values: values.iter().map(|&value| value.to_owned()).collect(),
    }
}

fn below(path: &str, depth: Depth, filters: &[FilterWish]) -> PathWish<'static> {
    PathWish {
        path: path.to_owned(),
        depth,
        filters: filters.to_vec(),
        decryption: Decryption::Yes,
        after: None,
        limit: 10,
    }
}

/// Every name below a path, whatever the size of the pages.
async fn names_below(house: &House, path: &str, depth: Depth, filters: &[FilterWish]) -> Vec<String> {
    let mut answers = Vec::new();
    for limit in [1, 2, 10] {
        let mut wish = PathWish { limit, ..below(path, depth, filters) };
        let mut names = Vec::new();
        loop {
            let page = list::by_path(house, &wish).await.unwrap();
            assert!(page.items.len() <= limit && !(page.items.is_empty() && page.next.is_some()));
            names.extend(page.items.into_iter().map(|found| found.name));
            wish.after = page.next;
            if wish.after.is_none() {
                break;
            }
        }
        answers.push(names);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    answers.remove(0)
}

async fn described(house: &House, filters: &[FilterWish]) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = list::describe(house, filters, after, 2).await.unwrap();
        names.extend(page.items.into_iter().map(|found| found.name));
        after = page.next;
        if after.is_none() {
            return names;
        }
    }
}

async fn filled(house: &House) {
    for (name, value) in [
        ("/foo/name1", "value1"),
        ("/foo/name2", "value2"),
        ("/bar/name3", "value3"),
        ("/bar/name3/name4", "value4"),
        ("/bar/name30", "value30"),
        ("/baz/name2", "value1"),
        ("foo", "bar"),
        ("baz", "qux"),
    ] {
        put_ok(house, wish(name, value)).await;
    }
    put_ok(house, PutWish::new("/baz/name1", "a,b,c", ParameterType::StringList, "ada")).await;
    put_ok(house, PutWish::new("/baz/pwd", "hunter2", ParameterType::SecureString, "ada")).await;
}

#[tokio::test]
async fn paths() {
    let TestHouse { house, _folder, .. } = test_house();
    filled(&house).await;
    let all =
        ["/bar/name3", "/bar/name3/name4", "/bar/name30", "baz", "/baz/name1", "/baz/name2", "/baz/pwd"];
    for (path, depth, wanted) in [
        ("/", Depth::OneLevel, &["baz", "foo"][..]),
        ("/", Depth::Recursive, &[&all[..], &["foo", "/foo/name1", "/foo/name2"]].concat()),
        ("/foo", Depth::OneLevel, &["/foo/name1", "/foo/name2"]),
        ("/foo/", Depth::OneLevel, &["/foo/name1", "/foo/name2"]),
        ("/fo", Depth::Recursive, &[]),
        ("/bar", Depth::OneLevel, &["/bar/name3", "/bar/name30"]),
        ("/bar", Depth::Recursive, &["/bar/name3", "/bar/name3/name4", "/bar/name30"]),
        ("/bar/name3", Depth::OneLevel, &["/bar/name3/name4"]),
        ("/none", Depth::Recursive, &[]),
    ] {
        assert_eq!(names_below(&house, path, depth, &[]).await, wanted, "{path} {depth:?}");
    }
    for bad in ["foo", "//", "/a b", "/foo:1"] {
        check(
            list::by_path(&house, &below(bad, Depth::OneLevel, &[])).await,
            Fault::Validation,
            "doesn't meet the parameter name requirements",
        );
    }
}

#[tokio::test]
async fn values_below_a_path_are_narrowed_by_filters() {
    let TestHouse { house, _folder, .. } = test_house();
    filled(&house).await;
    let named = async |filters: &[FilterWish]| names_below(&house, "/baz", Depth::OneLevel, filters).await;
    assert_eq!(named(&[filter("Type", Some("Equals"), &["StringList"])]).await, ["/baz/name1"]);
    assert_eq!(named(&[filter("Type", None, &["String", "SecureString"])]).await, ["/baz/name2", "/baz/pwd"]);
    let beginning = named(&[filter("Type", Some("BeginsWith"), &["String"])]).await;
    assert_eq!(beginning, ["/baz/name1", "/baz/name2"]);
    assert_eq!(named(&[filter("KeyId", None, &["alias/aws/ssm"])]).await, ["/baz/pwd"]);
    check(
        list::by_path(&house, &below("/baz", Depth::OneLevel, &[filter("Name", None, &["x"])])).await,
        Fault::InvalidFilterKey,
        "The following filter key is not valid: Name. Valid filter keys include: [Type, KeyId].",
    );
    put_ok(&house, over("/baz/name2", "newer")).await;
    label(&house, "/baz/name2", Some(1), &["old".to_owned()], None).await.unwrap();
    label(&house, "/baz/name2", Some(2), &["new".to_owned()], None).await.unwrap();
    let wish = |labels: &[&str]| below("/baz", Depth::OneLevel, &[filter("Label", None, labels)]);
    let page = list::by_path(&house, &wish(&["old"])).await.unwrap();
    let found = &page.items[0];
    assert_eq!((page.items.len(), found.version, found.value.expose()), (1, 1, "value1"));
    assert_eq!(found.selector.as_deref(), Some(":old"));
    assert_eq!(list::by_path(&house, &wish(&["old", "new", "none"])).await.unwrap().items.len(), 2);
    assert!(list::by_path(&house, &wish(&["none"])).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn what_there_is_is_described() {
    let TestHouse { house, _folder, .. } = test_house();
    for name in ["param", "/param-2", "/tangent-3", "tangram-4", "standby-5"] {
        put_ok(&house, wish(name, "x")).await;
    }
    let tags = Tags::from([("hello".to_owned(), "world".to_owned()), ("x".to_owned(), "b".to_owned())]);
    let advanced = PutWish { tags, tier: Some("Advanced".into()), ..wish("/deep/er/one", "x") };
    put_ok(&house, advanced).await;
    let custom = PutWish {
        key_id: Some("alias/custom".into()),
        ..PutWish::new("secret", "hunter2", ParameterType::SecureString, "bob")
    };
    put_ok(&house, custom).await;
    for (filters, wanted) in [
        (vec![filter("Name", None, &["param"])], &["param"][..]),
        (vec![filter("Name", None, &["/param"])], &["param"]),
        (vec![filter("Name", None, &["param-2"])], &["/param-2"]),
        (vec![filter("Name", Some("BeginsWith"), &["param"])], &["param", "/param-2"]),
        (vec![filter("Name", Some("Contains"), &["ram"])], &["param", "/param-2", "tangram-4"]),
        (vec![filter("Name", Some("Contains"), &["/tan"])], &["/tangent-3", "tangram-4"]),
        (vec![filter("Path", None, &["/deep"])], &[]),
        (vec![filter("Path", Some("Recursive"), &["/deep/"])], &["/deep/er/one"]),
        (vec![filter("Tier", None, &["Advanced"])], &["/deep/er/one"]),
        (vec![filter("DataType", None, &["aws:ec2:image"])], &[]),
        (vec![filter("tag:hello", None, &[])], &["/deep/er/one"]),
        (vec![filter("tag:hello", None, &["world"]), filter("tag:x", None, &["a"])], &[]),
        (vec![filter("tag:x", Some("BeginsWith"), &["b"])], &["/deep/er/one"]),
        (vec![filter("KeyId", Some("BeginsWith"), &["alias"])], &["secret"]),
        (vec![filter("Type", None, &["SecureString"])], &["secret"]),
    ] {
        assert_eq!(described(&house, &filters).await, wanted, "{filters:?}");
    }
    let page = list::describe(&house, &[filter("Name", None, &["secret"])], None, 10).await.unwrap();
    let found = &page.items[0];
    assert_eq!((found.modified_by.as_str(), found.version, page.next), ("bob", 1, None));
    assert!(!format!("{found:?}").contains("hunter2"));
    assert_eq!(described(&house, &[]).await.len(), 7);
}
