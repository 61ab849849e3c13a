//! Verdicts are counted, labelled and listed as the calls say; they come and go with their calls.

use lockgate_store::access::{Actor, Audit, AuditEntry, AuditFilter};
use lockgate_store::verdicts::{Label, Opinion, Tally, VerdictFilter, Verdicts};
use lockgate_store::{Calls, Decision, Extent, Limit, PageRequest, Purge, Record, Records, Selection};
use lockgate_store_sql::Database;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sample::{DAY, SECOND, id, of, plain};

/// The session of questions to models.
const JUDGES: &str = "judges";

fn entry(nth: u64) -> AuditEntry {
    AuditEntry {
        actor: Actor::User("ann".to_owned()),
        address: None,
        at_us: 1,
        detail: Value::Null,
        id: Uuid::from_u64_pair(7, nth),
        object: "call:x".to_owned(),
        verb: "label".to_owned(),
    }
}

fn label(opinion: Opinion) -> Label {
    Label { at_us: 5, by: "ann".to_owned(), note: Some("a note".to_owned()), opinion }
}

fn deciding(mut record: Record, said: &[(&str, Option<&str>, &str, bool)], tool_calls: u32) -> Record {
    record.details.tool_calls = tool_calls;
    let decision = |(policy, rule, said, applied): &(&str, Option<&str>, &str, bool)| Decision {
        json: json!({
            "policy": policy, "rule": rule, "said": said, "applied": applied, "hook": "tool_call", "mode": "observe",
            "reason": "why", "tool": {"id": "t", "name": "Bash"},
        }),
        kind: "policy".to_owned(),
        version: 1,
    };
    let missing = Decision { json: json!({"missing_parts": 1}), kind: "record".to_owned(), version: 1 };
    record.details.decisions = std::iter::once(missing).chain(said.iter().map(decision)).collect();
    record
}

async fn filled(database: &Database) {
    let mut question = of(JUDGES, 4);
    question.call.cost_nano = Some(700);
    question.call.timing.total_us = Some(90);
    question.call.lineage.agent = Some("look".to_owned());
    let calls = [
        deciding(of("s", 1), &[("git", Some("force"), "refuse", false), ("git", None, "annotate", true)], 3),
        deciding(of("s", 2), &[("git", Some("force"), "refuse", true), ("judge", None, "failed", true)], 2),
        deciding(plain(3), &[("git", Some("reset"), "warn", true)], 0),
        question,
        of(JUDGES, 5),
    ];
    database.write(&calls).await.unwrap();
}

fn since(nth: i64) -> VerdictFilter {
    VerdictFilter { from_us: Some(DAY + nth * SECOND), ..VerdictFilter::default() }
}

pub(crate) async fn verdicts_are_counted_by_policy_and_rule(database: &Database) {
    filled(database).await;
    let told = database.tallies(&VerdictFilter::default(), JUDGES).await.unwrap();
    assert_eq!((told.calls, told.tool_calls), (3, 5), "questions are counted apart");
    assert_eq!((told.questions.calls, told.questions.cost_nano), (2, 700));
    assert_eq!((told.questions.unpriced, told.questions.total_us), (1, 90));
    let by_look = told.asked.get("look").copied().unwrap_or_default();
    assert_eq!((told.asked.len(), by_look.calls, by_look.cost_nano, by_look.unpriced), (1, 1, 700, 0));
    let of = |policy: &str, rule: Option<&str>| {
        told.rules.get(&(policy.to_owned(), rule.map(str::to_owned))).cloned().unwrap_or_default()
    };
    assert_eq!(of("git", Some("force")), Tally { applied: 1, fired: 2, ..Tally::default() });
    assert_eq!(of("judge", None), Tally { applied: 1, failed: 1, fired: 1, ..Tally::default() });
    assert_eq!(of("git", None), Tally::default(), "a note is no verdict");
    let later = database.tallies(&since(2), "nobody").await.unwrap();
    assert_eq!((later.calls, later.tool_calls, later.questions.calls), (4, 2, 0));
    assert_eq!(later.rules.values().map(|tally| tally.fired).sum::<u64>(), 3);
}

pub(crate) async fn what_people_say_of_a_verdict_is_counted_changed_and_taken_back(database: &Database) {
    filled(database).await;
    let (right, wrong) = (label(Opinion::Right), label(Opinion::Wrong));
    assert!(database.label(id(1), 2, Some(&right), &entry(1)).await.unwrap());
    assert!(database.label(id(2), 2, Some(&right), &entry(2)).await.unwrap());
    assert!(database.label(id(2), 2, Some(&wrong), &entry(3)).await.unwrap());
    for (call, number) in [(id(1), 1), (id(1), 9), (id(99), 2)] {
        assert!(!database.label(call, number, Some(&right), &entry(4)).await.unwrap(), "{call} {number}");
    }
    assert_eq!(database.labels(id(2)).await.unwrap(), [(2, wrong)].into());
    let count = async |database: &Database| {
        let told = database.tallies(&VerdictFilter::default(), JUDGES).await.unwrap();
        let force = &told.rules[&("git".to_owned(), Some("force".to_owned()))];
        (force.right, force.wrong)
    };
    assert_eq!(count(database).await, (1, 1));
    assert!(database.label(id(2), 2, None, &entry(5)).await.unwrap());
    assert_eq!(count(database).await, (1, 0));
    assert!(database.labels(id(2)).await.unwrap().is_empty());
    let audit = database.audit(&AuditFilter::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(audit.items.len(), 4, "every change, and nothing that changed nothing");
    database.write(&[deciding(of("s", 1), &[], 0)]).await.unwrap();
    assert_eq!(
        database.labels(id(1)).await.unwrap().len(),
        1,
        "a call that is written again keeps its label"
    );
}

pub(crate) async fn verdicts_are_listed_the_latest_first_page_by_page(database: &Database) {
    filled(database).await;
    database.label(id(1), 2, Some(&label(Opinion::Right)), &entry(1)).await.unwrap();
    let list = async |filter: VerdictFilter| {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = PageRequest { after, limit: Limit::of(1) };
            let page = database.verdicts(&filter, &page).await.unwrap();
            found.extend(page.items);
            match page.next {
                Some(next) => after = Some(next),
                None => return found,
            }
        }
    };
    let all = list(VerdictFilter::default()).await;
    let places: Vec<_> = all.iter().map(|verdict| (verdict.call, verdict.number)).collect();
    assert_eq!(places, [(id(3), 2), (id(2), 3), (id(2), 2), (id(1), 2)]);
    assert_eq!(all[3].label, Some(label(Opinion::Right)));
    assert_eq!((all[3].session.as_deref(), all[3].tool.as_deref()), (Some("s"), Some("Bash")));
    let numbers = async |filter: VerdictFilter| list(filter).await.len();
    let of = |policy: &str| VerdictFilter { policy: Some(policy.to_owned()), ..VerdictFilter::default() };
    assert_eq!(numbers(of("judge")).await, 1);
    assert_eq!(numbers(VerdictFilter { rule: Some("force".to_owned()), ..of("git") }).await, 2);
    assert_eq!(numbers(VerdictFilter { applied: Some(false), ..of("git") }).await, 1);
    assert_eq!(numbers(VerdictFilter { labelled: Some(false), ..of("git") }).await, 2);
    assert_eq!(numbers(VerdictFilter { to_us: Some(DAY + 2 * SECOND), ..of("git") }).await, 1);
}

pub(crate) async fn verdicts_and_labels_go_with_their_call(database: &Database) {
    filled(database).await;
    database.label(id(1), 2, Some(&label(Opinion::Right)), &entry(1)).await.unwrap();
    let call = Selection::Calls(vec![id(1)]);
    database.purge(&call, Extent::Contents, false).await.unwrap();
    assert_eq!(database.labels(id(1)).await.unwrap().len(), 1, "contents alone have no verdicts");
    database.purge(&call, Extent::Everything, false).await.unwrap();
    assert!(database.labels(id(1)).await.unwrap().is_empty());
    let told = database.tallies(&VerdictFilter::default(), JUDGES).await.unwrap();
    assert_eq!((told.calls, told.tool_calls), (2, 2));
    assert_eq!(told.rules[&("git".to_owned(), Some("force".to_owned()))].fired, 1);
}

pub(crate) async fn what_policies_said_can_go_while_the_calls_stay(database: &Database) {
    filled(database).await;
    assert!(database.label(id(1), 2, Some(&label(Opinion::Right)), &entry(1)).await.unwrap());
    assert_eq!(database.forget_verdicts(&[id(1), id(3), id(99)]).await.unwrap(), 3, "notes are counted too");
    assert_eq!(database.forget_verdicts(&[id(1), id(3)]).await.unwrap(), 0);
    assert!(database.labels(id(1)).await.unwrap().is_empty());
    let decisions = async |nth| database.get(id(nth)).await.unwrap().unwrap().details.decisions;
    for nth in [1, 3] {
        let left = decisions(nth).await;
        assert!(left.len() == 1 && left[0].kind == "record", "{left:?}");
    }
    assert_eq!(decisions(2).await.len(), 3, "those of other calls stay");
    let all = VerdictFilter { notes: true, ..VerdictFilter::default() };
    let listed = database.verdicts(&all, &PageRequest::default()).await.unwrap();
    assert!(listed.items.iter().all(|verdict| verdict.call == id(2)) && listed.items.len() == 2);
}
