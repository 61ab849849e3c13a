//! When a policy was in force as it is defined now, by the versions that were set and by what the audit tells of the configuration file. Verdicts
//! of other times, though under its name, are another policy's.

use std::collections::BTreeMap;

use lockgate_store::access::AuditFilter;
use lockgate_store::{Enacted, Limit, PageRequest};
use serde_json::Value;

use crate::app::App;
use crate::policies::{PolicyView, find};
use crate::problem::Problem;
use crate::versions::LISTED;

/// What entries of the audit about the policies of the configuration file are about, and what they say was done.
pub const FILED: (&str, &str) = ("policies:file", "take_over");

/// A time: from when, included, and until when; without an end it lasts.
pub(crate) type Span = (i64, Option<i64>);

/// When it was in force, in order; spans do not overlap.
pub(crate) async fn of(app: &App, policy: &PolicyView) -> Result<Vec<Span>, Problem> {
    let mut versions = Vec::new();
    for version in app.store()?.versions(Enacted::Policies, LISTED).await? {
        let document = find(app, version.version).await?.document;
        // What this gateway cannot read was not in force.
        let policies = app.book.of_document(&document).unwrap_or_default();
        versions.push((version.at_us, policies.iter().any(|other| other.is_same(policy))));
    }
    let mut found = spans(versions);
    found.extend(spans(filed(app, policy).await?));
    Ok(united(found))
}

/// When policies of the file came into force, the latest first, and whether it was one of them.
async fn filed(app: &App, policy: &PolicyView) -> Result<Vec<(i64, bool)>, Problem> {
    let (object, verb) = FILED;
    let about = AuditFilter {
        object: Some(object.to_owned()),
        verb: Some(verb.to_owned()),
        ..AuditFilter::default()
    };
    let page = PageRequest { after: None, limit: Limit::of(Limit::MAX) };
    let entries = app.store()?.audit(&about, &page).await?.items;
    let holds = |detail: &Value| detail["policies"][&policy.name]["definition"] == policy.definition.as_str();
    Ok(entries.iter().map(|entry| (entry.at_us, holds(&entry.detail))).collect())
}

/// Changes, the latest first, as times in which it held.
fn spans(changes: Vec<(i64, bool)>) -> Vec<Span> {
    let mut until = None;
    let mut found = Vec::new();
    for (at, holds) in changes {
        // What was told late stands behind what came after it.
        if holds && until.is_none_or(|until| at < until) {
            found.push((at, until));
        }
        until = Some(at);
    }
    found
}

/// The same times without overlaps, in order.
fn united(spans: Vec<Span>) -> Vec<Span> {
    let sorted: BTreeMap<i64, Vec<Option<i64>>> =
        spans.into_iter().fold(BTreeMap::new(), |mut all, (from, to)| {
            all.entry(from).or_insert_with(Vec::new).push(to);
            all
        });
    let mut united: Vec<Span> = Vec::new();
    for (from, to) in sorted.into_iter().flat_map(|(from, ends)| ends.into_iter().map(move |to| (from, to))) {
        match united.last_mut() {
            Some((_, end)) if end.is_none_or(|end| from <= end) => {
                *end = end.zip(to).map(|(one, other)| one.max(other));
            }
            Some(_) | None => united.push((from, to)),
        }
    }
    united
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_which_a_policy_held_are_put_together_and_counted_once() {
        let versions = spans(vec![(50, false), (40, true), (30, true), (20, false), (10, true)]);
        assert_eq!(versions, [(40, Some(50)), (30, Some(40)), (10, Some(20))]);
        assert_eq!(united(versions.clone()), [(10, Some(20)), (30, Some(50))]);
        let both = [versions, vec![(15, Some(35)), (60, None), (70, Some(80))]].concat();
        assert_eq!(united(both), [(10, Some(50)), (60, None)]);
    }
}
