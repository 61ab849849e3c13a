//! What is done with the database while the gateway runs: statistics are counted beforehand, what is too old is deleted.
//!
//! Several gateways on one database may do it at once. Nothing here is waited for by a call.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use lockgate_admin::{RetentionPolicy, Times};
use lockgate_config::{ClassTimes, Classes, Record};
use lockgate_core::DataClass;
use lockgate_store::Store;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

/// Between two rounds of counting.
const COUNT: Duration = Duration::from_mins(1);

/// How long a round of counting takes, at most about.
const BUDGET: Duration = Duration::from_secs(1);

/// Between two rounds while there is more to count: after an update of the schema, or a long outage.
const REST: Duration = Duration::from_secs(4);

/// A quarter of an hour is counted when no more of its calls are likely to come.
const SETTLED_US: i64 = 5 * 60 * 1_000_000;

/// From the start to the first look for what is too old, and between two looks.
const RETENTION: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(1));

/// What the configuration says of retention. A folder that is not absolute is below the record's.
pub(crate) fn policy(record: &Record, folder: Option<&Path>) -> RetentionPolicy {
    let retention = &record.retention;
    let below = |archive: &PathBuf| folder.map_or_else(|| archive.clone(), |folder| folder.join(archive));
    let times =
        |times: ClassTimes| Times { calls_days: times.calls_days, contents_days: times.contents_days };
    let Classes { public, internal, confidential, secret, none } = retention.classes;
    let classes = [
        (Some(DataClass::Public), public),
        (Some(DataClass::Internal), internal),
        (Some(DataClass::Confidential), confidential),
        (Some(DataClass::Secret), secret),
        (None, none),
    ];
    let own = classes.into_iter().filter(|(_, own)| *own != ClassTimes::default());
    RetentionPolicy {
        approvals_days: retention.approvals_days,
        archive: retention.archive.as_ref().map(below),
        audit_days: retention.audit_days,
        calls: Times { calls_days: retention.calls_days, contents_days: retention.contents_days },
        classes: own.map(|(class, own)| (class, times(own))).collect(),
        verdicts_days: retention.verdicts_days,
        withheld: None,
    }
}

/// Goes on until the process ends.
pub(super) async fn keep(store: Arc<dyn Store>, retention: Arc<ArcSwap<RetentionPolicy>>) {
    let mut counting = interval(COUNT);
    counting.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ageing = interval_at(Instant::now() + RETENTION.0, RETENTION.1);
    loop {
        tokio::select! {
            _ = counting.tick() => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
                match store.roll(now - SETTLED_US, BUDGET).await {
                    Ok(rolled) if rolled.more => counting.reset_after(REST),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "statistics could not be counted beforehand; they are counted when asked for");
                    }
                }
            }
            _ = ageing.tick() => age(store.as_ref(), &retention.load_full()).await,
        }
    }
}

async fn age(store: &dyn Store, policy: &RetentionPolicy) {
    match policy.apply(store, false).await {
        Ok(done) if done.is_nothing() => {}
        Ok(done) => tracing::info!(
            approvals = done.approvals.entries,
            audit = done.audit.entries,
            calls = done.calls.calls,
            contents = done.contents.calls,
            verdicts = done.verdicts.entries,
            "what was too old is deleted"
        ),
        Err(problem) => tracing::warn!(problem = problem.message, "what is too old is kept for now"),
    }
}
