use super::*;

fn context(address: &str) -> Context {
    Context {
        address: address.into(),
        authority: "/pki/authority.pem".into(),
        certificate: "/pki/operator.pem".into(),
        key: "/pki/operator.key".into(),
        token_file: None,
    }
}

#[test]
fn the_first_context_becomes_current_and_another_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/config.toml");
    assert_eq!(refresh_context(Some(&path), "dev", &context("a:1")).unwrap(), Refreshed::Current);
    assert_eq!(refresh_context(Some(&path), "prod", &context("b:2")).unwrap(), Refreshed::NotCurrent);
    assert_eq!(refresh_context(Some(&path), "dev", &context("c:3")).unwrap(), Refreshed::Current);
    let contexts = Contexts::open(&path).unwrap();
    assert_eq!(contexts.names(), ["dev", "prod"]);
    assert_eq!(contexts.get("dev").unwrap(), context("c:3"));
    assert_eq!(contexts.get("prod").unwrap(), context("b:2"));
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    refresh_context(Some(&path), "dev", &context("a:1")).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_a_person_wrote_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let before = "# mine\ncurrent = \"prod\"\n\n[contexts.prod] # careful\naddress = \"b:2\"\n\
                  authority = \"ca.pem\"\ncertificate = \"op.pem\"\nkey = \"op.key\"\n";
    std::fs::write(&path, before).unwrap();
    refresh_context(Some(&path), "dev", &context("a:1")).unwrap();
    let after = std::fs::read_to_string(&path).unwrap();
    assert!(after.starts_with(before), "{after}");
    let prod = Contexts::open(&path).unwrap().get("prod").unwrap();
    assert_eq!(prod.authority, folder.path().join("ca.pem"));
}

#[test]
fn deleting_the_current_context_leaves_none_current() {
    let folder = tempfile::tempdir().unwrap();
    let mut contexts = Contexts::open(&folder.path().join("config.toml")).unwrap();
    contexts.set("dev", &context("a:1")).unwrap();
    contexts.set("prod", &context("b:2")).unwrap();
    contexts.set_current("prod").unwrap();
    contexts.delete("prod").unwrap();
    assert_eq!((contexts.current(), contexts.names()), (None, vec!["dev"]));
}

#[test]
fn a_refusal_names_file_and_context() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let check = |content: &str, want: &str| {
        std::fs::write(&path, content).unwrap();
        let error = Contexts::open(&path).and_then(|contexts| contexts.get("dev")).unwrap_err();
        assert_eq!(error.to_string(), want.replace("PATH", &path.display().to_string()));
    };
    check(
        "[contexts.dev]\naddress = ",
        "PATH is not TOML, line 2: string values must be quoted, expected literal string",
    );
    check("", "no context `dev`; there is none");
    check("[contexts.a]\n[contexts.b]", "no context `dev`; there is a, b");
    check("[contexts.dev]\naddress = \"a:1\"", "context `dev` in PATH: missing field `authority`");
    check(
        "[contexts.dev]\nadress = \"a:1\"",
        "context `dev` in PATH: unknown field `adress`, expected one of `address`, `authority`, `certificate`, `key`, `token_file`",
    );
    let error = refresh_context(Some(&path), "a b", &context("a:1")).unwrap_err();
    assert!(error.to_string().starts_with("`a b` is not a name"), "{error}");
}
