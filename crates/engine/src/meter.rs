//! Counts what one key uses, and lets a call begin only within its limits.
//!
//! The counting itself is `ledger`'s ([`Gauge`]); here is its lock, which calls of one key share and nobody else, and the clock. A key
//! without limits has no meter. Counts are this process's own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use lockgate_core::{ErrorKind, Failure};
use lockgate_ledger::{Exceeded, Gauge, Limit, Limits, Nano};

/// What a key has used, and may.
#[derive(Debug, Default)]
pub struct Meter {
    gauge: Mutex<Gauge>,
}

impl Meter {
    /// A meter that has counted nothing.
    pub fn new(limits: Limits) -> Self {
        Self { gauge: Mutex::new(Gauge::new(limits)) }
    }

    /// Takes other limits over.
    pub fn limit(&self, limits: Limits) {
        self.gauge().limit(limits);
    }

    /// Counts what a call has used; `None` = its price is not known.
    pub fn charge(&self, tokens: u64, cost: Option<Nano>) {
        self.gauge().charge(now_us(), tokens, cost);
    }

    /// Begins a call, which lasts as long as the permit.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Permit, Failure> {
        let admitted = self.gauge().admit(now_us());
        admitted.map(|()| Permit { meter: self.clone() }).map_err(refused)
    }

    fn gauge(&self) -> MutexGuard<'_, Gauge> {
        self.gauge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that counts as running until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    meter: Arc<Meter>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.meter.gauge().release();
    }
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

fn refused(exceeded: Exceeded) -> Failure {
    let name = exceeded.limit.as_str();
    let allowed = match exceeded.limit {
        Limit::Concurrency(most) => format!("{most} calls at the same time"),
        Limit::CostPerDay(most) => {
            let most = most.get();
            let (dollars, rest) = (most / 1_000_000_000, most % 1_000_000_000);
            let cents = format!("{rest:09}");
            format!(
                "{dollars}.{} USD in a day (UTC)",
                if rest % 10_000_000 == 0 { &cents[..2] } else { &cents }
            )
        }
        Limit::RequestsPerMinute(most) => format!("{most} calls in a minute"),
        Limit::TokensPerMinute(most) => format!("{most} tokens in a minute"),
    };
    let seconds = exceeded.retry_after.as_secs();
    let words = format!("the limit of this key is reached: {allowed} ({name}); try again in {seconds} s");
    Failure { retry_after: Some(exceeded.retry_after), ..Failure::new(ErrorKind::RateLimited, words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_which_limit_and_how_long() {
        let meter = Arc::new(Meter::new(Limits { concurrency: Some(1), ..Limits::default() }));
        let permit = meter.admit().unwrap();
        let failure = meter.admit().unwrap_err();
        assert_eq!(
            failure.message,
            "the limit of this key is reached: 1 calls at the same time (concurrency); try again in 1 s"
        );
        assert_eq!((failure.status(), failure.retry_after.is_some()), (429, true));
        drop(permit);
        assert!(meter.admit().is_ok());
        let cost = Limit::CostPerDay(Nano::new(12_500_000_000));
        let failure = refused(Exceeded { limit: cost, retry_after: std::time::Duration::from_secs(9) });
        assert!(failure.message.contains("12.50 USD in a day"), "{failure}");
    }
}
