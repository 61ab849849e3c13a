//! The models that policies ask, through the engine, in the gateway's own name.
//!
//! An answer is kept for a while, so that the same question is paid for once. A model that fails over and over is left alone for a while, as services
//! are; a policy asks no more than it may spend (`till`). What each question took is told with its answer.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lockgate_core::{Dialect, ErrorKind, Failure, Usage};
use lockgate_engine::{Caller, Engine};
use lockgate_ledger::{Moment, Nano, Prices, Terms};
use lockgate_policy::{Judge, Reply, Spent};
use lockgate_telemetry::Breaker;
use lru::LruCache;
use serde_json::json;
use uuid::Uuid;

use super::inquiry::{self, Told, Under};
use super::till::Till;

/// Answers that are kept.
const KEPT: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The session that all questions to judges are recorded in; its agents are the policies that ask.
const SESSION: &str = "lockgate-judges";

/// Bytes of a token, rather too few than too many.
const TOKEN: u64 = 3;

/// Asks models. Clones share everything.
#[derive(Clone)]
pub(super) struct Judges(Arc<Shared>);

struct Shared {
    /// What models said, by the hash of the question.
    answers: Mutex<LruCache<[u8; 32], String>>,
    breaker: Breaker<String>,
    engine: OnceLock<Weak<Engine>>,
    prices: Prices,
    till: Till,
}

/// Whom a question goes to: provider, its kind, model.
type Destination = (String, &'static str, String);

impl Judges {
    pub(super) fn new(prices: Prices) -> Self {
        let answers = Mutex::new(LruCache::new(KEPT));
        let (breaker, till) = (Breaker::default(), Till::default());
        Self(Arc::new(Shared { answers, breaker, engine: OnceLock::new(), prices, till }))
    }

    /// Whom questions go through.
    pub(super) fn through(&self, engine: &Arc<Engine>) {
        let _ = self.0.engine.set(Arc::downgrade(engine));
    }

    /// What a model says of a call, within a time.
    pub(super) async fn judged(self, call: Option<Uuid>, judge: Judge, deadline: Duration) -> Reply {
        let began = Instant::now();
        let mut spent = Spent { model: judge.model.clone(), ..Spent::default() };
        let hash = hash_of(&judge);
        let known = self.answers(|answers| answers.get(&hash).cloned());
        let said = if let Some(known) = known {
            (spent.cost_nano, spent.reused) = (Some(0), true);
            Ok(known)
        } else {
            match self.asked((call, &judge), deadline, &mut spent).await {
                Ok(said) => said,
                Err(words) => return Reply::None(failure(&judge, &words)),
            }
        };
        if let Ok(words) = &said
            && !spent.reused
        {
            self.answers(|answers| answers.put(hash, words.clone()));
        }
        spent.took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Reply::Model { said: said.map_err(|words| failure(&judge, &words)), spent: Box::new(spent) }
    }

    /// What a model says; the error says why it was not asked.
    async fn asked(
        &self,
        (call, judge): (Option<Uuid>, &Judge),
        deadline: Duration,
        spent: &mut Spent,
    ) -> Result<Result<String, String>, String> {
        let engine = self.0.engine.get().and_then(Weak::upgrade).ok_or("the gateway is stopping")?;
        self.0.breaker.admit(&judge.model)?;
        let ourselves = Caller { grant: None, keyless: true, own: None, own_anthropic: None };
        let to = engine.destination(&ourselves, Dialect::Anthropic, &judge.model);
        let bound = judge.max_cost.map(|bound| {
            let bytes = (judge.instructions.len() + judge.subject.len()) as u64;
            let most = Usage {
                input_uncached: Some(bytes.div_ceil(TOKEN)),
                output: Some(judge.max_tokens),
                ..Usage::default()
            };
            let most = self.cost(to.as_ref(), &most);
            self.0.till.take((&judge.policy, bound), most, Timestamp::now().as_second())
        });
        let taken = bound.transpose()?;
        let body = json!({
            "model": judge.model,
            "max_tokens": judge.max_tokens,
            "temperature": judge.temperature,
            "system": judge.instructions,
            "messages": [{"role": "user", "content": judge.subject}],
        });
        let under = Under { agent: &judge.policy, call, session: SESSION };
        let asking = inquiry::ask(&engine, ourselves, &body, Some(under));
        let told = tokio::time::timeout(deadline, asking).await;
        let told = told.unwrap_or_else(|_| Err(format!("none within {} ms", deadline.as_millis())));
        self.0.breaker.note(judge.model.clone(), told.is_ok());
        Ok(told.map(|Told { call, usage, words }| {
            let cost = self.cost(to.as_ref(), &usage);
            if let Some(taken) = &taken {
                self.0.till.settle(taken, cost);
            }
            spent.call = call;
            spent.cost_nano = cost.map(Nano::to_i64);
            (spent.input_tokens, spent.output_tokens) = (usage.prompt(), usage.output);
            words
        }))
    }

    /// What it costs to use so much.
    fn cost(&self, to: Option<&Destination>, usage: &Usage) -> Option<Nano> {
        let (provider, kind, model) = to?;
        let at = Moment::from_unix(Timestamp::now().as_second())?;
        let prices = self.0.prices.current().ok()?;
        let quote = prices.first(&[provider, kind], model, at);
        lockgate_ledger::cost(usage, quote.as_ref(), &Terms::default()).ok().map(|cost| cost.total)
    }

    fn answers<T>(&self, look: impl FnOnce(&mut LruCache<[u8; 32], String>) -> T) -> T {
        look(&mut self.0.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn failure(judge: &Judge, words: &str) -> Failure {
    let words = format!("the judge `{}` gave no answer: {words}", judge.model);
    Failure::new(ErrorKind::UpstreamUnavailable, words)
}

/// The same for the same question only.
fn hash_of(judge: &Judge) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in [&judge.model, &judge.instructions, &judge.subject] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    *hasher.finalize().as_bytes()
}
