//! Failures that a client gets to see, in no dialect.
//!
//! Status, retryability and name are methods of the kind, here and nowhere else. Each dialect renders a
//! [`Failure`] in its own shape (`wire`). Causes that are not the client's business stay in the log.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The caller may not do this.
    Forbidden,
    /// Our own fault.
    Internal,
    /// The request is malformed or asks for what cannot be.
    InvalidRequest,
    /// No such model, provider or path.
    NotFound,
    /// We have no capacity.
    Overloaded,
    /// A policy refused it.
    PolicyRefused,
    /// Too many calls, or a budget is used up.
    RateLimited,
    /// A deadline passed.
    Timeout,
    /// The request is larger than allowed.
    TooLarge,
    /// No credential, or a wrong one.
    Unauthenticated,
    /// The provider did not accept the credential it was sent.
    UpstreamAuth,
    /// The provider refused the request.
    UpstreamRejected,
    /// The provider could not be reached, or failed, or sent something unreadable.
    UpstreamUnavailable,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Forbidden,
        Self::Internal,
        Self::InvalidRequest,
        Self::NotFound,
        Self::Overloaded,
        Self::PolicyRefused,
        Self::RateLimited,
        Self::Timeout,
        Self::TooLarge,
        Self::Unauthenticated,
        Self::UpstreamAuth,
        Self::UpstreamRejected,
        Self::UpstreamUnavailable,
    ];

    /// The HTTP status, where the provider gave none.
    pub const fn status(self) -> u16 {
        match self {
            Self::Forbidden | Self::PolicyRefused => 403,
            Self::Internal => 500,
            Self::InvalidRequest | Self::UpstreamRejected => 400,
            Self::NotFound => 404,
            Self::Overloaded => 503,
            Self::RateLimited => 429,
            Self::Timeout => 504,
            Self::TooLarge => 413,
            Self::Unauthenticated | Self::UpstreamAuth => 401,
            Self::UpstreamUnavailable => 502,
        }
    }

    /// Whether the same call may succeed a little later.
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Overloaded | Self::RateLimited | Self::Timeout | Self::UpstreamUnavailable => true,
            Self::Forbidden
            | Self::Internal
            | Self::InvalidRequest
            | Self::NotFound
            | Self::PolicyRefused
            | Self::TooLarge
            | Self::Unauthenticated
            | Self::UpstreamAuth
            | Self::UpstreamRejected => false,
        }
    }

    /// The name in headers, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Internal => "internal",
            Self::InvalidRequest => "invalid_request",
            Self::NotFound => "not_found",
            Self::Overloaded => "overloaded",
            Self::PolicyRefused => "policy_refused",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Unauthenticated => "unauthenticated",
            Self::UpstreamAuth => "upstream_auth",
            Self::UpstreamRejected => "upstream_rejected",
            Self::UpstreamUnavailable => "upstream_unavailable",
        }
    }

    /// The kind that a provider's HTTP status speaks of.
    pub const fn of_upstream_status(status: u16) -> Self {
        match status {
            401 => Self::UpstreamAuth,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            413 => Self::TooLarge,
            429 => Self::RateLimited,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::UpstreamRejected,
            _ => Self::UpstreamUnavailable,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure, with all that a client may know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The provider's own word for it, such as `overloaded_error` or `model_not_found`; kept where the dialects
    /// agree on the place.
    pub code: Option<String>,
    /// What kind it is.
    pub kind: ErrorKind,
    /// What is wrong, where, and what to do. Never a secret, never a stack.
    pub message: String,
    /// The field at fault, as a path in the client's body.
    pub param: Option<String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// The status the provider sent, kept as it is.
    pub status: Option<u16>,
}

impl Failure {
    /// A failure of a kind, in words.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { code: None, kind, message: message.into(), param: None, retry_after: None, status: None }
    }

    /// A fault in the client's request, at a field.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(ErrorKind::InvalidRequest, message) }
    }

    /// The status the client gets.
    pub fn status(&self) -> u16 {
        self.status.unwrap_or_else(|| self.kind.status())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Failure {}
