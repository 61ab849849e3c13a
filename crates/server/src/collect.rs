//! Reads a request's body within its bounds: bytes counted as they come, silence and the whole time bounded.
//!
//! A body that is too large is read on for a moment and thrown away, so that the client gets to see the answer
//! instead of a reset connection.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use lockgate_core::{ErrorKind, Failure};
use tokio::time::{Instant, timeout_at};

/// How long an oversized body is read on.
const DRAIN: Duration = Duration::from_secs(2);

/// What is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Silence between two pieces.
    pub(crate) idle: Duration,
    /// From the first look at the body to its end.
    pub(crate) whole: Duration,
}

/// The whole body, or why it was refused.
pub(crate) async fn collect<B: Body<Data = Bytes> + Unpin>(
    headers: &HeaderMap,
    mut body: B,
    limit: usize,
    patience: Patience,
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
    let end = Instant::now() + patience.whole;
    loop {
        let until = end.min(Instant::now() + patience.idle);
        let frame = timeout_at(until, body.frame()).await.map_err(|_| too_slow(patience, until == end))?;
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

async fn drain(mut body: impl Body<Data = Bytes> + Unpin) {
    let _ = tokio::time::timeout(DRAIN, async { while let Some(Ok(_)) = body.frame().await {} }).await;
}

fn too_large(limit: usize) -> Failure {
    Failure::new(
        ErrorKind::TooLarge,
        format!("the body is larger than {limit} bytes (server.limits.body_bytes)"),
    )
}

fn too_slow(patience: Patience, whole: bool) -> Failure {
    let words = if whole {
        let ms = patience.whole.as_millis();
        format!("the body had not come to its end after {ms} ms (server.slow_client.body_ms)")
    } else {
        let ms = patience.idle.as_millis();
        format!("the body stood still for {ms} ms (server.slow_client.body_idle_ms)")
    };
    Failure { status: Some(408), ..Failure::new(ErrorKind::Timeout, words) }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    /// Never still, never over: a byte at every second look.
    struct Drip(bool);

    impl Body for Drip {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.0 = !self.0;
            if self.0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    /// Requirement N3: a byte just within the bound on silence, again and again, holds nothing for long.
    #[tokio::test]
    async fn a_body_that_drips_is_given_up_when_its_whole_time_is_over() {
        let patience = Patience { idle: Duration::from_mins(1), whole: Duration::from_millis(100) };
        let begun = Instant::now();
        let failure = collect(&HeaderMap::new(), Drip(false), usize::MAX, patience).await.unwrap_err();
        assert!(begun.elapsed() >= patience.whole);
        assert_eq!(failure.status, Some(408));
        assert!(failure.message.contains("100 ms (server.slow_client.body_ms)"), "{}", failure.message);
    }
}
