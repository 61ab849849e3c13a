//! An HTTP client over a bare socket: chunk borders, resets, cut bodies and silence are visible. Everything has a
//! deadline, so a gateway that hangs fails the test that sees it.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing here may take longer: a call that does hangs.
pub(crate) const HARD: Duration = Duration::from_mins(1);

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    pub(crate) fn get(path: &str) -> Self {
        Self { method: "GET".into(), path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn post(path: &str, body: &Value) -> Self {
        Self::bytes(path, body.to_string())
    }

    pub(crate) fn bytes(path: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".into(), "application/json".into())];
        Self { method: "POST".into(), path: path.into(), headers, body: body.into() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The request as bytes, with `content-length`.
    pub(crate) fn wire(&self, addr: SocketAddr) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            let _ = write!(out, "host: {addr}\r\n");
        }
        for (name, value) in &self.headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        if !self.body.is_empty() {
            let _ = write!(out, "content-length: {}\r\n", self.body.len());
        }
        out.push_str("\r\n");
        let mut bytes = out.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Clean,
    Cut,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A connection with bytes read ahead.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// A head, and how its body is framed.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads more; false at the end or a reset.
    pub(crate) async fn fill(&mut self) -> bool {
        let mut chunk = vec![0; 16 * 1024];
        let read = tokio::time::timeout(HARD, self.stream.read(&mut chunk)).await.expect("the gateway hangs");
        match read {
            Ok(count @ 1..) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                true
            }
            Ok(0) | Err(_) => false,
        }
    }

    /// The head of the next answer; `None` if the connection ends before it.
    pub(crate) async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let text = String::from_utf8(self.buffer.drain(..at + 4).collect()).unwrap();
                let mut lines = text.lines();
                let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
                let pair = |line: &str| {
                    let (name, value) = line.split_once(':')?;
                    Some((name.to_ascii_lowercase(), value.trim().to_owned()))
                };
                let headers: Vec<_> = lines.filter_map(pair).collect();
                if status == 100 {
                    continue;
                }
                return Some(Head { status, headers });
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Some(String::from_utf8(line[..at].to_vec()).unwrap());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    async fn exact(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.fill().await {
                return None;
            }
        }
        Some(self.buffer.drain(..count).collect())
    }

    /// The next chunk of a chunked body: `Ok(None)` at its proper end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, End> {
        let size = self.line().await.ok_or(End::Cut)?;
        let size =
            usize::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16).map_err(|_| End::Cut)?;
        let data = self.exact(size + 2).await.ok_or(End::Cut)?;
        Ok((size > 0).then(|| data[..size].to_vec()))
    }

    /// The rest of an answer.
    pub(crate) async fn body(&mut self, head: &Head) -> (Vec<u8>, End) {
        if head.header("transfer-encoding").is_some() {
            let mut body = Vec::new();
            loop {
                match self.chunk().await {
                    Ok(Some(data)) => body.extend(data),
                    Ok(None) => return (body, End::Clean),
                    Err(end) => return (body, end),
                }
            }
        }
        let length = head.header("content-length").map_or(0, |length| length.parse().unwrap());
        match self.exact(length).await {
            Some(body) => (body, End::Clean),
            None => (std::mem::take(&mut self.buffer), End::Cut),
        }
    }

    /// One exchange on this connection.
    pub(crate) async fn exchange(&mut self, addr: SocketAddr, call: &Call) -> Reply {
        self.write(&call.wire(addr)).await;
        self.reply().await
    }

    /// The next answer.
    pub(crate) async fn reply(&mut self) -> Reply {
        let head = self.head().await.expect("no answer at all");
        let (body, end) = self.body(&head).await;
        Reply { status: head.status, headers: head.headers, body, end }
    }
}

/// One exchange on its own connection, within [`HARD`].
pub(crate) async fn send(addr: SocketAddr, call: &Call) -> Reply {
    let exchange = async { Connection::open(addr).await.exchange(addr, call).await };
    tokio::time::timeout(HARD, exchange).await.unwrap_or_else(|_| panic!("the gateway hangs: {call:?}"))
}
