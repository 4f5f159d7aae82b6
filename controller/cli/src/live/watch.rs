//! The events of one command, each exactly once, also when the connection is lost in between: the controller tells
//! everything from the beginning again, and what was already told is left out by its position.

use std::collections::HashMap;
use std::time::Duration;

use fleetwright_proto::clock::SharedClock;
use fleetwright_proto::control::watch_command_response::Event as WireEvent;
use fleetwright_proto::control::{
    Command, CommandStatus, Invocation, OutputChunk, WatchCommandRequest, WatchCommandResponse,
};
use tonic::Streaming;

use crate::connection::ConnectError;
use crate::failure::Failure;
use crate::operator::Operator;

/// Pauses between attempts to come back, doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How many attempts before giving up: about two minutes when every one is refused at once.
const ATTEMPTS: u32 = 28;

/// What is new.
#[derive(Debug)]
pub(crate) enum Event {
    Command(Command),
    Invocation(Invocation),
    Output(OutputChunk),
    /// The connection was lost; another one is being opened.
    Lost(String),
}

/// A watched command.
#[derive(Debug)]
pub(crate) struct Watch {
    operator: Operator,
    command_id: String,
    stream: Option<Streaming<WatchCommandResponse>>,
    told: Told,
    /// Whether the command's final state was told, after which an end of the stream is the end.
    finished: bool,
    failed_attempts: u32,
    output: bool,
}

impl Watch {
    pub(crate) fn new(operator: Operator, command_id: String) -> Self {
        Self {
            operator,
            command_id,
            stream: None,
            told: Told::default(),
            finished: false,
            failed_attempts: 0,
            output: true,
        }
    }

    /// The states only.
    pub(crate) fn without_output(self) -> Self {
        Self { output: false, ..self }
    }

    pub(crate) fn into_operator(self) -> Operator {
        self.operator
    }

    /// `None` after the end. Not to be dropped in the middle: an event may be lost with it.
    pub(crate) async fn next(&mut self, clock: &SharedClock) -> Result<Option<Event>, Failure> {
        loop {
            let failure = match self.receive(clock).await {
                Ok(Some(told)) => match self.event(told) {
                    Some(event) => return Ok(Some(event)),
                    None => continue,
                },
                Ok(None) if self.finished => return Ok(None),
                Ok(None) => Failure::Connect(ConnectError::ended()),
                Err(failure) => failure,
            };
            if let Some(event) = self.lost(failure)? {
                return Ok(Some(event));
            }
        }
    }

    /// What is new in what was told.
    fn event(&mut self, told: WatchCommandResponse) -> Option<Event> {
        self.failed_attempts = 0;
        // None is an event of a later release.
        match told.event? {
            WireEvent::Command(command) => {
                self.finished = is_final(command.status());
                Some(Event::Command(command))
            }
            WireEvent::Invocation(invocation) => Some(Event::Invocation(invocation)),
            WireEvent::Output(chunk) => self.told.new_part(chunk).map(Event::Output),
        }
    }

    /// Makes ready for another attempt, unless there were enough or none can help. The first loss in a row is an
    /// event, the further ones are not.
    fn lost(&mut self, failure: Failure) -> Result<Option<Event>, Failure> {
        if !failure.is_unreachable() || self.failed_attempts >= ATTEMPTS {
            return Err(failure);
        }
        self.stream = None;
        self.failed_attempts += 1;
        Ok((self.failed_attempts == 1).then(|| Event::Lost(failure.line())))
    }

    async fn receive(&mut self, clock: &SharedClock) -> Result<Option<WatchCommandResponse>, Failure> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                if self.failed_attempts > 0 {
                    clock.sleep(pause(self.failed_attempts)).await;
                    self.operator.reconnect().await?;
                }
                let request =
                    WatchCommandRequest { command_id: self.command_id.clone(), output: self.output };
                let stream = self.operator.commands().watch_command(request).await?.into_inner();
                self.stream.insert(stream)
            }
        };
        Ok(stream.message().await?)
    }
}

fn pause(failed_attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << (failed_attempts - 1).min(10)).min(LONGEST_PAUSE)
}

fn is_final(status: CommandStatus) -> bool {
    use CommandStatus::{CommandCancelled, CommandFailed, CommandSuccess, CommandTimedOut};
    matches!(status, CommandSuccess | CommandFailed | CommandTimedOut | CommandCancelled)
}

/// How far each stream of each step of each node was told.
#[derive(Debug, Default)]
struct Told(HashMap<(String, u32, bool), u64>);

impl Told {
    /// The part of a chunk that was not told before. A gap is what the controller did not keep.
    fn new_part(&mut self, mut chunk: OutputChunk) -> Option<OutputChunk> {
        let end = chunk.offset + chunk.data.len() as u64;
        let position = self.0.entry((chunk.node_id.clone(), chunk.step, chunk.stderr)).or_default();
        if end <= *position {
            return None;
        }
        let known = position.saturating_sub(chunk.offset);
        *position = end;
        chunk.offset += known;
        chunk.data = chunk.data.slice(known as usize..);
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_left_out() {
        let mut told = Told::default();
        let mut check = |offset: u64, data: &str, want: Option<&str>| {
            let chunk = OutputChunk { offset, data: data.to_owned().into(), ..OutputChunk::default() };
            let got = told.new_part(chunk).map(|chunk| String::from_utf8(chunk.data.into()).unwrap());
            assert_eq!(got.as_deref(), want, "{offset} {data}");
        };
        check(0, "hello ", Some("hello "));
        check(6, "world", Some("world"));
        check(0, "hello world", None);
        check(6, "world and more", Some(" and more"));
        check(100, "after a gap", Some("after a gap"));
        check(20, "", None);
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let pauses: Vec<u128> = [1, 2, 3, 10, 28].map(|attempt| pause(attempt).as_millis()).to_vec();
        assert_eq!(pauses, [200, 400, 800, 5000, 5000]);
    }
}
