//! The doors of the house: they authenticate, authorise and translate, and know no rule of any capability.
//!
//! One listener, one port, TLS always. What comes over HTTP/2 with a gRPC content type goes to [`grpc`].

pub mod access;
pub mod grpc;
pub mod listener;
