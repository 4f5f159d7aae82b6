//! Operators, groups and credentials: who gets in, and what nobody can give himself.

use std::collections::BTreeSet;
use std::time::Duration;

use fleetwright_proto::clock::Clock;
use tokio::join;

use super::{admin, operator, policy, started};
use crate::access::credentials::{self, CREDENTIALS_MAX, CredentialWish, Issued};
use crate::access::keys::{self, NewAccessKey};
use crate::access::known::CredentialRefusal;
use crate::access::operators::{self, NewOperator};
use crate::access::records::{CredentialKind, Standing};
use crate::access::{ADMINS, FIRST_OPERATOR, Principal};
use crate::error::{Kind, Refusal};
use crate::house::House;

fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>, kind: Kind, words: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.message.contains(words), "{error}");
}

async fn group(
    house: &House,
    by: &Principal,
    group: &str,
    add: &[&str],
    remove: &[&str],
) -> Result<(), Refusal> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    operators::change_group(house, by, group, &names(add), &names(remove)).await
}

async fn token(house: &House, by: &Principal, name: &str) -> Result<(String, String), Refusal> {
    match credentials::issue(house, by, name, CredentialWish::Token(None)).await? {
        Issued::Token { token, record } => Ok((token, record.id().to_owned())),
        Issued::Certificate { .. } => panic!("a token was asked for"),
    }
}

#[tokio::test]
async fn a_certificate_lets_in_until_it_is_revoked_or_its_operator_is_out() {
    let test = started().await;
    let house = &test.house;
    let ada = operator(house, "ada", &["web"]).await;
    let issued = credentials::issue(house, &admin(house), "ada", CredentialWish::Certificate).await.unwrap();
    let Issued::Certificate { certificate_pem, key_pem, record } = issued else { panic!("no certificate") };
    assert!(certificate_pem.contains("BEGIN CERTIFICATE") && key_pem.contains("PRIVATE KEY"));
    let known = || house.access.certified("ada", &record.digest);
    assert_eq!(known(), Ok(ada.clone()));
    // A certificate of the same authority, of another name or another key.
    let revoked = Err(CredentialRefusal::Revoked("ada".to_owned()));
    assert_eq!(house.access.certified("ada", "the first key"), revoked);
    assert_eq!(
        house.access.certified(FIRST_OPERATOR, &record.digest),
        Err(CredentialRefusal::Revoked(FIRST_OPERATOR.to_owned()))
    );
    operators::set_standing(house, &admin(house), "ada", Standing::Disabled).await.unwrap();
    assert_eq!(known(), Err(CredentialRefusal::Disabled("ada".to_owned())));
    operators::set_standing(house, &admin(house), "ada", Standing::Enabled).await.unwrap();
    assert!(known().is_ok());
    credentials::revoke(house, &admin(house), "ada", record.id()).await.unwrap();
    assert_eq!(known(), revoked);
    refused(
        credentials::revoke(house, &admin(house), "ada", record.id()).await,
        Kind::NotFound,
        "access operator show ada",
    );
    operators::delete(house, &admin(house), "ada").await.unwrap();
    assert_eq!(known(), Err(CredentialRefusal::NoOperator("ada".to_owned())));
    // Another one of that name does not inherit it.
    operator(house, "ada", &["web"]).await;
    assert_eq!(known(), revoked);
}

#[tokio::test]
async fn a_token_is_kept_as_its_digest_and_ends_with_its_operator() {
    let test = started().await;
    let house = &test.house;
    operator(house, "ci", &[]).await;
    let (token, _) = token(house, &admin(house), "ci").await.unwrap();
    let now = test.clock.now();
    assert_eq!(&*house.access.bearer(&token, now).unwrap().name, "ci");
    for entry in house.store.scan(b"", None, 1000).await.unwrap() {
        assert!(!String::from_utf8_lossy(&entry.value).contains(&token));
    }
    operators::set_standing(house, &admin(house), "ci", Standing::Disabled).await.unwrap();
    assert_eq!(house.access.bearer(&token, now), Err(CredentialRefusal::Disabled("ci".to_owned())));
    operators::delete(house, &admin(house), "ci").await.unwrap();
    assert_eq!(house.access.bearer(&token, now), Err(CredentialRefusal::UnknownToken));
    let wish = CredentialWish::Token(Some(Duration::ZERO));
    refused(credentials::issue(house, &admin(house), "admin", wish).await, Kind::Invalid, "at once");
    for _ in 1..CREDENTIALS_MAX {
        super::operators::token(house, &admin(house), "admin").await.unwrap();
    }
    refused(super::operators::token(house, &admin(house), "admin").await, Kind::Exhausted, "revoke one");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let test = started().await;
    let house = &test.house;
    let first = admin(house);
    let last = "is the last enabled one in group admins";
    refused(operators::delete(house, &first, FIRST_OPERATOR).await, Kind::Conflict, last);
    let disabled = operators::set_standing(house, &first, FIRST_OPERATOR, Standing::Disabled).await;
    refused(disabled, Kind::Conflict, last);
    refused(group(house, &first, ADMINS, &[], &[FIRST_OPERATOR]).await, Kind::Conflict, last);
    // One who is disabled does not count.
    operator(house, "ada", &[ADMINS]).await;
    operators::set_standing(house, &first, "ada", Standing::Disabled).await.unwrap();
    refused(operators::delete(house, &first, FIRST_OPERATOR).await, Kind::Conflict, last);
    operators::set_standing(house, &first, "ada", Standing::Enabled).await.unwrap();
    // Two who end each other at the same moment: one stays.
    let ada = house.access.principal("ada").unwrap();
    let (one, other) =
        join!(operators::delete(house, &first, "ada"), operators::delete(house, &ada, FIRST_OPERATOR));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let (left, _) = operators::list(house, None, 10).await.unwrap();
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn nobody_hands_out_more_than_he_has() {
    let test = started().await;
    let house = &test.house;
    let helper = operator(house, "helper", &["helpdesk"]).await;
    operator(house, "root", &[ADMINS]).await;
    operator(house, "web", &["web"]).await;
    operator(house, "intern", &[]).await;
    policy(
        house,
        "everything",
        "permit(principal in Group::\"helpdesk\", action in Action::\"Administer\", resource);\n\
         permit(principal == Operator::\"named\", action, resource);",
    )
    .await;
    let words = "nobody hands out more than he has";
    // Himself into a group, a friend into a group, and what an administrator has.
    for (name, members) in [(ADMINS, "helper"), ("web", "helper"), (ADMINS, "intern")] {
        refused(group(house, &helper, name, &[members], &[]).await, Kind::Denied, words);
    }
    refused(token(house, &helper, "root").await, Kind::Denied, words);
    refused(token(house, &helper, "web").await, Kind::Denied, words);
    let key = |operator: &str| NewAccessKey {
        operator: operator.to_owned(),
        description: String::new(),
        expires_in: None,
    };
    refused(keys::create(house, &helper, key("root")).await, Kind::Denied, words);
    refused(operators::set_standing(house, &helper, "root", Standing::Disabled).await, Kind::Denied, words);
    refused(operators::delete(house, &helper, "web").await, Kind::Denied, words);
    let root_key = keys::create(house, &admin(house), key("root")).await.unwrap().key.id;
    refused(keys::delete(house, &helper, &root_key).await, Kind::Denied, words);
    refused(keys::set_standing(house, &helper, &root_key, Standing::Disabled).await, Kind::Denied, words);
    // A new operator with more groups, or with a name that a policy gives rights to.
    let new = |name: &str, groups: &[&str]| NewOperator {
        name: name.to_owned(),
        description: String::new(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect::<BTreeSet<_>>(),
    };
    refused(operators::create(house, &helper, new("eve", &[ADMINS])).await, Kind::Denied, words);
    refused(operators::create(house, &helper, new("named", &[])).await, Kind::Denied, "a policy names");
    // What he has himself he may hand out.
    group(house, &helper, "helpdesk", &["intern"], &[]).await.unwrap();
    token(house, &helper, "intern").await.unwrap();
    token(house, &helper, "helper").await.unwrap();
    operators::create(house, &helper, new("trainee", &["helpdesk"])).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_made_is_told() {
    let test = started().await;
    let house = &test.house;
    let admin = admin(house);
    let new = |name: &str| NewOperator {
        name: name.to_owned(),
        description: String::new(),
        groups: BTreeSet::new(),
    };
    for name in ["", "a b", "a\n", "ü", &"x".repeat(65), "a:b", "a\""] {
        refused(
            operators::create(house, &admin, new(name)).await,
            Kind::Invalid,
            "is not a name of an operator",
        );
    }
    operators::create(house, &admin, new("ada")).await.unwrap();
    refused(operators::create(house, &admin, new("ada")).await, Kind::AlreadyExists, "another name");
    refused(group(house, &admin, "web", &["nobody"], &[]).await, Kind::NotFound, "there is no operator");
    refused(group(house, &admin, "web", &["ada"], &["ada"]).await, Kind::Invalid, "name him once");
    refused(group(house, &admin, "a b", &["ada"], &[]).await, Kind::Invalid, "a group of operators");
    refused(operators::delete(house, &admin, "nobody").await, Kind::NotFound, "access operator list");
    let long = NewOperator { description: "x".repeat(257), ..new("grace") };
    refused(operators::create(house, &admin, long).await, Kind::Invalid, "longer than 256");
}

#[tokio::test]
async fn the_data_folder_lets_its_operator_in_again_and_makes_nobody_anew() {
    let test = started().await;
    let house = &test.house;
    operators::start(house, "a renewed key").await.unwrap();
    for key in ["the first key", "a renewed key"] {
        assert!(house.access.certified(FIRST_OPERATOR, key).is_ok(), "{key}");
    }
    let record = operators::get(house, FIRST_OPERATOR).await.unwrap();
    assert!(record.credentials.iter().all(|known| known.kind == CredentialKind::Certificate));
    operator(house, "ada", &[ADMINS]).await;
    operators::delete(house, &admin(house), FIRST_OPERATOR).await.unwrap();
    operators::start(house, "a renewed key").await.unwrap();
    let refusal = house.access.certified(FIRST_OPERATOR, "a renewed key").unwrap_err();
    assert_eq!(refusal, CredentialRefusal::NoOperator(FIRST_OPERATOR.to_owned()));
}
