//! A node's parameters on its stream: what it asks for, and what it is told when something that it holds changes.

use std::sync::Arc;

use fleetwright_proto::agent::parameter_query::Kind;
use fleetwright_proto::agent::parameter_state::State as Said;
use fleetwright_proto::agent::{
    HoldParameters, ParameterNames, ParameterQuery, ParameterRefused, ParameterState, ParameterStates,
    ParameterUnchanged, ParameterValue,
};
use fleetwright_proto::ids::NodeId;

use crate::error::Refusal;
use crate::house::House;
use crate::parameters::fault::Fault;
use crate::parameters::give::{Given, Query, QueryKind, Token};
use crate::parameters::held::{Holder, State, Wish};

/// Names and values of one message: it has room for that and for the longest state besides.
const PART_BYTES: usize = 256 * 1024;
/// What a state takes beside its texts, and more.
const STATE_BYTES: usize = 512;

/// What the node holds by this stream; nothing is kept for one that holds nothing.
#[derive(Debug, Default)]
pub(super) struct Desk(Option<Box<Holder>>);

impl Desk {
    pub(super) async fn hear(
        &mut self,
        house: &House,
        node: &NodeId,
        said: HoldParameters,
    ) -> Result<Vec<ParameterStates>, Refusal> {
        let wanted = said.wanted.into_iter().map(|wanted| {
            let query = query(wanted.query)?;
            Ok((query, Token::of_node(&wanted.has)))
        });
        let wish = Wish {
            whole: said.whole,
            wanted: wanted.collect::<Result<_, Refusal>>()?,
            released: said
                .released
                .into_iter()
                .map(|released| query(Some(released)))
                .collect::<Result<_, _>>()?,
        };
        let holder = self.0.get_or_insert_with(|| Box::new(Holder::of(&house.held, node)));
        Ok(parts(holder.hold(house, wish).await))
    }

    pub(super) async fn changes(&mut self, house: &Arc<House>) -> Vec<ParameterStates> {
        match &mut self.0 {
            Some(holder) => parts(holder.changes(house).await),
            None => Vec::new(),
        }
    }

    /// Whether something could not be told and is to be tried again.
    pub(super) fn is_behind(&self) -> bool {
        self.0.as_ref().is_some_and(|holder| holder.is_behind())
    }
}

fn query(query: Option<ParameterQuery>) -> Result<Query, Refusal> {
    let query = query.ok_or_else(|| Refusal::invalid("a parameter is asked for without a name"))?;
    let kind = match query.kind() {
        Kind::Value => QueryKind::Value,
        Kind::Opened => QueryKind::Opened,
        Kind::BelowPath => QueryKind::BelowPath,
        Kind::Unspecified => {
            return Err(Refusal::invalid(
                "a parameter is asked for in a way that this controller does not know",
            ));
        }
    };
    Ok(Query { text: query.text, kind })
}

fn parts(states: Vec<(Query, State)>) -> Vec<ParameterStates> {
    let mut parts: Vec<ParameterStates> = Vec::new();
    let mut room = 0;
    for (query, state) in states {
        let state = state_message(query, state);
        let bytes = bytes(&state);
        if bytes > room || parts.is_empty() {
            parts.push(ParameterStates::default());
            room = PART_BYTES;
        }
        room = room.saturating_sub(bytes);
        if let Some(part) = parts.last_mut() {
            part.states.push(state);
        }
    }
    parts
}

fn bytes(state: &ParameterState) -> usize {
    let query = state.query.as_ref().map_or(0, |query| query.text.len());
    let said = match &state.state {
        Some(Said::Value(value)) => value.name.len() + value.value.len() + value.arn.len(),
        Some(Said::Names(names)) => names.names.iter().map(|name| name.len() + 8).sum(),
        Some(Said::Refused(refused)) => refused.message.len(),
        Some(Said::Unchanged(_)) | None => 0,
    };
    STATE_BYTES + query + said
}

fn state_message(query: Query, state: State) -> ParameterState {
    let kind = match query.kind {
        QueryKind::Value => Kind::Value,
        QueryKind::Opened => Kind::Opened,
        QueryKind::BelowPath => Kind::BelowPath,
    };
    let said = match state {
        State::Given(Given::Unchanged) => Said::Unchanged(ParameterUnchanged {}),
        State::Given(Given::Names { token, names }) => {
            Said::Names(ParameterNames { token: token.0.into(), names })
        }
        State::Given(Given::Value { token, parameter, arn }) => Said::Value(ParameterValue {
            token: token.0.into(),
            value: parameter.value.expose().to_owned(),
            name: parameter.name,
            r#type: parameter.parameter_type.name().to_owned(),
            version: parameter.version,
            selector: parameter.selector.unwrap_or_default(),
            modified_ms: parameter.modified.millis(),
            data_type: parameter.data_type,
            arn,
        }),
        State::Refused(error) => Said::Refused(ParameterRefused {
            code: code(error.fault).to_owned(),
            message: error.message,
            later: false,
        }),
        State::Later(message) => {
            Said::Refused(ParameterRefused { code: "ServiceUnavailable".to_owned(), message, later: true })
        }
    };
    let query = ParameterQuery { text: query.text, kind: kind.into() };
    ParameterState { query: Some(query), state: Some(said) }
}

/// SSM's word for it, or its word for what went wrong on this side.
fn code(fault: Fault) -> &'static str {
    match fault {
        Fault::Other(crate::error::Kind::Exhausted) => "ThrottlingException",
        other => other.name().unwrap_or("InternalServerError"),
    }
}
