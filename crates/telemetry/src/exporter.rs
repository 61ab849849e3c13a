//! Sends spans to an OTLP collector over HTTP, in batches, off everybody's path.
//!
//! A bounded queue and one task. A collector that is slow, broken or away costs its spans, which are counted, and nothing else: no
//! call and no shutdown waits for it longer than it is told to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockgate_engine::Courier;
use prost::Message as _;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::collector::{Line, Otlp};
use crate::proto::{ExportRequest, ExportResponse, Resource, ResourceSpans, Scope, ScopeSpans, Span};

/// Spans that wait at most.
const BOUND: usize = 8_192;

/// Spans that are sent in one go.
const BATCH: usize = 512;

/// How long spans are gathered.
const GATHER: Duration = Duration::from_secs(1);

/// Sends spans.
pub struct Traces {
    shared: Arc<Shared>,
    task: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    awake: Notify,
    dropped: AtomicU64,
    failed: AtomicU64,
    sent: AtomicU64,
    spans: Mutex<VecDeque<Span>>,
    /// The gateway ends.
    stop: CancellationToken,
}

impl Shared {
    fn spans(&self) -> MutexGuard<'_, VecDeque<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traces {
    /// Begins to send, by this courier. The error says what is wrong with the settings.
    pub fn start(to: &Otlp, courier: Courier) -> Result<Self, String> {
        let line = Line::new(to, "/v1/traces", courier)?;
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(run(shared.clone(), line));
        Ok(Self { shared, task: Some(task) })
    }

    pub(crate) fn offer(&self, new: Vec<Span>) {
        let mut spans = self.shared.spans();
        if spans.len() + new.len() > BOUND {
            self.shared.dropped.fetch_add(new.len() as u64, Ordering::Relaxed);
            return;
        }
        spans.extend(new);
        drop(spans);
        self.shared.awake.notify_one();
    }

    /// What became of spans so far.
    pub(crate) fn numbers(&self) -> [(&'static str, u64); 3] {
        let Shared { dropped, failed, sent, .. } = &*self.shared;
        [("sent", sent), ("dropped", dropped), ("failed", failed)]
            .map(|(result, number)| (result, number.load(Ordering::Relaxed)))
    }

    /// Sends what is there, as long as that takes no longer than `patience`.
    pub(crate) async fn finish(mut self, patience: Duration) {
        self.shared.stop.cancel();
        if let Some(mut task) = self.task.take()
            && tokio::time::timeout(patience, &mut task).await.is_err()
        {
            task.abort();
            tracing::warn!("the collector did not take the last spans in time");
        }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn run(shared: Arc<Shared>, line: Line) {
    let mut trouble = false;
    loop {
        let waiting = shared.spans().len();
        if waiting == 0 {
            if shared.stop.is_cancelled() {
                return;
            }
            tokio::select! {
                () = shared.awake.notified() => {}
                () = shared.stop.cancelled() => {}
            }
        }
        gather(&shared).await;
        let batch: Vec<Span> = {
            let mut spans = shared.spans();
            let count = spans.len().min(BATCH);
            spans.drain(..count).collect()
        };
        if batch.is_empty() {
            continue;
        }
        let count = batch.len() as u64;
        match deliver(&shared, &line, batch).await {
            Ok(rejected) => {
                let rejected = rejected.min(count);
                shared.sent.fetch_add(count - rejected, Ordering::Relaxed);
                shared.failed.fetch_add(rejected, Ordering::Relaxed);
                if std::mem::take(&mut trouble) {
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(reason) => {
                shared.failed.fetch_add(count, Ordering::Relaxed);
                if !std::mem::replace(&mut trouble, true) {
                    tracing::warn!(reason, "the collector does not take spans; they are counted as failed");
                }
            }
        }
    }
}

/// Waits until there is a whole batch, or for as long as is gathered.
async fn gather(shared: &Shared) {
    let full = async {
        while shared.spans().len() < BATCH {
            shared.awake.notified().await;
        }
    };
    tokio::select! {
        _ = tokio::time::timeout(GATHER, full) => {}
        () = shared.stop.cancelled() => {}
    }
}

/// Sends a batch; how many spans the collector did not want.
async fn deliver(shared: &Shared, line: &Line, batch: Vec<Span>) -> Result<u64, String> {
    let body = bytes::Bytes::from(request(batch).encode_to_vec());
    let told = line.deliver(body, &shared.stop).await?;
    let told = ExportResponse::decode(told).unwrap_or_default();
    let rejected = told.partial_success.map_or(0, |partial| partial.rejected);
    Ok(u64::try_from(rejected).unwrap_or_default())
}

fn request(spans: Vec<Span>) -> ExportRequest {
    let scope_spans = vec![ScopeSpans { scope: Some(Scope::own()), spans }];
    ExportRequest { resource_spans: vec![ResourceSpans { resource: Some(Resource::own()), scope_spans }] }
}
