//! An object of an S3-compatible store, or everything below a prefix.
//!
//! Requests are signed when the agent's environment has `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, and anonymous
//! otherwise. `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` names a store that is not the one of the URL.

use std::path::PathBuf;
use std::time::Duration;

use http::header::ETAG;
use http::{HeaderMap, Uri};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};

use super::fetch::Get;
use super::file::Sums;
use super::http::keep;
use super::{DownloadError, Place, inside};
use crate::steps::Task;

/// How long a signature holds.
const SIGNED_FOR: Duration = Duration::from_secs(900);
const MAX_FILES: usize = 100_000;

/// Where a store is and who asks.
#[derive(Debug, Default)]
pub(super) struct Access {
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    pub(super) credentials: Option<Credentials>,
}

impl Access {
    fn of_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            endpoint: variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL")),
            region: variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")),
            credentials: Credentials::from_env(),
        }
    }
}

pub(super) async fn download(
    url: &str,
    sha256: Option<&str>,
    place: &Place,
    task: &Task<'_>,
) -> Result<PathBuf, DownloadError> {
    from(&Access::of_environment(), url, sha256, place, task).await
}

pub(super) async fn from(
    access: &Access,
    url: &str,
    sha256: Option<&str>,
    place: &Place,
    task: &Task<'_>,
) -> Result<PathBuf, DownloadError> {
    let object = Object::read(url)?;
    let endpoint = access.endpoint.clone().unwrap_or_else(|| object.endpoint.clone());
    let style = if access.endpoint.is_some() { UrlStyle::Path } else { object.style };
    let region =
        object.region.clone().or_else(|| access.region.clone()).unwrap_or_else(|| "us-east-1".to_owned());
    let unusable =
        |error: &dyn std::fmt::Display| DownloadError::Source(format!("`{endpoint}` is no store: {error}"));
    let parsed = endpoint.parse().map_err(|error: url::ParseError| unusable(&error))?;
    let bucket =
        Bucket::new(parsed, style, object.bucket.clone(), region).map_err(|error| unusable(&error))?;
    let credentials = access.credentials.as_ref();
    let allow_insecure = endpoint.starts_with("http://");
    let key = object.key.trim_start_matches('/');
    let keys = below(key, &bucket, credentials, allow_insecure, task).await?;
    let get =
        |key: &str| Get::new(bucket.get_object(credentials, key).sign(SIGNED_FOR).as_str(), allow_insecure);
    if keys.is_empty() || keys == [key] {
        let name = key.rsplit('/').next().unwrap_or_default();
        let path = place.file(name)?;
        let answer = get(key)?.send_for_success(task).await?;
        let sums = Sums { sha256: sha256.map(str::to_owned), md5: digest(&answer.headers) };
        keep(answer, &path, &sums, task).await?;
        return Ok(path);
    }
    if sha256.is_some() {
        return Err(DownloadError::ChecksumOfFolder);
    }
    let max_bytes = task.tools.downloads.room()?;
    let mut bytes = 0;
    for found in &keys {
        let relative = found.strip_prefix(key).unwrap_or(found).trim_start_matches('/');
        if relative.is_empty() || relative.ends_with('/') {
            continue;
        }
        let path = inside(&place.path, relative)?;
        let answer = get(found)?.send_for_success(task).await?;
        let sums = Sums { sha256: None, md5: digest(&answer.headers) };
        bytes += keep(answer, &path, &sums, task).await?;
        if bytes > max_bytes {
            return Err(DownloadError::TooLarge(max_bytes));
        }
    }
    Ok(place.path.clone())
}

/// The MD5 of an object, where its ETag is one: not of an object that came in parts, nor of one that the store encrypts
/// under a key of somebody's own.
fn digest(headers: &HeaderMap) -> Option<String> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let has_own_key = value("x-amz-server-side-encryption").is_some_and(|way| way.starts_with("aws:kms"))
        || value("x-amz-server-side-encryption-customer-algorithm").is_some();
    let tag = value(ETAG.as_str()).filter(|_| !has_own_key)?.strip_prefix('"')?.strip_suffix('"')?;
    (tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| tag.to_owned())
}

/// Every key that is `key` or lies below it. A store that does not let it be listed may still give one object.
async fn below(
    key: &str,
    bucket: &Bucket,
    credentials: Option<&Credentials>,
    allow_insecure: bool,
    task: &Task<'_>,
) -> Result<Vec<String>, DownloadError> {
    let mut keys = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut list = ListObjectsV2::new(bucket, credentials);
        list.with_prefix(key);
        if let Some(after) = &after {
            list.with_continuation_token(after.as_str());
        }
        let answer = Get::new(list.sign(SIGNED_FOR).as_str(), allow_insecure)?.send(task).await?;
        if !answer.status.is_success() {
            return Ok(Vec::new());
        }
        let text = answer.text(task).await?;
        let page = ListObjectsV2::parse_response(&text).map_err(|error| {
            DownloadError::Source(format!("the list of the store is not understood: {error}"))
        })?;
        let is_below = |found: &str| {
            found == key
                || key.is_empty()
                || key.ends_with('/')
                || found.strip_prefix(key).is_some_and(|rest| rest.starts_with('/'))
        };
        keys.extend(page.contents.into_iter().map(|object| object.key).filter(|found| is_below(found)));
        after = page.next_continuation_token;
        if after.is_none() {
            return Ok(keys);
        }
        if keys.len() > MAX_FILES {
            return Err(DownloadError::Source(format!("more than {MAX_FILES} objects lie below `{key}`")));
        }
    }
}

/// What an S3 URL names.
#[derive(Debug)]
struct Object {
    endpoint: String,
    bucket: String,
    key: String,
    region: Option<String>,
    style: UrlStyle,
}

impl Object {
    /// `https://bucket.s3.region.host/key`, `https://s3.region.host/bucket/key`, `s3://bucket/key`, or any other host with
    /// the bucket first in its path.
    fn read(url: &str) -> Result<Self, DownloadError> {
        let wrong = || {
            DownloadError::Source(format!(
                "`{}` names no object of a store",
                url.split('?').next().unwrap_or_default()
            ))
        };
        let bare = url.split(['?', '#']).next().unwrap_or_default();
        let parsed: Uri = bare.parse().map_err(|_| wrong())?;
        let (scheme, host) = (parsed.scheme_str().ok_or_else(wrong)?, parsed.host().ok_or_else(wrong)?);
        let path = decoded(parsed.path().trim_start_matches('/')).ok_or_else(wrong)?;
        if scheme == "s3" {
            let endpoint = "https://s3.amazonaws.com".to_owned();
            return Ok(Self {
                endpoint,
                bucket: host.to_owned(),
                key: path,
                region: None,
                style: UrlStyle::VirtualHost,
            });
        }
        let port = parsed.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        if let Some((bucket, rest)) = host.split_once(".s3").filter(|(_, rest)| rest.starts_with(['.', '-']))
        {
            let endpoint = format!("{scheme}://s3{rest}{port}");
            return Ok(Self {
                endpoint,
                bucket: bucket.to_owned(),
                key: path,
                region: region(rest),
                style: UrlStyle::VirtualHost,
            });
        }
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        if bucket.is_empty() {
            return Err(wrong());
        }
        let endpoint = format!("{scheme}://{host}{port}");
        let region = host.strip_prefix("s3").and_then(region);
        Ok(Self { endpoint, bucket: bucket.to_owned(), key: key.to_owned(), region, style: UrlStyle::Path })
    }
}

/// The region in `.eu-west-1.amazonaws.com` and `-eu-west-1.amazonaws.com`.
fn region(rest: &str) -> Option<String> {
    let name = rest.get(1..)?.split('.').next()?;
    (name.contains('-') && name.ends_with(|last: char| last.is_ascii_digit())).then(|| name.to_owned())
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, endpoint: &str, bucket: &str, key: &str, region: Option<&str>) {
        let object = Object::read(url).unwrap();
        let found = (&*object.endpoint, &*object.bucket, &*object.key, object.region.as_deref());
        assert_eq!(found, (endpoint, bucket, key, region), "{url}");
    }

    #[test]
    fn every_way_to_write_an_object_is_understood() {
        check("https://b.s3.amazonaws.com/a/c.sh", "https://s3.amazonaws.com", "b", "a/c.sh", None);
        check(
            "https://b.s3.eu-west-1.amazonaws.com/a",
            "https://s3.eu-west-1.amazonaws.com",
            "b",
            "a",
            Some("eu-west-1"),
        );
        check(
            "https://s3-eu-west-1.amazonaws.com/b/a",
            "https://s3-eu-west-1.amazonaws.com",
            "b",
            "a",
            Some("eu-west-1"),
        );
        check("https://s3.amazonaws.com/b/a%20c/", "https://s3.amazonaws.com", "b", "a c/", None);
        check("http://127.0.0.1:9000/b/a", "http://127.0.0.1:9000", "b", "a", None);
        check("s3://b/a/c", "https://s3.amazonaws.com", "b", "a/c", None);
        for wrong in ["b/a", "https://s3.amazonaws.com/", "https://s3.amazonaws.com/b/%ZZ"] {
            assert!(Object::read(wrong).is_err(), "{wrong}");
        }
    }
}
