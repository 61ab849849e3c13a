//! HTTP/1.1 over one socket, by hand: heads as they were sent (order, case), bodies cut and connections reset where the
//! script says, and the moment at which a client leaves.
//!
//! A library server hides exactly these things. Knows no dialect and no script; `handle` decides the responses.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::handle;
use crate::play::{Response, Step};
use crate::record::{Recorded, Records};
use crate::state::State;

/// The first byte of a TLS connection.
const TLS_HANDSHAKE: u8 = 0x16;

const MOST_HEAD: usize = 1024 * 1024;
const MOST_BODY: usize = 512 * 1024 * 1024;

/// A request off the wire.
pub(crate) struct Incoming {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) started: Instant,
    pub(crate) connection: u64,
}

impl Incoming {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let connection = state.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    while let Ok(Some(request)) = receive(&mut stream, &mut buffer, connection).await {
        let close = request.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        let head = request.method == "HEAD";
        let (response, record) = handle::answer(&state, request);
        match send(&mut stream, &mut buffer, &state, response, (record, head)).await {
            End::Answered if !close => {}
            End::Answered | End::Left => return,
            End::Reset => {
                // Lingering for no time is what turns a close into an RST; if it fails the client sees a close.
                let _ = stream.set_zero_linger();
                return;
            }
        }
    }
}

/// Reads one request; `None` when the client has no more.
async fn receive(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    connection: u64,
) -> io::Result<Option<Incoming>> {
    if buffer.is_empty() && stream.read_buf(buffer).await? == 0 {
        return Ok(None);
    }
    let started = Instant::now();
    if buffer.first() == Some(&TLS_HANDSHAKE) {
        // What nginx, hyper and Go say to a client that greets a plain port with TLS.
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .await?;
        return Ok(None);
    }
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if buffer.len() > MOST_HEAD || stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&buffer.split_to(end)).into_owned();
    buffer.advance(4);
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (first.next(), first.next()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(k, v)| (k.to_owned(), v.trim().to_owned()))
        .collect();
    let mut request = Incoming {
        method: method.into(),
        target: target.into(),
        headers,
        body: Bytes::new(),
        started,
        connection,
    };
    if request.header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let chunked =
        request.header("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked"));
    let length = request.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    request.body = if chunked {
        chunks(stream, buffer).await?
    } else {
        fill(stream, buffer, length).await?;
        buffer.split_to(length).freeze()
    };
    Ok(Some(request))
}

/// Reads until the buffer holds so many bytes.
async fn fill(stream: &mut TcpStream, buffer: &mut BytesMut, length: usize) -> io::Result<()> {
    if length > MOST_BODY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    while buffer.len() < length {
        buffer.reserve(length - buffer.len());
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

async fn chunks(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Bytes> {
    let mut body = BytesMut::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(2).position(|w| w == b"\r\n") {
                break at;
            }
            let more = buffer.len() + 1;
            fill(stream, buffer, more).await?;
        };
        let line = buffer.split_to(end);
        let digits = String::from_utf8_lossy(&line);
        let size = usize::from_str_radix(digits.split(';').next().unwrap_or_default().trim(), 16)
            .map_err(|_| io::ErrorKind::InvalidData)?;
        if body.len() + size > MOST_BODY {
            return Err(io::ErrorKind::InvalidData.into());
        }
        fill(stream, buffer, size + 4).await?;
        buffer.advance(2);
        body.extend_from_slice(&buffer.split_to(size));
        buffer.advance(2);
        if size == 0 {
            return Ok(body.freeze());
        }
    }
}

/// Writes into the record of the request being answered, if it has one.
struct Note<'a> {
    records: &'a Records,
    id: Option<u64>,
}

impl Note<'_> {
    fn put(&self, change: impl FnOnce(&mut Recorded)) {
        if let Some(id) = self.id {
            self.records.update(id, change);
        }
    }
}

/// How a response ended.
enum End {
    Answered,
    Left,
    Reset,
}

async fn send(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    state: &State,
    response: Response,
    (record, head): (Option<u64>, bool),
) -> End {
    let note = Note { records: &state.records, id: record };
    let (mut read, mut write) = stream.split();
    let mut sent = 0;
    let ended = tokio::select! {
        biased;
        ended = perform(&mut write, response, head, &mut sent, &note) => ended,
        () = left(&mut read, buffer) => Ok(End::Left),
    };
    let now = Instant::now();
    note.put(|entry| {
        entry.sent_bytes = sent;
        match ended {
            Ok(End::Answered | End::Reset) => entry.finished = Some(now),
            Ok(End::Left) | Err(_) => entry.disconnected = Some(now),
        }
    });
    ended.unwrap_or(End::Left)
}

/// Resolves when the client has closed or reset. What it sends meanwhile is kept for the next request.
async fn left(read: &mut ReadHalf<'_>, buffer: &mut BytesMut) {
    while let Ok(1..) = read.read_buf(buffer).await {}
}

async fn perform(
    write: &mut WriteHalf<'_>,
    response: Response,
    head: bool,
    sent: &mut u64,
    note: &Note<'_>,
) -> io::Result<End> {
    if !response.before.is_zero() {
        tokio::time::sleep(response.before).await;
    }
    if response.refused {
        return Ok(End::Reset);
    }
    let chunked = response.length.is_none();
    let mut pending = head_bytes(&response);
    let now = Instant::now();
    note.put(|entry| entry.first_byte = Some(now));
    let mut steps = if head { Vec::new() } else { response.body }.into_iter().peekable();
    while let Some(step) = steps.next() {
        match step {
            Step::Bytes(bytes) if bytes.is_empty() => {}
            Step::Bytes(bytes) => {
                put(&mut pending, &bytes, chunked);
                *sent += bytes.len() as u64;
                // The last piece goes out together with the end of the body, so that a client which leaves at the
                // terminal event has had everything.
                if steps.peek().is_some() {
                    write.write_all_buf(&mut pending).await?;
                    tokio::task::yield_now().await;
                }
            }
            Step::Forever(bytes, pause) => loop {
                put(&mut pending, &bytes, chunked);
                *sent += bytes.len() as u64;
                write.write_all_buf(&mut pending).await?;
                if pause.is_zero() {
                    tokio::task::yield_now().await;
                } else {
                    tokio::time::sleep(pause).await;
                }
            },
            Step::Pause(time) => {
                write.write_all_buf(&mut pending).await?;
                tokio::time::sleep(time).await;
            }
            Step::Reset => {
                write.write_all_buf(&mut pending).await?;
                return Ok(End::Reset);
            }
            Step::Stall => {
                write.write_all_buf(&mut pending).await?;
                std::future::pending::<()>().await;
            }
        }
    }
    if chunked && !head {
        pending.extend_from_slice(b"0\r\n\r\n");
    }
    write.write_all_buf(&mut pending).await?;
    Ok(End::Answered)
}

/// Bytes of a body as they stand on the wire.
fn put(pending: &mut BytesMut, bytes: &[u8], chunked: bool) {
    if chunked {
        pending.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
        pending.extend_from_slice(bytes);
        pending.extend_from_slice(b"\r\n");
    } else {
        pending.extend_from_slice(bytes);
    }
}

fn head_bytes(response: &Response) -> BytesMut {
    let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    let mut framed = false;
    for (name, value) in &response.headers {
        framed = framed || name.eq_ignore_ascii_case("content-length");
        head.extend([name, ": ", value, "\r\n"]);
    }
    match response.length {
        _ if framed => {}
        Some(length) => head.extend(["content-length: ", &length.to_string(), "\r\n"]),
        None => head.push_str("transfer-encoding: chunked\r\n"),
    }
    head.push_str("\r\n");
    BytesMut::from(head.as_bytes())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
