//! Counts what a finished call has used against the limits of its key. A call of a key without limits costs one look.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lockgate_engine::{CallReport, CallStart, Follower, Observer};
use lockgate_ledger::{Catalogue, Moment, Nano, Prices};
use lockgate_providers::Kind;

use super::purse::{Purse, whose};

/// Charges, and hands the report on.
pub(crate) struct Charging<O> {
    pub(crate) next: O,
    /// Read as soon as a key has a limit of cost, or a policy asks for costs.
    pub(crate) prices: Prices,
    pub(crate) purse: Purse,
}

impl<O: Observer> Observer for Charging<O> {
    fn finished(&self, report: CallReport) {
        self.next.finished(report);
    }

    fn started(&self, call: &CallStart<'_>) -> Option<Arc<dyn Follower>> {
        self.next.started(call)
    }

    fn used(&self, report: &CallReport) {
        let meter = report.grant.as_ref().and_then(|grant| grant.meter.as_ref());
        if meter.is_some() || self.purse.is_asked() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now_s = i64::try_from(now.as_secs()).unwrap_or_default();
            let cost = self.prices.read().and_then(|prices| cost(&prices, report, now_s));
            if let Some(meter) = meter {
                meter.charge(tokens(report), cost);
            }
            if let Some(cost) = cost.filter(|_| self.purse.is_asked()) {
                self.purse.note(whose(report), cost, now_s);
            }
        }
        self.next.used(report);
    }
}

fn tokens(report: &CallReport) -> u64 {
    let Some(usage) = &report.usage else { return 0 };
    usage.prompt().unwrap_or(0).saturating_add(usage.output.unwrap_or(0))
}

fn cost(prices: &Catalogue, report: &CallReport, now_s: i64) -> Option<Nano> {
    let at = Moment::from_unix(now_s)?;
    let kind = report.kind.map(Kind::name);
    let providers: Vec<&str> = report.provider.as_deref().into_iter().chain(kind).collect();
    let quote = prices.first(&providers, report.requested.as_deref()?, at);
    lockgate_ledger::cost(report.usage.as_ref()?, quote.as_ref(), &report.terms).ok().map(|cost| cost.total)
}
