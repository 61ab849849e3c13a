//! What is measured at rest and under many: memory, open streams, and the time to the first answer.
//!
//! Each figure has a process of its own, so that none remembers the one before.

use std::io;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::dialect::{Dialect, Shape};
use crate::load::{Errors, Order, Pace, closed_loop, opened};
use crate::request::{AGENT, Request, SMALL};
use crate::scenario::Kind;
use crate::stats::median;
use crate::targets::{House, Target};

/// What is kept open at once, if the machine allows it.
pub(crate) const STREAMS: usize = 10_000;
/// How many large requests are under way at once.
pub(crate) const AT_ONCE: usize = 64;
/// Connections of a target that is not asked for more.
pub(crate) const CONNECTIONS: usize = 1024;

/// Megabytes: at rest, and at most while [`AT_ONCE`] agents ask.
pub(crate) async fn memory(house: &House, kind: Kind) -> io::Result<(f64, f64, Errors)> {
    let (target, _) = house.start(kind, CONNECTIONS).await?;
    // What goes on behind the first answer belongs to rest.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let Some(process) = &target.process else { return Err(io::Error::other("no process to look at")) };
    let idle = process.rss_mb();
    let order = order(house, &target, AGENT, Shape::SLOW, false)?;
    let pace = Pace { workers: AT_ONCE, warm: Duration::ZERO, window: Duration::from_secs(2) };
    let seen = closed_loop(&order, pace, || 0.0).await;
    let mut errors = seen.errors;
    if seen.answers == 0 {
        errors.insert("no answer".to_owned(), 1);
    }
    Ok((idle, process.peak_mb(), errors))
}

/// Megabytes with so many streams that have begun and not ended.
pub(crate) async fn streams(house: &House, kind: Kind, number: usize) -> io::Result<(f64, Errors)> {
    // nginx closes waiting connections once few are left, so it gets half as many again.
    let (target, _) = house.start(kind, 3 * number).await?;
    let Some(process) = &target.process else { return Err(io::Error::other("no process to look at")) };
    let order = order(house, &target, SMALL, Shape::OPEN, true)?;
    let (mut open, mut errors) = (Vec::with_capacity(number), Errors::new());
    while open.len() < number && errors.is_empty() {
        let mut opening = JoinSet::new();
        for _ in 0..(number - open.len()).min(100) {
            let mut order = order.clone();
            opening.spawn(async move { opened(&mut order).await });
        }
        while let Some(joined) = opening.join_next().await {
            match joined.map_err(io::Error::other)? {
                Ok(connection) => open.push(connection),
                Err(error) => *errors.entry(error.to_string()).or_default() += 1,
            }
        }
    }
    Ok((process.rss_mb(), errors))
}

/// Milliseconds from the start of the process to its first answer: the median of so many starts.
pub(crate) async fn cold(house: &House, kind: Kind, starts: usize) -> io::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..starts {
        let (_target, took) = house.start(kind, CONNECTIONS).await?;
        times.push(took.as_secs_f64() * 1e3);
    }
    median(&times).ok_or_else(|| io::Error::other("no start"))
}

fn order(house: &House, target: &Target, size: usize, shape: Shape, stream: bool) -> io::Result<Order> {
    let client = Dialect::Anthropic;
    let request = Request::new(client, size, &shape.model(client), stream, &house.key)?;
    Ok(Order { address: target.address, client, request, stream, chunks: shape.chunks, calls: shape.calls })
}
