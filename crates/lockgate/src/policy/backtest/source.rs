//! The record as a backtest reads it: calls page by page, what was decided then, bodies one by one. Whatever the admin API shows.

use http::Method;
use lockgate_core::{Dialect, Event};
use lockgate_policy::Decision;
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::call::segment;
use crate::exit::{Exit, Failure};
use crate::office::Office;

/// Which calls.
pub(super) struct Range {
    pub(super) session: Option<String>,
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
}

/// What is read of a call.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Call {
    pub(super) dialect: Option<Dialect>,
    pub(super) id: String,
    pub(super) key: Option<String>,
    pub(super) model: Option<String>,
    pub(super) operation: String,
    pub(super) project: Option<String>,
    pub(super) requested_model: Option<String>,
    pub(super) session: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) streamed: bool,
    pub(super) turn: Option<u32>,
    pub(super) turn_kind: Option<String>,
    pub(super) upstream_dialect: Option<Dialect>,
    pub(super) user: Option<String>,
    pub(super) user_agent: Option<String>,
}

impl Call {
    /// Whether the gateway made it for itself: no policy meets such a call.
    pub(super) fn is_our_own(&self) -> bool {
        self.user_agent.as_deref().is_some_and(|agent| agent.starts_with("lockgate/"))
    }

    /// Whether the client made it for its own sake.
    pub(super) fn is_housekeeping(&self) -> bool {
        self.turn_kind.as_deref().is_some_and(|kind| kind.starts_with("housekeeping"))
    }
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Call>,
    next: Option<String>,
}

/// What only the view of one call shows.
#[derive(Deserialize)]
pub(super) struct Details {
    attempts: Vec<Attempt>,
    bodies: Vec<Body>,
    decisions: Vec<Record>,
}

#[derive(Deserialize)]
struct Attempt {
    status: Option<u16>,
}

#[derive(Deserialize)]
struct Body {
    part: String,
}

#[derive(Deserialize)]
struct Record {
    kind: String,
    record: Value,
}

impl Details {
    /// What policies decided then.
    pub(super) fn decisions(&self) -> Vec<Decision> {
        let said = self.decisions.iter().filter(|decision| decision.kind == "policy");
        said.filter_map(|decision| serde_json::from_value(decision.record.clone()).ok()).collect()
    }

    pub(super) fn has(&self, part: &str) -> bool {
        self.bodies.iter().any(|body| body.part == part)
    }

    pub(super) fn keeps_contents(&self) -> bool {
        !self.bodies.is_empty()
    }

    /// Whether what the provider sent last is an answer and no error.
    pub(super) fn is_answered(&self) -> bool {
        self.attempts.last().and_then(|attempt| attempt.status).is_none_or(|status| status < 400)
    }
}

/// The calls of a range, the latest first.
pub(super) struct Source<'o> {
    next: Option<String>,
    office: &'o Office,
    over: bool,
    range: Range,
}

impl<'o> Source<'o> {
    pub(super) const fn new(office: &'o Office, range: Range) -> Self {
        Self { next: None, office, over: false, range }
    }

    /// The next page; `None` = that was all.
    pub(super) fn page(&mut self) -> Result<Option<Vec<Call>>, Failure> {
        if self.over {
            return Ok(None);
        }
        let mut query = Serializer::new(String::new());
        query.append_pair("limit", "500");
        let Range { session, since, until } = &self.range;
        for (name, value) in [("from", since), ("to", until), ("session", session), ("cursor", &self.next)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        let bytes = self.office.bytes(Method::GET, &format!("/api/calls?{}", query.finish()), None)?;
        let page: Page = serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?;
        self.over = page.next.is_none();
        self.next = page.next;
        Ok(Some(page.items))
    }

    pub(super) fn details(&self, call: &str) -> Result<Details, Failure> {
        let bytes = self.office.bytes(Method::GET, &format!("/api/calls/{}", segment(call)), None)?;
        serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))
    }

    /// A body; `None` if it is not kept.
    pub(super) fn body(&self, call: &str, part: &str) -> Result<Option<Vec<u8>>, Failure> {
        match self.office.bytes(Method::GET, &format!("/api/calls/{}/bodies/{part}", segment(call)), None) {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(failure) if failure.exit == Exit::Finding => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// What the provider answered, one block at a time; nothing where it gave an error.
    pub(super) fn answer(&self, call: &Call, details: &Details) -> Result<Vec<Event>, Failure> {
        let (part, dialect, failed) = if details.has("upstream_answer") {
            ("upstream_answer", call.upstream_dialect.or(call.dialect), !details.is_answered())
        } else {
            ("client_answer", call.dialect, call.status.is_none_or(|status| status >= 400))
        };
        let Some(dialect) = dialect.filter(|_| !failed && details.has(part)) else { return Ok(Vec::new()) };
        let Some(body) = self.body(&call.id, part)? else { return Ok(Vec::new()) };
        Ok(lockgate_history::events(dialect, call.streamed, &body).0)
    }
}

fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::unavailable(format!("the answer of the admin API cannot be read: {error}"))
        .hint("is the gateway of this version?")
}
