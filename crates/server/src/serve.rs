//! Accepts connections and serves them until told to stop; then lets answers finish.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::service::Server;
use crate::stall::StallGuard;

/// Shorter than any timer that every call sets.
const PULSE: Duration = Duration::from_secs(2);

/// What a connection reads at once if as much is there. A body that came in one piece is not copied together.
const READ: usize = 256 * 1024;

/// Serves until `stop` is cancelled, then waits at most `drain` for answers that are still on their way. Returns how
/// many had to be cut.
pub async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    stop: CancellationToken,
    drain: Duration,
) -> usize {
    let connections = server.connections.clone();
    // With a timer that is always near, those that a call sets are never the next to fire, and setting them does not
    // interrupt the wait for sockets: two system calls less for each call.
    let mut pulse = tokio::time::interval(PULSE);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
            _ = pulse.tick() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(connection(stream, peer, server.clone(), stop.clone()));
            }
            Err(error) => {
                // Out of file descriptors, mostly: others must end before another can begin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // From here on it is not ready, and says so to whoever asks on a connection that is open.
    connections.close();
    drop(listener);
    let _ = tokio::time::timeout(drain, connections.wait()).await;
    connections.len()
}

async fn connection(
    stream: TcpStream,
    peer: std::net::SocketAddr,
    server: Arc<Server>,
    stop: CancellationToken,
) {
    // A segment held back for its neighbour (Nagle) delays each piece of a stream by up to 40 ms.
    let _ = stream.set_nodelay(true);
    let bounds = server.bounds();
    let io = TokioIo::new(StallGuard::new(stream, bounds.write_idle));
    let service = service_fn(|request| {
        let server = server.clone();
        // In a box of its own, or its five kilobytes would stay with the connection while the answer streams.
        Box::pin(async move { Ok::<_, std::convert::Infallible>(server.answer(peer, request).await) })
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        // Enough to read a head that is too large and to answer it in its dialect; beyond this hyper answers 431 alone.
        .max_headers(2 * bounds.headers)
        .max_buf_size(READ.max(2 * bounds.header_bytes));
    let mut connection = std::pin::pin!(builder.serve_connection(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended");
    }
}
