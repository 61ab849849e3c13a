//! The client's side: workers that send one request after the other and look at every byte of the answers.
//!
//! Each worker keeps its connection. What counts is what ended within the window; what is wrong is counted by its kind
//! and never enters a measurement.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::answer::{Reader, now};
use crate::dialect::Dialect;
use crate::http::Connection;
use crate::request::Request;

/// An answer that takes longer is one that does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is sent, and what a complete answer to it is.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) address: SocketAddr,
    pub(crate) client: Dialect,
    pub(crate) request: Request,
    pub(crate) stream: bool,
    pub(crate) chunks: usize,
    pub(crate) calls: usize,
}

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) workers: usize,
    pub(crate) warm: Duration,
    pub(crate) window: Duration,
}

/// Failures by what they were.
pub(crate) type Errors = BTreeMap<String, usize>;

/// What the workers saw within the window. Times are microseconds.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Answers that were complete, those outside of the window included.
    pub(crate) all: usize,
    /// Answers that were complete.
    pub(crate) answers: usize,
    /// From the start of sending to the end of the answer.
    pub(crate) totals: Vec<f64>,
    /// From the start of sending to the first byte of the answer's body.
    pub(crate) first_bytes: Vec<f64>,
    /// How long each stamped piece was on its way.
    pub(crate) lags: Vec<f64>,
    /// What went wrong, in and outside of the window.
    pub(crate) errors: Errors,
    /// Processor time of the target within the window.
    pub(crate) cpu_us: f64,
}

thread_local! {
    /// Numbers each request.
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

/// Runs the workers of one measurement; `cpu` reads the target's processor time so far, in microseconds.
pub(crate) async fn closed_loop(order: &Order, pace: Pace, cpu: impl Fn() -> f64) -> Seen {
    let seen = Rc::new(RefCell::new(Seen::default()));
    let over = Rc::new(Cell::new(false));
    let all = Rc::new(Cell::new(0));
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let mut workers = JoinSet::new();
            for _ in 0..pace.workers {
                workers.spawn_local(work(order.clone(), seen.clone(), (over.clone(), all.clone())));
            }
            tokio::time::sleep(pace.warm).await;
            let errors = std::mem::take(&mut *seen.borrow_mut()).errors;
            seen.borrow_mut().errors = errors;
            let before = cpu();
            tokio::time::sleep(pace.window).await;
            let spent = cpu() - before;
            let mut result = std::mem::take(&mut *seen.borrow_mut());
            over.set(true);
            while workers.join_next().await.is_some() {}
            result.all = all.get();
            for (kind, number) in &seen.borrow().errors {
                *result.errors.entry(kind.clone()).or_default() += number;
            }
            result.cpu_us = spent;
            result
        })
        .await
}

async fn work(mut order: Order, seen: Rc<RefCell<Seen>>, (over, all): (Rc<Cell<bool>>, Rc<Cell<usize>>)) {
    let mut connection = None;
    let mut reader = Reader::default();
    while !over.get() {
        let exchange = exchange(&mut order, &mut connection, &mut reader);
        match tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|late| Err(late.into())) {
            Ok(times) => {
                all.set(all.get() + 1);
                let mut seen = seen.borrow_mut();
                seen.answers += 1;
                seen.totals.push(times.total);
                seen.first_bytes.push(times.first_byte);
                seen.lags.extend_from_slice(&reader.lags);
            }
            Err(error) => {
                *seen.borrow_mut().errors.entry(error.to_string()).or_default() += 1;
                connection = None;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

struct Times {
    total: f64,
    first_byte: f64,
}

async fn exchange(
    order: &mut Order,
    connection: &mut Option<Connection>,
    reader: &mut Reader,
) -> io::Result<Times> {
    let connection = match connection {
        Some(open) => open,
        None => connection.insert(Connection::new(TcpStream::connect(order.address).await?)?),
    };
    let start = now();
    let first = begin(order, connection, reader).await?;
    let Some((mut body, first)) = first else { return Err(io::Error::other("no answer")) };
    while !connection.body(&mut body, &mut reader.body).await? {
        reader.look(now());
    }
    let end = now();
    reader.look(end);
    match reader.missing(order.client, order.stream, (order.chunks, order.calls)) {
        Some(missing) => Err(io::Error::other(missing)),
        None => Ok(Times { total: (end - start) as f64 / 1e3, first_byte: (first - start) as f64 / 1e3 }),
    }
}

/// Sends a request and reads up to the first byte of the answer's body; says when that came.
async fn begin(
    order: &mut Order,
    connection: &mut Connection,
    reader: &mut Reader,
) -> io::Result<Option<(crate::http::Body, u64)>> {
    reader.clear();
    let number = NUMBER.with(|number| number.replace(number.get() + 1));
    connection.write(order.request.numbered(number)).await?;
    let Some(head) = connection.head().await? else { return Ok(None) };
    let mut body = head.framing();
    let mut complete = false;
    while reader.body.is_empty() && !complete {
        complete = connection.body(&mut body, &mut reader.body).await?;
    }
    let first = now();
    reader.look(first);
    if head.second() != "200" {
        let text = String::from_utf8_lossy(&reader.body);
        let start: String = text.chars().take(160).collect();
        return Err(io::Error::other(format!("status {}: {start}", head.second())));
    }
    if complete {
        // Reading on after the end must find the end again.
        body = crate::http::Body::Counted(0);
    }
    Ok(Some((body, first)))
}

/// A stream that has begun: its first piece is there, its end is not.
pub(crate) async fn opened(order: &mut Order) -> io::Result<Connection> {
    tokio::time::timeout(PATIENCE, open(order)).await?
}

async fn open(order: &mut Order) -> io::Result<Connection> {
    let mut connection = Connection::new(TcpStream::connect(order.address).await?)?;
    let mut reader = Reader::default();
    let begun = begin(order, &mut connection, &mut reader).await?;
    let Some((mut body, _)) = begun else { return Err(io::Error::other("no answer")) };
    while reader.lags.is_empty() {
        if connection.body(&mut body, &mut reader.body).await? {
            return Err(io::Error::other("the stream ended"));
        }
        reader.look(now());
    }
    Ok(connection)
}
