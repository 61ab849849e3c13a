//! What policies may spend on questions to models, and what they have spent.
//!
//! Counted in memory, by the name of the policy and by the hour or the day of the clock: each gateway counts by itself, and from nothing when it
//! starts. What a question can cost at most is taken when it is asked and set right when it is answered, so that questions side by side do not go
//! beyond the bound together; one that nobody waited for to the end stays counted with that.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lockgate_ledger::Nano;
use lockgate_policy::{MaxCost, Per};

use crate::quantity::money;

/// The account of each policy.
#[derive(Default)]
pub(super) struct Till(Mutex<HashMap<String, Account>>);

#[derive(Clone, Copy, Default)]
struct Account {
    /// Which hour or day it is of.
    number: i64,
    per: Per,
    spent: Nano,
}

/// What was taken for a question.
pub(super) struct Taken {
    at_most: Nano,
    number: i64,
    per: Per,
    policy: String,
}

impl Till {
    /// Takes what a question of a policy can cost at most, `None` where that is not known; the error says in words why it may not be asked.
    pub(super) fn take(
        &self,
        (policy, bound): (&str, MaxCost),
        at_most: Option<Nano>,
        now_s: i64,
    ) -> Result<Taken, String> {
        let at_most = at_most
            .ok_or("what it costs is not known, so `max_cost` cannot be held to (`prices` can say it)")?;
        let (per, number) = (bound.per, now_s.div_euclid(bound.per.seconds()));
        // Kept as it is configured: billionths of a dollar.
        let most = Nano::new((bound.usd * 1e9).round() as u64);
        let mut accounts = self.accounts();
        let account = accounts.entry(policy.to_owned()).or_default();
        if (account.number, account.per) != (number, per) {
            *account = Account { number, per, spent: Nano::ZERO };
        }
        let with = account.spent.saturating_add(at_most);
        if with > most {
            let shown = |nano: Nano| money(Some(nano.to_i64()));
            return Err(format!(
                "the policy's questions have cost {} in this {}, and another one may cost {}: `max_cost` is {}",
                shown(account.spent),
                per.as_str(),
                shown(at_most),
                shown(most)
            ));
        }
        account.spent = with;
        Ok(Taken { at_most, number, per, policy: policy.to_owned() })
    }

    /// Puts what a question has cost in place of what was taken for it; one whose cost is not known stays as it is.
    pub(super) fn settle(&self, taken: &Taken, cost: Option<Nano>) {
        let Some(cost) = cost else { return };
        let mut accounts = self.accounts();
        if let Some(account) = accounts.get_mut(&taken.policy)
            && (account.number, account.per) == (taken.number, taken.per)
        {
            account.spent = account.spent.saturating_sub(taken.at_most).saturating_add(cost);
        }
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<String, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: MaxCost = MaxCost { usd: 0.001, per: Per::Hour };

    #[test]
    fn a_policy_spends_no_more_in_an_hour_than_it_may_and_begins_anew_with_the_next() {
        let till = Till::default();
        let take =
            |policy: &str, at_most: u64, now: i64| till.take((policy, BOUND), Some(Nano::new(at_most)), now);
        let first = take("a", 600_000, 3_600).unwrap();
        let words = take("a", 600_000, 3_700).err().unwrap();
        assert!(
            words.contains("$0.00060 in this hour") && words.contains("`max_cost` is $0.00100"),
            "{words}"
        );
        assert!(take("b", 600_000, 3_700).is_ok(), "each policy has its own account");
        till.settle(&first, Some(Nano::new(100_000)));
        let second = take("a", 600_000, 3_800).unwrap();
        till.settle(&second, None);
        assert!(take("a", 600_000, 7_199).is_err(), "what is not known counts as what it can be at most");
        assert!(take("a", 600_000, 7_200).is_ok());
        till.settle(&second, Some(Nano::ZERO));
        assert!(
            take("a", 600_000, 7_300).is_err(),
            "what is settled later does not count against another hour"
        );
    }

    #[test]
    fn a_question_of_unknown_cost_is_not_asked_under_a_bound() {
        let words = Till::default().take(("a", BOUND), None, 0).err().unwrap();
        assert!(words.contains("is not known"), "{words}");
    }
}
