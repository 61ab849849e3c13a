//! Starting and stopping the upstream, and reading what it saw.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::http;
use crate::record::{Recorded, WaitError};
use crate::script::{Script, ScriptError};
use crate::state::State;

/// Longest that a `wait_*` method waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// The scripted upstream.
pub struct Upstream;

/// A started upstream; dropping it closes its connections and its port.
pub struct Running {
    addr: SocketAddr,
    state: Arc<State>,
    listening: JoinHandle<()>,
}

/// Why the upstream does not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The script is bad.
    #[error(transparent)]
    Script(#[from] ScriptError),
}

impl Upstream {
    /// Starts on a free port of 127.0.0.1.
    pub async fn start(script: Script) -> io::Result<Running> {
        Self::start_on("127.0.0.1:0", script).await
    }

    /// Starts on a given address.
    pub async fn start_on(listen: &str, script: Script) -> io::Result<Running> {
        let listener = TcpListener::bind(listen).await?;
        let addr = listener.local_addr()?;
        let state = Arc::new(State::new(script));
        let listening = tokio::spawn(listen_on(listener, state.clone()));
        Ok(Running { addr, state, listening })
    }
}

async fn listen_on(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Without it small frames wait for acknowledgements; a failure only costs time.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(http::serve(stream, state.clone()));
                }
                // Out of descriptors or an aborted handshake: the next accept may do.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:port`, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Every request since the start or the last [`Running::clear`], in order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.records.all()
    }

    /// The newest request.
    pub fn last(&self) -> Option<Recorded> {
        self.requests().pop()
    }

    /// Forgets the recorded requests.
    pub fn clear(&self) {
        self.state.records.clear();
    }

    /// All violations of all requests.
    pub fn violations(&self) -> Vec<String> {
        self.requests().into_iter().flat_map(|r| r.violations).collect()
    }

    /// The sum of all prices.
    pub fn cost_nano_usd(&self) -> u64 {
        self.requests().iter().filter_map(|r| r.cost_nano_usd).sum()
    }

    /// Replaces the script; counters of rules start anew, issued signatures and records stay.
    pub fn set_script(&self, script: Script) {
        self.state.set_script(script);
    }

    /// Waits until so many requests have arrived.
    pub async fn wait_for(&self, requests: usize) -> Result<Vec<Recorded>, WaitError> {
        self.wait_until(|all| all.len() >= requests).await
    }

    /// Waits until so many requests are over: answered, reset, or left by the client.
    pub async fn wait_over(&self, requests: usize) -> Result<Vec<Recorded>, WaitError> {
        let over = |r: &&Recorded| r.finished.is_some() || r.disconnected.is_some();
        self.wait_until(move |all| all.iter().filter(over).count() >= requests).await
    }

    /// Waits until so many requests were left by their client before the answer's end.
    pub async fn wait_disconnected(&self, requests: usize) -> Result<Vec<Recorded>, WaitError> {
        self.wait_until(|all| all.iter().filter(|r| r.disconnected.is_some()).count() >= requests).await
    }

    /// Waits until the recorded requests fulfil a condition, 30 seconds at most.
    pub async fn wait_until(
        &self,
        fulfilled: impl Fn(&[Recorded]) -> bool,
    ) -> Result<Vec<Recorded>, WaitError> {
        self.state.records.wait(PATIENCE, fulfilled).await
    }

    /// Stops listening: from now on connections are refused by the system. Open ones are closed too.
    pub async fn stop(mut self) {
        self.listening.abort();
        // Only that it has ended matters, not how.
        let _ = (&mut self.listening).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Runs until the task is dropped, for a command line. `started` is told the address.
pub async fn run(
    listen: &str,
    script: Option<&Path>,
    started: impl FnOnce(SocketAddr),
) -> Result<(), RunError> {
    let script = script.map(Script::load).transpose()?.unwrap_or_default();
    let mut running = Upstream::start_on(listen, script)
        .await
        .map_err(|source| RunError::Listen { address: listen.into(), source })?;
    started(running.addr);
    // It ends only by being aborted, which dropping `running` does.
    let _ = (&mut running.listening).await;
    Ok(())
}

/// The bytes of a recorded stream: `fixture("anthropic/text.sse")` reads `fixtures/streams/anthropic/text.sse`.
pub fn fixture(name: &str) -> io::Result<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read(root.join("fixtures/streams").join(PathBuf::from(name)))
}
