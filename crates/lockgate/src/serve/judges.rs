//! The models that policies ask, through the engine, in the gateway's own name.
//!
//! An answer is kept for a while, so that the same question is paid for once.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use lockgate_core::{ErrorKind, Failure};
use lockgate_engine::{Caller, Engine};
use lockgate_policy::{Judge, Reply};
use lru::LruCache;
use serde_json::json;

use super::inquiry;

/// Answers that are kept.
const KEPT: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The session that all questions to judges are recorded in.
const SESSION: &str = "lockgate-judges";

/// Asks models. Clones share everything.
#[derive(Clone)]
pub(super) struct Judges(Arc<Shared>);

struct Shared {
    /// What models said, by the hash of the question.
    answers: Mutex<LruCache<[u8; 32], String>>,
    engine: OnceLock<Weak<Engine>>,
}

impl Judges {
    pub(super) fn new() -> Self {
        let answers = Mutex::new(LruCache::new(KEPT));
        Self(Arc::new(Shared { answers, engine: OnceLock::new() }))
    }

    /// Whom questions go through.
    pub(super) fn through(&self, engine: &Arc<Engine>) {
        let _ = self.0.engine.set(Arc::downgrade(engine));
    }

    /// What a model says.
    pub(super) async fn judged(self, judge: Judge) -> Reply {
        let hash = hash_of(&judge);
        let answers = || self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answers().get(&hash) {
            return Reply::Text(known.clone());
        }
        let none = |words: String| Reply::None(Failure::new(ErrorKind::UpstreamUnavailable, words));
        let Some(engine) = self.0.engine.get().and_then(Weak::upgrade) else {
            return none("the gateway is stopping".into());
        };
        let body = json!({
            "model": judge.model,
            "max_tokens": judge.max_tokens,
            "temperature": judge.temperature,
            "system": judge.instructions,
            "messages": [{"role": "user", "content": judge.subject}],
        });
        let ourselves = Caller { grant: None, keyless: true, own: None, own_anthropic: None };
        match inquiry::ask(&engine, ourselves, &body, Some(SESSION)).await {
            Ok(words) => {
                answers().put(hash, words.clone());
                Reply::Text(words)
            }
            Err(words) => none(format!("the judge `{}` gave no answer: {words}", judge.model)),
        }
    }
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
