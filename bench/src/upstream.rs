//! The model server behind every target: answers OpenAI Chat and Anthropic Messages, whole and streamed.
//!
//! One thread, each event written by itself as providers do. Reads a request to its end and looks at nothing in it but
//! `model` and the flags of streaming; the scripted upstream of `lockgate upstream` is the one that checks.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use memchr::memmem;
use tokio::net::TcpListener;

use crate::answer;
use crate::dialect::{Dialect, Shape, model};
use crate::http::Connection;

/// Serves until it is killed.
pub(crate) async fn serve(address: SocketAddr) -> io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener: TcpListener = socket.listen(4096)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            // A client that goes away ends its connection, nothing else.
            if let Ok(connection) = Connection::new(stream) {
                let _ = Exchange { connection, out: Vec::new() }.run().await;
            }
        });
    }
}

/// One connection, and what is written to it next.
struct Exchange {
    connection: Connection,
    out: Vec<u8>,
}

impl Exchange {
    async fn run(&mut self) -> io::Result<()> {
        let mut body = Vec::new();
        while let Some(head) = self.connection.head().await? {
            body.clear();
            let mut framing = head.framing();
            while !self.connection.body(&mut framing, &mut body).await? {}
            let path = head.second();
            match Dialect::ALL.into_iter().find(|dialect| dialect.path() == path) {
                Some(dialect) => self.generate(dialect, &body).await?,
                None if path == "/health" => self.whole("200 OK", br#"{"status":"ok"}"#).await?,
                None if path == "/v1/models" => {
                    self.whole("200 OK", br#"{"object":"list","data":[],"has_more":false}"#).await?;
                }
                None => self.whole("404 Not Found", br#"{"error":{"message":"no such path"}}"#).await?,
            }
        }
        Ok(())
    }

    async fn whole(&mut self, status: &str, body: &[u8]) -> io::Result<()> {
        self.out.clear();
        write!(
            self.out,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )?;
        self.out.extend_from_slice(body);
        self.connection.write(&self.out).await
    }

    async fn generate(&mut self, dialect: Dialect, body: &[u8]) -> io::Result<()> {
        let Some((model, shape)) = model(body).and_then(|name| Some((name, Shape::of(name)?))) else {
            return self.whole("400 Bad Request", br#"{"error":{"message":"no such model"}}"#).await;
        };
        let has = |flag: &[u8]| memmem::find(body, flag).is_some();
        if has(br#""stream":true"#) {
            return self.stream(dialect, model, shape, has(br#""include_usage":true"#)).await;
        }
        if shape.delay_us > 0 {
            tokio::time::sleep(Duration::from_micros(shape.delay_us)).await;
        }
        let mut answer = Vec::with_capacity(1024);
        answer::whole(dialect, model, &mut answer);
        self.whole("200 OK", &answer).await
    }

    async fn stream(&mut self, dialect: Dialect, model: &str, shape: Shape, usage: bool) -> io::Result<()> {
        self.out.clear();
        self.out.extend_from_slice(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\nrequest-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        let mut events = Vec::with_capacity(1024);
        answer::open(dialect, model, &mut events);
        for sent in 0..shape.chunks {
            if sent > 0 && shape.delay_us > 0 {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_micros(shape.delay_us)) => {}
                    () = self.connection.closed() => return Err(io::ErrorKind::ConnectionAborted.into()),
                }
            }
            answer::piece(dialect, model, &mut events);
            self.send(&mut events).await?;
            // Lets other streams write, so that chunks of one stream are not all there at once.
            tokio::task::yield_now().await;
        }
        for half in 0..2 * shape.calls {
            answer::call(dialect, model, (half / 2, half % 2 == 1), &mut events);
            self.send(&mut events).await?;
            tokio::time::sleep(Duration::from_micros(shape.delay_us)).await;
        }
        answer::close(dialect, model, (shape.calls, usage), &mut events);
        write!(self.out, "{:x}\r\n", events.len())?;
        self.out.extend_from_slice(&events);
        self.out.extend_from_slice(b"\r\n0\r\n\r\n");
        self.connection.write(&self.out).await
    }

    /// Writes what there is as one chunk of the body, behind the head if that is still to be sent.
    async fn send(&mut self, events: &mut Vec<u8>) -> io::Result<()> {
        write!(self.out, "{:x}\r\n", events.len())?;
        self.out.append(events);
        self.out.extend_from_slice(b"\r\n");
        self.connection.write(&self.out).await?;
        self.out.clear();
        Ok(())
    }
}
