//! Asks a service something by a signed POST and hands on what it answers.
//!
//! One that fails over and over is left alone for a while; who asks models counts their failures in the same way. Knows nothing of what is asked.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use lockgate_engine::Courier;

use crate::hook::signed;
use crate::post::Post;
use crate::signature::SigningKey;

/// Failures in a row after which somebody is left alone.
const FAILURES: u32 = 5;

/// How long they are left alone.
const REST: Duration = Duration::from_secs(30);

/// Counts failures in a row by whom is asked, and says whom to leave alone.
pub struct Breaker<K>(Mutex<HashMap<K, (u32, Instant)>>);

impl<K> Default for Breaker<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Breaker<K> {
    /// Whether they may be asked now; the error says in words why not.
    pub fn admit<Q: Eq + Hash + ?Sized>(&self, whom: &Q) -> Result<(), String>
    where
        K: Borrow<Q>,
    {
        match self.failures().get(whom) {
            Some((failures, last)) if *failures >= FAILURES && last.elapsed() < REST => {
                Err(format!("it failed {failures} times in a row and is left alone for {} s", REST.as_secs()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Takes in what came of a question.
    pub fn note(&self, whom: K, answered: bool) {
        let mut failures = self.failures();
        if answered {
            failures.remove(&whom);
        } else {
            let entry = failures.entry(whom).or_insert((0, Instant::now()));
            *entry = (entry.0 + 1, Instant::now());
        }
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<K, (u32, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks services, over connections that are kept.
#[derive(Default)]
pub struct Services {
    breaker: Breaker<Uri>,
    post: Post,
}

impl Services {
    /// Asks by this courier.
    pub fn new(courier: Courier) -> Self {
        Self { post: Post::new(courier), ..Self::default() }
    }

    /// What a service answers with status 200; the error says in words why there is no answer. A question that met no connection or a passing
    /// failure is put once more within `patience`, with the same id and a signature of its own.
    pub async fn ask(
        &self,
        to: &Uri,
        key: &SigningKey,
        id: &str,
        body: String,
        patience: Duration,
    ) -> Result<Bytes, String> {
        self.breaker.admit(to)?;
        let body = Bytes::from(body);
        let began = Instant::now();
        let mut told = self.once(to, signed(key, id, &body), body.clone(), patience).await;
        if let Err(Failed { after: Some(wait), .. }) = &told {
            let left = patience.saturating_sub(began.elapsed()).saturating_sub(*wait);
            if !left.is_zero() {
                tokio::time::sleep(*wait).await;
                told = self.once(to, signed(key, id, &body), body, left).await;
            }
        }
        self.breaker.note(to.clone(), told.is_ok());
        told.map_err(|failed| failed.words)
    }

    async fn once(
        &self,
        to: &Uri,
        headers: HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<Bytes, Failed> {
        let answer = self.post.send(to, headers, body, patience).await;
        let answer = answer.map_err(|words| Failed { after: Some(Duration::ZERO), words })?;
        if answer.status == StatusCode::OK {
            return Ok(answer.body);
        }
        let status = answer.status.as_u16();
        let passes = matches!(status, 408 | 425 | 429 | 500..);
        let after = passes.then(|| answer.retry_after.unwrap_or_default());
        Err(Failed { after, words: format!("it answered with status {status}") })
    }
}

/// Why there is no answer.
struct Failed {
    /// After which time another try may do better; `None` = none does.
    after: Option<Duration>,
    words: String,
}
