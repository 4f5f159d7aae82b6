//! `fleetwright.control.v1.Calendars`.

use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::calendars_server::Calendars;
use fleetwright_proto::control::{
    Calendar, DeleteCalendarRequest, DeleteCalendarResponse, GetCalendarRequest, GetCalendarResponse,
    GetCalendarStateRequest, GetCalendarStateResponse, ListCalendarsRequest, ListCalendarsResponse,
    PutCalendarRequest, PutCalendarResponse, UnreadableCalendar,
};
use tonic::{Request, Response, Status};

use crate::access::policy::{Action, Resource};
use crate::calendars::{self, CalendarError, Kept, ical::Outside};
use crate::documents::find;
use crate::doors::access::Asker;
use crate::error::Refusal;
use crate::house::House;

/// Translates between the wire and [`crate::calendars`].
#[derive(Debug)]
pub struct CalendarsDoor {
    house: Arc<House>,
}

/// Whether a calendar's text goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WithText {
    Yes,
    No,
}

impl CalendarsDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// A calendar is a document, and asked about as one.
    async fn ask(&self, asker: &Asker, action: Action, name: &str) -> Result<(), Refusal> {
        let tags = find::tags_of(&self.house, name).await?;
        asker.may_do(&self.house, action, &Resource::Document { name, tags: &tags })
    }

    async fn view(&self, kept: &Kept, with: WithText) -> Result<Calendar, CalendarError> {
        let name = kept.view.name.clone();
        let state =
            calendars::state(&self.house, std::slice::from_ref(&name), self.house.clock.now()).await?;
        let text = match with {
            WithText::Yes => String::from_utf8_lossy(&kept.text).into_owned(),
            WithText::No => String::new(),
        };
        Ok(Calendar {
            name,
            version: kept.view.version,
            open_by_default: kept.calendar.default_state() == Outside::Open,
            events: kept.calendar.summaries().into_iter().map(str::to_owned).collect(),
            text,
            open: state.open,
            next_transition_ms: state.next_transition.map_or(0, Timestamp::millis),
        })
    }
}

#[tonic::async_trait]
impl Calendars for CalendarsDoor {
    async fn put_calendar(
        &self,
        request: Request<PutCalendarRequest>,
    ) -> Result<Response<PutCalendarResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let PutCalendarRequest { name, text } = request.into_inner();
        // The same call makes it and writes it anew.
        self.ask(&asker, Action::CreateDocument, &name).await?;
        self.ask(&asker, Action::UpdateDocument, &name).await?;
        let author = &asker.principal.name;
        let kept = calendars::put(&self.house, &name, text.into(), author).await?;
        let calendar = self.view(&kept, WithText::No).await?;
        Ok(Response::new(PutCalendarResponse { calendar: Some(calendar) }))
    }

    async fn list_calendars(
        &self,
        _request: Request<ListCalendarsRequest>,
    ) -> Result<Response<ListCalendarsResponse>, Status> {
        let mut answer = ListCalendarsResponse::default();
        for name in calendars::names(&self.house).await? {
            match calendars::get(&self.house, &name).await {
                Ok(kept) => answer.calendars.push(self.view(&kept, WithText::No).await?),
                Err(error) => answer.unreadable.push(UnreadableCalendar { name, problem: error.message }),
            }
        }
        Ok(Response::new(answer))
    }

    async fn get_calendar(
        &self,
        request: Request<GetCalendarRequest>,
    ) -> Result<Response<GetCalendarResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let name = request.into_inner().name;
        self.ask(&asker, asker.action, &name).await?;
        let kept = calendars::get(&self.house, &name).await?;
        let calendar = self.view(&kept, WithText::Yes).await?;
        Ok(Response::new(GetCalendarResponse { calendar: Some(calendar) }))
    }

    async fn delete_calendar(
        &self,
        request: Request<DeleteCalendarRequest>,
    ) -> Result<Response<DeleteCalendarResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let name = request.into_inner().name;
        self.ask(&asker, asker.action, &name).await?;
        calendars::delete(&self.house, &name).await?;
        Ok(Response::new(DeleteCalendarResponse {}))
    }

    async fn get_calendar_state(
        &self,
        request: Request<GetCalendarStateRequest>,
    ) -> Result<Response<GetCalendarStateResponse>, Status> {
        let GetCalendarStateRequest { names, at_ms } = request.into_inner();
        let at = if at_ms == 0 { self.house.clock.now() } else { Timestamp::from_millis(at_ms) };
        let state = calendars::state(&self.house, &names, at).await?;
        Ok(Response::new(GetCalendarStateResponse {
            open: state.open,
            at_ms: state.at.millis(),
            next_transition_ms: state.next_transition.map_or(0, Timestamp::millis),
        }))
    }
}
