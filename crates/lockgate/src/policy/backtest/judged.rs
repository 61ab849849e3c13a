//! What judges said: answers of the record, by the question; and the questions that nobody has answered, with what answers would cost.
//!
//! A running gateway records what it asks models as calls of a session of its own. They are read when the first question comes up.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use lockgate_config::Snapshot;
use lockgate_core::{Delta, Event, Usage};
use lockgate_ledger::{Moment, Prices, Terms};
use lockgate_policy::replay::Open;
use lockgate_policy::{Judge, Query};
use lockgate_redact::Redactor;
use serde::Deserialize;
use serde_json::{Value, json};

use super::source::{Call, Range, Source};
use crate::exit::Failure;
use crate::office::Office;

/// The session that a gateway records its questions in.
const SESSION: &str = "lockgate-judges";

/// So many answers are known at a time, the latest.
const KNOWN: usize = 50_000;

/// So many different questions without an answer are told apart.
const MISSING: usize = 100_000;

/// Bytes of a token, about.
const TOKEN: u64 = 4;

/// A question, as good as unique.
type Hash = [u8; 32];

/// What judges said.
pub(super) struct Judged<'o> {
    answers: Option<HashMap<Hash, String>>,
    failure: Option<Failure>,
    masks: Redactor,
    missing: HashSet<Hash>,
    models: BTreeMap<String, Missing>,
    office: &'o Office,
    people: u64,
    services: u64,
    prices: Prices,
    reused: u64,
    snapshot: &'o Snapshot,
}

/// Questions to one model that nobody has answered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Missing {
    /// At most what the answers cost; `None` = the price is not known.
    pub(super) cost_nano: Option<i64>,
    /// Different ones.
    pub(super) questions: u64,
}

/// What was asked in a backtest.
#[derive(Debug, Clone, Default)]
pub(super) struct Questions {
    /// To models without an answer in the record, by model.
    pub(super) missing: BTreeMap<String, Missing>,
    /// To people.
    pub(super) people: u64,
    /// To services of the user.
    pub(super) services: u64,
    /// To models, answered from the record.
    pub(super) reused: u64,
}

impl Questions {
    /// All of it, where every price is known.
    pub(super) fn cost_nano(&self) -> Option<i64> {
        self.missing.values().map(|missing| missing.cost_nano).sum()
    }

    pub(super) fn unanswered(&self) -> u64 {
        self.missing.values().map(|missing| missing.questions).sum()
    }

    pub(super) fn json(&self) -> Value {
        let models = self.missing.iter().map(|(model, missing)| {
            json!({"model": model, "questions": missing.questions, "cost_nano_at_most": missing.cost_nano})
        });
        json!({
            "reused": self.reused,
            "missing": self.unanswered(),
            "missing_cost_nano_at_most": self.cost_nano(),
            "models": models.collect::<Vec<_>>(),
            "people": self.people,
            "services": self.services,
        })
    }
}

impl<'o> Judged<'o> {
    pub(super) fn new(office: &'o Office, snapshot: &'o Snapshot, masks: Redactor) -> Self {
        Self {
            answers: None,
            failure: None,
            masks,
            missing: HashSet::new(),
            models: BTreeMap::new(),
            office,
            people: 0,
            services: 0,
            prices: Prices::new(snapshot.config().prices.clone()),
            reused: 0,
            snapshot,
        }
    }

    /// What a model said to this question before.
    pub(super) fn answer(&mut self, judge: &Judge) -> Option<String> {
        if self.answers.is_none() {
            let read = read(self.office);
            let known = read.unwrap_or_else(|failure| {
                self.failure = Some(failure);
                HashMap::new()
            });
            self.answers = Some(known);
        }
        let known = self.answers.as_ref()?;
        // What was asked is recorded with its secrets masked.
        let [instructions, subject] =
            [&judge.instructions, &judge.subject].map(|text| self.masks.redact(text));
        let found = known
            .get(&hash(&judge.model, &judge.instructions, &judge.subject))
            .or_else(|| known.get(&hash(&judge.model, &instructions, &subject)))
            .cloned();
        self.reused += u64::from(found.is_some());
        found
    }

    /// Takes down what was left open.
    pub(super) fn note(&mut self, open: &[Open]) -> Result<(), Failure> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        for open in open {
            match &open.query {
                // What the model would say now can only be seen live.
                Query::Again(_) | Query::Costs(_) => {}
                Query::Judge(judge) => self.miss(judge),
                Query::Person(_) => self.people += 1,
                Query::Service(_) => self.services += 1,
            }
        }
        Ok(())
    }

    fn miss(&mut self, judge: &Judge) {
        let new = self.missing.len() >= MISSING
            || self.missing.insert(hash(&judge.model, &judge.instructions, &judge.subject));
        if !new {
            return;
        }
        let cost = self.cost(judge);
        let missing = self.models.entry(judge.model.clone()).or_default();
        missing.cost_nano = match (missing.questions, cost) {
            (0, cost) => cost,
            (_, cost) => missing.cost_nano.zip(cost).map(|(sum, cost)| sum.saturating_add(cost)),
        };
        missing.questions += 1;
    }

    /// At most what an answer costs: all the tokens that it may have.
    fn cost(&self, judge: &Judge) -> Option<i64> {
        let aliases = &self.snapshot.config().models.aliases;
        let name = aliases.get(&judge.model).unwrap_or(&judge.model);
        let (provider, model) = name.split_once([':', '/', ','])?;
        let kind = self.snapshot.provider(provider).map_or(provider, |provider| provider.kind.name());
        let at = Moment::from_unix(Timestamp::now().as_second())?;
        let prices = self.prices.current().ok()?;
        let quote = prices.first(&[provider, kind], model, at);
        let bytes = (judge.instructions.len() + judge.subject.len()) as u64;
        let usage = Usage {
            input_uncached: Some(bytes.div_ceil(TOKEN)),
            output: Some(judge.max_tokens),
            ..Usage::default()
        };
        let cost = lockgate_ledger::cost(&usage, quote.as_ref(), &Terms::default()).ok()?;
        Some(cost.total.to_i64())
    }

    /// What was asked so far.
    pub(super) fn told(&self) -> Questions {
        Questions {
            missing: self.models.clone(),
            people: self.people,
            services: self.services,
            reused: self.reused,
        }
    }
}

/// A question as the gateway sends it.
#[derive(Deserialize)]
struct Asked {
    messages: Vec<Message>,
    model: String,
    #[serde(default)]
    system: String,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

/// The latest answers of the record, by question.
fn read(office: &Office) -> Result<HashMap<Hash, String>, Failure> {
    let range = Range { session: Some(SESSION.to_owned()), since: None, until: None };
    let mut source = Source::new(office, range);
    let mut known = HashMap::new();
    while known.len() < KNOWN
        && let Some(page) = source.page()?
    {
        for call in page.into_iter().filter(|call| call.status == Some(200)) {
            if let Some((question, answer)) = exchange(&source, &call)? {
                // The latest come first.
                known.entry(question).or_insert(answer);
            }
        }
    }
    Ok(known)
}

fn exchange(source: &Source<'_>, call: &Call) -> Result<Option<(Hash, String)>, Failure> {
    let Some(body) = source.body(&call.id, "client_request")? else { return Ok(None) };
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else { return Ok(None) };
    let Some(subject) = asked.messages.first() else { return Ok(None) };
    let events = source.answer(call, &source.details(&call.id)?)?;
    let words: String = events
        .into_iter()
        .filter_map(|event| {
            let Event::BlockDelta { delta: Delta::Text(words), .. } = event else { return None };
            Some(words)
        })
        .collect();
    Ok((!words.is_empty()).then(|| (hash(&asked.model, &asked.system, &subject.content), words)))
}

fn hash(model: &str, instructions: &str, subject: &str) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for part in [model, instructions, subject] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    *hasher.finalize().as_bytes()
}
