//! The doors of the house: they authenticate, authorise and translate, and know no rule of any capability.
//!
//! One listener, one port, TLS always: [`grpc`] for agents and operators, [`ssm`] for SDKs, [`http`] for monitoring.
//! The last two may have an address of their own as well, without TLS.

pub mod access;
pub mod grpc;
pub mod http;
pub mod listener;
pub mod plain;
pub mod ssm;
mod visit;

use std::sync::Arc;

use tonic::service::Routes;

use crate::house::House;

/// What the TLS port answers to whoever speaks gRPC or monitors; [`ssm`] is reached without them.
#[must_use]
pub fn routes(house: &Arc<House>) -> Routes {
    grpc::routes(house).into_axum_router().merge(http::routes(house)).into()
}
