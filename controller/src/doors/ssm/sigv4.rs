//! AWS Signature Version 4 as clients of SSM use it, pure: what a request claims, and whether its signature bears it out.
//!
//! ```text
//! headers ── claim ──► who, when, for which region, what is signed ── check(key, digest of the body) ──► good or not
//! ```
//!
//! Only the form that SSM's clients send is taken: `POST /` without a query, the signature in `Authorization`. What is
//! ambiguous (a header that counts and stands there twice, a host said in two ways) is refused instead of chosen from.
//! The only crate that verifies these signatures brings a second hash stack and takes signed queries and forms as well,
//! which would have to be refused again; so this is our own, on ring, which compares in constant time.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use ring::{digest, hmac};
use time::{Date, Month, PrimitiveDateTime, Time};

use super::fault::{Fault, MALFORMED};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// The service that requests are signed for.
pub(super) const SERVICE: &str = "ssm";
/// Most headers that a signature may cover, and the longest name of a region: SDKs stay far below.
const SIGNED_HEADERS_MAX: usize = 40;
const REGION_MAX_BYTES: usize = 64;
const SIGNATURE_BYTES: usize = 32;

pub(super) const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
pub(super) const AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
/// Of all headers with this beginning the meaning may depend, so all must be signed.
const AMZ_PREFIX: &str = "x-amz-";

/// Headers that decide what a request says: each stands there once or not at all.
const SINGLE: [HeaderName; 8] = [
    AUTHORIZATION,
    HOST,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    AMZ_DATE,
    AMZ_TARGET,
    AMZ_CONTENT_SHA256,
    AMZ_SECURITY_TOKEN,
];

/// What a request says of itself. Nothing of it is true before [`check`] says so.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) access_key: &'a str,
    /// `YYYYMMDD`.
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    /// Seconds since the Unix epoch.
    pub(super) made: i64,
    moment: &'a str,
    signed_headers: &'a str,
    host: &'a str,
    pub(super) signature: [u8; SIGNATURE_BYTES],
}

/// Reads what a request claims; refuses what is not whole or could be read in two ways.
pub(super) fn claim(parts: &Parts) -> Result<Claim<'_>, Fault> {
    refuse_other_forms(parts)?;
    let headers = &parts.headers;
    let authorization = text(headers, &AUTHORIZATION)?.ok_or_else(|| {
        Fault::new(
            "MissingAuthenticationTokenException",
            "the request is not signed: it has no Authorization header",
        )
    })?;
    let (access_key, scope, signed_headers, signature) = authorization_parts(authorization)?;
    let (date, region) = scope_parts(scope)?;
    let moment = text(headers, &AMZ_DATE)?.ok_or_else(|| incomplete("it has no X-Amz-Date header"))?;
    let made = seconds(moment)
        .ok_or_else(|| incomplete("X-Amz-Date is not a moment in the form 20260131T235959Z"))?;
    if !moment.starts_with(date) {
        return Err(wrong("the date of the credential's scope is not that of X-Amz-Date"));
    }
    check_signed_headers(headers, signed_headers)?;
    if headers.contains_key(AMZ_SECURITY_TOKEN) {
        return Err(Fault::new(
            "UnrecognizedClientException",
            "access keys of this controller have no session token: unset AWS_SESSION_TOKEN",
        ));
    }
    let signature = signature_bytes(signature)?;
    let host = host(parts)?;
    Ok(Claim { access_key, date, region, made, moment, signed_headers, host, signature })
}

fn refuse_other_forms(parts: &Parts) -> Result<(), Fault> {
    if parts.method != http::Method::POST {
        return Err(malformed("requests to this API are sent with POST"));
    }
    if parts.uri.path() != "/" {
        return Err(malformed("requests to this API go to the path /"));
    }
    if parts.uri.query().is_some() {
        return Err(malformed(
            "requests to this API have no query: signatures and arguments in the address are not taken",
        ));
    }
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        return Err(malformed("the body must have a Content-Length and no Transfer-Encoding"));
    }
    match SINGLE.iter().find(|name| parts.headers.get_all(*name).iter().nth(1).is_some()) {
        None => Ok(()),
        Some(twice) => Err(malformed(&format!("the header {twice} stands there more than once"))),
    }
}

/// The four parts of an Authorization header, each of which stands there once.
fn authorization_parts(header: &str) -> Result<(&str, &str, &str, &str), Fault> {
    let rest = header.strip_prefix(ALGORITHM).and_then(|rest| rest.strip_prefix(' '));
    let rest = rest.ok_or_else(|| incomplete("Authorization is not of the form AWS4-HMAC-SHA256 …"))?;
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for part in rest.split(',') {
        let (name, value) = part.trim().split_once('=').unwrap_or_default();
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(incomplete("Authorization has a part that is not known")),
        };
        if slot.replace(value).is_some() {
            return Err(incomplete("Authorization says one of its parts twice"));
        }
    }
    match (credential.and_then(|credential| credential.split_once('/')), signed_headers, signature) {
        (Some((key, scope)), Some(signed_headers), Some(signature)) => {
            Ok((key, scope, signed_headers, signature))
        }
        _ => Err(incomplete("Authorization lacks Credential, SignedHeaders or Signature")),
    }
}

fn scope_parts(scope: &str) -> Result<(&str, &str), Fault> {
    let mut parts = scope.split('/');
    let (date, region, service, end) = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(date), Some(region), Some(service), Some(TERMINATOR), None) =
        (date, region, service, end, parts.next())
    else {
        return Err(incomplete("Credential is not of the form KEY/DATE/REGION/ssm/aws4_request"));
    };
    if service != SERVICE {
        return Err(wrong("the credential is scoped to another service than ssm"));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.is_empty() || region.len() > REGION_MAX_BYTES || !region.bytes().all(plain) {
        return Err(incomplete("the region of the credential's scope is not the name of a region"));
    }
    if date.len() != 8 {
        return Err(incomplete("the date of the credential's scope is not of the form YYYYMMDD"));
    }
    Ok((date, region))
}

/// In order, each once, none that is not there, and all on which the meaning of the request depends.
fn check_signed_headers(headers: &HeaderMap, signed: &str) -> Result<(), Fault> {
    let mut before = "";
    for (count, name) in signed.split(';').enumerate() {
        let known = name == HOST.as_str() || headers.contains_key(name);
        let plain = name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase());
        if name <= before || !plain || !known || count >= SIGNED_HEADERS_MAX {
            return Err(incomplete(
                "SignedHeaders must name headers of the request, in lower case and sorted",
            ));
        }
        before = name;
    }
    let is_signed = |name: &str| signed.split(';').any(|signed| signed == name);
    for name in [HOST, AMZ_DATE, AMZ_TARGET] {
        if !is_signed(name.as_str()) {
            return Err(incomplete(&format!("the header {name} must be signed")));
        }
    }
    let unsigned =
        headers.keys().find(|name| name.as_str().starts_with(AMZ_PREFIX) && !is_signed(name.as_str()));
    match unsigned {
        None => Ok(()),
        Some(name) => Err(incomplete(&format!("the header {name} is not signed: all of X-Amz-… must be"))),
    }
}

fn signature_bytes(text: &str) -> Result<[u8; SIGNATURE_BYTES], Fault> {
    let mut bytes = [0; SIGNATURE_BYTES];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) if !text.bytes().any(|byte| byte.is_ascii_uppercase()) => Ok(bytes),
        _ => Err(incomplete("Signature is not 64 hex digits in lower case")),
    }
}

/// HTTP/2 says the host in the address, HTTP/1.1 in a header. Whoever says it in both must say the same.
fn host(parts: &Parts) -> Result<&str, Fault> {
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    match (authority, text(&parts.headers, &HOST)?) {
        (Some(one), Some(other)) if one != other => Err(malformed("the request names two hosts")),
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(malformed("the request names no host")),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Fault> {
    let value = headers.get(name).map(http::HeaderValue::to_str).transpose();
    value.map_err(|_| malformed(&format!("the header {name} is not plain text")))
}

/// The moment in `20260131T235959Z`, in seconds since the Unix epoch.
fn seconds(moment: &str) -> Option<i64> {
    let digits = |from: usize, to: usize| -> Option<u16> {
        let part = moment.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
    };
    let byte = |n: u16| u8::try_from(n).ok();
    if moment.len() != 16 || moment.get(8..9)? != "T" || moment.get(15..)? != "Z" {
        return None;
    }
    let month = Month::try_from(byte(digits(4, 6)?)?).ok()?;
    let date = Date::from_calendar_date(i32::from(digits(0, 4)?), month, byte(digits(6, 8)?)?).ok()?;
    let time = Time::from_hms(byte(digits(9, 11)?)?, byte(digits(11, 13)?)?, byte(digits(13, 15)?)?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

/// What signatures of one key, day and region are made with.
pub(super) fn signing_key(secret: &str, date: &str, region: &str) -> hmac::Key {
    let sign = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    let dated = sign(format!("AWS4{secret}").as_bytes(), date);
    let regional = sign(dated.as_ref(), region);
    let service = sign(regional.as_ref(), SERVICE);
    hmac::Key::new(hmac::HMAC_SHA256, sign(service.as_ref(), TERMINATOR).as_ref())
}

/// Whether the signature is that of this request with this body. Takes the same time whatever is wrong with it.
pub(super) fn check(claim: &Claim<'_>, parts: &Parts, body: &[u8], key: &hmac::Key) -> Result<(), Fault> {
    let mut digits = [0; 64];
    let body = hex_digits(&digest::digest(&digest::SHA256, body), &mut digits);
    if let Some(said) = text(&parts.headers, &AMZ_CONTENT_SHA256)?
        && said != body
    {
        return Err(wrong("X-Amz-Content-Sha256 is not the SHA-256 of the body"));
    }
    let mut digits = [0; 64];
    let request = canonical_digest(claim, &parts.headers, body);
    let text = format!(
        "{ALGORITHM}\n{}\n{}/{}/{SERVICE}/{TERMINATOR}\n{}",
        claim.moment,
        claim.date,
        claim.region,
        hex_digits(&request, &mut digits)
    );
    hmac::verify(key, text.as_bytes(), &claim.signature).map_err(|_| {
        wrong(
            "the signature is not that of this request: check the secret access key, and that nothing on the way changes \
             Host or other signed headers",
        )
    })
}

/// The digest in 64 hex digits, without a string for it.
fn hex_digits<'a>(digest: &digest::Digest, digits: &'a mut [u8; 64]) -> &'a str {
    // Two digits for each of 32 bytes, all of them ASCII.
    hex::encode_to_slice(digest, digits).expect("64 digits have room");
    std::str::from_utf8(digits).expect("hex digits are ASCII")
}

/// SHA-256 of the canonical request, fed to the hash piece by piece.
fn canonical_digest(claim: &Claim<'_>, headers: &HeaderMap, body: &str) -> digest::Digest {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"POST\n/\n\n");
    for name in claim.signed_headers.split(';') {
        hash.update(name.as_bytes());
        hash.update(b":");
        if name == HOST.as_str() {
            hash.update(claim.host.as_bytes());
        } else {
            for (at, value) in headers.get_all(name).iter().enumerate() {
                hash.update(if at == 0 { b"" } else { b"," });
                add_trimmed(&mut hash, value.as_bytes());
            }
        }
        hash.update(b"\n");
    }
    hash.update(b"\n");
    hash.update(claim.signed_headers.as_bytes());
    hash.update(b"\n");
    hash.update(body.as_bytes());
    hash.finish()
}

/// Without space at the ends, and one space for each run of them within.
fn add_trimmed(hash: &mut digest::Context, value: &[u8]) {
    let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        hash.update(if at == 0 { b"" } else { b" " });
        hash.update(word);
    }
}

fn malformed(why: &str) -> Fault {
    Fault::new(MALFORMED, why)
}

fn incomplete(why: &str) -> Fault {
    Fault::new("IncompleteSignatureException", why)
}

fn wrong(why: &str) -> Fault {
    Fault::new("InvalidSignatureException", why)
}

#[cfg(test)]
mod tests;
