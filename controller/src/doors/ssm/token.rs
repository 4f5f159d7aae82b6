//! Where a list goes on: an opaque token that is good only for the request that it was given to.
//!
//! Nothing secret is in it and nothing is allowed by it: whoever makes one up reads no more than he may.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fault::Fault;

/// Bytes of the digest of a request.
const DIGEST_BYTES: usize = 12;
/// Members that may differ from page to page.
const OF_THE_PAGE: [&str; 2] = ["NextToken", "MaxResults"];

/// What a token is bound to: the operation and everything that it asks for but the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Binding([u8; DIGEST_BYTES]);

impl Binding {
    pub(super) fn of(operation: &str, input: &Value) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(operation.as_bytes());
        if let Value::Object(members) = input {
            let mut members: Vec<_> =
                members.iter().filter(|(name, _)| !OF_THE_PAGE.contains(&name.as_str())).collect();
            members.sort_unstable_by_key(|(name, _)| name.as_str());
            for (name, value) in members {
                hash.update(b"\0");
                hash.update(name.as_bytes());
                hash.update(b"\0");
                hash.update(value.to_string().as_bytes());
            }
        }
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&hash.finish().as_ref()[..DIGEST_BYTES]);
        Self(digest)
    }

    /// The token of the page that starts behind this position; None when there is none.
    pub(super) fn token<P: Serialize>(self, position: Option<P>) -> Option<String> {
        let position = serde_json::to_vec(&position?).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&self.0[..], &position].concat()))
    }

    /// The position in a token; None for the first page.
    pub(super) fn position<P: DeserializeOwned>(self, token: Option<&str>) -> Result<Option<P>, Fault> {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        let position = bytes.as_deref().and_then(|bytes| bytes.strip_prefix(&self.0));
        position.and_then(|position| serde_json::from_slice(position).ok()).map(Some).ok_or_else(|| {
            Fault::new(
                "InvalidNextToken",
                "the token is not one that this request was answered with: repeat the request as it was, or begin anew",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_good_for_its_request_and_no_other() {
        let input = json!({"Path": "/a", "Recursive": true, "MaxResults": 3});
        let token = Binding::of("Get", &input).token(Some("/a/b".to_owned()));
        let position = |operation, input: Value| {
            Binding::of(operation, &input).position::<String>(token.as_deref()).map_err(|fault| fault.name)
        };
        let next = json!({"Recursive": true, "Path": "/a", "MaxResults": 9, "NextToken": token});
        assert_eq!(position("Get", next.clone()), Ok(Some("/a/b".to_owned())));
        assert_eq!(position("List", next), Err("InvalidNextToken"));
        assert_eq!(position("Get", json!({"Path": "/b", "Recursive": true})), Err("InvalidNextToken"));
    }

    #[test]
    fn what_is_no_token_is_refused_and_nothing_is_the_first_page() {
        let binding = Binding::of("Get", &json!({}));
        assert_eq!(binding.position::<String>(None).unwrap(), None);
        assert_eq!(binding.position::<String>(Some("")).unwrap(), None);
        assert_eq!(binding.token(None::<String>), None);
        for token in ["x", "AAAA", "ä", "====", &"A".repeat(10_000)] {
            assert_eq!(binding.position::<String>(Some(token)).unwrap_err().name, "InvalidNextToken");
        }
        let other_kind = binding.token(Some(7)).unwrap();
        assert_eq!(binding.position::<String>(Some(&other_kind)).unwrap_err().name, "InvalidNextToken");
    }
}
