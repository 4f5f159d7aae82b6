//! AWS Signature Version 4 for `POST /` with the headers that SDKs sign. It signs; it verifies nothing.

use ring::{digest, hmac};
use time::OffsetDateTime;

const REGION: &str = "eu-central-1";

/// An access key, with its signing key of one day.
#[derive(Debug)]
pub(crate) struct Signer {
    access_key: String,
    secret: String,
    /// Until the second changes.
    second: i64,
    date: String,
    moment: String,
    key: Option<hmac::Key>,
}

impl Signer {
    pub(crate) fn new(access_key: String, secret: String) -> Self {
        Self { access_key, secret, second: 0, date: String::new(), moment: String::new(), key: None }
    }

    /// Writes the head of a request with this body, ready to be sent.
    pub(crate) fn head(
        &mut self,
        out: &mut Vec<u8>,
        host: &str,
        operation: &str,
        body: &[u8],
        now: OffsetDateTime,
    ) {
        self.set_moment(now);
        let (date, moment) = (&self.date, &self.moment);
        let canonical = format!(
            "POST\n/\n\ncontent-type:application/x-amz-json-1.1\nhost:{host}\nx-amz-date:{moment}\nx-amz-target:\
             AmazonSSM.{operation}\n\ncontent-type;host;x-amz-date;x-amz-target\n{}",
            sha256(body)
        );
        let text = format!(
            "AWS4-HMAC-SHA256\n{moment}\n{date}/{REGION}/ssm/aws4_request\n{}",
            sha256(canonical.as_bytes())
        );
        let key = self.key.get_or_insert_with(|| signing_key(&self.secret, date));
        let signature = hex::encode(hmac::sign(key, text.as_bytes()));
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Date: {moment}\r\n\
             X-Amz-Target: AmazonSSM.{operation}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={}/{date}/{REGION}/ssm/\
             aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={signature}\r\n\
             Content-Length: {}\r\n\r\n",
            self.access_key,
            body.len()
        );
        out.extend_from_slice(head.as_bytes());
    }

    fn set_moment(&mut self, now: OffsetDateTime) {
        if now.unix_timestamp() == self.second {
            return;
        }
        self.second = now.unix_timestamp();
        let date = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
        self.moment = format!("{date}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
        if date != self.date {
            self.date = date;
            self.key = None;
        }
    }
}

fn signing_key(secret: &str, date: &str) -> hmac::Key {
    let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
    let first = key(format!("AWS4{secret}").as_bytes());
    [date, REGION, "ssm", "aws4_request"]
        .iter()
        .fold(first, |before, part| key(hmac::sign(&before, part.as_bytes()).as_ref()))
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature was computed with another implementation, step by step as AWS describes it.
    #[test]
    fn it_signs_as_others_do() {
        let mut signer =
            Signer::new("AKIDEXAMPLE".to_owned(), "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
        let now = OffsetDateTime::from_unix_timestamp(1_440_938_160).unwrap();
        let mut out = Vec::new();
        signer.head(&mut out, "127.0.0.1:8080", "GetParameter", br#"{"Name": "x"}"#, now);
        let head = String::from_utf8(out).unwrap();
        assert!(head.contains("X-Amz-Date: 20150830T123600Z\r\n"), "{head}");
        assert!(
            head.contains("Signature=cc9a20792f311c8c034eadf536424e30ec6c2d4aeaba1f67a16e989838d68dea\r\n"),
            "{head}"
        );
    }
}
