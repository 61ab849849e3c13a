//! A program as an upstream: body in on stdin, piece by piece, answer out on stdout.
//!
//! No shell; an empty directory and a process group of its own, which end with the answer (see [`watch`]); bounded in
//! time and output. A program that ends without an answer fails with what it said on stderr, in the words of its
//! dialect. Knows no wire format: where to pause is the provider's word ([`Feed`]).

mod watch;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use lockgate_core::{ErrorKind, Failure};
use lockgate_providers::{CommandLine, Feed};
use lockgate_wire::{Format, Framer, MAX_FRAME};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};

use watch::{End, Group, Stop};

/// How long its pipes may stay open when it has ended, held by a process that left the group.
const DRAIN: Duration = Duration::from_secs(1);

/// The end of stderr that is kept, in bytes.
const WORDS: usize = 4096;

/// A running program. Dropped with its answer complete it may end by itself; otherwise it is killed.
pub(crate) struct Running {
    answered: bool,
    drain: Option<Pin<Box<Sleep>>>,
    end: Pin<Box<dyn Future<Output = Failure> + Send>>,
    feed: Feed,
    failure: Option<Failure>,
    left: u64,
    lines: Framer,
    max_output: u64,
    /// Tells the feeder that a piece is done with.
    next: mpsc::UnboundedSender<()>,
    /// Pieces that it is not done with.
    pieces: usize,
    stdout: ChildStdout,
    stop: Option<oneshot::Sender<Stop>>,
    /// Feeds stdin and reads stderr; ends with this.
    _pipes: JoinSet<()>,
}

/// Starts a program and begins to feed it the body, which `format` wrote.
pub(crate) fn start(command: &CommandLine, body: &Bytes, format: Format) -> Result<Running, Failure> {
    let internal =
        |what: &str, error: &io::Error| Failure::new(ErrorKind::Internal, format!("{what}: {error}"));
    let mut group = Group::in_new_directory()
        .map_err(|error| internal("no temporary directory for the program can be made", &error))?;
    // Names with a slash are meant from the gateway's own directory.
    let program = if command.program.contains('/') {
        std::path::absolute(&command.program)
            .map_err(|error| internal("the gateway has no working directory", &error))?
    } else {
        Path::new(&command.program).to_owned()
    };
    let mut builder = Command::new(program);
    builder
        .args(&command.args)
        .current_dir(group.directory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(command.withheld) {
            builder.env_remove(name);
        }
    }
    let mut child = builder.spawn().map_err(|error| not_started(&command.program, &error))?;
    group.lead_by(&child);
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Failure::new(ErrorKind::Internal, "a started program has no pipes"));
    };
    let pieces: Vec<Bytes> = (command.feed.pieces)(body).into_iter().map(|range| body.slice(range)).collect();
    let count = pieces.len();
    let mut pipes = JoinSet::new();
    let (next, done) = mpsc::unbounded_channel();
    pipes.spawn(feed(stdin, pieces, done));
    let (say, said) = oneshot::channel();
    pipes.spawn(async move {
        // Nobody to tell when the answer is over.
        let _ = say.send(last_words(stderr).await);
    });
    let (stop, stopped) = oneshot::channel();
    let limit = command.timeout_ms;
    let watched = tokio::spawn(watch::watch(child, group, Duration::from_millis(limit), stopped));
    let end = Box::pin(async move {
        let end = watched.await.unwrap_or(End::Stopped);
        let words = timeout(DRAIN, said).await.ok().and_then(Result::ok).unwrap_or_default();
        why(&end, limit, &words, format)
    });
    Ok(Running {
        answered: false,
        drain: None,
        end,
        feed: command.feed,
        failure: None,
        left: command.max_output_bytes,
        lines: Framer::lines(MAX_FRAME),
        max_output: command.max_output_bytes,
        next,
        pieces: count,
        stdout,
        stop: Some(stop),
        _pipes: pipes,
    })
}

/// Whether a program can be started, as far as its file tells.
pub(crate) fn installed(program: &str) -> Result<(), Failure> {
    let there = if program.contains('/') {
        Path::new(program).is_file()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    };
    if there { Ok(()) } else { Err(not_started(program, &io::ErrorKind::NotFound.into())) }
}

fn not_started(program: &str, error: &io::Error) -> Failure {
    let message = match error.kind() {
        io::ErrorKind::NotFound => {
            format!(
                "the program `{program}` is not installed or not on PATH; install it or set claude_cli.command"
            )
        }
        _ => format!("the program `{program}` does not start: {error}"),
    };
    // 503: no other server is involved, and nobody is to blame but this machine.
    Failure { status: Some(503), ..Failure::new(ErrorKind::UpstreamUnavailable, message) }
}

/// Writes the pieces, each but the first when the one before is done with, and closes stdin.
async fn feed(mut stdin: ChildStdin, pieces: Vec<Bytes>, mut done: mpsc::UnboundedReceiver<()>) {
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 && done.recv().await.is_none() {
            return;
        }
        // A program that ends without reading its input closes the pipe: its exit says more than the write error.
        if stdin.write_all(piece).await.is_err() {
            return;
        }
    }
}

/// The end of what it says matters most.
async fn last_words(mut stderr: ChildStderr) -> Vec<u8> {
    let mut text = vec![0; WORDS];
    let mut length = 0;
    while let Ok(read @ 1..) = stderr.read(&mut text[length..]).await {
        length += read;
        if length == WORDS {
            text.copy_within(WORDS / 2.., 0);
            length = WORDS / 2;
        }
    }
    text.truncate(length);
    text
}

/// Why there is no answer, or not all of it.
fn why(end: &End, limit: u64, words: &[u8], format: Format) -> Failure {
    match end {
        End::Exited(code) => Failure { status: None, ..format.messages.fault(*code, words) },
        End::Lost(error) => {
            let message = format!("the program cannot be waited for: {error}");
            Failure::new(ErrorKind::Internal, message)
        }
        End::Overdue => {
            let message = format!("the program ran longer than {limit} ms (claude_cli.timeout_ms)");
            Failure::new(ErrorKind::Timeout, message)
        }
        End::Stopped => Failure::new(ErrorKind::UpstreamUnavailable, "the program was stopped"),
    }
}

impl Running {
    /// The next bytes of its answer; an error when it ends without one, runs too long or says too much.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        if self.answered {
            return Poll::Ready(None);
        }
        let mut room = [0_u8; 16 * 1024];
        let mut buffer = ReadBuf::new(&mut room);
        match Pin::new(&mut self.stdout).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                Poll::Ready(Some(self.take(Bytes::copy_from_slice(buffer.filled()))))
            }
            Poll::Ready(_) => {
                let failure = ready!(self.poll_end(cx));
                Poll::Ready(Some(Err(failure)))
            }
            Poll::Pending => {
                // What it wrote may still be on its way; then the end of its output comes, and soon.
                let failure = ready!(self.poll_end(cx));
                let drain = self.drain.get_or_insert_with(|| Box::pin(sleep(DRAIN)));
                ready!(drain.as_mut().poll(cx));
                Poll::Ready(Some(Err(failure)))
            }
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        if let Some(failure) = &self.failure {
            return Poll::Ready(failure.clone());
        }
        let failure = ready!(self.end.as_mut().poll(cx));
        self.failure = Some(failure.clone());
        Poll::Ready(failure)
    }

    /// Output: counted, and read for the lines that ask for the next piece.
    fn take(&mut self, read: Bytes) -> Result<Bytes, Failure> {
        let Some(left) = self.left.checked_sub(read.len() as u64) else {
            self.stop(Stop::Now);
            let words = format!(
                "the program wrote more than {} bytes (claude_cli.max_output_bytes)",
                self.max_output
            );
            return Err(Failure::new(ErrorKind::UpstreamUnavailable, words));
        };
        self.left = left;
        let Self { feed, lines, next, pieces, .. } = self;
        let framed = lines.feed(read.clone(), |line| {
            if *pieces > 0 && (feed.ends)(&line) {
                *pieces -= 1;
                // The feeder is gone when the program closed its stdin: then its exit says why.
                let _ = next.send(());
            }
            Ok(())
        });
        if let Err(error) = framed {
            self.stop(Stop::Now);
            let words = format!("the program's output cannot be read: {error}");
            return Err(Failure::new(ErrorKind::UpstreamUnavailable, words));
        }
        self.answered = self.pieces == 0;
        Ok(read)
    }

    fn stop(&mut self, how: Stop) {
        if let Some(stop) = self.stop.take() {
            // Nobody listens when it has ended.
            let _ = stop.send(how);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop(if self.answered { Stop::Gently } else { Stop::Now });
    }
}
