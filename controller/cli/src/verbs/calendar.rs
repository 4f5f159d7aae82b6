//! `fleetwright calendar`: when nothing is to be started.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fleetwright_proto::control::calendars_client::CalendarsClient;
use fleetwright_proto::control::{
    DeleteCalendarRequest, GetCalendarRequest, GetCalendarStateRequest, ListCalendarsRequest,
    PutCalendarRequest,
};

use super::Asked;
use crate::arguments::ArgumentError;
use crate::arguments::document::read_document;
use crate::connection::Channel;
use crate::data::Moment;
use crate::data::window::{Calendar, CalendarState};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::Operator;
use crate::render::{self, time};

#[derive(Debug, Clone, Subcommand)]
pub enum CalendarVerb {
    /// Keep a calendar, or a new version of it, from an iCalendar file
    #[command(
        long_about = "Keep a calendar, or a new version of it, from an iCalendar file.\n\nA calendar is open, and \
            closed during its events; one that says X-CALENDAR-TYPE:DEFAULT_CLOSED is the other way round. \
            Events come again as RRULE (DAILY to YEARLY), RDATE and EXDATE say. Windows that name it start nothing while \
            it is closed.",
        after_long_help = help::ending(&["fleetwright calendar put freeze ./freeze.ics"]),
    )]
    Put(PutArgs),
    /// List calendars, and whether they are open
    #[command(after_long_help = help::ending(&["fleetwright calendar list"]))]
    List,
    /// Show a calendar
    #[command(after_long_help = help::ending(&["fleetwright calendar show freeze"]))]
    Show {
        /// Name of the calendar
        name: String,
    },
    /// Delete a calendar; windows that name it start nothing from then on
    #[command(after_long_help = help::ending(&["fleetwright calendar delete freeze"]))]
    Delete {
        /// Name of the calendar
        name: String,
    },
    /// Say whether calendars are all open, now or at a moment, and when that changes
    #[command(after_long_help = help::ending(&[
        "fleetwright calendar state freeze",
        "fleetwright calendar state freeze holidays --at 2026-12-24T18:00:00Z",
    ]))]
    State(StateArgs),
}

#[derive(Debug, Clone, Args)]
pub struct PutArgs {
    /// Name of the calendar
    name: String,
    /// iCalendar file
    file: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct StateArgs {
    /// Names of calendars
    #[arg(required = true)]
    names: Vec<String>,
    /// Moment to ask about, as 2026-12-24T18:00:00Z [default: now]
    #[arg(long, value_name = "MOMENT", value_parser = humantime::parse_rfc3339_weak)]
    at: Option<std::time::SystemTime>,
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: CalendarVerb) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let mut client: CalendarsClient<Channel> =
        CalendarsClient::with_origin(operator.channel(), operator.channel().origin());
    match verb {
        CalendarVerb::Put(PutArgs { name, file }) => {
            let content = read_document(&file).map_err(ArgumentError::from)?;
            let text = String::from_utf8_lossy(&content).into_owned();
            let answer = client.put_calendar(PutCalendarRequest { name, text }).await?.into_inner();
            show(io, asked, answer.calendar)?;
        }
        CalendarVerb::List => {
            let answer = client.list_calendars(ListCalendarsRequest {}).await?.into_inner();
            for broken in &answer.unreadable {
                let (name, problem) = (escape(&broken.name), escape(&broken.problem));
                io.note(&format!("{name} cannot be read and counts as closed: {problem}"));
            }
            let calendars: Vec<_> = answer.calendars.into_iter().map(Calendar::from).collect();
            let now = io.clock.now();
            let header = ["calendar", "state", "changes", "events"];
            render::list(io, asked.format, &calendars, &header, |calendar| {
                vec![
                    calendar.name.clone(),
                    state_word(calendar.open).to_owned(),
                    time::absolute(now, calendar.next_transition_at),
                    calendar.events.len().to_string(),
                ]
            })?;
        }
        CalendarVerb::Show { name } => {
            let answer = client.get_calendar(GetCalendarRequest { name }).await?.into_inner();
            show(io, asked, answer.calendar)?;
        }
        CalendarVerb::Delete { name } => {
            client.delete_calendar(DeleteCalendarRequest { name: name.clone() }).await?;
            io.note(&format!("deleted calendar {}", escape(&name)));
        }
        CalendarVerb::State(StateArgs { names, at }) => {
            let since = at.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            let at_ms = since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
            let request = GetCalendarStateRequest { names: names.clone(), at_ms };
            let answer = client.get_calendar_state(request).await?.into_inner();
            let state = CalendarState {
                calendars: names,
                state: state_word(answer.open),
                at: Moment::of_wire(answer.at_ms),
                next_transition_at: Moment::of_wire(answer.next_transition_ms),
            };
            let now = io.clock.now();
            render::one(io, asked.format, &state, |state| {
                vec![
                    ("state", state.state.to_owned()),
                    ("at", time::absolute(now, state.at)),
                    ("changes", time::absolute(now, state.next_transition_at)),
                ]
            })?;
        }
    }
    Ok(Exit::Done)
}

fn state_word(open: bool) -> &'static str {
    if open { "OPEN" } else { "CLOSED" }
}

fn show(
    io: &mut Io,
    asked: &Asked,
    calendar: Option<fleetwright_proto::control::Calendar>,
) -> Result<(), Failure> {
    let calendar = Calendar::from(calendar.ok_or(Failure::IncompleteAnswer("calendar"))?);
    let now = io.clock.now();
    render::one(io, asked.format, &calendar, |calendar| {
        vec![
            ("calendar", calendar.name.clone()),
            ("version", calendar.version.to_string()),
            ("state", state_word(calendar.open).to_owned()),
            ("changes", time::absolute(now, calendar.next_transition_at)),
            ("outside of events", state_word(calendar.open_by_default).to_owned()),
            ("events", calendar.events.join(", ")),
            ("text", calendar.text.clone()),
        ]
    })?;
    Ok(())
}
