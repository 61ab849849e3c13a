//! Reads a request's body within its bounds: bytes counted as they come, silence bounded.
//!
//! A body that is too large is read on for a moment and thrown away, so that the client gets to see the answer
//! instead of a reset connection.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use lockgate_core::{ErrorKind, Failure};

/// How long an oversized body is read on.
const DRAIN: Duration = Duration::from_secs(2);

/// The whole body, or why it was refused.
pub(crate) async fn collect(
    headers: &HeaderMap,
    mut body: Incoming,
    limit: usize,
    idle: Duration,
) -> Result<Bytes, Failure> {
    if let Some(encoding) =
        headers.get(header::CONTENT_ENCODING).filter(|value| value.as_bytes() != b"identity")
    {
        let words = format!(
            "request bodies must not be compressed (content-encoding: {}); turn compression off in the client",
            encoding.to_str().unwrap_or("?")
        );
        return Err(Failure { status: Some(415), ..Failure::new(ErrorKind::InvalidRequest, words) });
    }
    let announced = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > limit) {
        drain(body).await;
        return Err(too_large(limit));
    }
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(idle, body.frame()).await.map_err(|_| too_slow(idle))?;
        let data = match frame {
            None => return Ok(if joined.is_empty() { first } else { joined.freeze() }),
            Some(Err(_)) => return Err(Failure::new(ErrorKind::InvalidRequest, "the body ended early")),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        if first.len().max(joined.len()) + data.len() > limit {
            drain(body).await;
            return Err(too_large(limit));
        }
        if first.is_empty() && joined.is_empty() {
            first = data;
        } else {
            if joined.is_empty() {
                joined.reserve(announced.unwrap_or(first.len() * 4));
                joined.extend_from_slice(&std::mem::take(&mut first));
            }
            joined.extend_from_slice(&data);
        }
    }
}

async fn drain(mut body: Incoming) {
    let _ = tokio::time::timeout(DRAIN, async { while let Some(Ok(_)) = body.frame().await {} }).await;
}

fn too_large(limit: usize) -> Failure {
    Failure::new(
        ErrorKind::TooLarge,
        format!("the body is larger than {limit} bytes (server.limits.body_bytes)"),
    )
}

fn too_slow(idle: Duration) -> Failure {
    let words = format!("the body stood still for {} ms (server.slow_client.body_idle_ms)", idle.as_millis());
    Failure { status: Some(408), ..Failure::new(ErrorKind::Timeout, words) }
}
