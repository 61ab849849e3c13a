//! What calls have cost, by whose they are, in the minute, the hour and the day that it is now: for policies that bound it.
//!
//! Counted in memory when calls are over, from the first question on; a gateway that nobody asks counts nothing. Each gateway counts by itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use lockgate_engine::CallReport;
use lockgate_ledger::{Nano, Prices};
use lockgate_policy::{Costs, Of, Per};

/// What calls have cost. Clones are the same.
#[derive(Clone)]
pub(crate) struct Purse(Arc<Inner>);

/// By whose calls count together.
type Accounts = HashMap<(Of, Option<String>), HashMap<Per, Window>>;

struct Inner {
    accounts: Mutex<Accounts>,
    is_asked: AtomicBool,
    prices: Prices,
}

#[derive(Clone, Copy, Default)]
struct Window {
    /// Which minute, hour or day it is of.
    number: i64,
    spent: Nano,
}

impl Purse {
    pub(crate) fn new(prices: Prices) -> Self {
        Self(Arc::new(Inner { accounts: Mutex::default(), is_asked: AtomicBool::new(false), prices }))
    }

    /// What calls have cost in the time that it is now; `None` = nobody knows, for want of prices. The first question reads those.
    pub(crate) async fn told(self, costs: Costs) -> Option<Nano> {
        if !self.0.is_asked.swap(true, Ordering::Relaxed) || self.0.prices.read().is_none() {
            let prices = self.0.prices.clone();
            tokio::task::spawn_blocking(move || prices.current()).await.ok()?.ok()?;
        }
        Some(self.spent(&costs, Timestamp::now().as_second()))
    }

    /// Whether anybody asks.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::Relaxed)
    }

    /// Counts what a call has cost, for each of those whose it is.
    pub(crate) fn note(&self, whose: [(Of, Option<String>); 4], cost: Nano, now_s: i64) {
        let mut accounts = self.accounts();
        for account in whose {
            let windows = accounts.entry(account).or_default();
            for per in Per::ALL {
                let number = now_s.div_euclid(per.seconds());
                let window = windows.entry(per).or_default();
                if window.number != number {
                    *window = Window { number, spent: Nano::ZERO };
                }
                window.spent = window.spent.saturating_add(cost);
            }
        }
    }

    /// What calls have cost in the time that it is now.
    fn spent(&self, costs: &Costs, now_s: i64) -> Nano {
        let accounts = self.accounts();
        let windows = accounts.get(&(costs.of, costs.whose.clone()));
        let window = windows.and_then(|windows| windows.get(&costs.per)).copied().unwrap_or_default();
        let is_now = window.number == now_s.div_euclid(costs.per.seconds());
        if is_now { window.spent } else { Nano::ZERO }
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose a call is.
pub(crate) fn whose(report: &CallReport) -> [(Of, Option<String>); 4] {
    let grant = report.grant.as_ref();
    let project = grant.and_then(|grant| grant.project.clone());
    let user = grant.and_then(|grant| grant.user.clone());
    [(Of::Everybody, None), (Of::Key, report.caller.clone()), (Of::Project, project), (Of::User, user)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_counted_by_whose_they_are_until_the_time_is_over() {
        let purse = Purse::new(Prices::new(Vec::new()));
        let of =
            |of, per, whose: &str| Costs { of, per, whose: (!whose.is_empty()).then(|| whose.to_owned()) };
        let call = |key: &str, now| {
            let whose = [
                (Of::Everybody, None),
                (Of::Key, Some(key.to_owned())),
                (Of::Project, None),
                (Of::User, None),
            ];
            purse.note(whose, Nano::new(7), now);
        };
        call("a", 119);
        call("a", 120);
        call("b", 125);
        let spent = |costs: &Costs, now| purse.spent(costs, now).to_i64();
        assert_eq!(spent(&of(Of::Key, Per::Minute, "a"), 179), 7, "the first was in the minute before");
        assert_eq!(spent(&of(Of::Key, Per::Minute, "a"), 180), 0);
        assert_eq!(spent(&of(Of::Key, Per::Hour, "a"), 3_599), 14);
        assert_eq!(spent(&of(Of::Everybody, Per::Day, ""), 3_600), 21);
        assert_eq!(spent(&of(Of::Key, Per::Day, "c"), 120), 0);
        assert!(!purse.is_asked());
    }
}
