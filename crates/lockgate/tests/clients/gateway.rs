//! The real `lockgate` binary as a child process, on a free port, with its own configuration and home.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The key that clients present to the gateway.
pub(crate) fn client_key() -> String {
    lockgate::key::from_seed(&[7; 32])
}

/// Longest that the gateway may take to answer its first request.
const START: Duration = Duration::from_secs(20);

/// A started gateway; dropping it ends it.
pub(crate) struct Gateway {
    child: Child,
    port: u16,
    home: TempDir,
}

impl Gateway {
    /// Starts with these providers, and returns when it answers.
    pub(crate) async fn start(providers: &str) -> Self {
        let home = TempDir::new().expect("a temporary folder");
        let port = free_port();
        let config = home.path().join("lockgate.yaml");
        let keys = format!("keys:\n  - name: tests\n    hash: \"{}\"\n", lockgate::key::hash(&client_key()));
        let text = format!("server:\n  listen: 127.0.0.1:{port}\n{keys}{providers}");
        std::fs::write(&config, text).expect("the configuration is written");
        let log = File::create(home.path().join("log")).expect("the log is created");
        let child = Command::new(env!("CARGO_BIN_EXE_lockgate"))
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log is shared"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("lockgate starts");
        let mut gateway = Self { child, port, home };
        gateway.wait_until_ready().await;
        gateway
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where its record is.
    pub(crate) fn database(&self) -> PathBuf {
        self.home.path().join(".local/share/lockgate/lockgate.db")
    }

    /// What it printed so far, under a heading.
    pub(crate) fn log(&self) -> String {
        let path: PathBuf = self.home.path().join("log");
        format!("\n--- lockgate's log\n{}", std::fs::read_to_string(path).unwrap_or_default())
    }

    async fn wait_until_ready(&mut self) {
        let port = self.port;
        let polling = async {
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            while !healthy(port).await {
                if let Ok(Some(status)) = self.child.try_wait() {
                    panic!("lockgate ended with {status} instead of serving{}", self.log());
                }
                pace.tick().await;
            }
        };
        let ready = tokio::time::timeout(START, polling).await;
        assert!(ready.is_ok(), "lockgate does not answer /health after {START:?}{}", self.log());
    }
}

async fn healthy(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let request = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).await.is_ok()
        && stream.read_to_string(&mut answer).await.is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
