//! `fleetwright parameter export` and `import`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fleetwright_proto::control::{ChangeParameterTagsRequest, ListParametersRequest, PutParameterRequest};

use super::super::Asked;
use super::{all, client};
use crate::arguments::ArgumentError;
use crate::arguments::document::read_at_most;
use crate::data::parameter::{Export, Exported};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::{Io, new_private_file};
use crate::operator::Operator;

const IMPORT_MAX_BYTES: usize = 512 << 20;

#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Path to export; all levels below it
    #[arg(value_name = "PATH", default_value = "", hide_default_value = true)]
    path: String,
    /// Open secrets and write their values in clear
    #[arg(long, visible_alias = "show")]
    decrypt: bool,
    /// New file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// File to read, or - for standard input
    file: PathBuf,
    /// Give parameters that are there a new version
    #[arg(long)]
    overwrite: bool,
}

pub(super) async fn export(io: &mut Io, asked: &Asked, args: ExportArgs) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let request = ListParametersRequest {
        path: args.path,
        values: true,
        decrypt: args.decrypt,
        ..ListParametersRequest::default()
    };
    let (mut export, mut left_out) = (Export::default(), 0);
    for found in all(&operator, request).await? {
        let Some(value) = found.value else {
            left_out += 1;
            continue;
        };
        let request = ChangeParameterTagsRequest { name: found.name.clone(), ..Default::default() };
        let tags = client(&operator).change_parameter_tags(request).await?.into_inner().tags;
        let policies = found.policies.iter().filter_map(|policy| serde_json::from_str(&policy.text).ok());
        export.parameters.push(Exported {
            name: found.name,
            parameter_type: found.r#type,
            value,
            key: found.key_id,
            description: found.description,
            allowed_pattern: found.allowed_pattern,
            tier: found.tier,
            data_type: found.data_type,
            policies: policies.collect(),
            tags: tags.into_iter().collect(),
        });
    }
    let mut text = serde_json::to_vec_pretty(&export).map_err(std::io::Error::from)?;
    text.push(b'\n');
    match &args.to {
        Some(path) => {
            let cannot = |source| ArgumentError::ExportFile { path: path.clone(), source };
            let mut file = new_private_file(path).map_err(cannot)?;
            file.write_all(&text).and_then(|()| file.sync_all()).map_err(cannot)?;
        }
        None => {
            io.stdout.write_all(&text)?;
            io.stdout.flush()?;
        }
    }
    io.note(&format!("{} parameters", export.parameters.len()));
    if left_out > 0 {
        io.note(&format!("{left_out} secrets are left out: --decrypt writes them in clear"));
    }
    Ok(Exit::Done)
}

pub(super) async fn import(io: &mut Io, asked: &Asked, args: ImportArgs) -> Result<Exit, Failure> {
    let cannot = |source| ArgumentError::ValueFile { path: args.file.clone(), source };
    let read = match args.file.as_os_str() == "-" {
        true => read_at_most(&mut io.stdin, IMPORT_MAX_BYTES),
        false => std::fs::File::open(&args.file).and_then(|file| read_at_most(file, IMPORT_MAX_BYTES)),
    };
    let text = read.map_err(cannot)?.ok_or(ArgumentError::ValueTooLong)?;
    // serde_json names the place of a slip and not what stands there, except for a name of a field or a wrong type.
    let export: Export = serde_json::from_slice(&text).map_err(|error| ArgumentError::NoExport {
        path: args.file.clone(),
        line: error.line(),
        column: error.column(),
    })?;
    let operator = Operator::connect(&asked.flags, io).await?;
    let count = export.parameters.len();
    for (done, parameter) in export.parameters.into_iter().enumerate() {
        let name = parameter.name.clone();
        let tags = parameter.tags.clone();
        let tags_later = args.overwrite && !tags.is_empty();
        if let Err(refused) = client(&operator).put_parameter(request(parameter, args.overwrite)).await {
            io.note(&format!("stopped at {}: {done} of {count} were put", escape(&name)));
            return Err(refused.into());
        }
        if tags_later {
            let request = ChangeParameterTagsRequest {
                name: name.clone(),
                set: tags.into_iter().collect(),
                ..Default::default()
            };
            client(&operator).change_parameter_tags(request).await?;
        }
        io.note(&format!("put {}", escape(&name)));
    }
    io.note(&format!("{count} parameters"));
    Ok(Exit::Done)
}

fn request(parameter: Exported, overwrite: bool) -> PutParameterRequest {
    let some = |text: String| (!text.is_empty()).then_some(text);
    let policies = match parameter.policies.is_empty() {
        true => String::new(),
        false => serde_json::Value::from(parameter.policies).to_string(),
    };
    PutParameterRequest {
        name: parameter.name,
        value: parameter.value,
        r#type: parameter.parameter_type,
        key_id: parameter.key,
        overwrite,
        description: some(parameter.description),
        allowed_pattern: some(parameter.allowed_pattern),
        // SSM takes no tags together with an overwrite: they are set afterwards.
        tags: if overwrite { Default::default() } else { parameter.tags.into_iter().collect() },
        tier: parameter.tier,
        policies,
        data_type: parameter.data_type,
    }
}
