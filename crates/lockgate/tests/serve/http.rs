//! As much of an HTTP client as these tests need: one request a connection, whole or in pieces.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer that is read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Head and body as they came; a chunked body with its chunk sizes.
    pub(crate) text: String,
}

impl Answer {
    /// The value of a header, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\r\n\r\n").next()?;
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    }

    /// The body without chunk sizes; `None` if its end did not come.
    pub(crate) fn body(&self) -> Option<String> {
        let (_, mut rest) = self.text.split_once("\r\n\r\n")?;
        if let Some(length) = self.header("content-length") {
            return (rest.len() == length.parse::<usize>().ok()?).then(|| rest.to_owned());
        }
        let mut body = String::new();
        loop {
            let (size, after) = rest.split_once("\r\n")?;
            let size = usize::from_str_radix(size, 16).ok()?;
            if size == 0 {
                return after.starts_with("\r\n").then_some(body);
            }
            body.push_str(after.get(..size)?);
            rest = after.get(size + 2..)?;
        }
    }
}

/// An answer on its way.
pub(crate) struct Stream {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Stream {
    pub(crate) fn post(address: SocketAddr, path: &str, body: &Value) -> io::Result<Self> {
        Self::post_with(address, path, body, "")
    }

    /// With a key of the gateway.
    pub(crate) fn post_as(key: &str, address: SocketAddr, path: &str, body: &Value) -> Self {
        Self::post_with(address, path, body, &format!("authorization: Bearer {key}\r\n")).unwrap()
    }

    /// The same with more header lines, each with its end.
    pub(crate) fn post_with(address: SocketAddr, path: &str, body: &Value, more: &str) -> io::Result<Self> {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             {more}content-length: {}\r\n\r\n",
            body.len()
        );
        Self::send(address, (head + &body).as_bytes())
    }

    /// Sends a request as it is.
    pub(crate) fn send(address: SocketAddr, request: impl AsRef<[u8]>) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(request.as_ref())?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// Reads until `words` have come.
    pub(crate) fn until(&mut self, words: &str) {
        let mut piece = [0; 4096];
        while !String::from_utf8_lossy(&self.read).contains(words) {
            let read = self.stream.read(&mut piece).unwrap();
            assert!(read > 0, "it ended without {words:?}: {}", String::from_utf8_lossy(&self.read));
            self.read.extend_from_slice(&piece[..read]);
        }
    }

    /// Reads the rest.
    pub(crate) fn end(mut self) -> io::Result<Answer> {
        self.stream.read_to_end(&mut self.read)?;
        let text = String::from_utf8_lossy(&self.read).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Ok(Answer { status, text })
    }
}

pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    Stream::send(address, request.as_bytes())?.end()
}

/// With a key of the gateway.
pub(crate) fn post_as(key: &str, address: SocketAddr, path: &str, body: &Value) -> Answer {
    let more = format!("authorization: Bearer {key}\r\n");
    Stream::post_with(address, path, body, &more).unwrap().end().unwrap()
}

pub(crate) fn post(address: SocketAddr, path: &str, body: &Value) -> Answer {
    Stream::post(address, path, body).unwrap().end().unwrap()
}

/// Any request, with these header lines.
pub(crate) fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    lines: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !lines.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head = format!("{head}host: {address}\r\n");
    }
    for (name, value) in lines {
        head = format!("{head}{name}: {value}\r\n");
    }
    if !lines.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) && !body.is_empty() {
        head.push_str("content-type: application/json\r\n");
    }
    let length = body.len();
    Stream::send(address, format!("{head}content-length: {length}\r\n\r\n{body}").as_str())
        .unwrap()
        .end()
        .unwrap()
}

impl Answer {
    /// The JSON of the body, sent whole or in chunks.
    pub(crate) fn json(&self) -> Value {
        let body = self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let (from, to) = (body.find('{'), body.rfind('}'));
        let json = from.zip(to).map_or("null", |(from, to)| &body[from..=to]);
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}
