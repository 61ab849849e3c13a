//! Where people are asked: a question lies in the database until somebody answers, at this gateway, another one, or by the command line.
//!
//! An answer that stands for later calls is found before anybody is asked again. A question whose call is gone is marked so. Without a
//! database nobody can be asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lockgate_admin::Shelf;
use lockgate_core::{ErrorKind, Failure};
use lockgate_policy::Reply;
use lockgate_store::{Answer, Approval, Holds, Store, Verdict};
use lockgate_telemetry::Telemetry;
use uuid::Uuid;

/// Between two looks whether a question is answered.
const LOOK: Duration = Duration::from_millis(250);

/// Questions that wait in this gateway at most.
const WAITING: usize = 200;

/// Asks people. Clones share everything.
#[derive(Clone)]
pub(super) struct Desk(Arc<Shared>);

struct Shared {
    /// `None` = this gateway has no database, and will have none.
    shelf: Option<Shelf>,
    telemetry: Telemetry,
    waiting: AtomicUsize,
}

impl Desk {
    /// A desk over the database that is, or will be, on the shelf, where there is one.
    pub(super) fn new(shelf: Option<Shelf>, telemetry: Telemetry) -> Self {
        Self(Arc::new(Shared { shelf, telemetry, waiting: AtomicUsize::new(0) }))
    }

    /// Asks, and waits for an answer until `deadline`.
    pub(super) async fn ask(
        self,
        call: String,
        question: lockgate_policy::Approval,
        deadline: Duration,
    ) -> Reply {
        match self.asked(&call, question, deadline).await {
            Ok(reply) => reply,
            Err(words) => Reply::None(Failure::new(ErrorKind::UpstreamUnavailable, words)),
        }
    }

    /// The database, once it is open.
    async fn store(&self, patience: Duration) -> Result<Arc<dyn Store>, String> {
        let shelf = self.0.shelf.as_ref();
        let shelf = shelf
            .ok_or("people are asked by way of the database, and this gateway keeps none (`record.mode`)")?;
        let mut looks = tokio::time::interval(LOOK);
        let began = Instant::now();
        while began.elapsed() < patience {
            looks.tick().await;
            if let Some(store) = shelf.get() {
                return Ok(store.clone());
            }
        }
        Err("people are asked by way of the database, which is not open (`/health` says why)".into())
    }

    async fn asked(
        &self,
        call: &str,
        question: lockgate_policy::Approval,
        deadline: Duration,
    ) -> Result<Reply, String> {
        let began = Instant::now();
        let store = self.store(deadline).await?;
        let deadline = deadline.saturating_sub(began.elapsed());
        let unkept = |error| format!("the question cannot be put into the database: {error}");
        let (key, session) = (question.key.as_deref(), question.session.as_deref());
        let standing = store.standing(&question.policy, key, session).await.map_err(unkept)?;
        let like = |known: &Approval| asked_of(known).is_like(&question);
        if let Some(answer) = standing.into_iter().find(like).and_then(|known| known.answer) {
            let before = format!("an answer of before that holds {}", answer.holds.as_str());
            let words = answer.words.map_or(before.clone(), |words| format!("{before}: {words}"));
            return Ok(Reply::Person { agreed: true, by: answer.by, words: Some(words) });
        }
        let row = row_of(call, question, deadline)?;
        let mut open = Open::new(self, store.clone(), row)?;
        store.ask(&open.row).await.map_err(unkept)?;
        open.tell(None);
        open.is_kept = true;
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            if Timestamp::now().as_microsecond() >= open.row.until_us {
                return open.expire().await;
            }
            // Trouble with the database is waited out: the deadline ends it.
            let Ok(Some(Approval { answer: Some(answer), .. })) = store.approval(&open.row.id).await else {
                continue;
            };
            return Ok(open.answered(answer));
        }
    }
}

/// A question that waits. Dropped, its call is gone.
struct Open {
    desk: Desk,
    /// Whether it is in the database without an answer.
    is_kept: bool,
    row: Approval,
    store: Arc<dyn Store>,
}

impl Open {
    fn new(desk: &Desk, store: Arc<dyn Store>, row: Approval) -> Result<Self, String> {
        let open = Self { desk: desk.clone(), is_kept: false, row, store };
        if desk.0.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            return Err(format!("{WAITING} questions wait for people already"));
        }
        Ok(open)
    }

    fn answered(mut self, answer: Answer) -> Reply {
        self.is_kept = false;
        self.tell(Some(answer.verdict));
        let agreed = match answer.verdict {
            Verdict::Approved => true,
            Verdict::Denied => false,
            Verdict::Expired | Verdict::Withdrawn => {
                let words = "the question is no longer open";
                return Reply::None(Failure::new(ErrorKind::Timeout, words));
            }
        };
        Reply::Person { agreed, by: answer.by, words: answer.words }
    }

    /// Nobody answered. An answer that came at the last moment holds.
    async fn expire(mut self) -> Result<Reply, String> {
        self.is_kept = false;
        let closed = self.store.answer(&self.row.id, &nobody(Verdict::Expired), None).await;
        if let (Ok(false), Ok(Some(Approval { answer: Some(answer), .. }))) =
            (closed, self.store.approval(&self.row.id).await)
        {
            return Ok(self.answered(answer));
        }
        self.tell(Some(Verdict::Expired));
        Ok(Reply::None(Failure::new(ErrorKind::Timeout, "there was no answer in time")))
    }

    fn tell(&self, verdict: Option<Verdict>) {
        let row = &self.row;
        let call = lockgate_telemetry::Call {
            at: rfc3339(row.asked_us),
            at_us: row.asked_us,
            id: row.call.to_string(),
            key: row.key.clone(),
            model: Some(row.model.clone()),
            session: row.session.clone(),
            user: row.user.clone(),
            ..lockgate_telemetry::Call::default()
        };
        let approval = lockgate_telemetry::Approval {
            id: row.id.clone(),
            policy: row.policy.clone(),
            reason: row.reason.clone(),
            rule: row.rule.clone(),
            tool: row.tool.clone(),
            until: rfc3339(row.until_us),
            verdict: verdict.map(Verdict::as_str),
        };
        self.desk.0.telemetry.approval(call, approval);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.desk.0.waiting.fetch_sub(1, Ordering::Relaxed);
        if !std::mem::take(&mut self.is_kept) {
            return;
        }
        self.tell(Some(Verdict::Withdrawn));
        let (store, id) = (self.store.clone(), std::mem::take(&mut self.row.id));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = store.answer(&id, &nobody(Verdict::Withdrawn), None).await {
                    tracing::debug!(%error, "a question whose call is gone stays open until its time is over");
                }
            });
        }
    }
}

/// What is written where no person answered.
fn nobody(verdict: Verdict) -> Answer {
    Answer { at_us: Timestamp::now().as_microsecond(), by: None, holds: Holds::Once, verdict, words: None }
}

fn rfc3339(at_us: i64) -> String {
    Timestamp::from_microsecond(at_us).unwrap_or_default().to_string()
}

fn row_of(call: &str, question: lockgate_policy::Approval, deadline: Duration) -> Result<Approval, String> {
    let id = question.id(call);
    let asked_us = Timestamp::now().as_microsecond();
    let lockgate_policy::Approval {
        arguments,
        client,
        key,
        model,
        policy,
        reason,
        rule,
        session,
        tool,
        user,
        ..
    } = question;
    Ok(Approval {
        answer: None,
        arguments,
        asked_us,
        call: Uuid::parse_str(call).map_err(|_| "the call has no id".to_owned())?,
        client,
        id,
        key,
        model,
        policy,
        reason,
        revoked_us: None,
        rule,
        session,
        tool,
        until_us: asked_us.saturating_add(i64::try_from(deadline.as_micros()).unwrap_or(i64::MAX)),
        user,
    })
}

/// What was asked, as the policies know it.
fn asked_of(row: &Approval) -> lockgate_policy::Approval {
    lockgate_policy::Approval {
        arguments: row.arguments.clone(),
        client: row.client.clone(),
        key: row.key.clone(),
        model: row.model.clone(),
        number: 0,
        policy: row.policy.clone(),
        reason: row.reason.clone(),
        rule: row.rule.clone(),
        session: row.session.clone(),
        tool: row.tool.clone(),
        user: row.user.clone(),
    }
}
