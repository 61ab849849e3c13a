//! `/api/feedback`: what people and programs say of calls and sessions. Whoever sees a call may speak of it, but for viewers, who change nothing;
//! what belongs to somebody else does not exist.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use jiff::Timestamp;
use lockgate_store::access::Actor;
use lockgate_store::stats::Dimension;
use lockgate_store::{
    Cursor, Error, Feedback, FeedbackFilter, FeedbackSource, Limit, Opinions, PageRequest, Store,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Origin, now_us};
use crate::filter::{limit, moment};
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::{Asked, Sent};
use crate::labels::MASKS;
use crate::problem::Problem;
use crate::stats::{StatsQuery, dimensions};
use crate::view::{Listed, time};
use crate::{calls, sessions};

/// The longest comment, in characters.
const COMMENT: usize = 4_000;

/// The most labels, and the longest one, in characters.
const LABELS: usize = 20;
const LABEL: usize = 60;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::From(Role::Own), routes!(list, say)))
        .merge(guarded(Guard::From(Role::Own), routes!(opinions)))
        .merge(guarded(Guard::From(Role::Own), routes!(unsay)))
}

/// What somebody says of a call or a session.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct FeedbackView {
    /// Its id.
    id: Uuid,
    /// The call; `null` = the session as a whole.
    call: Option<Uuid>,
    /// The session: of the call, if it has one.
    session: Option<String>,
    /// From -1, bad, to 1, good.
    score: f64,
    /// Short words for what was good or bad.
    labels: Vec<String>,
    /// In the author's words, secrets masked.
    comment: Option<String>,
    /// `person` or `program` (a key).
    source: &'static str,
    /// Who says it: the name of the user or key.
    author: String,
    /// When (RFC 3339).
    at: String,
}

impl From<Feedback> for FeedbackView {
    fn from(said: Feedback) -> Self {
        Self {
            id: said.id,
            call: said.call,
            session: said.session,
            score: score(said.score_milli),
            labels: said.labels,
            comment: said.comment,
            source: said.source.as_str(),
            author: said.author,
            at: time(said.at_us),
        }
    }
}

fn score(milli: i64) -> f64 {
    milli as f64 / 1_000.0
}

/// What somebody wants to say: of one call, or of a session as a whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FeedbackWish {
    /// The call's id (`x-task-id`).
    #[serde(default)]
    call: Option<String>,
    /// The session's id.
    #[serde(default)]
    session: Option<String>,
    /// `good`, `bad`, or a number from -1 to 1.
    #[schema(value_type = Value)]
    rating: Value,
    /// Short words for what was good or bad: up to 20 of up to 60 characters.
    #[serde(default)]
    labels: Vec<String>,
    /// In one's own words: up to 4,000 characters.
    #[serde(default)]
    comment: Option<String>,
}

/// Says what one thinks of a call or a session, in place of what one said of it before. Not for viewers.
#[utoipa::path(post, path = "/api/feedback", tag = "feedback", request_body = FeedbackWish,
    responses((status = 200, body = FeedbackView), (status = 400, description = "No such rating, or too much."),
              (status = 404, description = "No such call or session.")))]
async fn say(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Sent(wish): Sent<FeedbackWish>,
) -> Result<Json<FeedbackView>, Problem> {
    let score_milli = rating(&wish.rating)?;
    let labels = labels(&wish.labels)?;
    let comment = wish.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
    if comment.is_some_and(|comment| comment.chars().count() > COMMENT) {
        return Err(Problem::invalid(format!("`comment`: up to {COMMENT} characters")));
    }
    if comment
        .is_some_and(|comment| comment.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')))
    {
        return Err(Problem::invalid("`comment`: no control characters but ends of lines and tabs"));
    }
    let (call, session) = match (&wish.call, &wish.session) {
        (Some(call), None) => {
            let found = calls::find(&app, &who, call).await?.call;
            (Some(found.id), found.lineage.session.map(|session| session.id))
        }
        (None, Some(session)) => (None, Some(sessions::find(&app, &who, session).await?.reference.id)),
        _ => return Err(Problem::invalid("name one of `call` and `session`")),
    };
    speaks(&who)?;
    let (author, source) = speaker(&who, &from);
    let said = Feedback {
        at_us: now_us(),
        author,
        call,
        comment: comment.map(|comment| MASKS.redact(comment).into_owned()),
        id: Uuid::now_v7(),
        labels,
        score_milli,
        session,
        source,
    };
    let object = about(&said);
    // The audit outlives the call: it tells no words.
    let entry = from.entry("feedback", &object, json!({"score": score(score_milli)}));
    let id = app.store()?.say(&said, &entry).await?;
    let id = id.ok_or_else(|| Problem::not_found(format!("{object} is gone")))?;
    Ok(Json(Feedback { id, ..said }.into()))
}

fn about(said: &Feedback) -> String {
    match (&said.call, &said.session) {
        (Some(call), _) => format!("call:{call}"),
        (None, session) => format!("session:{}", session.as_deref().unwrap_or_default()),
    }
}

/// Who speaks: a program by the name of its key, anybody else by the own name.
fn speaker(who: &Principal, from: &Origin) -> (String, FeedbackSource) {
    match &from.actor {
        Actor::Key(name) => (name.clone(), FeedbackSource::Program),
        Actor::Cli(_) | Actor::Nobody(_) | Actor::System | Actor::User(_) => {
            (who.name.clone(), FeedbackSource::Person)
        }
    }
}

fn speaks(who: &Principal) -> Result<(), Problem> {
    if who.role == Role::Viewer {
        return Err(Problem::forbidden(format!("{} has `viewer`, which changes nothing", who.name)));
    }
    Ok(())
}

/// A rating, in thousandths.
fn rating(value: &Value) -> Result<i64, Problem> {
    let number = match value.as_str() {
        Some("good") => Some(1.0),
        Some("bad") => Some(-1.0),
        Some(_) => None,
        None => value.as_f64(),
    };
    let number = number.filter(|number| (-1.0..=1.0).contains(number));
    let number = number.ok_or_else(|| {
        Problem::invalid(format!("`rating`: `good`, `bad` or a number from -1 to 1, not {value}"))
    })?;
    Ok((number * 1_000.0).round() as i64)
}

fn labels(wanted: &[String]) -> Result<Vec<String>, Problem> {
    let fits = |label: &&String| {
        !label.trim().is_empty() && label.chars().count() <= LABEL && !label.contains(char::is_control)
    };
    if wanted.len() > LABELS || !wanted.iter().all(|label| fits(&label)) {
        return Err(Problem::invalid(format!(
            "`labels`: up to {LABELS}, each of 1 to {LABEL} characters in one line"
        )));
    }
    let mut labels: Vec<String> =
        wanted.iter().map(|label| MASKS.redact(label.trim()).into_owned()).collect();
    labels.sort();
    labels.dedup();
    Ok(labels)
}

/// Conditions on feedback; all must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FeedbackQuery {
    /// Who said it: a user's or key's name.
    author: Option<String>,
    /// About this call.
    call: Option<String>,
    /// Where the page before ended: its `next`.
    cursor: Option<String>,
    /// Said from when, included: a time, a day, or how long ago (`24h`, `7d`).
    from: Option<String>,
    /// How many entries a page has: 1 to 500 (more is taken as 500), 50 if not given.
    limit: Option<u16>,
    /// `good` (above 0) or `bad` (below 0).
    rating: Option<String>,
    /// About this session, or a call of it.
    session: Option<String>,
    /// `person` or `program`.
    source: Option<String>,
    /// Until when, not included; like `from`.
    to: Option<String>,
}

/// What was said, the latest first. Whoever has the role `self` sees what is said of the same user's calls.
#[utoipa::path(get, path = "/api/feedback", tag = "feedback", params(FeedbackQuery),
    responses((status = 200, body = Listed<FeedbackView>)))]
async fn list(
    State(app): State<App>,
    who: Principal,
    Asked(query): Asked<FeedbackQuery>,
) -> Result<Json<Listed<FeedbackView>>, Problem> {
    let now = Timestamp::now();
    let time = |name: &str, text: Option<String>| text.map(|text| moment(name, &text, now)).transpose();
    let (score_from, score_to) = match query.rating.as_deref() {
        None => (None, None),
        Some("good") => (Some(1), None),
        Some("bad") => (None, Some(-1)),
        Some(other) => return Err(Problem::invalid(format!("`rating`: `good` or `bad`, not `{other}`"))),
    };
    let source = query.source.map(|word| {
        FeedbackSource::of(&word)
            .ok_or_else(|| Problem::invalid(format!("`source`: `person` or `program`, not `{word}`")))
    });
    let call = query.call.map(|id| {
        id.parse::<Uuid>().map_err(|_| Problem::invalid(format!("`{id}` is no id of a call (a UUID)")))
    });
    let after = query
        .cursor
        .map(|text| text.parse::<Cursor>().map_err(|error| Problem::invalid(format!("`cursor` is {error}"))));
    let filter = FeedbackFilter {
        author: query.author,
        call: call.transpose()?,
        from_us: time("from", query.from)?,
        score_from,
        score_to,
        session: query.session,
        source: source.transpose()?,
        to_us: time("to", query.to)?,
        user: own(&who),
    };
    let page = PageRequest { after: after.transpose()?, limit: limit(query.limit)? };
    Ok(Json(Listed::of(app.store()?.feedbacks(&filter, &page).await?)))
}

/// The user whose calls one is restricted to.
fn own(who: &Principal) -> Option<String> {
    // Without a user nothing is one's own: no call has an empty one.
    (who.role == Role::Own).then(|| who.user.clone().unwrap_or_default())
}

/// The most that is shown with a call or a session.
const SHOWN: u16 = 500;

/// What is said of a call, the latest first.
pub(crate) async fn of_call(store: &dyn Store, call: Uuid) -> Result<Vec<Feedback>, Problem> {
    let filter = FeedbackFilter { call: Some(call), ..FeedbackFilter::default() };
    Ok(store.feedbacks(&filter, &PageRequest { after: None, limit: Limit::of(SHOWN) }).await?.items)
}

/// What is said of a session and its calls, the latest first, as far as somebody may see it.
pub(crate) async fn of_session(
    store: &dyn Store,
    who: &Principal,
    id: &str,
) -> Result<Vec<Feedback>, Problem> {
    let filter = FeedbackFilter { session: Some(id.to_owned()), user: own(who), ..FeedbackFilter::default() };
    Ok(store.feedbacks(&filter, &PageRequest { after: None, limit: Limit::of(SHOWN) }).await?.items)
}

/// Whether the same author has said the same or something later of the same.
pub(crate) async fn is_said_later(store: &dyn Store, said: &Feedback) -> Result<bool, Error> {
    let filter = FeedbackFilter {
        author: Some(said.author.clone()),
        call: said.call,
        from_us: Some(said.at_us),
        session: said.session.clone().filter(|_| said.call.is_none()),
        source: Some(said.source),
        ..FeedbackFilter::default()
    };
    let mut page = PageRequest { after: None, limit: Limit::of(Limit::MAX) };
    loop {
        let found = store.feedbacks(&filter, &page).await?;
        if found.items.iter().any(|one| one.call == said.call) {
            return Ok(true);
        }
        match found.next {
            Some(next) => page.after = Some(next),
            None => return Ok(false),
        }
    }
}

/// All that is said of a session and its calls, or of calls without one; for exports and archives.
pub(crate) async fn whole(
    store: &dyn Store,
    who: &Principal,
    session: Option<&str>,
    calls: &[Uuid],
) -> Result<Vec<Feedback>, Problem> {
    let mut said = Vec::new();
    let Some(session) = session else {
        for call in calls {
            said.extend(of_call(store, *call).await?);
        }
        return Ok(said);
    };
    let filter =
        FeedbackFilter { session: Some(session.to_owned()), user: own(who), ..FeedbackFilter::default() };
    let mut page = PageRequest { after: None, limit: Limit::of(Limit::MAX) };
    loop {
        let found = store.feedbacks(&filter, &page).await?;
        said.extend(found.items);
        match found.next {
            Some(next) => page.after = Some(next),
            None => return Ok(said),
        }
    }
}

/// Takes back what one said; operators take back what anybody said.
#[utoipa::path(delete, path = "/api/feedback/{id}", tag = "feedback",
    params(("id" = Uuid, Path, description = "The id.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "No such feedback.")))]
async fn unsay(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let missing = || Problem::not_found(format!("there is no feedback `{id}`"));
    let uuid = id.parse::<Uuid>().map_err(|_| missing())?;
    let store = app.store()?;
    let found = store.feedback(uuid).await?.ok_or_else(missing)?;
    if (found.author.clone(), found.source) != speaker(&who, &from) && who.role < Role::Operator {
        return Err(missing());
    }
    speaks(&who)?;
    let entry = from.entry("unsay", about(&found), json!({"author": found.author}));
    if !store.unsay(uuid, &entry).await? {
        return Err(missing());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What is said of calls that have something in common.
#[derive(Debug, Serialize, ToSchema)]
struct OpinionsView {
    /// What the calls have in common; `null` = they say nothing of it.
    group: std::collections::BTreeMap<&'static str, Option<String>>,
    /// Opinions about single calls.
    opinions: u64,
    /// Calls that somebody spoke of.
    calls: u64,
    /// Opinions above 0.
    good: u64,
    /// Opinions below 0.
    bad: u64,
    /// The mean of the scores.
    score: Option<f64>,
    /// `good` of `good` and `bad`.
    good_rate: Option<f64>,
}

impl OpinionsView {
    fn of(by: &[Dimension], told: Opinions) -> Self {
        let spoken = told.good + told.bad;
        Self {
            group: by.iter().map(|dimension| dimension.as_str()).zip(told.group).collect(),
            opinions: told.opinions,
            calls: told.calls,
            good: told.good,
            bad: told.bad,
            score: (told.opinions > 0).then(|| score(told.score_milli) / told.opinions as f64),
            good_rate: (spoken > 0).then(|| told.good as f64 / spoken as f64),
        }
    }
}

/// How good calls are said to be, by what they have in common: at most 1,000 groups, the most opinions first. The conditions are those of `/api/stats`;
/// times are those of the calls.
#[utoipa::path(get, path = "/api/feedback/stats", tag = "feedback", params(StatsQuery),
    responses((status = 200, body = Listed<OpinionsView>)))]
async fn opinions(
    State(app): State<App>,
    who: Principal,
    Asked(query): Asked<StatsQuery>,
) -> Result<Json<Listed<OpinionsView>>, Problem> {
    let by = query.by.as_deref().map(dimensions).transpose()?;
    let by = by.unwrap_or_else(|| vec![Dimension::Provider, Dimension::Model]);
    let told = app.store()?.opinions(&query.slice(&who)?, &by).await?;
    Ok(Json(Listed::whole(told.into_iter().map(|told| OpinionsView::of(&by, told)).collect())))
}
