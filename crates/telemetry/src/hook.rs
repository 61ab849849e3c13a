//! Webhooks: a POST to somebody else's address for each call that is over or waits for a person, signed, repeated until it is taken or given up.
//!
//! Each receiver has a bounded queue and a bounded number of deliveries at a time. A receiver that is slow, broken or away costs its
//! own webhooks, which are counted. What waits when the gateway ends is tried once more and given up. The same webhook may arrive
//! twice; its `webhook-id` says so.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{StatusCode, Uri};
use lockgate_engine::Courier;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::approval::Approval;
use crate::call::{Call, Outcome};
use crate::filter::Filter;
use crate::post::Post;
use crate::signature::SigningKey;
use crate::time::{now_us, rfc3339};

/// Webhooks that wait for one receiver at most.
const BOUND: usize = 1_000;

/// Webhooks that are on their way to one receiver at a time, those that wait for another try among them.
const AT_ONCE: usize = 32;

/// A receiver.
#[derive(Clone, Debug)]
pub struct Hook {
    /// What it wants to hear of; empty: all.
    pub events: Vec<HookEvent>,
    /// Which calls it wants to hear of, by what they are.
    pub filter: Filter,
    /// What it verifies the signature with.
    pub key: SigningKey,
    /// When it is tried again.
    pub retry: Retry,
    /// Where it is.
    pub url: Uri,
}

/// What a webhook can be about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HookEvent {
    /// A call waits for a person.
    ApprovalRequested,
    /// A call is over.
    Call(Outcome),
}

impl HookEvent {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalRequested => "approval.requested",
            Self::Call(Outcome::Aborted) => "call.aborted",
            Self::Call(Outcome::Complete) => "call.completed",
            Self::Call(Outcome::Failed) => "call.failed",
        }
    }
}

/// When a receiver that did not take a webhook is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Before the second try; each wait is three times the one before, give or take a quarter.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// How long the receiver has for an answer.
    pub patience: Duration,
    /// How often it is sent at most.
    pub tries: u32,
}

impl Default for Retry {
    /// Eight tries over some twenty minutes.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_mins(10),
            patience: Duration::from_secs(15),
            tries: 8,
        }
    }
}

/// What became of webhooks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HookNumbers {
    /// The receiver took it.
    pub delivered: u64,
    /// There was no room for it.
    pub dropped: u64,
    /// The receiver did not take it in all tries.
    pub given_up: u64,
}

impl HookNumbers {
    pub(crate) fn named(self) -> [(&'static str, u64); 3] {
        [("delivered", self.delivered), ("given_up", self.given_up), ("dropped", self.dropped)]
    }
}

/// All receivers.
#[derive(Default)]
pub struct Hooks {
    counts: Arc<Counts>,
    lines: Vec<Line>,
}

#[derive(Default)]
struct Counts {
    delivered: AtomicU64,
    dropped: AtomicU64,
    given_up: AtomicU64,
}

/// The way to one receiver.
struct Line {
    hook: Arc<Hook>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    awake: Notify,
    /// The gateway ends.
    stop: CancellationToken,
    waiting: Mutex<VecDeque<Message>>,
}

/// A webhook.
#[derive(Clone)]
struct Message {
    body: Bytes,
    id: String,
}

/// A call is over, or waits for a person. The body of a webhook.
#[derive(JsonSchema, Serialize)]
struct Body<'a> {
    /// How it ended: `call.completed`, `call.failed` or `call.aborted`; or that it waits: `approval.requested`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// When the webhook was made, RFC 3339.
    timestamp: String,
    /// The call.
    data: &'a Call,
    /// What a person is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<&'a Approval>,
}

/// The JSON Schema of a webhook's body (2020-12), pretty-printed.
pub fn webhook_schema() -> String {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Body<'_>>().to_value();
    schema["title"] = "Webhook of Lockgate".into();
    format!("{schema:#}\n")
}

impl Hooks {
    /// Begins to deliver, by this courier.
    pub fn start(hooks: Vec<Hook>, courier: &Courier) -> Self {
        let counts = Arc::new(Counts::default());
        let line = |hook: Hook| {
            let (hook, shared) = (Arc::new(hook), Arc::new(Shared::default()));
            let task =
                tokio::spawn(run(hook.clone(), shared.clone(), counts.clone(), Post::new(courier.clone())));
            Line { hook, shared, task }
        };
        let lines = hooks.into_iter().map(line).collect();
        Self { counts, lines }
    }

    /// Whether nobody wants webhooks.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What became of webhooks so far.
    pub fn numbers(&self) -> HookNumbers {
        let Counts { delivered, dropped, given_up } = &*self.counts;
        let number = |count: &AtomicU64| count.load(Ordering::Relaxed);
        HookNumbers { delivered: number(delivered), dropped: number(dropped), given_up: number(given_up) }
    }

    /// Tells those whom it concerns of a call that is over.
    pub(crate) fn offer(&self, call: &Call) {
        if let Some(outcome) = call.outcome {
            self.send(HookEvent::Call(outcome), call, None);
        }
    }

    /// Tells those whom it concerns of a call that waits for a person.
    pub(crate) fn offer_approval(&self, call: &Call, approval: &Approval) {
        self.send(HookEvent::ApprovalRequested, call, Some(approval));
    }

    fn send(&self, event: HookEvent, call: &Call, approval: Option<&Approval>) {
        let wants = |line: &&Line| {
            let events = &line.hook.events;
            (events.is_empty() || events.contains(&event)) && line.hook.filter.admits(call)
        };
        let mut message = None;
        for line in self.lines.iter().filter(wants) {
            let message = message.get_or_insert_with(|| Message::of(event, call, approval));
            if !line.shared.push(message.clone()) {
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Tries all that waits once more, as long as that takes no longer than `patience`.
    pub(crate) async fn finish(mut self, patience: Duration) {
        for line in &self.lines {
            line.shared.stop.cancel();
        }
        let lines = std::mem::take(&mut self.lines);
        let mut tasks: Vec<_> = lines.into_iter().map(|line| line.task).collect();
        let all = async {
            for task in &mut tasks {
                let _ = task.await;
            }
        };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("webhooks were not taken in time and are given up");
        }
        for task in tasks {
            task.abort();
        }
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        for line in &self.lines {
            line.task.abort();
        }
    }
}

impl Message {
    fn of(event: HookEvent, call: &Call, approval: Option<&Approval>) -> Self {
        let body = Body { kind: event.as_str(), timestamp: rfc3339(now_us()), data: call, approval };
        let id = match approval {
            Some(approval) => format!("approval_{}", approval.id),
            None => format!("call_{}", call.id),
        };
        Self { body: serde_json::to_vec(&body).unwrap_or_default().into(), id }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, message: Message) -> bool {
        let mut waiting = self.waiting();
        let room = waiting.len() < BOUND;
        if room {
            waiting.push_back(message);
            drop(waiting);
            self.awake.notify_one();
        }
        room
    }
}

async fn run(hook: Arc<Hook>, shared: Arc<Shared>, counts: Arc<Counts>, post: Post) {
    let mut on_their_way = JoinSet::new();
    loop {
        while on_their_way.len() < AT_ONCE {
            let Some(message) = shared.waiting().pop_front() else { break };
            let (hook, shared, counts) = (hook.clone(), shared.clone(), counts.clone());
            on_their_way.spawn(deliver(hook, shared, counts, post.clone(), message));
        }
        if on_their_way.is_empty() && shared.stop.is_cancelled() {
            return;
        }
        let full = on_their_way.len() >= AT_ONCE;
        tokio::select! {
            () = shared.awake.notified(), if !full => {}
            () = shared.stop.cancelled(), if !shared.stop.is_cancelled() => {}
            Some(_) = on_their_way.join_next(), if !on_their_way.is_empty() => {}
        }
    }
}

async fn deliver(hook: Arc<Hook>, shared: Arc<Shared>, counts: Arc<Counts>, post: Post, message: Message) {
    let mut wait = hook.retry.first;
    for tries in 1..=hook.retry.tries {
        let headers = signed(&hook.key, &message.id, &message.body);
        let answer = post.send(&hook.url, headers, message.body.clone(), hook.retry.patience).await;
        let (refused, asked) = match answer {
            Ok(answer) if answer.status.is_success() => {
                counts.delivered.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Ok(answer) => (is_final(answer.status), answer.retry_after),
            Err(_) => (false, None),
        };
        if refused || tries == hook.retry.tries || shared.stop.is_cancelled() {
            break;
        }
        let pause = asked.unwrap_or_else(|| varied(wait)).min(hook.retry.longest);
        let _ = tokio::time::timeout(pause, shared.stop.cancelled()).await;
        wait = (wait * 3).min(hook.retry.longest);
    }
    counts.given_up.fetch_add(1, Ordering::Relaxed);
    let host = hook.url.host().unwrap_or_default();
    tracing::warn!(id = message.id, host, "a webhook was not taken and is given up");
}

/// Whether the receiver will say the same again: it does not want the message, rather than not now.
fn is_final(status: StatusCode) -> bool {
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    status.is_client_error() && !later.contains(&status)
}

/// The headers of a signed message.
pub(crate) fn signed(key: &SigningKey, id: &str, body: &[u8]) -> HeaderMap {
    let timestamp = now_us() / 1_000_000;
    let signature = key.sign(id, timestamp, body);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("lockgate/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}

/// Give or take a quarter, so that receivers are not asked by all at the same moment.
fn varied(wait: Duration) -> Duration {
    let chance = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    wait * 3 / 4 + wait * chance / 512
}
