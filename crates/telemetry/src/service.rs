//! Asks a service something by a signed POST and hands on what it answers.
//!
//! One that fails over and over is left alone for a while. Knows nothing of what is asked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{StatusCode, Uri};
use lockgate_engine::Courier;

use crate::hook::signed;
use crate::post::Post;
use crate::signature::SigningKey;

/// Failures in a row after which a service is left alone.
const FAILURES: u32 = 5;

/// How long it is left alone.
const REST: Duration = Duration::from_secs(30);

/// Asks services, over connections that are kept.
#[derive(Default)]
pub struct Services {
    /// Failures in a row by address, and when the last one was.
    failures: Mutex<HashMap<Uri, (u32, Instant)>>,
    post: Post,
}

impl Services {
    /// Asks by this courier.
    pub fn new(courier: Courier) -> Self {
        Self { post: Post::new(courier), ..Self::default() }
    }

    /// What a service answers with status 200; the error says in words why there is no answer.
    pub async fn ask(
        &self,
        to: &Uri,
        key: &SigningKey,
        id: &str,
        body: String,
        patience: Duration,
    ) -> Result<Bytes, String> {
        if let Some((failures, last)) = self.failures().get(to)
            && *failures >= FAILURES
            && last.elapsed() < REST
        {
            return Err(format!(
                "it failed {failures} times in a row and is left alone for {} s",
                REST.as_secs()
            ));
        }
        let body = Bytes::from(body);
        let answered = self.post.send(to, signed(key, id, &body), body, patience).await;
        let told = answered.and_then(|answer| match answer.status {
            StatusCode::OK => Ok(answer.body),
            status => Err(format!("it answered with status {}", status.as_u16())),
        });
        match &told {
            Ok(_) => {
                self.failures().remove(to);
            }
            Err(_) => {
                let mut failures = self.failures();
                let entry = failures.entry(to.clone()).or_insert((0, Instant::now()));
                *entry = (entry.0 + 1, Instant::now());
            }
        }
        told
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<Uri, (u32, Instant)>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
