//! Just enough HTTP/1.1 for the two ends of the bench: heads, counted and chunked bodies, over one connection.
//!
//! Written by hand because load generator and upstream share one core and must not be what is measured. Trusts its
//! peers: it is for loopback only and knows no other transfer encoding, no trailers, no upgrade.

use std::io::{self, ErrorKind};

use bytes::{Buf as _, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection and what has been read from it and not been used.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(16 * 1024) })
    }

    /// The next head, or none if the peer closed between two messages.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(Head(self.buffer.split_to(end + 4))));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                let clean = self.buffer.is_empty();
                return if clean { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// Moves what there is of the body to `out`, reading once if there is nothing. True at the body's end.
    pub(crate) async fn body(&mut self, body: &mut Body, out: &mut Vec<u8>) -> io::Result<bool> {
        let had = out.len();
        let ended = body.take(&mut self.buffer, out)?;
        if ended || out.len() > had {
            return Ok(ended);
        }
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        body.take(&mut self.buffer, out)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Returns once the peer has closed; reading ahead costs nothing, since nobody pipelines here.
    pub(crate) async fn closed(&mut self) {
        while !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(0) | Err(_)) {}
    }
}

/// The first lines of a message.
pub(crate) struct Head(BytesMut);

impl Head {
    /// The second word of the first line: a request's target, an answer's status.
    pub(crate) fn second(&self) -> &str {
        let line = self.0[..].split(|byte| *byte == b'\r').next().unwrap_or_default();
        std::str::from_utf8(line).ok().and_then(|line| line.split(' ').nth(1)).unwrap_or_default()
    }

    fn field(&self, name: &str) -> Option<&str> {
        let text = std::str::from_utf8(&self.0).ok()?;
        let mut fields = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// How the body is framed; without either header there is none.
    pub(crate) fn framing(&self) -> Body {
        if self.field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Body::Size;
        }
        Body::Counted(self.field("content-length").and_then(|value| value.parse().ok()).unwrap_or(0))
    }
}

/// A body on its way: what is expected next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes of a chunk, then the line end behind it.
    Chunk(usize),
    /// So many bytes of a body of known length.
    Counted(usize),
    /// The empty line after the last chunk.
    Last,
    /// The line with a chunk's size.
    Size,
}

impl Body {
    /// Moves what there is to `out`; true once the body is complete.
    pub(crate) fn take(&mut self, buffer: &mut BytesMut, out: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            match *self {
                Self::Chunk(0) => {
                    if buffer.len() < 2 {
                        return Ok(false);
                    }
                    buffer.advance(2);
                    *self = Self::Size;
                }
                Self::Chunk(left) => {
                    let moved = shift(buffer, left, out);
                    *self = Self::Chunk(left - moved);
                    if moved < left {
                        return Ok(false);
                    }
                }
                Self::Counted(left) => {
                    let moved = shift(buffer, left, out);
                    *self = Self::Counted(left - moved);
                    return Ok(moved == left);
                }
                Self::Last => {
                    if buffer.len() < 2 {
                        return Ok(false);
                    }
                    buffer.advance(2);
                    return Ok(true);
                }
                Self::Size => {
                    let Some(end) = memmem::find(buffer, b"\r\n") else { return Ok(false) };
                    let digits = std::str::from_utf8(&buffer[..end]).unwrap_or_default();
                    let size = usize::from_str_radix(digits.split(';').next().unwrap_or_default().trim(), 16)
                        .map_err(|_| io::Error::other(format!("not the size of a chunk: {digits:?}")))?;
                    buffer.advance(end + 2);
                    *self = if size == 0 { Self::Last } else { Self::Chunk(size) };
                }
            }
        }
    }
}

fn shift(from: &mut BytesMut, most: usize, out: &mut Vec<u8>) -> usize {
    let moved = most.min(from.len());
    out.extend_from_slice(&from[..moved]);
    from.advance(moved);
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(bytes: &[u8], step: usize) -> (Vec<u8>, bool) {
        let (mut body, mut buffer, mut out, mut done) = (Body::Size, BytesMut::new(), Vec::new(), false);
        for piece in bytes.chunks(step) {
            buffer.extend_from_slice(piece);
            done = body.take(&mut buffer, &mut out).unwrap();
        }
        (out, done)
    }

    #[test]
    fn a_chunked_body_is_the_same_however_it_is_cut() {
        let wire = b"5\r\nhello\r\n1;name=value\r\n \r\n5\r\nworld\r\n0\r\n\r\n";
        for step in 1..=wire.len() {
            assert_eq!(fed(wire, step), (b"hello world".to_vec(), true), "step {step}");
        }
    }

    #[test]
    fn a_body_that_was_cut_is_not_taken_for_complete() {
        let wire = b"5\r\nhello\r\n0\r\n\r\n";
        for end in 1..wire.len() {
            assert!(!fed(&wire[..end], end).1, "cut at {end}");
        }
        let mut counted = Body::Counted(3);
        assert!(!counted.take(&mut BytesMut::from(&b"ab"[..]), &mut Vec::new()).unwrap());
    }

    #[test]
    fn a_size_that_is_none_is_an_error() {
        let taken = Body::Size.take(&mut BytesMut::from(&b"x\r\n"[..]), &mut Vec::new());
        assert!(taken.unwrap_err().to_string().contains("not the size of a chunk"));
    }

    #[tokio::test]
    async fn what_came_with_the_head_is_there_without_waiting_for_more() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut server = Connection::new(listener.accept().await.unwrap().0).unwrap();
        server.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n").await.unwrap();
        // The server stays open and says nothing more.
        let (mut client, mut out) = (Connection::new(client).unwrap(), Vec::new());
        let mut body = client.head().await.unwrap().unwrap().framing();
        assert!(!client.body(&mut body, &mut out).await.unwrap());
        assert_eq!(out, b"hi");
    }

    #[test]
    fn a_head_says_how_its_body_is_framed() {
        let head = |text: &str| Head(BytesMut::from(text.as_bytes()));
        let counted = head("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n");
        assert_eq!((counted.second(), counted.framing()), ("200", Body::Counted(12)));
        let chunked = head("POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!((chunked.second(), chunked.framing()), ("/v1/messages", Body::Size));
    }
}
