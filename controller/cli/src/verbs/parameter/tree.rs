//! `fleetwright parameter tree`: the hierarchy as a drawing.

use std::collections::BTreeMap;

use fleetwright_proto::control::ListParametersRequest;

use super::super::Asked;
use super::all;
use crate::data::parameter::Parameter;
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::operator::Operator;
use crate::render::{self, Format};

/// A level of the hierarchy, which may be a parameter as well.
#[derive(Debug, Default)]
struct Level {
    parameter: Option<String>,
    below: BTreeMap<String, Level>,
}

pub(super) async fn run(io: &mut Io, asked: &Asked, path: String) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let request = ListParametersRequest { path: path.clone(), ..ListParametersRequest::default() };
    let found: Vec<_> = all(&operator, request).await?.into_iter().map(Parameter::from).collect();
    if asked.format != Format::Table {
        render::list(io, asked.format, &found, &[], |_| Vec::new())?;
        return Ok(Exit::Done);
    }
    let mut root = Level::default();
    let beginning = path.trim_matches('/');
    for parameter in &found {
        let name = parameter.name.trim_start_matches('/');
        let below = name.strip_prefix(beginning).unwrap_or(name).trim_start_matches('/');
        let mut level = &mut root;
        for part in below.split('/') {
            level = level.below.entry(part.to_owned()).or_default();
        }
        level.parameter = Some(format!("{} v{}", parameter.parameter_type, parameter.version));
    }
    let mut lines = vec![if beginning.is_empty() { "/".to_owned() } else { format!("/{beginning}/") }];
    draw(&root, "", &mut lines);
    for line in lines {
        io.line(&escape(&line))?;
    }
    Ok(Exit::Done)
}

fn draw(level: &Level, indent: &str, lines: &mut Vec<String>) {
    for (at, (name, inner)) in level.below.iter().enumerate() {
        let last = at + 1 == level.below.len();
        let (branch, further) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
        let slash = if inner.below.is_empty() { "" } else { "/" };
        let about = inner.parameter.as_ref().map_or_else(String::new, |about| format!("  {about}"));
        lines.push(format!("{indent}{branch}{name}{slash}{about}"));
        draw(inner, &format!("{indent}{further}"), lines);
    }
}
