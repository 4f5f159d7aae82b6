//! An invocation as SSM's API shows it (reference, sections 2.5, 3.2 and 12.3): the first bytes of what is kept whole,
//! response codes, and plugin states. Pure but for [`load`]; doors translate what it returns and cut nothing themselves.
//!
//! Cut where SSM cuts, with its marks, but never inside a character. Nothing is shown of a step before it has ended.

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};

use super::output::{Channel, StreamKey, head};
use super::records::{InvocationRecord, StepRecord, StepStatus};
use crate::error::Refusal;
use crate::house::House;

/// Bytes of StandardOutputContent, its mark included.
pub const STANDARD_OUTPUT_MAX_BYTES: usize = 24_000;
/// Bytes of StandardErrorContent, its mark included.
pub const STANDARD_ERROR_MAX_BYTES: usize = 8_000;
/// Bytes of a plugin's Output, its marks and title included.
pub const OUTPUT_MAX_BYTES: usize = 2_500;

const STREAM_MARK: &str = "--output truncated--";
const OUTPUT_MARK: &str = "\n---Output truncated---";
const ERROR_MARK: &str = "\n---Error truncated----";
const ERROR_TITLE: &str = "\n----------ERROR-------\n";

/// Not started, or nothing is known of it.
const UNKNOWN_CODE: i32 = -1;
/// What a shell says of a process that was killed.
const KILLED_CODE: i32 = 137;
/// The script's way to end the document with success; what it wrote to stderr is not shown beside it.
const SUCCEED_AND_SKIP_CODE: i32 = 168;

/// SSM's states of a plugin: fewer than a step's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginStatus {
    Pending,
    InProgress,
    Success,
    TimedOut,
    Cancelled,
    Failed,
}

impl PluginStatus {
    /// SSM's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Success => "Success",
            Self::TimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
            Self::Failed => "Failed",
        }
    }
}

/// A step as a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// The name of the step.
    pub name: String,
    pub action: String,
    pub status: PluginStatus,
    pub response_code: i32,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    /// Both streams in one text, for lists.
    pub output: String,
    pub standard_output: String,
    pub standard_error: String,
}

/// The beginning of a stream and how many bytes the whole has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    pub bytes: Vec<u8>,
    pub total: u64,
}

/// Which plugin a caller means. Without a name it is the only one; the action's name stands for the only one, too.
pub fn find<'a>(
    steps: &'a [StepRecord],
    wanted: Option<&str>,
) -> Result<Option<(usize, &'a StepRecord)>, Refusal> {
    let only = match steps {
        [only] => Some((0, only)),
        _ => None,
    };
    let Some(wanted) = wanted.filter(|name| !name.is_empty()) else {
        return match steps.len() {
            0 | 1 => Ok(only),
            _ => Err(Refusal::invalid(format!("it has several steps: name one of {}", names(steps)))),
        };
    };
    let named = steps.iter().enumerate().find(|(_, step)| step.name == wanted);
    named.or(only.filter(|(_, step)| step.action == wanted)).map(Some).ok_or_else(|| {
        let known = if steps.is_empty() { "no step was reported yet".to_owned() } else { names(steps) };
        Refusal::not_found(format!("there is no step `{}`: {known}", wanted.escape_debug()))
    })
}

fn names(steps: &[StepRecord]) -> String {
    steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// A step with the beginnings of its streams as SSM shows it.
#[must_use]
pub fn plugin(step: &StepRecord, stdout: &Head, stderr: &Head) -> Plugin {
    let moment = |ms: i64| (ms > 0).then(|| Timestamp::from_millis(ms));
    let mut plugin = Plugin {
        name: step.name.clone(),
        action: step.action.clone(),
        status: status(step.status),
        response_code: response_code(step),
        started: moment(step.started_ms),
        finished: moment(step.finished_ms),
        output: String::new(),
        standard_output: String::new(),
        standard_error: String::new(),
    };
    if matches!(step.status, StepStatus::Pending | StepStatus::InProgress) {
        return plugin;
    }
    let (out, err) = (text(stdout), text(stderr));
    let shown_err = if step.exit_code == Some(SUCCEED_AND_SKIP_CODE) { "" } else { err.as_str() };
    plugin.output = combined(&out, shown_err);
    plugin.standard_output = cut(&out, STANDARD_OUTPUT_MAX_BYTES, STREAM_MARK);
    plugin.standard_error = cut(&err, STANDARD_ERROR_MAX_BYTES, STREAM_MARK);
    plugin
}

fn status(status: StepStatus) -> PluginStatus {
    match status {
        StepStatus::Pending => PluginStatus::Pending,
        StepStatus::InProgress => PluginStatus::InProgress,
        StepStatus::Success | StepStatus::Skipped => PluginStatus::Success,
        StepStatus::TimedOut => PluginStatus::TimedOut,
        StepStatus::Cancelled => PluginStatus::Cancelled,
        StepStatus::Failed | StepStatus::Interrupted => PluginStatus::Failed,
    }
}

/// The exit code where there is one; what SSM's agent would have said where there is none (reference, section 2.3).
#[must_use]
pub fn response_code(step: &StepRecord) -> i32 {
    let started = step.started_ms > 0;
    match (step.status, step.exit_code) {
        (StepStatus::Pending | StepStatus::InProgress, _) => UNKNOWN_CODE,
        (StepStatus::Failed | StepStatus::Interrupted, Some(0)) => 1,
        (_, Some(code)) => code,
        (StepStatus::Success | StepStatus::Skipped, None) => 0,
        (StepStatus::TimedOut | StepStatus::Cancelled, None) if started => KILLED_CODE,
        (StepStatus::TimedOut | StepStatus::Cancelled, None) => UNKNOWN_CODE,
        (StepStatus::Failed | StepStatus::Interrupted, None) if step.signal.is_some() => UNKNOWN_CODE,
        (StepStatus::Failed | StepStatus::Interrupted, None) => 1,
    }
}

/// The head as text. A character that the head's end cuts is left out; other bytes that are none become U+FFFD.
fn text(head: &Head) -> String {
    let whole = head.total <= head.bytes.len() as u64;
    match std::str::from_utf8(&head.bytes) {
        Err(error) if !whole && error.error_len().is_none() => {
            String::from_utf8_lossy(&head.bytes[..error.valid_up_to()]).into_owned()
        }
        _ => String::from_utf8_lossy(&head.bytes).into_owned(),
    }
}

/// At most `most` bytes; a longer text ends with the mark.
fn cut(text: &str, most: usize, mark: &str) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most.saturating_sub(mark.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{mark}", &text[..end])
}

/// Both streams within [`OUTPUT_MAX_BYTES`]: each has half of the room, and what one leaves is the other's.
fn combined(stdout: &str, stderr: &str) -> String {
    let title = if stderr.is_empty() { "" } else { ERROR_TITLE };
    let room = OUTPUT_MAX_BYTES - title.len();
    let half = room / 2;
    let (stdout_room, stderr_room) = match (stdout.len() > half, stderr.len() > half) {
        (true, true) => (half, room - half),
        (true, false) => (room - stderr.len(), stderr.len()),
        (false, _) => (stdout.len(), room - stdout.len()),
    };
    format!("{}{title}{}", cut(stdout, stdout_room, OUTPUT_MARK), cut(stderr, stderr_room, ERROR_MARK))
}

/// Reads as much of a step's streams as SSM shows, and no more.
pub async fn load(
    house: &House,
    command: &CommandId,
    node: &NodeId,
    invocation: &InvocationRecord,
    wanted: Option<&str>,
) -> Result<Option<Plugin>, Refusal> {
    let Some((at, step)) = find(&invocation.steps, wanted)? else { return Ok(None) };
    let step_number = u32::try_from(at).unwrap_or(u32::MAX);
    let stream =
        |channel| StreamKey { command: command.clone(), node: node.clone(), step: step_number, channel };
    // One character more than is shown tells that there is more.
    let most = STANDARD_OUTPUT_MAX_BYTES + 4;
    let stdout = head(house, &stream(Channel::Stdout), most).await?;
    let stderr = head(house, &stream(Channel::Stderr), most).await?;
    Ok(Some(plugin(step, &stdout, &stderr)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(status: StepStatus, exit_code: Option<i32>) -> StepRecord {
        StepRecord {
            name: "run".to_owned(),
            action: "aws:runShellScript".to_owned(),
            status,
            exit_code,
            signal: None,
            started_ms: 1,
            finished_ms: 2,
            detail: String::new(),
            stdout_bytes: 0,
            stderr_bytes: 0,
            stdout_dropped_bytes: 0,
            stderr_dropped_bytes: 0,
            inner: Vec::new(),
        }
    }

    fn whole(text: &str) -> Head {
        Head { bytes: text.as_bytes().to_vec(), total: text.len() as u64 }
    }

    #[test]
    fn codes_and_states_are_those_that_scripts_know() {
        use StepStatus::*;
        let killed = StepRecord { signal: Some(9), ..step(Failed, None) };
        let never_started = StepRecord { started_ms: 0, ..step(Cancelled, None) };
        let table = [
            (step(Pending, None), PluginStatus::Pending, -1),
            (step(InProgress, None), PluginStatus::InProgress, -1),
            (step(Success, Some(0)), PluginStatus::Success, 0),
            (step(Success, Some(168)), PluginStatus::Success, 168),
            (step(Skipped, None), PluginStatus::Success, 0),
            (step(Failed, Some(3)), PluginStatus::Failed, 3),
            (step(Failed, Some(0)), PluginStatus::Failed, 1),
            (step(Failed, None), PluginStatus::Failed, 1),
            (killed, PluginStatus::Failed, -1),
            (step(TimedOut, None), PluginStatus::TimedOut, 137),
            (step(TimedOut, Some(137)), PluginStatus::TimedOut, 137),
            (step(Cancelled, None), PluginStatus::Cancelled, 137),
            (never_started, PluginStatus::Cancelled, -1),
            (step(Interrupted, None), PluginStatus::Failed, 1),
        ];
        for (step, status, code) in table {
            let seen = plugin(&step, &Head::default(), &Head::default());
            assert_eq!((seen.status, seen.response_code), (status, code), "{step:?}");
        }
    }

    #[test]
    fn nothing_is_shown_before_the_end() {
        for status in [StepStatus::Pending, StepStatus::InProgress] {
            let seen = plugin(&step(status, None), &whole("out"), &whole("err"));
            assert_eq!((seen.output, seen.standard_output, seen.standard_error), Default::default());
        }
        let seen = plugin(&step(StepStatus::Success, Some(0)), &whole("out"), &whole("err"));
        assert_eq!((seen.standard_output.as_str(), seen.standard_error.as_str()), ("out", "err"));
        assert_eq!(seen.output, "out\n----------ERROR-------\nerr");
    }

    #[test]
    fn streams_are_cut_to_the_byte_with_their_mark() {
        let long = "x".repeat(30_000);
        let head = Head { bytes: long.as_bytes()[..24_004].to_vec(), total: 30_000 };
        let seen = plugin(&step(StepStatus::Success, Some(0)), &head, &head);
        assert_eq!((seen.standard_output.len(), seen.standard_error.len()), (24_000, 8_000));
        for stream in [&seen.standard_output, &seen.standard_error] {
            assert!(stream.ends_with("x--output truncated--"), "{}", &stream[stream.len() - 30..]);
        }
        let exact = "x".repeat(24_000);
        assert_eq!(
            plugin(&step(StepStatus::Success, Some(0)), &whole(&exact), &whole("")).standard_output,
            exact
        );
    }

    #[test]
    fn both_streams_share_the_short_text() {
        let mark = |text: &str| (text.contains(OUTPUT_MARK), text.contains(ERROR_MARK));
        let table = [
            (2_000, 2_000, (true, true)),
            (2_600, 0, (true, false)),
            (2_600, 10, (true, false)),
            (10, 2_600, (false, true)),
            (1_000, 1_000, (false, false)),
            (0, 2_500, (false, true)),
            (2_500, 0, (false, false)),
        ];
        for (out, err, want) in table {
            let text = combined(&"o".repeat(out), &"e".repeat(err));
            assert!(text.len() <= OUTPUT_MAX_BYTES, "{out} {err}: {}", text.len());
            assert_eq!(mark(&text), want, "{out} {err}");
            assert_eq!(text.contains(ERROR_TITLE), err > 0, "{out} {err}");
            if want != (false, false) {
                assert_eq!(text.len(), OUTPUT_MAX_BYTES, "{out} {err}: no room is left unused");
            }
        }
        let seen = plugin(&step(StepStatus::Success, Some(168)), &whole("out"), &whole("err"));
        assert_eq!(seen.output, "out", "exit 168 hides stderr in the short text");
    }

    #[test]
    fn no_character_is_cut() {
        for text in ["ä", "€", "🦀"] {
            for shift in 0..4 {
                let long = "x".repeat(shift) + &text.repeat(20_000);
                let head = Head { bytes: long.as_bytes()[..24_004].to_vec(), total: long.len() as u64 };
                let seen = plugin(&step(StepStatus::Success, Some(0)), &head, &whole(""));
                for shown in [&seen.standard_output, &seen.output] {
                    assert!(!shown.contains('\u{fffd}'), "{text} {shift}");
                }
                assert!(seen.standard_output.len() <= 24_000 && seen.standard_output.len() > 23_995);
            }
        }
        assert_eq!(super::text(&Head { bytes: b"a\xffb\xe2\x82".to_vec(), total: 5 }), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn a_plugin_is_named_by_its_step() {
        let one = [step(StepStatus::Success, Some(0))];
        let two = [one[0].clone(), StepRecord { name: "second".to_owned(), ..one[0].clone() }];
        let at = |steps: &[StepRecord], wanted| find(steps, wanted).map(|found| found.map(|(at, _)| at));
        assert_eq!(at(&[], None), Ok(None));
        assert_eq!(at(&one, None), Ok(Some(0)));
        assert_eq!(at(&one, Some("aws:runShellScript")), Ok(Some(0)));
        assert_eq!(at(&two, Some("second")), Ok(Some(1)));
        assert!(at(&two, None).unwrap_err().message.contains("run, second"));
        assert!(at(&two, Some("aws:runShellScript")).unwrap_err().message.contains("run, second"));
    }
}
