//! Works off what calls leave behind: counts, spans, live activity, webhooks. Off the path of calls, some milliseconds later.

use std::sync::Arc;
use std::time::Duration;

use lockgate_core::StopReason;
use lockgate_ledger::{Moment, Prices};

use crate::call::{Begun, Ended, Shared};
use crate::feed::{Feed, What};
use crate::observer::Inner;
use crate::push::Push;
use crate::queue::{Note, Queue};
use crate::{Hooks, Metrics, Traces, span};

/// Masks secrets in a text; `None`: there are none.
pub type Mask = Box<dyn Fn(&str) -> Option<String> + Send>;

/// How long notes are gathered before they are worked off: many calls are one wake-up.
const GATHER: Duration = Duration::from_millis(20);

/// Everybody who wants to hear of calls.
pub(crate) struct Sinks {
    pub(crate) hooks: Hooks,
    pub(crate) mask: Option<Mask>,
    pub(crate) metrics: Option<Metrics>,
    prices: Prices,
    pub(crate) push: Option<Push>,
    pub(crate) traces: Option<Traces>,
}

impl Sinks {
    pub(crate) fn new(prices: Prices) -> Self {
        Self { hooks: Hooks::default(), mask: None, metrics: None, prices, push: None, traces: None }
    }

    pub(crate) fn count(&mut self, on: bool) {
        if !on {
            self.metrics = None;
        } else if self.metrics.is_none() {
            self.metrics = Some(Metrics::new());
        }
    }

    /// Works off all that waits.
    pub(crate) fn work(&mut self, queue: &Queue, feed: &Feed) {
        for note in queue.take() {
            match self.masked(note) {
                Note::Ended(begun, ended, context) => {
                    let cost = self.cost(&begun, &ended);
                    if let Some(metrics) = &mut self.metrics {
                        metrics.count(&begun, &ended, cost);
                    }
                    if let (Some(traces), Some(context)) = (&self.traces, context) {
                        traces.offer(span::spans(&begun, &ended, cost, &context));
                    }
                    if feed.is_wanted() || !self.hooks.is_empty() {
                        let call = ended.call(&begun, cost);
                        self.hooks.offer(&call);
                        feed.tell(What::Finished, call);
                    }
                }
                Note::FirstByte(begun, ttft) => {
                    let ttft_ms = Some(u64::try_from(ttft.as_millis()).unwrap_or(u64::MAX));
                    feed.tell(What::FirstByte, crate::Call { ttft_ms, ..begun.call() });
                }
                Note::Started(begun) => feed.tell(What::Started, begun.call()),
            }
        }
    }

    /// What came from outside, without secrets: a client may name a model or a session as it likes, a provider itself.
    fn masked(&self, note: Note) -> Note {
        let Some(mask) = &self.mask else { return note };
        let clean = |text: &mut Option<String>| {
            if let Some(masked) = text.as_deref().and_then(mask) {
                *text = Some(masked);
            }
        };
        let begins = |begun: Shared| {
            let mut masked = Begun::clone(&begun);
            clean(&mut masked.model);
            clean(&mut masked.session);
            if masked.model == begun.model && masked.session == begun.session {
                begun
            } else {
                Arc::new(masked)
            }
        };
        match note {
            Note::Ended(begun, mut ended, context) => {
                clean(&mut ended.answered_by);
                clean(&mut ended.model);
                clean(&mut ended.request_id);
                if let Some(StopReason::Other(word)) = &mut ended.stop
                    && let Some(masked) = mask(word)
                {
                    *word = masked;
                }
                Note::Ended(begins(begun), ended, context)
            }
            Note::FirstByte(begun, ttft) => Note::FirstByte(begins(begun), ttft),
            Note::Started(begun) => Note::Started(begins(begun)),
        }
    }

    /// What a call cost, in nano-USD.
    fn cost(&self, begun: &Begun, ended: &Ended) -> Option<i64> {
        let usage = ended.usage.as_ref()?;
        let model = ended.model.as_deref()?;
        let prices = self.prices.current();
        let prices = prices.inspect_err(|error| tracing::debug!(%error, "no cost is told")).ok()?;
        let at = Moment::from_unix(begun.at_us.div_euclid(1_000_000))?;
        let names = [ended.provider.as_deref()?, begun.kind.unwrap_or_default()];
        let quote = prices.first(&names, model, at);
        let cost = lockgate_ledger::cost(usage, quote.as_ref(), &ended.terms).ok()?;
        Some(cost.total.to_i64())
    }
}

/// Works whenever there is something to do, until the runtime ends.
pub(crate) fn start(inner: &Arc<Inner>) {
    let inner = inner.clone();
    tokio::spawn(async move {
        loop {
            inner.queue.filled().await;
            tokio::time::sleep(GATHER).await;
            let own = inner.clone();
            // Reads prices the first time, which takes longer than a call should wait for its turn.
            let working = tokio::task::spawn_blocking(move || own.sinks().work(&own.queue, &own.feed));
            let _ = working.await;
        }
    });
}
