//! What is asked of SSM's API.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use time::OffsetDateTime;

use crate::Effort;
use crate::pace::Caller;
use crate::sign::Signer;
use crate::wire::{Connection, Dial};

/// Parameters that are read one by one are below these paths.
const PLAIN: &str = "/load/plain";
const SECRET: &str = "/load/secret";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Asked {
    /// Put every plain parameter once
    Fill,
    /// Put every secret once
    FillSecrets,
    /// GetParameter of a String
    Get,
    /// GetParameter of a SecureString, with decryption
    GetSecret,
    /// GetParametersByPath, ten at a time, page by page
    ByPath,
    /// PutParameter of a String that is there
    Put,
    /// PutParameter of a SecureString that is there
    PutSecret,
}

impl Asked {
    /// Whether it ends when everything was asked.
    pub(crate) fn is_once(self) -> bool {
        matches!(self, Self::Fill | Self::FillSecrets)
    }

    fn operation(self) -> &'static str {
        match self {
            Self::Fill | Self::FillSecrets | Self::Put | Self::PutSecret => "PutParameter",
            Self::Get | Self::GetSecret => "GetParameter",
            Self::ByPath => "GetParametersByPath",
        }
    }
}

pub(crate) async fn callers(
    address: &str,
    authority: Option<&Path>,
    asked: Asked,
    effort: &Effort,
) -> Result<Vec<Asking>> {
    let variable = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
    let (access_key, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    let dial = Dial::new(address, authority)?;
    let connections = try_join_all((0..effort.connections).map(|_| dial.connect())).await?;
    let calling = |(place, connection)| Asking {
        connection,
        signer: Signer::new(access_key.clone(), secret.clone()),
        host: address.to_owned(),
        asked,
        items: effort.items,
        value_bytes: effort.value_bytes,
        next: place,
        step: effort.connections,
        random: fastrand::Rng::with_seed(place.into()),
        token: None,
        request: Vec::new(),
    };
    Ok((0u32..).zip(connections).map(calling).collect())
}

/// One connection and where it is.
pub(crate) struct Asking {
    connection: Connection,
    signer: Signer,
    host: String,
    asked: Asked,
    items: u32,
    value_bytes: u32,
    /// Of those that are put once, which one is next.
    next: u32,
    step: u32,
    random: fastrand::Rng,
    token: Option<String>,
    request: Vec<u8>,
}

impl Caller for Asking {
    async fn call(&mut self) -> Result<bool> {
        let Some(body) = self.body() else { return Ok(false) };
        self.request.clear();
        let now = OffsetDateTime::now_utc();
        self.signer.head(&mut self.request, &self.host, self.asked.operation(), body.as_bytes(), now);
        self.request.extend_from_slice(body.as_bytes());
        let answer = self.connection.ask(&self.request).await?;
        let wanted = match self.asked {
            Asked::Get | Asked::GetSecret => r#""Value":"v"#,
            Asked::ByPath => r#"{"Parameters":[{"#,
            Asked::Fill | Asked::FillSecrets | Asked::Put | Asked::PutSecret => r#"{"Version":"#,
        };
        let answer = std::str::from_utf8(answer).context("an answer is no text")?;
        ensure!(answer.contains(wanted), "not the answer that was wanted: {answer}");
        if self.asked == Asked::ByPath {
            self.token = next_token(answer);
        }
        Ok(true)
    }
}

impl Asking {
    fn body(&mut self) -> Option<String> {
        let body = match self.asked {
            Asked::Fill | Asked::FillSecrets => {
                let item = self.next;
                self.next += self.step;
                if item >= self.items {
                    return None;
                }
                self.put(item, false)
            }
            Asked::Put | Asked::PutSecret => {
                let item = self.random.u32(..self.items);
                self.put(item, true)
            }
            Asked::Get => format!(r#"{{"Name":"{}"}}"#, name(PLAIN, self.random.u32(..self.items))),
            Asked::GetSecret => {
                let name = name(SECRET, self.random.u32(..self.items));
                format!(r#"{{"Name":"{name}","WithDecryption":true}}"#)
            }
            Asked::ByPath => match &self.token {
                Some(token) => format!(r#"{{"Path":"{PLAIN}","MaxResults":10,"NextToken":"{token}"}}"#),
                None => format!(r#"{{"Path":"{PLAIN}","MaxResults":10}}"#),
            },
        };
        Some(body)
    }

    fn put(&mut self, item: u32, overwrite: bool) -> String {
        let (path, kind) = match self.asked {
            Asked::FillSecrets | Asked::PutSecret => (SECRET, "SecureString"),
            _ => (PLAIN, "String"),
        };
        let value: String = (1..self.value_bytes).map(|_| self.random.alphanumeric()).fold(
            "v".to_owned(),
            |mut text, letter| {
                text.push(letter);
                text
            },
        );
        // What is read alone may be more than the standard tier takes.
        format!(
            r#"{{"Name":"{}","Value":"{value}","Type":"{kind}","Overwrite":{overwrite},"Tier":"Intelligent-Tiering"}}"#,
            name(path, item)
        )
    }
}

fn name(path: &str, item: u32) -> String {
    format!("{path}/{item:08}")
}

/// A token has no character that JSON would escape.
fn next_token(answer: &str) -> Option<String> {
    let (_, rest) = answer.split_once(r#""NextToken":""#)?;
    rest.split_once('"').map(|(token, _)| token.to_owned())
}
