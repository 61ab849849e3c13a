//! The signatures that this upstream has put on thinking, so that it knows its own when they come back.
//!
//! Real providers sign cryptographically; here memory does the same job: what was not issued, or not for this text,
//! is refused.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::dialect::Dialect;

/// Issued signatures with the text they were put on; `None` fits any text.
#[derive(Debug, Default)]
pub(crate) struct Signatures {
    issued: Mutex<HashMap<String, Option<String>>>,
}

/// What memory says about a signature that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Ours, but put on another text.
    Altered,
    /// Not ours.
    Foreign,
    /// Ours and unchanged.
    Own,
}

impl Signatures {
    /// Signs a text.
    pub(crate) fn issue(&self, dialect: Dialect, text: &str, id: &str) -> String {
        let seal = format!("{}/{id}/{:016x}/upstream-sealed", dialect.name(), text.len());
        let encoded = STANDARD.encode(seal.repeat(3));
        let signature = match dialect {
            Dialect::Responses => format!("gAAAAAB{encoded}"),
            Dialect::Anthropic | Dialect::Chat | Dialect::Gemini | Dialect::Ollama => encoded,
        };
        self.remember(&signature, Some(text.to_owned()));
        signature
    }

    /// Accepts a signature from now on, on whatever text.
    pub(crate) fn allow(&self, signature: &str) {
        self.remember(signature, None);
    }

    /// Looks a signature up. `text` is what it came back on, where the dialect shows it.
    pub(crate) fn check(&self, signature: &str, text: Option<&str>) -> Verdict {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        match issued.get(&normal(signature)) {
            None => Verdict::Foreign,
            Some(Some(was)) if text.is_some_and(|now| now != was && !now.is_empty()) => Verdict::Altered,
            Some(_) => Verdict::Own,
        }
    }

    fn remember(&self, signature: &str, text: Option<String>) {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).insert(normal(signature), text);
    }
}

/// Base64 and base64url of the same bytes are the same signature.
fn normal(signature: &str) -> String {
    signature.trim_end_matches('=').replace('-', "+").replace('_', "/")
}
