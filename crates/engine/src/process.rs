//! A program as an upstream: body in on stdin, answer out on stdout.
//!
//! No shell, its own process group, which is killed when the answer is dropped, bounded in time and output. What
//! it says on stderr becomes the message when it fails. Knows no wire format.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use bytes::Bytes;
use lockgate_core::{ErrorKind, Failure};
use lockgate_providers::CommandLine;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::Sleep;

/// How a program that has closed its output ends.
type Exit = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// A running program.
pub(crate) struct Running {
    child: Child,
    deadline: Pin<Box<Sleep>>,
    exit: Option<Exit>,
    group: Option<Pid>,
    left: u64,
    stderr: Option<tokio::task::JoinHandle<String>>,
    stdout: ChildStdout,
}

/// Starts a program and hands it the body.
pub(crate) fn start(command: &CommandLine, body: Bytes) -> Result<Running, Failure> {
    let mut builder = Command::new(&command.program);
    builder
        .args(&command.args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = builder.spawn().map_err(|error| not_started(&command.program, &error))?;
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Failure::new(ErrorKind::Internal, "a started program has no pipes"));
    };
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // A program that ends without reading its input closes the pipe: its exit says more than the write error.
    tokio::task::spawn(async move {
        let _ = stdin.write_all(&body).await;
    });
    let stderr = tokio::task::spawn(async move {
        let mut text = vec![0; 4096];
        let mut length = 0;
        while let Ok(read @ 1..) = stderr.read(&mut text[length..]).await {
            length += read;
            if length == text.len() {
                // The end of what it says matters most.
                text.copy_within(2048.., 0);
                length = 2048;
            }
        }
        String::from_utf8_lossy(&text[..length]).trim().to_owned()
    });
    let deadline = Box::pin(tokio::time::sleep(std::time::Duration::from_millis(command.timeout_ms)));
    Ok(Running {
        child,
        deadline,
        exit: None,
        group,
        left: command.max_output_bytes,
        stderr: Some(stderr),
        stdout,
    })
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
    Failure::new(ErrorKind::UpstreamUnavailable, message)
}

impl Running {
    /// The next bytes of its output; an error when it fails, runs too long or says too much.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        if self.deadline.as_mut().poll(cx).is_ready() {
            self.kill();
            return Poll::Ready(Some(Err(
                "the program ran longer than claude_cli.timeout_ms allows".to_owned()
            )));
        }
        if let Some(exit) = &mut self.exit {
            return exit.as_mut().poll(cx).map(|result| result.err().map(Err));
        }
        let mut room = [0_u8; 16 * 1024];
        let mut buffer = ReadBuf::new(&mut room);
        match std::task::ready!(Pin::new(&mut self.stdout).poll_read(cx, &mut buffer)) {
            Err(error) => Poll::Ready(Some(Err(format!("the program's output cannot be read: {error}")))),
            Ok(()) if buffer.filled().is_empty() => self.poll_exit(cx),
            Ok(()) => {
                let read = Bytes::copy_from_slice(buffer.filled());
                match self.left.checked_sub(read.len() as u64) {
                    Some(left) => {
                        self.left = left;
                        Poll::Ready(Some(Ok(read)))
                    }
                    None => {
                        self.kill();
                        Poll::Ready(Some(Err(
                            "the program wrote more than claude_cli.max_output_bytes allows".to_owned(),
                        )))
                    }
                }
            }
        }
    }

    /// Its output is over: waits for its exit.
    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Poll::Ready(None),
                Ok(Some(status)) => {
                    let Some(stderr) = self.stderr.take() else { return Poll::Ready(None) };
                    let mut exit: Exit = Box::pin(async move {
                        let words = stderr.await.unwrap_or_default();
                        Err(format!("the program failed ({status}): {words}"))
                    });
                    let polled = exit.as_mut().poll(cx);
                    self.exit = Some(exit);
                    return polled.map(|result| result.err().map(Err));
                }
                Ok(None) => {
                    let mut wait = std::pin::pin!(self.child.wait());
                    match wait.as_mut().poll(cx) {
                        Poll::Ready(_) => {}
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Err(error) => {
                    return Poll::Ready(Some(Err(format!("the program cannot be waited for: {error}"))));
                }
            }
        }
    }

    fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
