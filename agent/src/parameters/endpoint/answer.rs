//! Answers as the AWS extension gives them: GetParameter's, and its errors.

use chrono::{DateTime, SecondsFormat};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::request::RequestError;
use crate::parameters::query::{Given, Query, Value};
use crate::parameters::{Answer, ReadError};

const JSON: &str = "application/json";

/// What is said to an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    status: StatusCode,
    content_type: &'static str,
    body: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Found<'a> {
    parameter: Parameter<'a>,
    result_metadata: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter<'a> {
    #[serde(rename = "ARN")]
    arn: &'a str,
    data_type: &'a str,
    last_modified_date: String,
    name: &'a str,
    selector: Option<&'a str>,
    source_result: Option<&'a str>,
    r#type: &'a str,
    value: &'a str,
    version: u64,
}

impl Reply {
    pub(super) fn healthy() -> Self {
        Self { status: StatusCode::OK, content_type: "text/plain", body: "healthy".to_owned() }
    }

    pub(super) fn refused(error: &RequestError) -> Self {
        Self::error(error.status(), error.code(), &error.to_string())
    }

    pub(super) fn of(query: &Query, answer: Answer) -> Self {
        match answer {
            Ok(Given::Value(value)) => Self::json(StatusCode::OK, &found(&value)),
            Ok(Given::Names(names)) => Self::json(StatusCode::OK, &json!({ "Names": *names })),
            Err(error) => {
                tracing::debug!("parameter {query} is not given: {error}");
                let (status, code) = status(&error);
                Self::error(status, code, &error.to_string())
            }
        }
    }

    fn error(status: StatusCode, code: &str, message: &str) -> Self {
        Self::json(status, &json!({ "__type": code, "message": message }))
    }

    fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).expect("texts and numbers are JSON");
        Self { status, content_type: JSON, body }
    }

    pub(super) fn into_response(self) -> Response<String> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn found(value: &Value) -> Found<'_> {
    let modified = DateTime::from_timestamp_millis(value.modified_ms).unwrap_or_default();
    Found {
        parameter: Parameter {
            arn: &value.arn,
            data_type: &value.data_type,
            last_modified_date: modified.to_rfc3339_opts(SecondsFormat::Millis, true),
            name: &value.name,
            selector: value.selector.as_deref(),
            source_result: None,
            r#type: &value.parameter_type,
            value: &value.text,
            version: value.version,
        },
        result_metadata: serde_json::Map::new(),
    }
}

/// What the service itself answers with 400 is 400 here, too.
fn status(error: &ReadError) -> (StatusCode, &str) {
    match error {
        ReadError::Refused { code, .. } if code == "InternalServerError" => {
            (StatusCode::INTERNAL_SERVER_ERROR, code)
        }
        ReadError::Refused { code, .. } => (StatusCode::BAD_REQUEST, code),
        ReadError::Busy => (StatusCode::TOO_MANY_REQUESTS, "ThrottlingException"),
        ReadError::Later(_)
        | ReadError::Away { .. }
        | ReadError::LeaseOver { .. }
        | ReadError::NoAnswer { .. } => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::query::Decryption;

    fn check(answer: Answer, status: u16, wanted: serde_json::Value) {
        let reply = Reply::of(&Query::value("a", Decryption::No).unwrap(), answer);
        let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status.as_u16(), body), (status, wanted));
        let headers = reply.into_response().headers().clone();
        assert_eq!(
            (&headers[CONTENT_TYPE], &headers[CACHE_CONTROL]),
            (&"application/json".parse().unwrap(), &"no-store".parse().unwrap())
        );
    }

    #[test]
    fn answers_have_the_shape_of_the_aws_extension() {
        let value = Value {
            name: "/a".to_owned(),
            parameter_type: "String".to_owned(),
            text: "x\"y".to_owned(),
            version: 3,
            selector: Some(":3".to_owned()),
            modified_ms: 1_700_000_000_123,
            data_type: "text".to_owned(),
            arn: "arn:aws:ssm:local:000000000000:parameter/a".to_owned(),
        };
        check(
            Ok(Given::Value(value.into())),
            200,
            json!({
                "Parameter": {
                    "ARN": "arn:aws:ssm:local:000000000000:parameter/a",
                    "DataType": "text",
                    "LastModifiedDate": "2023-11-14T22:13:20.123Z",
                    "Name": "/a",
                    "Selector": ":3",
                    "SourceResult": null,
                    "Type": "String",
                    "Value": "x\"y",
                    "Version": 3,
                },
                "ResultMetadata": {},
            }),
        );
        check(Ok(Given::Names(vec!["/a/b".to_owned()].into())), 200, json!({ "Names": ["/a/b"] }));
    }

    #[test]
    fn errors_say_what_the_service_would() {
        let refused = |code: &str| ReadError::Refused { code: code.to_owned(), message: "m".to_owned() };
        check(
            Err(refused("ParameterNotFound")),
            400,
            json!({ "__type": "ParameterNotFound", "message": "m" }),
        );
        check(
            Err(refused("InternalServerError")),
            500,
            json!({ "__type": "InternalServerError", "message": "m" }),
        );
        let away = ReadError::Away { name: "a".to_owned() };
        let message = away.to_string();
        check(Err(away), 503, json!({ "__type": "ServiceUnavailable", "message": message }));
        let message = ReadError::Busy.to_string();
        check(Err(ReadError::Busy), 429, json!({ "__type": "ThrottlingException", "message": message }));
    }
}
