//! A call as the server hands it over, and the outside facts that every answer of it carries.
//!
//! The body is whole and within its limits; nothing in it has been looked at.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method};
use lockgate_policy::KeptLocal;
use lockgate_wire::{Format, Mode};
use uuid::Uuid;

use crate::caller::Caller;

/// A call of a client.
#[derive(Clone)]
pub struct CallRequest {
    /// The body, whole.
    pub body: Bytes,
    /// When it was whole.
    pub came: Instant,
    /// Who calls.
    pub caller: Caller,
    /// The client's dialect.
    pub format: Format,
    /// The client's headers.
    pub headers: HeaderMap,
    /// Whether the gateway makes the call for itself: no policy meets it.
    pub internal: bool,
    /// Set once policies have said that it goes to a local model or nowhere.
    pub local: Option<KeptLocal>,
    /// The client's method.
    pub method: Method,
    /// The layout of the answer, where the path decides it.
    pub mode: Option<Mode>,
    /// The model, where the path names it.
    pub model: Option<String>,
    /// The call that it is made for, where the gateway makes it for one.
    pub parent: Option<Uuid>,
    /// Path and query as the client sent them, without a credential.
    pub path_and_query: String,
}

impl CallRequest {
    /// The name that the client called, in the path or in the body, if the model goes by another one.
    pub(crate) fn renamed(&self, in_body: Option<&str>, model: &str) -> Option<String> {
        let name = self.model.as_deref().or(in_body).filter(|name| !name.is_empty())?;
        (name != model).then(|| name.to_owned())
    }

    /// Whether the client asks to have a lossy conversion refused.
    pub(crate) fn asks_strict(&self) -> bool {
        self.headers.get("x-lockgate-strict").is_some_and(|value| matches!(value.as_bytes(), b"1" | b"true"))
    }
}
