//! How the program ends: the one place that turns what happened into an exit code.

use std::process::ExitCode;

use fleetwright_proto::control::InvocationState;

/// What the shell learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    /// The command ran, and did not succeed on at least one target.
    TargetFailed = 1,
    /// The arguments, the environment or the contexts file are wrong; the controller was not asked.
    Usage = 2,
    /// The controller said no.
    Refused = 3,
    NotFound = 4,
    /// No controller could be reached, or no trust could be established.
    Unreachable = 5,
    /// The wait was too long: of this program, or of a target when no other target failed.
    TimedOut = 6,
    /// Ctrl-C, as shells count it.
    Interrupted = 130,
}

/// The end of every long help text.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done                      4  not found
  1  ran, but a target failed  5  controller unreachable
  2  wrong usage               6  timed out
  3  refused                   130  interrupted";

impl Exit {
    /// The outcome of a finished command. A target that failed or was cancelled weighs more than one that timed out.
    pub(crate) fn of_targets(states: impl IntoIterator<Item = InvocationState>) -> Self {
        let mut exit = Self::Done;
        for state in states {
            match state {
                InvocationState::Success => {}
                InvocationState::TimedOut => exit = Self::TimedOut,
                _ => return Self::TargetFailed,
            }
        }
        exit
    }

    /// What an answer of the controller other than OK means.
    pub(crate) fn of_answer(code: tonic::Code) -> Self {
        match code {
            tonic::Code::Ok => Self::Done,
            tonic::Code::NotFound => Self::NotFound,
            tonic::Code::Unavailable => Self::Unreachable,
            tonic::Code::DeadlineExceeded => Self::TimedOut,
            _ => Self::Refused,
        }
    }

    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use InvocationState::{Cancelled, Failed, Success, TimedOut};

    #[test]
    fn the_worst_target_decides() {
        let table: [(&[InvocationState], Exit); 7] = [
            (&[], Exit::Done),
            (&[Success, Success], Exit::Done),
            (&[Success, Failed], Exit::TargetFailed),
            (&[Success, Cancelled], Exit::TargetFailed),
            (&[Success, TimedOut], Exit::TimedOut),
            (&[TimedOut, Failed], Exit::TargetFailed),
            (&[Failed, TimedOut], Exit::TargetFailed),
        ];
        for (states, want) in table {
            assert_eq!(Exit::of_targets(states.iter().copied()), want, "{states:?}");
        }
    }
}
