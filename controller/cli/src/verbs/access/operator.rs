//! `fleetwright access operator`: who may ask things of the controller.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use fleetwright_proto::control::{
    ChangeOperatorRequest, CreateOperatorRequest, CredentialKind, DeleteOperatorRequest,
    IssueCredentialRequest, IssuedCredential, ListOperatorsRequest, RevokeCredentialRequest,
};

use super::client;
use super::files::{AccessFilesError, make_folder, write_private};
use crate::arguments::duration::duration;
use crate::data::access::{NewCredential, Operator as Shown};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, time};
use crate::verbs::Asked;

#[derive(Debug, Clone, Subcommand)]
pub enum OperatorVerb {
    /// Make an operator, with a certificate or a token
    #[command(
        long_about = "Make an operator, with a certificate or a token.\n\nHe may do what policies allow to him or to his \
            groups, and nothing else; members of the group admins may do everything. The certificate with its key, or \
            the token, is shown only now.",
        after_long_help = help::ending(&[
            "fleetwright access operator create ada --group web --out ./ada",
            "fleetwright access operator create ci --token --expires-in 90d > ci.token",
        ]),
    )]
    Create(CreateArgs),
    /// List operators
    #[command(after_long_help = help::ending(&["fleetwright access operator list"]))]
    List,
    /// Show an operator with his groups, certificates and tokens
    #[command(after_long_help = help::ending(&["fleetwright access operator show ada"]))]
    Show(Which),
    /// Let an operator in again
    #[command(after_long_help = help::ending(&["fleetwright access operator enable ada"]))]
    Enable(Which),
    /// Keep an operator out, with all he has, from now on, until he is enabled
    #[command(after_long_help = help::ending(&["fleetwright access operator disable ada"]))]
    Disable(Which),
    /// End an operator with his certificates, tokens and access keys
    #[command(after_long_help = help::ending(&["fleetwright access operator delete ada"]))]
    Delete(Which),
    /// Give an operator another certificate or token
    #[command(after_long_help = help::ending(&[
        "fleetwright access operator issue ada --out ./ada",
        "fleetwright access operator issue ci --token --expires-in 90d > ci.token",
    ]))]
    Issue {
        /// Name of the operator
        name: String,
        #[command(flatten)]
        credential: CredentialArgs,
    },
    /// End a certificate or a token, from now on; `show` lists them
    #[command(after_long_help = help::ending(&["fleetwright access operator revoke ada 3f1c0d9a7b2e4c55"]))]
    Revoke {
        /// Name of the operator
        name: String,
        /// Id of the certificate or token
        #[arg(value_name = "CREDENTIAL")]
        credential_id: String,
    },
}

#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Name of the operator
    name: String,
}

#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// Name: letters, digits, and - _ . @
    name: String,
    /// Group to put him into; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Who it is
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    #[command(flatten)]
    credential: CredentialArgs,
}

#[derive(Debug, Clone, Args)]
pub struct CredentialArgs {
    /// Folder for a certificate, its key and the certificate of the authority
    #[arg(long, value_name = "DIR", required_unless_present = "token", conflicts_with = "token")]
    out: Option<PathBuf>,
    /// Make a token instead, and print it
    #[arg(long)]
    token: bool,
    /// How long the token can be used (12h, 90d) [default: until it is revoked]
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "token")]
    expires_in: Option<Duration>,
}

impl CredentialArgs {
    fn kind(&self) -> CredentialKind {
        if self.token { CredentialKind::Token } else { CredentialKind::Certificate }
    }

    fn expires_in_ms(&self) -> u64 {
        self.expires_in.map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}

pub(crate) async fn run(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    verb: OperatorVerb,
) -> Result<Exit, Failure> {
    match verb {
        OperatorVerb::Create(args) => create(io, asked, operator, args).await?,
        OperatorVerb::List => list(io, asked, operator).await?,
        OperatorVerb::Show(Which { name }) => {
            let request = ListOperatorsRequest { name, ..ListOperatorsRequest::default() };
            let answer = client(operator).list_operators(request).await?.into_inner();
            show(io, asked, answer.operators.into_iter().next())?;
        }
        OperatorVerb::Enable(Which { name }) => change(io, asked, operator, name, true).await?,
        OperatorVerb::Disable(Which { name }) => change(io, asked, operator, name, false).await?,
        OperatorVerb::Delete(Which { name }) => {
            client(operator).delete_operator(DeleteOperatorRequest { name: name.clone() }).await?;
            io.note(&format!("deleted operator {}", escape(&name)));
        }
        OperatorVerb::Issue { name, credential } => issue(io, asked, operator, name, &credential).await?,
        OperatorVerb::Revoke { name, credential_id } => {
            let request = RevokeCredentialRequest { operator: name.clone(), credential_id };
            client(operator).revoke_credential(request).await?;
            io.note(&format!("revoked; operator {} cannot use it any more", escape(&name)));
        }
    }
    Ok(Exit::Done)
}

async fn create(io: &mut Io, asked: &Asked, operator: &Operator, args: CreateArgs) -> Result<(), Failure> {
    let CreateArgs { name, groups, description, credential } = args;
    // What is in the way is found before there is an operator without a certificate.
    prepare(&name, &credential)?;
    let request = CreateOperatorRequest {
        name: name.clone(),
        description,
        groups,
        credential: credential.kind().into(),
        expires_in_ms: credential.expires_in_ms(),
    };
    let answer = client(operator).create_operator(request).await?.into_inner();
    let issued = answer.issued.ok_or(Failure::IncompleteAnswer("certificate or token"))?;
    hand_out(io, asked, &name, &credential, issued)
}

async fn issue(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    name: String,
    credential: &CredentialArgs,
) -> Result<(), Failure> {
    prepare(&name, credential)?;
    let request = IssueCredentialRequest {
        operator: name.clone(),
        kind: credential.kind().into(),
        expires_in_ms: credential.expires_in_ms(),
    };
    let answer = client(operator).issue_credential(request).await?.into_inner();
    let issued = answer.issued.ok_or(Failure::IncompleteAnswer("certificate or token"))?;
    hand_out(io, asked, &name, credential, issued)
}

fn prepare(name: &str, credential: &CredentialArgs) -> Result<(), Failure> {
    let Some(folder) = &credential.out else { return Ok(()) };
    make_folder(folder)?;
    for path in [format!("{name}.pem"), format!("{name}.key")].map(|file| folder.join(file)) {
        if path.exists() {
            return Err(AccessFilesError::Exists(path).into());
        }
    }
    Ok(())
}

fn hand_out(
    io: &mut Io,
    asked: &Asked,
    name: &str,
    credential: &CredentialArgs,
    issued: IssuedCredential,
) -> Result<(), Failure> {
    let mut new = NewCredential::from(issued);
    let Some(folder) = &credential.out else {
        if asked.format == render::Format::Table {
            io.line(new.token.as_deref().unwrap_or_default())?;
        } else {
            render::one(io, asked.format, &new, |_| Vec::new())?;
        }
        io.note(
            "the token is shown only now; keep it in a file, and name that with context set --token-file",
        );
        return Ok(());
    };
    let path = |file: String| folder.join(file);
    let certificate = path(format!("{name}.pem"));
    let (key, authority) = (path(format!("{name}.key")), path("authority.pem".to_owned()));
    for (path, pem) in [
        (&key, new.key_pem.take()),
        (&certificate, new.certificate_pem.take()),
        (&authority, new.authority_pem.take()),
    ] {
        write_private(path, pem.unwrap_or_default().as_bytes())?;
    }
    let text = |path: &Path| Some(path.display().to_string());
    (new.certificate, new.key, new.authority) = (text(&certificate), text(&key), text(&authority));
    render::one(io, asked.format, &new, |new| {
        vec![
            ("certificate", new.certificate.clone().unwrap_or_default()),
            ("key", new.key.clone().unwrap_or_default()),
            ("authority", new.authority.clone().unwrap_or_default()),
        ]
    })?;
    io.note("the controller keeps no copy of the key");
    Ok(())
}

async fn change(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    name: String,
    enabled: bool,
) -> Result<(), Failure> {
    let answer = client(operator).change_operator(ChangeOperatorRequest { name, enabled }).await?;
    show(io, asked, answer.into_inner().operator)
}

fn show(
    io: &mut Io,
    asked: &Asked,
    operator: Option<fleetwright_proto::control::Operator>,
) -> Result<(), Failure> {
    let operator = Shown::from(operator.ok_or(Failure::IncompleteAnswer("operator"))?);
    let now = io.clock.now();
    render::one(io, asked.format, &operator, |operator| {
        let credentials: Vec<_> = operator
            .credentials
            .iter()
            .map(|known| {
                let expires =
                    known.expires_at.map_or_else(|| "never".into(), |at| time::relative(now, Some(at)));
                format!("{} {}, expires {expires}", known.credential_id, known.kind)
            })
            .collect();
        vec![
            ("operator", operator.name.clone()),
            ("state", operator.state().to_owned()),
            ("groups", operator.groups.join(", ")),
            ("description", operator.description.clone()),
            ("created", time::absolute(now, operator.created_at)),
            ("created by", operator.created_by.clone()),
            ("lets in", credentials.join("\n")),
        ]
    })?;
    Ok(())
}

/// Every operator there is.
pub(super) async fn all(operator: &Operator) -> Result<Vec<Shown>, Failure> {
    let mut operators: Vec<Shown> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListOperatorsRequest { name: String::new(), page_size: PAGE_SIZE, page_token };
        let page = client(operator).list_operators(request).await?.into_inner();
        operators.extend(page.operators.into_iter().map(Shown::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(operators);
        }
    }
}

async fn list(io: &mut Io, asked: &Asked, operator: &Operator) -> Result<(), Failure> {
    let operators = all(operator).await?;
    let header = ["operator", "state", "groups", "description"];
    render::list(io, asked.format, &operators, &header, |operator| {
        vec![
            operator.name.clone(),
            operator.state().to_owned(),
            operator.groups.join(", "),
            operator.description.clone(),
        ]
    })?;
    Ok(())
}
