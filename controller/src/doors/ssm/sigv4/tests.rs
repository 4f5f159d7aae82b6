//! The two requests were signed by botocore, with a clock that stood still.

use http::Request;

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const MADE: i64 = 1_790_000_000;
const BODY: &[u8] = br#"{"Name": "/app/db", "WithDecryption": true}"#;

/// As botocore and the AWS command line send them.
const PLAIN: &[(&str, &str)] = &[
    ("host", "127.0.0.1:7480"),
    ("x-amz-target", "AmazonSSM.GetParameter"),
    ("content-type", "application/x-amz-json-1.1"),
    ("x-amz-date", "20260921T141320Z"),
    ("content-length", "43"),
    ("amz-sdk-request", "attempt=1"),
    (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=AKIAABCDEFGHIJKLMNOP/20260921/eu-west-1/ssm/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
         Signature=ca6ce608614b831d6e484312eaaad31d4a0a7e3bcac558debe5b95e36fd90502",
    ),
];

/// With the headers that the JavaScript SDK signs, and space in one of them.
const MANY: &[(&str, &str)] = &[
    ("host", "fleet.example:7443"),
    ("x-amz-target", "AmazonSSM.DescribeParameters"),
    ("content-type", "application/x-amz-json-1.1"),
    ("x-amz-user-agent", "a   b  c "),
    ("amz-sdk-request", "attempt=1; max=3"),
    ("x-amz-content-sha256", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
    ("content-length", "2"),
    ("x-amz-date", "20260921T141320Z"),
    (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=AKIAABCDEFGHIJKLMNOP/20260921/eu-west-1/ssm/aws4_request, \
         SignedHeaders=amz-sdk-request;content-length;content-type;host;x-amz-content-sha256;x-amz-date;\
         x-amz-target;x-amz-user-agent, \
         Signature=3157d9d289c6b8abab6facd84242f43886b307d1e5971d04e339e10e5116339e",
    ),
];

type Headers = Vec<(String, String)>;

fn headers(of: &[(&str, &str)]) -> Headers {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn parts(uri: &str, headers: &Headers) -> Parts {
    let mut request = Request::post(uri);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(()).unwrap().into_parts().0
}

/// None when it is good, else the name of what is refused and why.
fn verdict(uri: &str, headers: &Headers, body: &[u8]) -> Option<(&'static str, String)> {
    let parts = parts(uri, headers);
    let checked = claim(&parts).and_then(|claim| {
        let key = signing_key(SECRET, claim.date, claim.region);
        check(&claim, &parts, body, &key).map(|()| claim.made)
    });
    match checked {
        Ok(made) => {
            assert_eq!(made, MADE);
            None
        }
        Err(fault) => Some((fault.name, fault.message.into_owned())),
    }
}

fn changed(of: &[(&str, &str)], change: impl Fn(&mut Headers)) -> Headers {
    let mut headers = headers(of);
    change(&mut headers);
    headers
}

fn set(name: &'static str, value: &'static str) -> impl Fn(&mut Headers) {
    move |headers| {
        headers.retain(|(known, _)| known != name);
        headers.push((name.to_owned(), value.to_owned()));
    }
}

fn add(name: &'static str, value: &'static str) -> impl Fn(&mut Headers) {
    move |headers| headers.push((name.to_owned(), value.to_owned()))
}

fn drop_header(name: &'static str) -> impl Fn(&mut Headers) {
    move |headers| headers.retain(|(known, _)| known != name)
}

fn replace(from: &'static str, to: &'static str) -> impl Fn(&mut Headers) {
    move |headers| {
        for (_, value) in headers {
            *value = value.replace(from, to);
        }
    }
}

#[test]
fn what_clients_sign_is_good() {
    assert_eq!(verdict("/", &headers(PLAIN), BODY), None);
    assert_eq!(verdict("/", &headers(MANY), b"{}"), None);
    // HTTP/2 says the host in the address.
    let without_host = changed(PLAIN, drop_header("host"));
    assert_eq!(verdict("http://127.0.0.1:7480/", &without_host, BODY), None);
    // What is not signed may change on the way.
    assert_eq!(verdict("/", &changed(PLAIN, set("amz-sdk-request", "attempt=2")), BODY), None);
    let tight = changed(PLAIN, replace(", Sig", ",Sig"));
    assert_eq!(verdict("/", &tight, BODY), None);
}

#[test]
fn whatever_is_changed_makes_the_signature_wrong() {
    let wrong = |headers: Headers, body: &[u8]| {
        let (name, why) = verdict("/", &headers, body).expect("it must be refused");
        assert_eq!(name, "InvalidSignatureException", "{why}");
    };
    wrong(headers(PLAIN), b"{}");
    wrong(headers(MANY), b"{ }");
    for (from, to) in [
        ("GetParameter", "DeleteParameter"),
        ("127.0.0.1:7480", "127.0.0.1:7481"),
        ("json-1.1", "json-1.0"),
        ("T141320Z", "T141321Z"),
        ("ca6ce608", "ca6ce609"),
        ("eu-west-1", "eu-west-2"),
        ("/ssm/", "/s3/"),
        ("=content-type;host;", "=host;"),
        ("20260921/", "20260922/"),
    ] {
        wrong(changed(PLAIN, replace(from, to)), BODY);
    }
    let other_sum = set("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    wrong(changed(MANY, other_sum), b"{}");
}

#[test]
fn what_is_not_whole_or_ambiguous_is_refused_before_anything_is_computed() {
    let check = |headers: Headers, name: &str, why: &str| {
        let (seen, message) = verdict("/", &headers, BODY).expect("it must be refused");
        assert_eq!(seen, name, "{message}");
        assert!(message.contains(why), "{message}");
    };
    let incomplete = |change: &dyn Fn(&mut Headers), why: &str| {
        check(changed(PLAIN, change), "IncompleteSignatureException", why);
    };
    let malformed = |change: &dyn Fn(&mut Headers), why: &str| {
        check(changed(PLAIN, change), "MalformedHttpRequestException", why);
    };
    check(changed(PLAIN, drop_header("authorization")), "MissingAuthenticationTokenException", "not signed");
    incomplete(&set("authorization", "Basic YTpi"), "of the form AWS4-HMAC-SHA256");
    incomplete(&replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "of the form AWS4-HMAC-SHA256");
    incomplete(&replace("Signature=", "Signature2="), "a part that is not known");
    incomplete(&replace("SignedHeaders=", "Signature=00, SignedHeaders="), "one of its parts twice");
    incomplete(
        &replace("Credential=AKIAABCDEFGHIJKLMNOP/20260921/eu-west-1/ssm/aws4_request, ", ""),
        "lacks",
    );
    incomplete(&replace("aws4_request", "aws4"), "KEY/DATE/REGION/ssm/aws4_request");
    incomplete(&replace("eu-west-1", "EU"), "the name of a region");
    incomplete(&replace("ca6ce608", "CA6CE608"), "64 hex digits");
    incomplete(&replace("ca6ce608", ""), "64 hex digits");
    incomplete(&drop_header("x-amz-date"), "no X-Amz-Date");
    incomplete(&set("x-amz-date", "2026-09-21T14:13:20Z"), "in the form 20260131T235959Z");
    incomplete(&set("x-amz-date", "20260931T141320Z"), "in the form 20260131T235959Z");
    incomplete(&replace("content-type;host;x-amz-date", "content-type;x-amz-date"), "host must be signed");
    incomplete(&replace(";x-amz-target", ""), "x-amz-target must be signed");
    incomplete(&replace("content-type;host", "host;content-type"), "sorted");
    incomplete(&replace("content-type;host", "content-type;content-type;host"), "sorted");
    incomplete(&replace("content-type;host", "Content-Type;host"), "lower case");
    incomplete(&replace("content-type;host", "content-type;date;host"), "headers of the request");
    incomplete(&add("x-amz-role", "admin"), "x-amz-role is not signed");
    malformed(&add("host", "127.0.0.1:7480"), "host stands there more than once");
    malformed(&add("x-amz-target", "AmazonSSM.DeleteParameter"), "more than once");
    malformed(&add("content-length", "2"), "more than once");
    malformed(&add("authorization", "x"), "more than once");
    malformed(&add("transfer-encoding", "chunked"), "no Transfer-Encoding");
    malformed(&drop_header("host"), "names no host");
    let token = changed(PLAIN, |headers| {
        add("x-amz-security-token", "x")(headers);
        replace(";x-amz-target", ";x-amz-security-token;x-amz-target")(headers);
    });
    check(token, "UnrecognizedClientException", "AWS_SESSION_TOKEN");
}

#[test]
fn there_is_one_address() {
    for (uri, why) in [
        ("/x", "go to the path /"),
        ("//", "go to the path /"),
        ("/?X-Amz-Signature=ca6ce608", "have no query"),
        ("/?", "have no query"),
        ("http://other:1/", "two hosts"),
    ] {
        let (name, message) = verdict(uri, &headers(PLAIN), BODY).expect("it must be refused");
        assert_eq!(name, "MalformedHttpRequestException", "{message}");
        assert!(message.contains(why), "{uri}: {message}");
    }
}

#[test]
fn a_signed_post_is_no_other_request() {
    for method in [http::Method::GET, http::Method::PUT, http::Method::DELETE] {
        let mut parts = parts("/", &headers(PLAIN));
        parts.method = method;
        assert_eq!(claim(&parts).unwrap_err().name, "MalformedHttpRequestException");
    }
}

#[test]
fn moments_are_read_to_the_second() {
    for (text, seconds) in [
        ("19700101T000000Z", Some(0)),
        ("20260921T141320Z", Some(MADE)),
        ("20240229T235959Z", Some(1_709_251_199)),
        ("20230229T235959Z", None),
        ("20260921T141320", None),
        ("20260921T141320Z ", None),
        ("20260921 141320Z", None),
        ("+0260921T141320Z", None),
        ("20260921T246060Z", None),
        ("ä0260921T14132Z", None),
    ] {
        assert_eq!(super::seconds(text), seconds, "{text}");
    }
}
