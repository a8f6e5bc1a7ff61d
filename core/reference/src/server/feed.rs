//! `GET fs/events`.

use landfall_core::wire::{Events, FeedEvent};

use super::{Refusal, Server};

/// Events of a page when the request does not say.
const DEFAULT_LIMIT: u32 = 200;

/// Which way the feed is read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Direction {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

/// What a feed does with a cursor that it does not know.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Forgot {
    /// It starts again at its oldest event, without a word.
    #[default]
    StartsAgain,
    /// 404.
    NotFound,
    /// 410.
    Gone,
}

/// What is asked of the feed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EventsQuery {
    /// The last event known.
    pub cursor: Option<String>,
    /// Page size, 1 to 1,000. Default 200.
    pub limit: Option<u32>,
    /// Which way.
    pub direction: Direction,
}

impl Server {
    /// `GET fs/events`. The cursor is exclusive. At the tip the page is empty and there is no
    /// next cursor.
    ///
    /// # Errors
    /// 400 for a limit out of bounds, or for `direction=desc` where the server is too old for
    /// it. For an unknown cursor, what [`Settings::forgot`](super::Settings::forgot) says.
    pub fn events(&self, query: &EventsQuery) -> Result<Events, Refusal> {
        let after = match query.cursor.as_deref() {
            None | Some("") => None,
            Some(cursor) => match self.number_of(cursor) {
                Some(number) => Some(number),
                None => return self.events_forgotten(query, self.settings().forgot),
            },
        };
        self.page(query, after)
    }

    /// Answers as if the cursor were not known.
    ///
    /// # Errors
    /// Those of [`events`](Self::events); 404 or 410 as `forgot` says.
    pub fn events_forgotten(&self, query: &EventsQuery, forgot: Forgot) -> Result<Events, Refusal> {
        match forgot {
            Forgot::StartsAgain => self.page(query, None),
            Forgot::NotFound => Err(Refusal::new(404, "not_found", "cursor not found")),
            Forgot::Gone => Err(Refusal::new(410, "gone", "cursor expired")),
        }
    }

    /// The event with this number, from 1.
    pub fn event(&self, number: u64) -> Option<FeedEvent> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        Some(self.history().get(index)?.event(number))
    }

    fn number_of(&self, cursor: &str) -> Option<u64> {
        let number: u64 = cursor.strip_prefix("evt_")?.parse().ok()?;
        (1..=self.tip()).contains(&number).then_some(number)
    }

    fn page(&self, query: &EventsQuery, after: Option<u64>) -> Result<Events, Refusal> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=1000).contains(&limit) {
            return Err(Refusal::bad_request("limit must be between 1 and 1000"));
        }
        let limit = limit as usize;
        let events: Vec<FeedEvent> = match query.direction {
            Direction::Ascending => (after.unwrap_or(0) + 1..=self.tip())
                .take(limit)
                .filter_map(|number| self.event(number))
                .collect(),
            Direction::Descending if !self.settings().descending => {
                return Err(Refusal::bad_request("unknown parameter: direction"));
            }
            Direction::Descending => (1..after.unwrap_or(self.tip() + 1))
                .rev()
                .take(limit)
                .filter_map(|number| self.event(number))
                .collect(),
        };
        Ok(Events { next_cursor: events.last().map(|event| event.event_id.clone()), events })
    }
}
