//! Sends the metrics to an OTLP collector over HTTP, on an interval, and once more at the end.
//!
//! What is told adds up from the start, so that a message that is lost costs nothing but its moment. One message at a time: a collector that
//! is slow gets fewer, one that is away none, and both are counted. No call waits for it, and nothing waits in memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use lockgate_engine::Courier;
use prost::Message as _;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::collector::{Line, Otlp};
use crate::observer::Inner;
use crate::proto::{ExportResponse, Metric, MetricsRequest, Resource, ResourceMetrics, Scope, ScopeMetrics};

/// Sends metrics.
#[derive(Debug)]
pub(crate) struct Push {
    counts: Arc<Counts>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    failed: AtomicU64,
    sent: AtomicU64,
}

impl Push {
    /// Begins to send. The error says what is wrong with the settings.
    pub(crate) fn start(
        of: Weak<Inner>,
        to: &Otlp,
        every: Duration,
        courier: Courier,
    ) -> Result<Self, String> {
        let line = Line::new(to, "/v1/metrics", courier)?;
        let (counts, stop) = (Arc::<Counts>::default(), CancellationToken::new());
        let task = tokio::spawn(run(of, line, every, counts.clone(), stop.clone()));
        Ok(Self { counts, stop, task })
    }

    /// What became of messages so far.
    pub(crate) fn numbers(&self) -> [(&'static str, u64); 2] {
        let Counts { failed, sent } = &*self.counts;
        [("sent", sent), ("failed", failed)].map(|(name, number)| (name, number.load(Ordering::Relaxed)))
    }

    /// Sends what is counted until now, as long as that takes no longer than `patience`.
    pub(crate) async fn finish(mut self, patience: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(patience, &mut self.task).await.is_err() {
            tracing::warn!("the collector did not take the last metrics in time");
        }
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(of: Weak<Inner>, line: Line, every: Duration, counts: Arc<Counts>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first one comes at once, when there is nothing to tell.
    ticks.tick().await;
    let mut trouble = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => {}
        }
        let last = stop.is_cancelled();
        let Some(inner) = of.upgrade() else { return };
        // Reads files of the system.
        let told = tokio::task::spawn_blocking(move || inner.measured()).await.ok().flatten();
        if let Some(metrics) = told {
            match deliver(&line, metrics, &stop).await {
                Ok(()) => {
                    counts.sent.fetch_add(1, Ordering::Relaxed);
                    if std::mem::take(&mut trouble) {
                        tracing::info!("the collector takes metrics again");
                    }
                }
                Err(reason) => {
                    counts.failed.fetch_add(1, Ordering::Relaxed);
                    if !std::mem::replace(&mut trouble, true) {
                        tracing::warn!(
                            reason,
                            "the collector does not take metrics; nothing but their moment is lost"
                        );
                    }
                }
            }
        }
        if last {
            return;
        }
    }
}

async fn deliver(line: &Line, metrics: Vec<Metric>, stop: &CancellationToken) -> Result<(), String> {
    let scope_metrics = vec![ScopeMetrics { scope: Some(Scope::own()), metrics }];
    let resource_metrics = vec![ResourceMetrics { resource: Some(Resource::own()), scope_metrics }];
    let body = Bytes::from(MetricsRequest { resource_metrics }.encode_to_vec());
    let told = ExportResponse::decode(line.deliver(body, stop).await?).unwrap_or_default();
    match told.partial_success.map_or(0, |partial| partial.rejected) {
        0 => Ok(()),
        rejected => Err(format!("{rejected} points were refused")),
    }
}
