//! Listens to the engine: what a call costs for being told of is here, everything else is the worker's.
//!
//! A call that nobody wants to hear of costs one look at what is asked for. The others get a follower, which notes times and
//! attempts and leaves notes in a queue. Nothing here waits, and nothing of a call is changed but its trace context, where the
//! configuration says so.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use lockgate_core::Failure;
use lockgate_engine::{
    CallReport, CallStart, Courier, Follower, Observer, Outcome as Came, TraceContext, Worked,
};
use lockgate_ledger::{Prices, Terms};

use crate::approval::Approval;
use crate::call::Call;
use crate::call::{AtWork, Attempt, Begun, Ended, Outcome, Shared};
use crate::feed::{Feed, What};
use crate::metrics::{Exposition, Metrics, Outside, RecordNumbers};
use crate::proto;
use crate::push::Push;
use crate::queue::{Note, Queue};
use crate::time::now_us;
use crate::trace::{Context, span_id};
use crate::worker::{Mask, Sinks};
use crate::{Hooks, Otlp, Traces};

/// What becomes of the trace context that a client sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Propagation {
    /// The provider does not get it.
    Drop,
    /// The provider gets one that names the span of its attempt as the parent.
    Own,
    /// It travels like every other header.
    #[default]
    Untouched,
}

/// Metrics are not sent more often.
const SHORTEST: Duration = Duration::from_millis(100);

/// What somebody wants to hear of.
#[derive(Clone, Copy, Debug, Default)]
struct Asks {
    hooks: bool,
    metrics: bool,
    propagation: Propagation,
    /// The share of traces that is kept, if any.
    share: Option<f64>,
}

/// Whoever asks for the record's numbers gets them from this.
pub(crate) type RecordSource = Box<dyn Fn() -> RecordNumbers + Send + Sync>;

/// What a running gateway tells of its calls.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

pub(crate) struct Inner {
    asks: ArcSwap<Asks>,
    pub(crate) feed: Feed,
    in_flight: AtomicU64,
    pub(crate) queue: Queue,
    record: Option<RecordSource>,
    pub(crate) sinks: Mutex<Sinks>,
    streams: AtomicU64,
}

impl Telemetry {
    /// Telemetry that is asked for nothing yet. `prices` are asked off the path of calls.
    pub fn new(prices: Prices) -> Self {
        Self(Arc::new(Inner {
            asks: ArcSwap::default(),
            feed: Feed::default(),
            in_flight: AtomicU64::new(0),
            queue: Queue::default(),
            record: None,
            sinks: Mutex::new(Sinks::new(prices)),
            streams: AtomicU64::new(0),
        }))
    }

    /// With the numbers of the record among the metrics.
    #[must_use]
    pub fn with_record(self, numbers: impl Fn() -> RecordNumbers + Send + Sync + 'static) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => Self(Arc::new(Inner { record: Some(Box::new(numbers)), ..inner })),
            // Somebody holds it already: then it is in use, and stays as it is.
            Err(shared) => Self(shared),
        }
    }

    /// From now on nothing is told before it went through this.
    pub fn mask(&self, mask: Mask) {
        self.0.sinks().mask = Some(mask);
    }

    /// Counts calls, or stops to; what was counted is lost then.
    pub fn count(&self, on: bool) {
        self.0.sinks().count(on);
        self.ask(|asks| Asks { metrics: on, ..asks });
    }

    /// Sends spans to a collector, or to none; those of before are given up. `share`: of traces that begin here.
    pub fn trace(&self, traces: Option<Traces>, share: f64, propagation: Propagation) {
        let share = traces.is_some().then_some(share);
        self.0.sinks().traces = traces;
        self.ask(|asks| Asks { propagation, share, ..asks });
    }

    /// Sends webhooks; what waits for those of before is given up.
    pub fn hook(&self, hooks: Hooks) {
        let any = !hooks.is_empty();
        self.0.sinks().hooks = hooks;
        self.ask(|asks| Asks { hooks: any, ..asks });
    }

    fn ask(&self, change: impl Fn(Asks) -> Asks) {
        self.0.asks.rcu(|asks| change(**asks));
    }

    /// Tells of a call that waits for a person, or, with a verdict, no longer does. `call` is what is known of it; its texts are masked.
    pub fn approval(&self, call: Call, approval: Approval) {
        let what = match approval.verdict {
            None => {
                self.0.sinks().hooks.offer_approval(&call, &approval);
                What::ApprovalRequested
            }
            Some(_) => What::ApprovalAnswered,
        };
        self.0.feed.tell_of(what, call, Some(approval));
    }

    /// Live activity.
    pub fn feed(&self) -> &Feed {
        &self.0.feed
    }

    /// Works off what calls leave behind, until the runtime ends.
    pub fn start(&self) {
        crate::worker::start(&self.0);
    }

    /// Works off what calls have left behind until now, as the worker does by itself.
    pub fn work(&self) {
        self.0.sinks().work(&self.0.queue, &self.0.feed);
    }

    /// Everything that was counted; `None` if nothing is. Calls that have been reported are in it. `accept`: the header of
    /// whoever asks.
    pub fn exposition(&self, accept: Option<&str>) -> Option<Exposition> {
        let openmetrics = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        self.0.counted(|metrics, outside| metrics.expose(outside, openmetrics))
    }

    /// Sends metrics to a collector from now on, in place of those before; `None`: to nobody. The error says what is wrong with the settings.
    pub fn push(&self, to: Option<(&Otlp, Duration)>, courier: Courier) -> Result<(), String> {
        let start = |(to, every): (&Otlp, Duration)| {
            Push::start(Arc::downgrade(&self.0), to, every.max(SHORTEST), courier)
        };
        let push = to.map(start).transpose();
        let (push, told) = match push {
            Ok(push) => (push, Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.0.sinks().push = push;
        told
    }

    /// Sends what can be sent within `patience`, and gives up the rest.
    pub async fn finish(&self, patience: Duration) {
        let (traces, hooks, push) = {
            let mut sinks = self.0.sinks();
            sinks.work(&self.0.queue, &self.0.feed);
            (sinks.traces.take(), std::mem::take(&mut sinks.hooks), sinks.push.take())
        };
        let traces = async {
            if let Some(traces) = traces {
                traces.finish(patience).await;
            }
        };
        let push = async {
            if let Some(push) = push {
                push.finish(patience).await;
            }
        };
        tokio::join!(traces, hooks.finish(patience), push);
    }
}

impl Inner {
    pub(crate) fn sinks(&self) -> std::sync::MutexGuard<'_, Sinks> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is counted until now, with what others count.
    fn counted<T>(&self, told: impl FnOnce(&Metrics, &Outside) -> T) -> Option<T> {
        let mut sinks = self.sinks();
        sinks.work(&self.queue, &self.feed);
        let outside = Outside {
            dropped: self.queue.dropped(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            live: self.feed.subscribers() as u64,
            pushes: sinks.push.as_ref().map(Push::numbers).unwrap_or_default(),
            record: self.record.as_ref().map(|numbers| numbers()).unwrap_or_default(),
            spans: sinks.traces.as_ref().map(Traces::numbers).unwrap_or_default(),
            streams: self.streams.load(Ordering::Relaxed),
            webhooks: sinks.hooks.numbers().named(),
        };
        sinks.metrics.as_ref().map(|metrics| told(metrics, &outside))
    }

    /// The same as OTLP has it.
    pub(crate) fn measured(&self) -> Option<Vec<proto::Metric>> {
        self.counted(Metrics::export)
    }
}

impl Observer for Telemetry {
    fn started(&self, call: &CallStart<'_>) -> Option<Arc<dyn Follower>> {
        let asks = **self.0.asks.load();
        let live = self.0.feed.is_wanted();
        let context = asks.share.is_some() || asks.propagation == Propagation::Own;
        if !(asks.metrics || asks.hooks || live || context || asks.propagation == Propagation::Drop) {
            return None;
        }
        let grant = call.caller.grant.as_ref();
        let begun = Begun {
            at_us: now_us() - i64::try_from(call.came.elapsed().as_micros()).unwrap_or_default(),
            dialect: call.dialect.as_str(),
            id: call.id.to_string(),
            key: grant.map(|grant| grant.name.clone()),
            kind: call.to.map(|to| to.kind),
            model: call.to.map(|to| to.model.to_owned()),
            operation: call.operation,
            project: grant.and_then(|grant| grant.project.clone()),
            provider: call.to.map(|to| to.provider.to_owned()),
            session: lockgate_session::named(call.headers),
            stream: call.stream,
            user: grant.and_then(|grant| grant.user.clone()),
        };
        let context = context.then(|| Context::of(call.headers, call.id, asks.share.unwrap_or_default()));
        let inner = self.0.clone();
        inner.in_flight.fetch_add(1, Ordering::Relaxed);
        if call.stream {
            inner.streams.fetch_add(1, Ordering::Relaxed);
        }
        let begun = Arc::new(begun);
        if live {
            inner.queue.push(Note::Started(begun.clone()));
        }
        Some(Arc::new(Watch {
            begun,
            context,
            inner,
            live,
            over: AtomicBool::new(false),
            propagation: asks.propagation,
            seen: Mutex::default(),
            started: call.came,
        }))
    }
}

/// The policies that were at work on a call which began then.
fn at_work(report: &CallReport, began: Instant) -> Vec<AtWork> {
    let of = |worked: &Worked| {
        let mut own = report.decisions.iter().filter(|decision| decision.policy == worked.policy);
        AtWork {
            after: worked.first.saturating_duration_since(began),
            until: worked.last.saturating_duration_since(began),
            busy: worked.busy,
            kind: worked.kind,
            looks: worked.looks,
            mode: worked.mode,
            policy: worked.policy.clone(),
            said: own.next_back().map(|decision| (decision.said.as_str(), decision.applied)),
        }
    };
    report.worked.iter().map(of).collect()
}

/// Follows one call.
struct Watch {
    begun: Shared,
    context: Option<Context>,
    inner: Arc<Inner>,
    live: bool,
    over: AtomicBool,
    propagation: Propagation,
    seen: Mutex<Seen>,
    started: Instant,
}

/// What has been seen of a call.
#[derive(Default)]
struct Seen {
    attempts: Vec<Attempt>,
    ttft: Option<Duration>,
}

impl Watch {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, ended: impl FnOnce(Seen) -> Ended) {
        if self.over.swap(true, Ordering::Relaxed) {
            return;
        }
        self.inner.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.begun.stream {
            self.inner.streams.fetch_sub(1, Ordering::Relaxed);
        }
        let ended = Box::new(ended(std::mem::take(&mut *self.seen())));
        let context = self.context.clone().filter(|context| context.sampled);
        self.inner.queue.push(Note::Ended(self.begun.clone(), ended, context));
    }
}

impl Follower for Watch {
    fn failed(&self, failure: &Failure, _again: Option<Duration>) {
        let at = self.started.elapsed();
        if let Some(attempt) = self.seen().attempts.last_mut() {
            attempt.failed = Some((at, failure.kind.as_str(), failure.status));
        }
    }

    fn finished(&self, report: &CallReport) {
        let (outcome, error) = match &report.outcome {
            Came::Aborted => (Outcome::Aborted, None),
            Came::Complete => (Outcome::Complete, None),
            Came::Failed(failure) => (Outcome::Failed, Some(failure.kind.as_str())),
        };
        self.end(|seen| Ended {
            answered_by: report.model.clone(),
            attempts: seen.attempts,
            duration: report.duration,
            error,
            model: report.requested.clone(),
            outcome,
            policies: at_work(report, self.started),
            provider: report.provider.clone(),
            request_id: report.request_id.clone(),
            status: Some(report.status),
            stop: report.stop.clone(),
            terms: report.terms,
            ttft: report.ttft,
            usage: report.usage.clone(),
        });
    }

    fn first_byte(&self) {
        let ttft = self.started.elapsed();
        self.seen().ttft = Some(ttft);
        if self.live {
            self.inner.queue.push(Note::FirstByte(self.begun.clone(), ttft));
        }
    }

    fn trace_context(&self) -> TraceContext {
        match self.propagation {
            Propagation::Drop => TraceContext::Drop,
            Propagation::Own => {
                let span = self.seen().attempts.last().map(|attempt| attempt.span);
                let header = self.context.as_ref().zip(span).and_then(|(context, span)| context.header(span));
                header.map_or(TraceContext::Keep, TraceContext::Set)
            }
            Propagation::Untouched => TraceContext::Keep,
        }
    }

    fn trying(&self, _attempt: u32) {
        let span = if self.context.is_some() { span_id() } else { [0; 8] };
        let attempt = Attempt { after: self.started.elapsed(), failed: None, span };
        self.seen().attempts.push(attempt);
    }
}

impl Drop for Watch {
    /// A client that is gone before there was an answer.
    fn drop(&mut self) {
        let (duration, begun) = (self.started.elapsed(), self.begun.clone());
        self.end(|seen| Ended {
            answered_by: None,
            attempts: seen.attempts,
            duration,
            error: None,
            model: begun.model.clone(),
            outcome: Outcome::Aborted,
            policies: Vec::new(),
            provider: begun.provider.clone(),
            request_id: None,
            status: None,
            stop: None,
            terms: Terms::default(),
            ttft: seen.ttft,
            usage: None,
        });
    }
}
