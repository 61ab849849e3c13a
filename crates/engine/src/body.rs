//! The bytes of an answer as they arrive, from a connection or from a program.
//!
//! Dropping it ends the source: the connection is closed, the program's process group is killed.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use lockgate_core::{ErrorKind, Failure};

use crate::process::Running;

/// Where the bytes come from.
pub(crate) enum UpstreamBody {
    /// A connection.
    Http(Incoming),
    /// A program.
    Process(Box<Running>),
}

impl UpstreamBody {
    /// The next bytes; `None` at the end, an error when the source broke off.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        match self {
            Self::Http(body) => loop {
                match std::task::ready!(Pin::new(&mut *body).poll_frame(cx)) {
                    None => return Poll::Ready(None),
                    Some(Err(error)) => return Poll::Ready(Some(Err(reason(&error)))),
                    Some(Ok(frame)) => {
                        // Trailers carry nothing for any dialect.
                        if let Ok(data) = frame.into_data()
                            && !data.is_empty()
                        {
                            return Poll::Ready(Some(Ok(data)));
                        }
                    }
                }
            },
            Self::Process(running) => running.poll(cx),
        }
    }

    /// The next bytes.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }
}

fn reason(error: &hyper::Error) -> Failure {
    let words = if error.is_incomplete_message() {
        "the connection closed early"
    } else if error.is_timeout() {
        "the connection timed out"
    } else {
        "the connection broke"
    };
    Failure::new(ErrorKind::UpstreamUnavailable, words)
}
