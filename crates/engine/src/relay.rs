//! The answer's body as the client's connection pulls it.
//!
//! No task and no channel: the client's connection polls this, this polls the upstream. So back-pressure is the
//! connection's own, and a client that goes away drops this and with it the upstream. Keep-alives and bounds on
//! silence come from one timer that is set anew only when it fires. Pieces that the upstream has sent in one go are
//! handed on in one go.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use lockgate_core::Failure;
use lockgate_wire::Mode;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::ask::Asked;
use crate::attempt::{Course, Opened, Refused, Slow, broken};
use crate::body::UpstreamBody;
use crate::pass::Out;
use crate::passing::Passing;
use crate::pipe::Pipe;
use crate::report::{Outcome, Report};

/// The body of an answer.
pub struct AnswerBody(Inner);

enum Inner {
    Full(Bytes),
    Pass(Box<Passing>),
    Relay(Pin<Box<Relay>>),
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = std::convert::Infallible> + Send>>),
}

impl AnswerBody {
    /// What it is, where that is known whole.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Inner::Full(bytes) => Some(bytes),
            Inner::Pass(_) | Inner::Relay(_) | Inner::Stream(_) => None,
        }
    }

    /// A stream that is handed on as it comes.
    pub(crate) fn pass(passing: Passing) -> Self {
        Self(Inner::Pass(Box::new(passing)))
    }

    /// The stream that is handed on as it comes, if it is one.
    pub(crate) fn passing(&mut self) -> Option<&mut Passing> {
        match &mut self.0 {
            Inner::Pass(passing) => Some(passing),
            Inner::Full(_) | Inner::Relay(_) | Inner::Stream(_) => None,
        }
    }

    /// A body that somebody else makes, of what is no call.
    pub fn stream(body: impl Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static) -> Self {
        Self(Inner::Stream(Box::pin(body)))
    }

    /// A body that is known whole.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Inner::Full(bytes.into()))
    }

    pub(crate) fn relay(relay: Relay) -> Self {
        Self(Inner::Relay(Box::pin(relay)))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.0 {
            Inner::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Inner::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Inner::Pass(passing) => passing.poll(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Relay(relay) => {
                relay.as_mut().get_mut().poll(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Inner::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Full(bytes) => bytes.is_empty(),
            Inner::Pass(_) | Inner::Relay(_) => false,
            Inner::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Pass(_) | Inner::Relay(_) => SizeHint::default(),
            Inner::Stream(body) => body.size_hint(),
        }
    }
}

/// Turns of the runtime in which the upstream's connection may bring more of what it has already read. With one it does
/// not get there; with two, a burst of twenty pieces costs half the processor time.
const TURNS: u8 = 2;

/// So many bytes are written without waiting for more.
const ENOUGH: usize = 16 * 1024;

/// An attempt that has not been answered yet.
pub(crate) type Opening = Pin<Box<dyn Future<Output = Result<Opened, Refused>> + Send>>;

enum Source {
    Done,
    /// All has come, and policies look at the rest of it once the client has it.
    Ending,
    Open(UpstreamBody),
    Opening(Opening),
    /// All has come, and policies wait for what they have asked.
    Waiting,
}

/// A streamed answer on its way.
pub(crate) struct Relay {
    /// What policies have asked.
    asked: Asked,
    course: Course,
    keepalive: Duration,
    /// When something last came from upstream, and when something last went to the client.
    last_in: Instant,
    last_out: Instant,
    pipe: Option<Pipe>,
    /// What goes to the client next.
    queued: Out,
    /// Whether it goes at once: nothing is waited for before the first bytes.
    at_once: bool,
    report: Report,
    source: Source,
    timer: Pin<Box<Sleep>>,
    /// How many turns the upstream had since its last piece.
    turns: u8,
    /// Whether the client's connection had a turn to write what it was given.
    written: bool,
}

impl Relay {
    /// An answer whose first bytes are there.
    pub(crate) fn opened(opened: Opened, course: Course, keepalive: Duration, report: Report) -> Self {
        let mut relay = Self::new(Source::Done, course, keepalive, report);
        relay.begin(opened);
        relay
    }

    /// An answer that keeps the client waiting: it gets keep-alives until the first bytes come.
    pub(crate) fn opening(opening: Opening, course: Course, keepalive: Duration, report: Report) -> Self {
        let mut relay = Self::new(Source::Opening(opening), course, keepalive, report);
        relay.keep_alive();
        relay
    }

    fn new(source: Source, course: Course, keepalive: Duration, report: Report) -> Self {
        let now = Instant::now();
        let idle = Duration::from_millis(course.timeouts.idle_ms);
        let total = course.started + Duration::from_millis(course.timeouts.total_ms);
        let timer = Box::pin(sleep_until(total.min(now + keepalive.min(idle))));
        Self {
            asked: Asked::default(),
            course,
            keepalive,
            last_in: now,
            last_out: now,
            pipe: None,
            queued: Out::default(),
            at_once: true,
            report,
            source,
            timer,
            turns: 0,
            written: true,
        }
    }

    fn begin(&mut self, opened: Opened) {
        let Opened { asked, body, first, headers, pipe, .. } = opened;
        self.asked = asked;
        self.report.told(&headers);
        self.report.began();
        self.deliver(first);
        self.pipe = Some(pipe);
        match body {
            Some(body) => self.source = Source::Open(body),
            None => self.complete(),
        }
        self.ask();
    }

    /// Asks what policies want to know.
    fn ask(&mut self) {
        if let Some(pipe) = &self.pipe {
            self.asked.push(&self.course.whom, &self.course.context.id, pipe.questions());
        }
    }

    /// Takes what has been answered.
    fn answered(&mut self, cx: &mut Context<'_>) {
        // What is answered once the answer is over is said behind it.
        if matches!(self.source, Source::Ending) {
            return;
        }
        while let Some((ticket, reply)) = self.asked.poll(cx) {
            let Some(pipe) = &mut self.pipe else { return };
            let out = pipe.reply(ticket, reply);
            let finished = pipe.is_finished();
            self.deliver(out);
            self.ask();
            if finished {
                self.end(Outcome::Complete);
            }
        }
    }

    /// All has come: the answer is over, but for what policies wait for.
    fn complete(&mut self) {
        if self.pipe.as_ref().is_some_and(Pipe::is_waiting) {
            self.source = Source::Waiting;
        } else {
            self.end(Outcome::Complete);
        }
    }

    /// The upstream's bytes are over, in order.
    fn finish(&mut self) {
        if let Some(pipe) = &mut self.pipe {
            let rest = pipe.finish();
            self.deliver(rest);
        }
        self.complete();
        self.ask();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            self.answered(cx);
            if self.queued.len() >= ENOUGH || (self.at_once && self.queued.len() > 0) {
                return Poll::Ready(Some(self.emit()));
            }
            // What policies have to see before more comes is theirs when the client has got it.
            let due = self.pipe.as_ref().map_or(Some(false), |pipe| pipe.is_due(self.last_in));
            if due.is_none() && self.queued.len() == 0 {
                std::task::ready!(self.written(cx));
                self.look();
                continue;
            }
            let polled = match &mut self.source {
                Source::Done | Source::Ending if self.queued.len() > 0 => {
                    return Poll::Ready(Some(self.emit()));
                }
                Source::Done => return Poll::Ready(None),
                Source::Ending => {
                    std::task::ready!(self.written(cx));
                    self.conclude(Outcome::Complete);
                    self.source = Source::Done;
                    return Poll::Ready(None);
                }
                Source::Open(body) => body.poll(cx).map(Some),
                Source::Opening(opening) => match opening.as_mut().poll(cx) {
                    Poll::Ready(Ok(opened)) => {
                        self.last_in = Instant::now();
                        self.begin(opened);
                        continue;
                    }
                    Poll::Ready(Err(refused)) => {
                        self.report.told(&refused.headers);
                        self.fail(refused.failure);
                        continue;
                    }
                    Poll::Pending => Poll::Pending,
                },
                Source::Waiting => Poll::Pending,
            };
            match polled {
                Poll::Ready(next) => {
                    self.take(next.flatten());
                    self.turns = 0;
                }
                // The upstream's connection hands out one piece at a time, and the next only when asked for it. It gets
                // its turn to do so before anything is written: a write costs more than many turns.
                Poll::Pending if self.queued.len() > 0 && self.turns < TURNS => {
                    self.turns += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending if self.queued.len() > 0 => return Poll::Ready(Some(self.emit())),
                Poll::Pending if due == Some(true) => {
                    std::task::ready!(self.written(cx));
                    self.look();
                }
                Poll::Pending => {
                    std::task::ready!(self.timer.as_mut().poll(cx));
                    self.tick();
                }
            }
        }
    }

    /// Whether the client's connection had a turn to write what it was given; it gets one now if not.
    fn written(&mut self, cx: &Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.written, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Shows policies that only look what the client has got.
    fn look(&mut self) {
        if let Some(pipe) = &mut self.pipe {
            pipe.look();
        }
        self.ask();
    }

    fn deliver(&mut self, bytes: Bytes) {
        self.report.tape.delivered(&bytes);
        self.queued.push(bytes);
    }

    fn keep_alive(&mut self) {
        self.report.tape.kept_alive();
        self.queued.push(self.ping());
    }

    fn emit(&mut self) -> Bytes {
        self.at_once = false;
        self.written = false;
        self.last_out = Instant::now();
        std::mem::take(&mut self.queued).into_bytes()
    }

    /// What came from upstream.
    fn take(&mut self, next: Option<Result<Bytes, Failure>>) {
        self.last_in = Instant::now();
        let Some(pipe) = &mut self.pipe else { return };
        match next {
            Some(Ok(bytes)) => {
                self.report.tape.received(&bytes);
                let out = pipe.feed(&bytes);
                self.report.tape.delivered(&out);
                self.queued.push(out);
                if pipe.is_finished() {
                    self.end(Outcome::Complete);
                }
                self.ask();
            }
            Some(Err(reason)) => {
                // A connection that breaks behind the terminal event took nothing with it.
                if pipe.seen().stop.is_some() {
                    self.finish();
                } else {
                    let failure = broken(&self.course.provider, reason);
                    self.fail(failure);
                }
            }
            None => self.finish(),
        }
    }

    /// The timer fired: a bound is reached, a keep-alive is due, or it was set for a time that has moved on.
    fn tick(&mut self) {
        // Nobody waits for anything now.
        self.look();
        let now = Instant::now();
        let timeouts = self.course.timeouts;
        let silent = self.last_in + Duration::from_millis(timeouts.idle_ms);
        let total = self.course.started + Duration::from_millis(timeouts.total_ms);
        // The answer has said that it is over: a provider that keeps its connection open is not waited for, and nothing
        // may follow, neither a keep-alive nor an error.
        let said_all = self.pipe.as_ref().is_some_and(|pipe| pipe.seen().stop.is_some());
        if said_all && !matches!(self.source, Source::Waiting) {
            if now >= total.min(silent).min(self.last_out + self.keepalive) {
                return self.finish();
            }
        } else if now >= total && !matches!(self.source, Source::Waiting) {
            // What policies wait for has bounds of its own.
            let failure = Slow::Total.failure(&self.course.provider, &timeouts);
            return self.fail(failure);
        }
        // Before the first byte the attempt has its own bound.
        if now >= silent && matches!(self.source, Source::Open(_)) {
            let failure = Slow::Idle.failure(&self.course.provider, &timeouts);
            return self.fail(failure);
        }
        if now >= self.last_out + self.keepalive {
            match self.pipe.as_mut().map(Pipe::announcement) {
                Some(words) if !words.is_empty() => self.deliver(words),
                Some(_) | None => self.keep_alive(),
            }
            self.last_out = now;
        }
        // While the first bytes are awaited their silence is not counted yet, but the timer must be there when it is.
        let idle = Duration::from_millis(timeouts.idle_ms);
        let quiet = if matches!(self.source, Source::Open(_)) { silent } else { now + idle };
        let bound = if matches!(self.source, Source::Waiting) { quiet } else { total.min(quiet) };
        self.timer.as_mut().reset(bound.min(self.last_out + self.keepalive));
    }

    fn ping(&self) -> Bytes {
        let mut out = Vec::new();
        self.course
            .front
            .messages
            .encoder(self.course.front_mode, self.course.context.clone())
            .ping(&mut out);
        out.into()
    }

    fn fail(&mut self, failure: Failure) {
        let last = match &mut self.pipe {
            Some(pipe) => pipe.fail(failure.clone()),
            None => {
                let mut out = Vec::new();
                let mut encoder =
                    self.course.front.messages.encoder(self.course.front_mode, self.course.context.clone());
                encoder.fail(&failure, &mut out);
                out.into()
            }
        };
        self.deliver(last);
        self.end(Outcome::Failed(failure));
    }

    fn end(&mut self, outcome: Outcome) {
        self.learn();
        if self.report.is_watched() {
            // The client gets the last of it before policies look at that.
            self.report.settle(outcome);
            self.source = Source::Ending;
        } else {
            self.source = Source::Done;
            self.conclude(outcome);
        }
    }

    fn learn(&mut self) {
        if let Some(pipe) = &mut self.pipe {
            self.report.learn(pipe);
        }
    }

    /// Nothing follows; what was known before counts.
    fn conclude(&mut self, outcome: Outcome) {
        let mut losses = self.report.loss.clone();
        if let Some(pipe) = &self.pipe {
            losses.extend(&pipe.loss());
        }
        self.report.asked = std::mem::take(&mut self.asked);
        self.report.end(outcome);
        self.report.close(&losses);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if !matches!(self.source, Source::Done | Source::Ending) {
            self.learn();
        }
        self.conclude(Outcome::Aborted);
    }
}

/// Whether a layout is a stream for the client.
pub(crate) fn is_stream(mode: Mode) -> bool {
    match mode {
        Mode::Array | Mode::Stream => true,
        Mode::Whole => false,
    }
}
