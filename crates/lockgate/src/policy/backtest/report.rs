//! What a backtest found: counts by policy, rule, tool and session, and some examples. Holds no more than its bounds, however long the record is.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use lockgate_policy::Said;
use lockgate_policy::replay::{Change, Effect, Place, Standing};
use lockgate_redact::Redactor;
use serde_json::{Map, Value, json};

use super::judged::Questions;
use super::replayed::Replayed;
use super::source::Call;

/// Sessions, and tools, that are told apart.
const ROWS: usize = 10_000;

/// Examples at most, whatever was asked for.
const EXAMPLES: usize = 500;

/// Bytes of arguments that an example shows.
const SHOWN: usize = 300;

/// How often something would be done otherwise, by kind of change.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changes([u64; Change::ALL.len()]);

impl Changes {
    pub(super) fn of(&self, change: Change) -> u64 {
        Change::ALL.iter().position(|one| *one == change).map_or(0, |at| self.0[at])
    }

    pub(super) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn any(&self) -> bool {
        self.total() > 0
    }

    fn count(&mut self, change: Change) {
        if let Some(at) = Change::ALL.iter().position(|one| *one == change) {
            self.0[at] += 1;
        }
    }

    fn json(&self) -> Map<String, Value> {
        Change::ALL.iter().map(|change| (change.as_str().to_owned(), self.of(*change).into())).collect()
    }
}

/// Which calls there were.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Of these, made by the client for its own sake.
    pub(super) housekeeping: u64,
    /// No conversations.
    pub(super) other: u64,
    /// Put before the policies.
    pub(super) replayed: u64,
    /// Put before the policies without their request, which could not be read.
    pub(super) unreadable: u64,
    /// Refused then and let through now: what would have been answered is not known.
    pub(super) unanswered: u64,
    /// Left out: of their contents nothing is kept.
    pub(super) without_contents: u64,
}

/// A rule of the candidate.
#[derive(Debug, Default)]
pub(super) struct Rule {
    pub(super) changes: Changes,
    /// Verdicts that said more than a note.
    pub(super) fired: u64,
    /// Of these, those that would not have been carried out.
    pub(super) would_have: u64,
}

/// Something that would be done otherwise.
#[derive(Debug)]
pub(super) struct Example {
    /// Arguments of a tool call, secrets masked.
    pub(super) arguments: Option<String>,
    pub(super) call: String,
    pub(super) change: Change,
    pub(super) now: Effect,
    pub(super) policy: String,
    pub(super) reason: String,
    pub(super) rule: Option<String>,
    pub(super) session: Option<String>,
    pub(super) then: Effect,
    /// The tool, or `request` or `words`.
    pub(super) thing: String,
}

/// A policy and a rule of it.
type Named = (String, Option<String>);

/// What a backtest found.
pub(super) struct Report {
    pub(super) calls: Calls,
    pub(super) changes: Changes,
    pub(super) examples: Vec<Example>,
    /// Of the changes, those in calls that a client made for its own sake.
    pub(super) housekeeping: Changes,
    limit: usize,
    masks: Redactor,
    pub(super) questions: Questions,
    pub(super) rules: BTreeMap<Named, Rule>,
    pub(super) sessions: HashMap<String, (u64, Changes)>,
    shown: HashMap<(Named, Change), usize>,
    pub(super) took: Duration,
    pub(super) tool_calls: u64,
    pub(super) tools: HashMap<String, (u64, Changes)>,
}

impl Report {
    pub(super) fn new(limit: usize, masks: Redactor) -> Self {
        Self {
            calls: Calls::default(),
            changes: Changes::default(),
            examples: Vec::new(),
            housekeeping: Changes::default(),
            limit,
            masks,
            questions: Questions::default(),
            rules: BTreeMap::new(),
            sessions: HashMap::new(),
            shown: HashMap::new(),
            took: Duration::ZERO,
            tool_calls: 0,
            tools: HashMap::new(),
        }
    }

    /// Takes a call.
    pub(super) fn add(&mut self, call: &Call, replayed: &Replayed) {
        self.calls.replayed += 1;
        self.calls.housekeeping += u64::from(call.is_housekeeping());
        self.tool_calls += replayed.tool_calls.len() as u64;
        let session = call.session.clone().unwrap_or_else(|| "none".to_owned());
        row(&mut self.sessions, &session).0 += 1;
        for tool in &replayed.tool_calls {
            row(&mut self.tools, &tool.name).0 += 1;
        }
        for decision in &replayed.decisions {
            if matches!(decision.said, Said::Annotate | Said::Append) {
                continue;
            }
            let rule = self.rule(&decision.policy, decision.finding.rule.as_ref());
            rule.fired += 1;
            rule.would_have += u64::from(!decision.applied);
        }
        let refused = |side: &BTreeMap<Place, Standing>| {
            side.get(&Place::Request).is_some_and(|standing| standing.effect == Effect::Refused)
        };
        let (was, is) = (refused(&replayed.then), refused(&replayed.now));
        self.calls.unanswered += u64::from(was && !is);
        for place in
            replayed.then.keys().chain(replayed.now.keys().filter(|place| !replayed.then.contains_key(place)))
        {
            // Of a call that goes nowhere there is no answer to compare.
            if (was || is) && *place != Place::Request {
                continue;
            }
            self.compare(call, replayed, place);
        }
    }

    fn compare(&mut self, call: &Call, replayed: &Replayed, place: &Place) {
        let (then, now) = (replayed.then.get(place), replayed.now.get(place));
        let effect =
            |standing: Option<&Standing>| standing.map_or(Effect::Passed, |standing| standing.effect);
        let (was, is) = (effect(then), effect(now));
        let Some(change) = Change::between(was, is) else { return };
        // Whoever does more is who is to be looked at.
        let Some(standing) = (if is > was { now } else { then }) else { return };
        self.changes.count(change);
        if call.is_housekeeping() {
            self.housekeeping.count(change);
        }
        let tool = match place {
            Place::ToolCall(id) => replayed.tool_calls.iter().find(|tool| tool.id == *id),
            Place::Answer | Place::Request => None,
        };
        let thing = match (place, tool) {
            (Place::ToolCall(_), Some(tool)) => tool.name.clone(),
            (Place::ToolCall(_), None) => "tool call".to_owned(),
            (Place::Answer, _) => "words".to_owned(),
            (Place::Request, _) => "request".to_owned(),
        };
        if tool.is_some() {
            row(&mut self.tools, &thing).1.count(change);
        }
        let session = call.session.clone().unwrap_or_else(|| "none".to_owned());
        row(&mut self.sessions, &session).1.count(change);
        self.rule(&standing.policy, standing.rule.as_ref()).changes.count(change);
        let shown = self.shown.entry(((standing.policy.clone(), standing.rule.clone()), change)).or_default();
        if *shown >= self.limit || self.examples.len() >= EXAMPLES {
            return;
        }
        *shown += 1;
        let arguments = tool.map(|tool| {
            let masked = self.masks.redact(&tool.arguments);
            let end = masked.floor_char_boundary(SHOWN);
            if end < masked.len() { format!("{}…", &masked[..end]) } else { masked.into_owned() }
        });
        self.examples.push(Example {
            arguments,
            call: call.id.clone(),
            change,
            now: is,
            policy: standing.policy.clone(),
            reason: self.masks.redact(&standing.reason).into_owned(),
            rule: standing.rule.clone(),
            session: call.session.clone(),
            then: was,
            thing,
        });
    }

    fn rule(&mut self, policy: &str, rule: Option<&String>) -> &mut Rule {
        self.rules.entry((policy.to_owned(), rule.cloned())).or_default()
    }

    /// Tool calls that were looked at in a second.
    pub(super) fn rate(&self) -> u64 {
        let seconds = self.took.as_secs_f64().max(1e-9);
        (self.tool_calls as f64 / seconds) as u64
    }

    /// Those with a change, most changes first.
    pub(super) fn most(rows: &HashMap<String, (u64, Changes)>) -> Vec<(&str, u64, &Changes)> {
        let mut found: Vec<_> = rows
            .iter()
            .filter(|(_, (_, changes))| changes.any())
            .map(|(name, (count, changes))| (name.as_str(), *count, changes))
            .collect();
        found.sort_by_key(|(name, _, changes)| (std::cmp::Reverse(changes.total()), *name));
        found
    }

    /// The report for programs.
    pub(super) fn json(&self) -> Value {
        let with = |mut more: Value, changes: &Changes| {
            if let Value::Object(fields) = &mut more {
                fields.insert("changes".to_owned(), Value::Object(changes.json()));
            }
            more
        };
        let rules = self.rules.iter().map(|((policy, rule), row)| {
            let more =
                json!({"policy": policy, "rule": rule, "fired": row.fired, "would_have": row.would_have});
            with(more, &row.changes)
        });
        let tools = Self::most(&self.tools);
        let tools =
            tools.iter().map(|(name, calls, changes)| with(json!({"tool": name, "calls": calls}), changes));
        let sessions = Self::most(&self.sessions);
        let sessions =
            sessions.iter().map(|(id, calls, changes)| with(json!({"session": id, "calls": calls}), changes));
        let examples = self.examples.iter().map(|example| {
            json!({
                "change": example.change, "then": example.then, "now": example.now, "thing": example.thing,
                "policy": example.policy, "rule": example.rule, "reason": example.reason,
                "arguments": example.arguments, "call": example.call, "session": example.session,
            })
        });
        json!({
            "calls": {
                "replayed": self.calls.replayed, "housekeeping": self.calls.housekeeping,
                "without_contents": self.calls.without_contents, "unreadable_requests": self.calls.unreadable,
                "without_an_answer": self.calls.unanswered, "no_conversation": self.calls.other,
            },
            "tool_calls": self.tool_calls,
            "changes": self.changes.json(),
            "housekeeping_changes": self.housekeeping.json(),
            "rules": rules.collect::<Vec<_>>(),
            "tools": tools.collect::<Vec<_>>(),
            "sessions": sessions.collect::<Vec<_>>(),
            "questions": self.questions.json(),
            "examples": examples.collect::<Vec<_>>(),
            "took_ms": self.took.as_millis() as u64,
            "tool_calls_per_second": self.rate(),
        })
    }
}

/// The row of a name; one for all names beyond the bound.
fn row<'r>(rows: &'r mut HashMap<String, (u64, Changes)>, name: &str) -> &'r mut (u64, Changes) {
    let name = if rows.len() < ROWS || rows.contains_key(name) { name } else { "others" };
    rows.entry(name.to_owned()).or_default()
}
