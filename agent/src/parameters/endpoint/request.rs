//! What a request asks, or why it is refused. Pure.
//!
//! A program that can be talked into fetching a URL must not be a way to secrets: on 127.0.0.1 a request needs a header
//! that no such program sends, may not have passed a proxy, and must have been meant for this host.

use std::net::IpAddr;

use http::header::{FORWARDED, HOST, HeaderMap};
use http::{Method, StatusCode, Uri};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use crate::parameters::query::{Decryption, Query};

/// The header with the token, as the AWS extension has it.
pub(super) const TOKEN_HEADER: &str = "x-aws-parameters-secrets-token";
const FORWARDED_FOR: &str = "x-forwarded-for";

pub(crate) const GET_PATH: &str = "/systemsmanager/parameters/get";
pub(crate) const BELOW_PATH: &str = "/fleetwright/parameters/below";

/// Where a request came in.
pub(super) enum Door {
    /// The system says who may ask.
    Socket,
    Loopback {
        token: String,
        port: u16,
    },
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Ping,
    Parameter(Query),
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    #[error("only GET is answered here")]
    Method,
    #[error("requests that passed a proxy are not answered: X-Forwarded-For or Forwarded is set")]
    Forwarded,
    #[error("requests for another host are not answered: ask for localhost or 127.0.0.1")]
    Host,
    #[error(
        "the token is missing or wrong: send what is in the token file as X-Aws-Parameters-Secrets-Token"
    )]
    Token,
    #[error("there is nothing here: ask for {GET_PATH}?name=NAME")]
    Path,
    #[error("{0}")]
    Query(String),
}

impl RequestError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Forwarded | Self::Host | Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::Token => StatusCode::FORBIDDEN,
            Self::Path => StatusCode::NOT_FOUND,
        }
    }

    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Method | Self::Path => "UnknownOperationException",
            Self::Forwarded | Self::Host | Self::Query(_) => "ValidationException",
            Self::Token => "AccessDeniedException",
        }
    }
}

impl Door {
    pub(super) fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Ask, RequestError> {
        if let Self::Loopback { token, port } = self {
            check_origin(*port, headers)?;
            if uri.path() != "/ping" {
                check_token(token, headers)?;
            }
        }
        if method != Method::GET {
            return Err(RequestError::Method);
        }
        match (self, uri.path()) {
            (_, "/ping") => Ok(Ask::Ping),
            (_, GET_PATH) => parameter(uri.query().unwrap_or_default()).map(Ask::Parameter),
            (Self::Socket, BELOW_PATH) => below(uri.query().unwrap_or_default()).map(Ask::Parameter),
            _ => Err(RequestError::Path),
        }
    }
}

fn check_origin(port: u16, headers: &HeaderMap) -> Result<(), RequestError> {
    if headers.contains_key(FORWARDED_FOR) || headers.contains_key(FORWARDED) {
        return Err(RequestError::Forwarded);
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    match (host, hosts.next()) {
        (Some(host), None) if is_here(host, port) => Ok(()),
        _ => Err(RequestError::Host),
    }
}

fn is_here(host: &str, port: u16) -> bool {
    let (name, given) = match host.rsplit_once(':') {
        Some((name, given)) if !given.ends_with(']') => (name, Some(given)),
        _ => (host, None),
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_loopback = bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    (bare.eq_ignore_ascii_case("localhost") || is_loopback)
        && given.is_none_or(|given| given.parse() == Ok(port))
}

fn check_token(token: &str, headers: &HeaderMap) -> Result<(), RequestError> {
    let mut shown = headers.get_all(TOKEN_HEADER).iter();
    match (shown.next(), shown.next()) {
        (Some(shown), None) if is_same(shown.as_bytes(), token.as_bytes()) => Ok(()),
        _ => Err(RequestError::Token),
    }
}

/// How long it takes tells of digests, which nobody can choose, and not of the token.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    Sha256::digest(shown) == Sha256::digest(token)
}

/// One value of each name; what this does not know is left alone, as the AWS extension does.
fn field(query: &str, wanted: &str) -> Result<Option<String>, RequestError> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some((_, value)), None) => Ok(Some(value.into_owned())),
        (Some(_), Some(_)) => Err(RequestError::Query(format!("{wanted} is given twice"))),
    }
}

fn parameter(query: &str) -> Result<Query, RequestError> {
    let wrong = |text: &str| RequestError::Query(text.to_owned());
    let name =
        field(query, "name")?.ok_or_else(|| wrong("the name of the parameter is missing: ?name=NAME"))?;
    let decryption = match field(query, "withDecryption")?.as_deref() {
        Some("true" | "True" | "TRUE" | "1") => Decryption::Yes,
        None | Some("false" | "False" | "FALSE" | "0" | "") => Decryption::No,
        Some(_) => return Err(wrong("withDecryption is true or false")),
    };
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    let text = match (given(field(query, "version")?), given(field(query, "label")?)) {
        (Some(_), Some(_)) => return Err(wrong("a version or a label chooses a value, and not both")),
        (Some(version), None) if !version.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(wrong("version is a number"));
        }
        (Some(selector), None) | (None, Some(selector))
            if name.contains(':') && !name.starts_with("arn:") =>
        {
            return Err(RequestError::Query(format!(
                "the name chooses a version already, and `{}` another one",
                selector.escape_debug()
            )));
        }
        (Some(selector), None) | (None, Some(selector)) => format!("{name}:{selector}"),
        (None, None) => name,
    };
    Query::value(&text, decryption).map_err(|error| RequestError::Query(error.to_string()))
}

fn below(query: &str) -> Result<Query, RequestError> {
    let path = field(query, "path")?
        .ok_or_else(|| RequestError::Query("the path is missing: ?path=PATH".to_owned()))?;
    Query::below(&path).map_err(|error| RequestError::Query(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "the token of this host";

    #[track_caller]
    fn check(
        door: &Door,
        request: &str,
        headers: &[(&'static str, &str)],
        wanted: &Result<Ask, RequestError>,
    ) {
        let (method, uri) = request.split_once(' ').unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let found = door.check(&method.parse().unwrap(), &uri.parse().unwrap(), &map);
        assert_eq!(found, *wanted, "{request} {headers:?}");
    }

    fn loopback() -> Door {
        Door::Loopback { token: TOKEN.to_owned(), port: 2773 }
    }

    fn value(text: &str, decryption: Decryption) -> Result<Ask, RequestError> {
        Ok(Ask::Parameter(Query::value(text, decryption).unwrap()))
    }

    #[test]
    fn requests_of_the_aws_extension_are_understood() {
        for (query, wanted) in [
            ("name=%2Fapp%2Fdb", value("/app/db", Decryption::No)),
            ("name=/app/db&withDecryption=true", value("/app/db", Decryption::Yes)),
            ("withDecryption=false&name=db&version=3", value("db:3", Decryption::No)),
            ("name=db&label=prod&withDecryption=true", value("db:prod", Decryption::Yes)),
            ("name=db:7", value("db:7", Decryption::No)),
            ("name=a+b&unknown=x&version=&label=", value("a b", Decryption::No)),
        ] {
            check(&Door::Socket, &format!("GET {GET_PATH}?{query}"), &[], &wanted);
        }
        for (query, words) in [
            ("", "name of the parameter is missing"),
            ("name=a&name=b", "name is given twice"),
            ("name=a&version=x", "version is a number"),
            ("name=a&version=1&label=b", "and not both"),
            ("name=a:1&label=b", "chooses a version already"),
            ("name=a&withDecryption=maybe", "true or false"),
            ("name=", "has a name"),
        ] {
            let uri = format!("{GET_PATH}?{query}").parse().unwrap();
            let error = Door::Socket.check(&Method::GET, &uri, &HeaderMap::new()).unwrap_err();
            assert!(error.to_string().contains(words) && error.status() == 400, "{query}: {error}");
        }
        check(
            &Door::Socket,
            &format!("GET {BELOW_PATH}?path=/a"),
            &[],
            &Ok(Ask::Parameter(Query::below("/a").unwrap())),
        );
        check(&Door::Socket, "GET /other", &[], &Err(RequestError::Path));
        check(&Door::Socket, &format!("POST {GET_PATH}?name=a"), &[], &Err(RequestError::Method));
    }

    #[test]
    fn on_the_loopback_address_only_who_has_the_token_and_asked_himself_is_answered() {
        let get = format!("GET {GET_PATH}?name=a");
        let (host, good) = (("host", "localhost:2773"), (TOKEN_HEADER, TOKEN));
        let yes = || value("a", Decryption::No);
        for (headers, wanted) in [
            (&[host, good][..], yes()),
            (&[("host", "127.0.0.1:2773"), good], yes()),
            (&[("host", "[::1]:2773"), good], yes()),
            (&[("host", "LOCALHOST"), good], yes()),
            (&[good], Err(RequestError::Host)),
            (&[("host", "attacker.example:2773"), good], Err(RequestError::Host)),
            (&[("host", "localhost:80"), good], Err(RequestError::Host)),
            (&[("host", "localhost.attacker.example"), good], Err(RequestError::Host)),
            (&[("host", "127.0.0.1.attacker.example"), good], Err(RequestError::Host)),
            (&[host, host, good], Err(RequestError::Host)),
            (&[host], Err(RequestError::Token)),
            (&[host, (TOKEN_HEADER, "another")], Err(RequestError::Token)),
            (&[host, (TOKEN_HEADER, "")], Err(RequestError::Token)),
            (&[host, (TOKEN_HEADER, "the token of this hosT")], Err(RequestError::Token)),
            (&[host, good, (TOKEN_HEADER, "another")], Err(RequestError::Token)),
            (&[host, good, ("x-forwarded-for", "192.0.2.1")], Err(RequestError::Forwarded)),
            (&[host, good, ("forwarded", "for=192.0.2.1")], Err(RequestError::Forwarded)),
        ] {
            check(&loopback(), &get, headers, &wanted);
        }
        check(&loopback(), "GET /ping", &[host], &Ok(Ask::Ping));
        check(&loopback(), "GET /ping", &[("host", "attacker.example")], &Err(RequestError::Host));
        check(&loopback(), &format!("PUT {GET_PATH}?name=a"), &[host, good], &Err(RequestError::Method));
        check(&loopback(), &format!("GET {BELOW_PATH}?path=/a"), &[host, good], &Err(RequestError::Path));
    }
}
