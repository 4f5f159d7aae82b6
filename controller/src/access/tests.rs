//! Access over a real house.

mod keys;
mod operators;
mod policies;

use std::collections::BTreeSet;

use super::operators::NewOperator;
use super::policies::PolicyWish;
use super::{FIRST_OPERATOR, Principal, operators as ops, policies as kept};
use crate::house::House;
use crate::tests::{TestHouse, test_house};

pub(crate) async fn started() -> TestHouse {
    let test = test_house();
    ops::start(&test.house, "the first key").await.unwrap();
    test
}

pub(crate) fn admin(house: &House) -> Principal {
    house.access.principal(FIRST_OPERATOR).unwrap()
}

/// Makes an operator with these groups.
pub(crate) async fn operator(house: &House, name: &str, groups: &[&str]) -> Principal {
    let groups: BTreeSet<_> = groups.iter().map(|group| (*group).to_owned()).collect();
    let wish = NewOperator { name: name.to_owned(), description: String::new(), groups };
    ops::create(house, &admin(house), wish).await.unwrap();
    house.access.principal(name).unwrap()
}

pub(crate) async fn policy(house: &House, name: &str, text: &str) {
    let wish = PolicyWish { name: name.to_owned(), text: text.to_owned(), description: String::new() };
    kept::put(house, &admin(house), wish).await.unwrap();
}
