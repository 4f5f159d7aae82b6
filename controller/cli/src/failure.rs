//! Everything that can end a verb early, with its exit code and its one line on stderr.

use std::error::Error;
use std::io;

use crate::arguments::ArgumentError;
use crate::connection::ConnectError;
use crate::context::ContextError;
use crate::escape::escape;
use crate::exit::Exit;
use crate::verbs::access::files::AccessFilesError;
use crate::verbs::document::files::DocumentFilesError;

/// Why a verb did not end with [`Exit::Done`] or the outcome of its targets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    AccessFiles(#[from] AccessFilesError),
    #[error(transparent)]
    DocumentFiles(#[from] DocumentFilesError),
    /// The controller answered, and its answer was not OK. Its text is already meant for people.
    #[error("{}", answer_text(.message, *.code))]
    Answer { code: tonic::Code, message: String },
    #[error("the answer of the controller has no {0}: it may be of another release than this program")]
    IncompleteAnswer(&'static str),
    /// What is wrong was drawn already.
    #[error("the document {path} has errors: nothing was sent")]
    DocumentRefused { path: String },
    #[error("not confirmed, nothing was done")]
    NotConfirmed,
    #[error("interrupted")]
    Interrupted,
    #[error("cannot write the result")]
    Write(#[from] io::Error),
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Argument(_) | Self::AccessFiles(_) => Exit::Usage,
            Self::Context(error) => error.exit(),
            Self::Connect(error) => error.exit(),
            Self::DocumentFiles(error) => error.exit(),
            Self::Answer { code, .. } => Exit::of_answer(*code),
            Self::IncompleteAnswer(_)
            | Self::NotConfirmed
            | Self::DocumentRefused { .. }
            | Self::Write(_) => Exit::Refused,
            Self::Interrupted => Exit::Interrupted,
        }
    }

    /// Whoever read our output has had enough; that is how `| head` ends and not worth a word.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the same question may be answered by a controller that is back in a moment.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.exit() == Exit::Unreachable
    }

    /// The error and its causes in one line, harmless for a terminal. Only what is wrong with the contents of a
    /// request, a document with several slips for one, has a line for each.
    pub(crate) fn line(&self) -> String {
        if let Self::Answer { code: tonic::Code::InvalidArgument, .. } = self {
            return self.to_string().lines().map(escape).collect::<Vec<_>>().join("\n  ");
        }
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        escape(&line).into_owned()
    }
}

impl From<tonic::Status> for Failure {
    /// A status with a source was made on this side, because the transport broke; all others are answers.
    fn from(status: tonic::Status) -> Self {
        match status.source() {
            Some(source) => Self::Connect(ConnectError::of_transport(source)),
            None => Self::Answer { code: status.code(), message: status.message().to_owned() },
        }
    }
}

fn answer_text(message: &str, code: tonic::Code) -> String {
    if message.is_empty() { format!("the controller answered: {code}") } else { message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    #[test]
    fn an_answer_has_the_exit_code_of_its_kind() {
        let table = [
            (Code::NotFound, Exit::NotFound),
            (Code::Unavailable, Exit::Unreachable),
            (Code::DeadlineExceeded, Exit::TimedOut),
            (Code::InvalidArgument, Exit::Refused),
            (Code::PermissionDenied, Exit::Refused),
            (Code::Unauthenticated, Exit::Refused),
            (Code::FailedPrecondition, Exit::Refused),
            (Code::ResourceExhausted, Exit::Refused),
            (Code::Internal, Exit::Refused),
            (Code::Unimplemented, Exit::Refused),
        ];
        for (code, want) in table {
            assert_eq!(Failure::from(tonic::Status::new(code, "x")).exit(), want, "{code:?}");
        }
    }

    #[test]
    fn a_line_is_one_line_unless_it_lists_slips_and_never_empty() {
        let failure = Failure::from(tonic::Status::not_found("no node `a\nb\u{1b}`"));
        assert_eq!(failure.line(), "no node `a\\nb\\u{1b}`");
        let failure = Failure::from(tonic::Status::invalid_argument("two errors:\n1:1: a\u{1b}\n2:1: b\n"));
        assert_eq!(failure.line(), "two errors:\n  1:1: a\\u{1b}\n  2:1: b");
        let failure = Failure::from(tonic::Status::new(Code::Aborted, ""));
        assert_eq!(failure.line(), "the controller answered: The operation was aborted");
    }
}
