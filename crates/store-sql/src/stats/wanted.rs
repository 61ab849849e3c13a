//! Which groups of a pack can have calls for which some conditions hold. Conditions of which packs know nothing (words, branches, contents)
//! are left out, so what is left over may be too much, but never too little.

use std::borrow::Cow;

use lockgate_core::DataClass;
use lockgate_store::stats::Slice;
use lockgate_store::{Classified, Filter, Membership, Outcome};

use super::fact::Fact;
use super::pack::{Count, Heads, NoPack};
use crate::driver::storable;

/// Conditions; all of them hold.
#[derive(Debug, Default)]
pub(crate) struct Wanted<'a> {
    conditions: Vec<Condition<'a>>,
}

#[derive(Debug)]
enum Condition<'a> {
    /// The cost is known and in this range, its ends included.
    Cost(i64, i64),
    Intervened(bool),
    /// One of these facts is this.
    Is(Vec<Fact>, Option<Cow<'a, str>>),
    Sessionless,
    /// The status is known and in this range, its ends included.
    Status(i64, i64),
}

impl<'a> Wanted<'a> {
    /// What a list is filtered by.
    pub(crate) fn of_filter(filter: &'a Filter) -> Self {
        let mut conditions = Vec::new();
        for (facts, value) in [
            (vec![Fact::Key], filter.key.as_deref()),
            (vec![Fact::Outcome], filter.outcome.map(Outcome::as_str)),
            (vec![Fact::Project], filter.project.as_deref()),
            (vec![Fact::Provider], filter.provider.as_deref()),
            (vec![Fact::User], filter.user.as_deref()),
            (vec![Fact::Requested, Fact::Model, Fact::Answering], filter.model.as_deref()),
        ] {
            conditions.extend(value.map(|value| Condition::Is(facts, Some(storable(value)))));
        }
        conditions.extend(filter.class.map(|class| {
            let class = match class {
                Classified::Of(class) => Some(Cow::Borrowed(DataClass::as_str(class))),
                Classified::Unclassified => None,
            };
            Condition::Is(vec![Fact::Class], class)
        }));
        if filter.cost_from.is_some() || filter.cost_to.is_some() {
            let (from, to) = (filter.cost_from.unwrap_or(i64::MIN), filter.cost_to.unwrap_or(i64::MAX));
            conditions.push(Condition::Cost(from, to));
        }
        if filter.status_from.is_some() || filter.status_to.is_some() {
            let (from, to) =
                (filter.status_from.unwrap_or(0).into(), filter.status_to.unwrap_or(u16::MAX).into());
            conditions.push(Condition::Status(from, to));
        }
        conditions.extend(filter.intervened.map(Condition::Intervened));
        let sessionless = filter.session == Some(Membership::Sessionless);
        conditions.extend(sessionless.then_some(Condition::Sessionless));
        Self { conditions }
    }

    /// What a number is made of. A session of its own is led by an index, and no condition here.
    pub(crate) fn of_slice(slice: &'a Slice) -> Self {
        let conditions = slice.values.iter().filter_map(|(dimension, value)| match Fact::of(*dimension) {
            Some(fact) => Some(Condition::Is(vec![fact], value.as_deref().map(storable))),
            None => value.is_none().then_some(Condition::Sessionless),
        });
        Self { conditions: conditions.collect() }
    }

    /// Whether nothing is left over of the conditions.
    pub(crate) const fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether only calls without a session are wanted.
    pub(crate) fn is_sessionless(&self) -> bool {
        self.conditions.iter().any(|condition| matches!(condition, Condition::Sessionless))
    }

    /// Which groups of a pack can have such calls.
    pub(super) fn groups(&self, heads: &Heads<'_>) -> Result<Vec<bool>, NoPack> {
        let mut groups = vec![true; heads.groups()];
        for condition in &self.conditions {
            match condition {
                Condition::Cost(from, to) => keep(&mut groups, heads.costs()?, |costs| {
                    costs.is_some_and(|(least, greatest)| least <= *to && greatest >= *from)
                }),
                Condition::Is(facts, text) => {
                    let Some(wanted) = text.as_deref().map_or(Some(0), |text| heads.find(text)) else {
                        return Ok(vec![false; heads.groups()]);
                    };
                    let mut any = vec![false; heads.groups()];
                    for fact in facts {
                        for (any, place) in any.iter_mut().zip(heads.places(*fact)?) {
                            *any |= place == wanted;
                        }
                    }
                    keep(&mut groups, any, |is| is);
                }
                Condition::Intervened(true) => {
                    keep(&mut groups, heads.counts(Count::Intervened)?, |calls| calls > 0);
                }
                Condition::Intervened(false) => {
                    let some = heads.counts(Count::Intervened)?.into_iter().zip(heads.counts(Count::Calls)?);
                    keep(&mut groups, some, |(some, all)| some < all);
                }
                Condition::Sessionless => {
                    keep(&mut groups, heads.counts(Count::Alone)?, |calls| calls > 0);
                }
                Condition::Status(from, to) => keep(&mut groups, heads.places(Fact::Status)?, |place| {
                    let status = heads.text(place).and_then(|status| status.parse().ok());
                    status.is_some_and(|status| (*from..=*to).contains(&status))
                }),
            }
        }
        Ok(groups)
    }
}

/// Leaves the groups for whose value a condition holds.
fn keep<T>(groups: &mut [bool], values: impl IntoIterator<Item = T>, holds: impl Fn(T) -> bool) {
    for (group, value) in groups.iter_mut().zip(values) {
        *group = *group && holds(value);
    }
}
