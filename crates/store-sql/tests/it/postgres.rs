//! A real PostgreSQL for one test: its own folder, its own socket, gone with the test.
//!
//! The server refuses to run as root; then it runs as the user `postgres`, which Debian's package makes.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const ADVICE: &str = "the tests need PostgreSQL: run scripts/deps.sh, or put initdb and postgres on PATH";

/// What the server asks of whoever comes over TCP.
pub(crate) const PASSWORD: &str = "not a secret";

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Option<Child>,
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
}

impl Server {
    /// A server that listens on a socket in its folder.
    pub(crate) fn start() -> Self {
        Self::start_with(&["listen_addresses="])
    }

    /// A server that listens on 127.0.0.1 as well and wants TLS and the password there.
    pub(crate) fn start_tls(certificate: &str, key: &str) -> Self {
        let mut server = Self::prepare();
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = server.data().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            own(&path);
        }
        fs::write(
            server.data().join("pg_hba.conf"),
            "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n",
        )
        .unwrap();
        server.settings = vec!["listen_addresses=127.0.0.1".to_owned(), "ssl=on".to_owned()];
        server.run();
        server
    }

    fn start_with(settings: &[&str]) -> Self {
        let mut server = Self::prepare();
        server.settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        server.run();
        server
    }

    /// A folder with a fresh database cluster.
    fn prepare() -> Self {
        let folder = TempDir::with_prefix("lockgate-pg-").unwrap();
        own(folder.path());
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        own(&password);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { child: None, folder, port, settings: Vec::new() };
        let output = command("initdb")
            .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--username=lockgate", "--auth=trust"])
            .arg(format!("--pwfile={}", password.display()))
            .arg("--pgdata")
            .arg(server.data())
            .current_dir(server.folder.path())
            .output()
            .expect(ADVICE);
        assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the server and waits until it takes connections.
    pub(crate) fn run(&mut self) {
        let mut command = command("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        command.args(["-p", &self.port.to_string(), "-c", "fsync=off", "-c", "max_connections=50"]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        command.current_dir(self.folder.path()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect(ADVICE));
        let end = Instant::now() + Duration::from_mins(1);
        while !self.answers() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < end, "PostgreSQL did not start: {}", log());
        }
    }

    fn answers(&self) -> bool {
        let output = command("pg_isready")
            .args(["-q", "-t", "5", "-p", &self.port.to_string(), "-h"])
            .arg(self.folder.path())
            .status();
        output.expect(ADVICE).success()
    }

    /// Ends the server at once, as if it had crashed.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = child.id().to_string();
            // SIGQUIT: children end too, nothing is tidied up.
            let _ended = Command::new("kill").args(["-QUIT", &pid]).status();
            let _status = child.wait();
        }
    }

    /// Over the socket, to the first database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://lockgate@localhost:{}/postgres?host={}", self.port, self.folder.path().display())
    }

    /// Over the socket, to a schema of its own.
    pub(crate) fn url_of(&self, schema: &str) -> String {
        let make = command("psql")
            .args(["-q", "-U", "lockgate", "-p", &self.port.to_string(), "-d", "postgres", "-h"])
            .arg(self.folder.path())
            .args(["-c", &format!("CREATE SCHEMA {schema}")])
            .current_dir(self.folder.path())
            .status();
        assert!(make.expect(ADVICE).success());
        format!("{}&options=-csearch_path%3D{schema}", self.url())
    }

    /// Over TCP, encrypted, with the password.
    pub(crate) fn tls_url(&self) -> String {
        let password = PASSWORD.replace(' ', "%20");
        format!("postgres://lockgate:{password}@127.0.0.1:{}/postgres?sslmode=require", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A program of PostgreSQL, as somebody who may run it.
fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command
}

/// The newest one of Debian's places, or the one on PATH.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    versions
        .map(|entry| entry.path())
        .filter(|path| path.join("bin").join(name).exists())
        .max_by_key(|path| number(path))
        .map_or_else(|| PathBuf::from(name), |path| path.join("bin").join(name))
}

/// The user that the server runs as, where we are root.
fn owner() -> Option<(u32, u32)> {
    let own = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").ok()?);
    if own != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:")).expect(ADVICE);
    let fields: Vec<_> = line.split(':').collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}

fn own(path: &Path) {
    if let Some((user, group)) = owner() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}
