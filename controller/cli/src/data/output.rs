//! What a node printed, as printed in JSON: text where it is text, base64 with a mark where it is not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::live::Stream;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Output {
    stdout: String,
    stdout_encoding: Encoding,
    stderr: String,
    stderr_encoding: Encoding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Encoding {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "base64")]
    Base64,
}

/// What one node printed, byte by byte.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Printed {
    pub(crate) fn of(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// Bytes of stdout and of stderr.
    pub(crate) fn lengths(&self) -> (u64, u64) {
        (self.stdout.len() as u64, self.stderr.len() as u64)
    }
}

impl From<Printed> for Output {
    fn from(printed: Printed) -> Self {
        let (stdout, stdout_encoding) = encode(printed.stdout);
        let (stderr, stderr_encoding) = encode(printed.stderr);
        Self { stdout, stdout_encoding, stderr, stderr_encoding }
    }
}

fn encode(bytes: Vec<u8>) -> (String, Encoding) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, Encoding::Utf8),
        Err(error) => (STANDARD.encode(error.as_bytes()), Encoding::Base64),
    }
}

/// The output of one invocation, by itself.
#[derive(Debug, Serialize)]
pub(crate) struct InvocationOutput {
    pub(crate) command_id: String,
    pub(crate) node_id: String,
    #[serde(flatten)]
    pub(crate) output: Output,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_marked() {
        let output = Output::from(Printed { stdout: "grün\n".into(), stderr: vec![0xff, 0, 0x80] });
        assert_eq!(
            serde_json::to_string(&output).unwrap(),
            r#"{"stdout":"grün\n","stdout_encoding":"utf-8","stderr":"/wCA","stderr_encoding":"base64"}"#
        );
    }
}
