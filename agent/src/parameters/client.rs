//! The agent as programs of this host ask it, through its socket: what the command line is made of.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use fleetwright_platform::local;
use http::StatusCode;
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value as Json;
use url::form_urlencoded;

use super::endpoint::{BELOW_PATH, GET_PATH};
use super::query::Decryption;

/// Longer than the agent itself waits for its controller.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Larger answers are not the agent's.
const ANSWER_MAX_BYTES: usize = 2 << 20;

/// A connection to the agent.
#[derive(Debug)]
pub struct Client {
    sender: SendRequest<String>,
    path: PathBuf,
}

/// A parameter as the agent answers it.
#[derive(Debug, Clone)]
pub struct Found {
    pub value: String,
    pub is_secret: bool,
    /// The whole answer, in GetParameter's shape.
    pub json: Json,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no agent gives parameters at `{}`: is it running, and are they on in its configuration?", path.display())]
    NotRunning { path: PathBuf, source: io::Error },
    #[error(
        "this account may not ask the agent at `{}`: ask for the group that `parameters.group` names in its configuration",
        path.display()
    )]
    NotAllowed { path: PathBuf },
    /// There is none of this name, or none that this host may read.
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Refused(String),
    /// The controller cannot be asked, and nothing is held.
    #[error("{0}")]
    Unavailable(String),
    #[error("the agent at `{}` did not answer: {why}", path.display())]
    Broken { path: PathBuf, why: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    parameter: Parameter,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    r#type: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Below {
    names: Vec<String>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "__type")]
    code: String,
    message: String,
}

impl Client {
    /// # Errors
    /// When no agent listens there, or this account may not ask it.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = local::connect(path).await.map_err(|source| match source.kind() {
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed { path: path.to_owned() },
            _ => ClientError::NotRunning { path: path.to_owned(), source },
        })?;
        let broken =
            |error: hyper::Error| ClientError::Broken { path: path.to_owned(), why: error.to_string() };
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Whoever waits for an answer hears of its end.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, path: path.to_owned() })
    }

    /// One parameter: `name`, `name:version`, `name:label` or an ARN.
    ///
    /// # Errors
    /// When it is not given.
    pub async fn get(&mut self, name: &str, decryption: Decryption) -> Result<Found, ClientError> {
        let name = form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>();
        let opened = decryption == Decryption::Yes;
        let body = self.ask(&format!("{GET_PATH}?name={name}&withDecryption={opened}")).await?;
        let json: Json = self.read(&body)?;
        let Answer { parameter } = self.read(&body)?;
        Ok(Found { is_secret: parameter.r#type == "SecureString", value: parameter.value, json })
    }

    /// The names of what this host may read below a path.
    ///
    /// # Errors
    /// When they are not given.
    pub async fn below(&mut self, path: &str) -> Result<Vec<String>, ClientError> {
        let path = form_urlencoded::byte_serialize(path.as_bytes()).collect::<String>();
        let body = self.ask(&format!("{BELOW_PATH}?path={path}")).await?;
        let Below { names } = self.read(&body)?;
        Ok(names)
    }

    async fn ask(&mut self, uri: &str) -> Result<Vec<u8>, ClientError> {
        let broken = |path: &Path, why: String| ClientError::Broken { path: path.to_owned(), why };
        let request = Request::get(uri).header("host", "localhost").body(String::new());
        let request = request.map_err(|error| broken(&self.path, error.to_string()))?;
        let answered = tokio::time::timeout(ANSWER_WITHIN, async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        })
        .await
        .map_err(|_| broken(&self.path, format!("nothing within {} s", ANSWER_WITHIN.as_secs())))?;
        let response = answered.map_err(|error| broken(&self.path, error.to_string()))?;
        let status = response.status();
        let body = collect(response.into_body()).await.map_err(|why| broken(&self.path, why))?;
        if status == StatusCode::OK {
            return Ok(body);
        }
        let Ok(problem) = serde_json::from_slice::<Problem>(&body) else {
            return Err(match status {
                StatusCode::TOO_MANY_REQUESTS => {
                    ClientError::Unavailable("too many programs ask the agent at once: try again".to_owned())
                }
                _ => broken(&self.path, format!("it answers {status}")),
            });
        };
        Err(match problem.code.as_str() {
            "ParameterNotFound" | "ParameterVersionNotFound" => ClientError::NotFound(problem.message),
            "ServiceUnavailable" | "ThrottlingException" => ClientError::Unavailable(problem.message),
            _ => ClientError::Refused(problem.message),
        })
    }

    fn read<'a, T: Deserialize<'a>>(&self, body: &'a [u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body)
            .map_err(|error| ClientError::Broken { path: self.path.clone(), why: error.to_string() })
    }
}

async fn collect(mut body: Incoming) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    loop {
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        let Some(frame) = frame.transpose().map_err(|error| error.to_string())? else { return Ok(bytes) };
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > ANSWER_MAX_BYTES {
            return Err(format!("its answer has more than {ANSWER_MAX_BYTES} bytes"));
        }
    }
}
