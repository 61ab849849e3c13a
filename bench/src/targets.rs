//! Starts the upstream and what is compared, each with a configuration written for the occasion.
//!
//! Everything listens on free loopback ports and keeps its files in a folder that goes with the run. Lockgate has a key
//! that clients must show, both providers, and its defaults for all else; nginx and the bare proxy look at nothing.

use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::compare::{Chain, Recording};
use crate::dialect::{Dialect, Shape};
use crate::http::Connection;
use crate::process::{Cores, Process, free_address};
use crate::scenario::Kind;

/// Where things run and what they are made of.
#[derive(Debug)]
pub(crate) struct House {
    chain: Chain,
    /// The key that clients show.
    pub(crate) key: String,
    hash: String,
    cores: Cores,
    folder: TempDir,
    lockgate: PathBuf,
    nginx: Option<PathBuf>,
    records: bool,
    upstream: SocketAddr,
    _upstream: Process,
}

/// Something that is measured; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// Whether it records what it is asked.
    pub(crate) records: bool,
    /// None for the way without a target.
    pub(crate) process: Option<Process>,
}

impl Target {
    /// Waits until everything that it was asked is recorded.
    pub(crate) async fn settled(&self) -> io::Result<()> {
        if !self.records {
            return Ok(());
        }
        let start = Instant::now();
        loop {
            let mut connection = Connection::new(TcpStream::connect(self.address).await?)?;
            connection.write(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await?;
            let Some(head) = connection.head().await? else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            let (mut framing, mut body) = (head.framing(), Vec::new());
            while !connection.body(&mut framing, &mut body).await? {}
            if memchr::memmem::find(&body, b"\"waiting\":0,").is_some() {
                return Ok(());
            }
            if start.elapsed() > Duration::from_mins(1) {
                let said = String::from_utf8_lossy(&body).into_owned();
                return Err(io::Error::other(format!("the record is not stored after a minute: {said}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl House {
    /// Starts the upstream; `lockgate` is the release binary.
    pub(crate) async fn open(
        cores: Cores,
        lockgate: PathBuf,
        record: Recording,
        chain: Chain,
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let upstream = free_address()?;
        let mut command = Command::new(env::current_exe()?);
        command.args(["upstream", "--listen", &upstream.to_string()]);
        let log = folder.path().join("upstream.log");
        let mut process = Process::start(&mut command, cores.harness, cores.harness, &log)?;
        ready(upstream, &mut process, &log).await?;
        let (key, hash) = new_key(&lockgate)?;
        let records = record == Recording::On;
        Ok(Self {
            chain,
            key,
            hash,
            cores,
            folder,
            lockgate,
            nginx: nginx(),
            records,
            upstream,
            _upstream: process,
        })
    }

    /// What can be compared on this machine.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| *kind != Kind::Nginx || self.nginx.is_some()).collect()
    }

    /// Starts a target for so many connections and says how long it took to its first answer.
    pub(crate) async fn start(&self, kind: Kind, connections: usize) -> io::Result<(Target, Duration)> {
        let address = free_address()?;
        let mut command = match kind {
            Kind::Bare => self.bare(address)?,
            Kind::Direct => {
                return Ok((
                    Target { kind, address: self.upstream, records: false, process: None },
                    Duration::ZERO,
                ));
            }
            Kind::Lockgate => self.lockgate(address)?,
            Kind::Nginx => self.nginx(address, connections)?,
        };
        let log = self.folder.path().join(format!("{}.log", kind.name()));
        let start = Instant::now();
        let mut process = Process::start(&mut command, self.cores.target, self.cores.harness, &log)?;
        ready(address, &mut process, &log).await?;
        Ok((
            Target { kind, address, records: kind == Kind::Lockgate && self.records, process: Some(process) },
            start.elapsed(),
        ))
    }

    fn bare(&self, address: SocketAddr) -> io::Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["proxy", "--listen", &address.to_string(), "--upstream", &self.upstream.to_string()]);
        Ok(command)
    }

    fn lockgate(&self, address: SocketAddr) -> io::Result<Command> {
        let file = self.folder.path().join("lockgate.yaml");
        let yaml = lockgate_yaml(address, self.upstream, &self.hash, self.records);
        fs::write(&file, yaml + &self.chain.yaml())?;
        let mut command = Command::new(&self.lockgate);
        command.args(["serve", "--no-detect", "--config"]).arg(file);
        // Nothing of the machine's own set-up shall matter, nor what the process before has recorded.
        let home = tempfile::tempdir_in(self.folder.path())?.keep();
        command.env_clear().env("HOME", home).env("BENCH_PROVIDER_KEY", "sk-bench");
        Ok(command)
    }

    fn nginx(&self, address: SocketAddr, connections: usize) -> io::Result<Command> {
        let program = self.nginx.as_ref().ok_or_else(|| io::Error::other("nginx is not installed"))?;
        let file = self.folder.path().join("nginx.conf");
        fs::write(&file, nginx_conf(address, self.upstream, self.folder.path(), connections))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(self.folder.path()).arg("-c").arg(file).args(["-g", "daemon off;"]);
        Ok(command)
    }
}

/// The configuration that Lockgate is measured with.
fn lockgate_yaml(listen: SocketAddr, upstream: SocketAddr, hash: &str, records: bool) -> String {
    let provider = |dialect: Dialect, path: &str| {
        let models: Vec<String> =
            Shape::ALL.iter().map(|shape| format!("\"{}\"", shape.model(dialect))).collect();
        format!(
            "  {}:\n    base_url: \"http://{upstream}{path}\"\n    api_key: \"${{BENCH_PROVIDER_KEY}}\"\n    models: [{}]\n",
            dialect.name(),
            models.join(", ")
        )
    };
    let mode = if records { "redacted" } else { "off" };
    format!(
        "record: {{mode: {mode}}}\nserver:\n  listen: \"{listen}\"\nkeys:\n  - name: bench\n    hash: \"{hash}\"\nproviders:\n{}{}",
        provider(Dialect::Anthropic, ""),
        provider(Dialect::OpenAi, "/v1"),
    )
}

/// nginx as one would put it before a model server: streams pass unbuffered, bodies stay in memory, connections are kept.
fn nginx_conf(listen: SocketAddr, upstream: SocketAddr, folder: &Path, connections: usize) -> String {
    let folder = folder.display();
    let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {folder}/{name};\n"))
        .concat();
    format!(
        "user root;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\n\
         events {{ worker_connections {connections}; }}\nhttp {{\n{temp}  access_log off;\n  tcp_nodelay on;\n  \
         client_max_body_size 64m;\n  client_body_buffer_size 512k;\n  keepalive_requests 100000000;\n  \
         upstream mock {{ server {upstream}; keepalive 256; keepalive_requests 100000000; }}\n  \
         server {{\n    listen {listen} backlog=4096;\n    location / {{\n      proxy_pass http://mock;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_buffering off;\n      \
         proxy_read_timeout 900s;\n    }}\n  }}\n}}\n"
    )
}

/// A key and its hash, as Lockgate makes them.
fn new_key(lockgate: &Path) -> io::Result<(String, String)> {
    let output = Command::new(lockgate).args(["key", "new", "--json"]).output().map_err(|error| {
        io::Error::other(format!("{}: {error} (build it with --release first)", lockgate.display()))
    })?;
    let value: Value = serde_json::from_slice(&output.stdout).map_err(io::Error::other)?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    text("key").zip(text("hash")).ok_or_else(|| io::Error::other("`lockgate key new` gave no key"))
}

fn nginx() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    places.map(|place| place.join("nginx")).find(|file| file.is_file())
}

/// Waits for the first answer, without a pause: what is waited for runs on another core.
async fn ready(address: SocketAddr, process: &mut Process, log: &Path) -> io::Result<()> {
    let start = Instant::now();
    while !healthy(address).await {
        if process.ended() || start.elapsed() > Duration::from_secs(20) {
            let said = fs::read_to_string(log).unwrap_or_default();
            return Err(io::Error::other(format!("nothing answers at {address}\n{said}")));
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn healthy(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect(address).await else { return false };
    let Ok(mut connection) = Connection::new(stream) else { return false };
    let asked = connection.write(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await;
    asked.is_ok() && matches!(connection.head().await, Ok(Some(head)) if head.second() == "200")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_name_the_address_the_upstream_and_every_model() {
        let [listen, upstream] = ["127.0.0.1:1", "127.0.0.1:2"].map(|address| address.parse().unwrap());
        let yaml = lockgate_yaml(listen, upstream, "blake3:00", true);
        for shape in Shape::ALL {
            assert!(Dialect::ALL.iter().all(|dialect| yaml.contains(&shape.model(*dialect))), "{yaml}");
        }
        let conf = nginx_conf(listen, upstream, Path::new("/tmp"), 64);
        for text in ["listen 127.0.0.1:1 ", "server 127.0.0.1:2;", "worker_connections 64;"] {
            assert!(conf.contains(text), "{conf}");
        }
        assert_eq!(conf.matches('{').count(), conf.matches('}').count());
    }
}
