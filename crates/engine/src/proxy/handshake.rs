//! What is said to a proxy before it passes bytes on: HTTP's `CONNECT`, or SOCKS 5.
//!
//! `CONNECT` is our own, since the errors of hyper-util's do not tell the status. The caller bounds the time.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower_service::Service;

use super::{Hop, deepest};

/// The longest head of an answer that is read, in bytes.
const HEAD: usize = 16 * 1024;

type Io = TokioIo<TcpStream>;

/// `CONNECT host:port`. Nothing but the address is told to the proxy.
pub(super) async fn connect(hop: &Hop, io: Io, to: &Uri) -> Result<Io, String> {
    let mut stream = io.into_inner();
    let (host, port) = place(to);
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(login) = &hop.basic {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(login.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let broken = |error: io::Error| hop.refuses(&deepest(&error));
    stream.write_all(&request).await.map_err(broken)?;
    let mut head = Vec::with_capacity(512);
    // A proxy says nothing behind its head before we do, so no byte of the provider is lost here.
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > HEAD {
            return Err(hop.refuses(&"the head of its answer does not end"));
        }
        if stream.read_buf(&mut head).await.map_err(broken)? == 0 {
            return Err(hop.refuses(&"it closed the connection"));
        }
    }
    match status(&head) {
        Some(200..300) => Ok(TokioIo::new(stream)),
        Some(407) => Err(hop.wants_login()),
        Some(status) => Err(hop.refuses(&format!("it answered with status {status}"))),
        None => Err(hop.refuses(&"its answer is not HTTP")),
    }
}

/// The status of an answer's first line.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next().filter(|status| status.len() == 3)?.parse().ok()
}

/// SOCKS 5; the proxy looks the name up.
pub(super) async fn socks(hop: &Hop, io: Io, to: Uri) -> Result<Io, String> {
    let mut socks = SocksV5::new(hop.uri.clone(), Connected(Some(io)));
    if let Some((user, password)) = hop.login.clone() {
        socks = socks.with_auth(user, password);
    }
    let (host, port) = place(&to);
    let whole = Uri::builder().scheme("http").authority(format!("{host}:{port}")).path_and_query("/").build();
    socks.call(whole.unwrap_or(to)).await.map_err(|error| hop.refuses(&error))
}

/// Host and port of an address; each scheme has its usual one.
fn place(to: &Uri) -> (&str, u16) {
    let usual = if to.scheme_str() == Some("https") { 443 } else { 80 };
    (to.host().unwrap_or_default(), to.port_u16().unwrap_or(usual))
}

/// A connection that is there already, for a handshake that wants to open one.
struct Connected(Option<Io>);

impl Service<Uri> for Connected {
    type Response = Io;
    type Error = io::Error;
    type Future = Ready<io::Result<Io>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_of_http_1_has_a_status() {
        assert_eq!(status(b"HTTP/1.1 200 Connection established\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407\r\nA: 200\r\n\r\n"), Some(407));
        for foreign in ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/2 200\r\n\r\n", "\r\n\r\n"] {
            assert_eq!(status(foreign.as_bytes()), None, "{foreign}");
        }
    }

    #[test]
    fn an_address_without_a_port_has_that_of_its_scheme() {
        assert_eq!(place(&Uri::from_static("https://a.example/v1")), ("a.example", 443));
        assert_eq!(place(&Uri::from_static("http://a.example/v1")), ("a.example", 80));
        assert_eq!(place(&Uri::from_static("https://[::1]:8443/v1")), ("[::1]", 8443));
    }
}
