//! Parameters in a house with a memory store.

mod lists;
mod model;
mod puts;

use super::fault::{Fault, ParameterError};
use super::kinds::ParameterType;
use super::put::{self, Overwrite, Put, PutWish};
use super::read::{self, Decryption, Parameter};
use crate::house::House;

fn wish(name: &str, value: &str) -> PutWish {
    PutWish::new(name, value, ParameterType::String, "ada")
}

fn over(name: &str, value: &str) -> PutWish {
    PutWish { overwrite: Overwrite::Yes, parameter_type: None, ..wish(name, value) }
}

async fn put_ok(house: &House, wish: PutWish) -> Put {
    put::put(house, wish).await.unwrap()
}

async fn get(house: &House, name: &str) -> Result<Parameter, ParameterError> {
    read::get(house, name, Decryption::Yes).await
}

async fn value(house: &House, name: &str) -> String {
    get(house, name).await.unwrap().value.expose().to_owned()
}

fn check<T: std::fmt::Debug>(found: Result<T, ParameterError>, fault: Fault, part: &str) {
    let error = found.unwrap_err();
    assert!(error.fault == fault && error.message.contains(part), "{error:?}");
}
