//! What the upstream remembers between requests: script, counters, records, signatures, caches, tokens.
//!
//! One value per upstream, shared by its connections. Holds no sockets.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cache::PromptCache;
use crate::clock;
use crate::dialect::{Dialect, Op};
use crate::record::Records;
use crate::script::{Reply, Script};
use crate::seen::Seen;
use crate::signatures::Signatures;
use crate::turn::Usage;

/// Everything an upstream remembers.
pub(crate) struct State {
    current: Mutex<Current>,
    pub(crate) records: Arc<Records>,
    pub(crate) signatures: Signatures,
    cache: PromptCache,
    ids: AtomicU64,
    seed: u64,
    tokens: Mutex<HashMap<String, Instant>>,
    /// Responses answers by id, with the call ids they hold.
    responses: Mutex<HashMap<String, HashSet<String>>>,
    generations: Mutex<HashMap<String, Value>>,
    pub(crate) connections: AtomicU64,
}

struct Current {
    script: Arc<Script>,
    /// Per rule: how often its conditions fitted, and how often it answered.
    counts: Vec<(u64, u64)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

static SEEDS: AtomicU64 = AtomicU64::new(1);

impl State {
    pub(crate) fn new(script: Script) -> Self {
        let state = Self {
            current: Mutex::new(Current { script: Arc::default(), counts: Vec::new() }),
            records: Arc::default(),
            signatures: Signatures::default(),
            cache: PromptCache::default(),
            ids: AtomicU64::new(1),
            seed: (clock::unix_ms() << 8) ^ SEEDS.fetch_add(1, Ordering::Relaxed),
            tokens: Mutex::default(),
            responses: Mutex::default(),
            generations: Mutex::default(),
            connections: AtomicU64::new(0),
        };
        state.set_script(script);
        state
    }

    pub(crate) fn script(&self) -> Arc<Script> {
        lock(&self.current).script.clone()
    }

    /// Replaces the script; rule counters start anew, signatures and records stay.
    pub(crate) fn set_script(&self, script: Script) {
        for signature in &script.known_signatures {
            self.signatures.allow(signature);
        }
        let mut current = lock(&self.current);
        current.counts = vec![(0, 0); script.rules.len()];
        current.script = Arc::new(script);
    }

    /// Unique over all upstreams of a machine.
    pub(crate) fn next_id(&self) -> String {
        let n = self.ids.fetch_add(1, Ordering::Relaxed);
        format!("{:014x}{n:010x}", self.seed & 0x00ff_ffff_ffff_ffff)
    }

    /// The first rule that fits, with its name, counted as used. Endpoints other than answers are only matched by rules
    /// that name a path.
    pub(crate) fn choose(&self, path: &str, seen: &Seen) -> Option<(String, Reply)> {
        let answers = matches!(seen.route.op, Op::Generate | Op::GeneratePlain);
        let script = self.script();
        let fitting: Vec<usize> = (0..script.rules.len())
            .filter(|at| answers || script.rules[*at].when.path.is_some())
            .filter(|at| script.rules[*at].when.fits(&seen.route, path, seen))
            .collect();
        let mut current = lock(&self.current);
        if !Arc::ptr_eq(&current.script, &script) {
            drop(current);
            return self.choose(path, seen);
        }
        for at in fitting {
            let rule = &script.rules[at];
            let (fits, used) = &mut current.counts[at];
            *fits += 1;
            let due = rule.when.nth.is_none_or(|nth| nth == *fits);
            if due && rule.times.is_none_or(|times| *used < times) {
                let nth = *used;
                *used += 1;
                let name = rule.name.clone().unwrap_or_else(|| format!("rule {}", at + 1));
                return Some((name, rule.reply(nth)));
            }
        }
        None
    }

    /// The input side of the usage, prompt caches simulated, and Anthropic's diagnosis.
    pub(crate) fn cached_usage(&self, seen: &Seen, id: &str) -> (Usage, Option<Value>) {
        let script = self.script();
        let total = seen.tokens();
        let plain = Usage { input: total, ..Usage::default() };
        if !script.cache {
            return (plain, None);
        }
        let (model, least) = (seen.model(), script.cache_min_tokens);
        match seen.route.dialect {
            Dialect::Anthropic => {
                let diagnosis = self.cache.diagnose(seen.body(), id);
                (self.cache.anthropic(model, seen.body(), least), diagnosis)
            }
            Dialect::Chat | Dialect::Gemini | Dialect::Responses => {
                let prompt = prompt_text(seen);
                let cached = self.cache.automatic(model, prompt.as_bytes(), least).min(total - 1);
                (Usage { input: total - cached, cached, ..plain }, None)
            }
            Dialect::Ollama => (plain, None),
        }
    }

    /// Issues an access token for Vertex.
    pub(crate) fn issue_token(&self) -> (String, Duration) {
        let ttl = Duration::from_millis(self.script().vertex.token_ttl_ms);
        let token = format!("ya29.{}", self.next_id());
        lock(&self.tokens).insert(token.clone(), Instant::now() + ttl);
        (token, ttl)
    }

    pub(crate) fn token_valid(&self, token: &str) -> bool {
        lock(&self.tokens).get(token).is_some_and(|until| *until > Instant::now())
    }

    pub(crate) fn remember_response(&self, id: String, calls: HashSet<String>) {
        lock(&self.responses).insert(id, calls);
    }

    /// The calls of an earlier answer, if it was ours.
    pub(crate) fn calls_of(&self, response: &str) -> Option<HashSet<String>> {
        lock(&self.responses).get(response).cloned()
    }

    pub(crate) fn remember_generation(&self, id: String, shown: Value) {
        lock(&self.generations).insert(id, shown);
    }

    pub(crate) fn generation(&self, id: &str) -> Option<Value> {
        lock(&self.generations).get(id).cloned()
    }
}

/// The part of a request that a prompt cache sees, stable parts first.
fn prompt_text(seen: &Seen) -> String {
    let fields = ["tools", "instructions", "systemInstruction", "messages", "input", "contents"];
    fields.iter().filter_map(|f| seen.body().get(f)).map(Value::to_string).collect()
}
