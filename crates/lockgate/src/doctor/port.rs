//! The address to listen on: free, taken by a running Lockgate, taken by another program, or not ours to take.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::finding::{Area, Check, Level};

/// Tries to listen for a moment; asks whoever is there who it is.
pub(super) async fn check(address: SocketAddr) -> Check {
    let name = address.to_string();
    let check = |level, words: String| Check::new(Area::Listen, &name, level, words);
    match std::net::TcpListener::bind(address) {
        Ok(_) => check(Level::Good, "free".into()),
        Err(error) => match error.kind() {
            io::ErrorKind::AddrInUse if is_lockgate(address).await => {
                check(Level::Good, "a Lockgate is running there and answers".into())
            }
            io::ErrorKind::AddrInUse => check(Level::Error, "taken by another program".into()).advice(format!(
                "end that program (`ss -ltnp 'sport = :{}'` shows it), or set server.listen to another port",
                address.port()
            )),
            io::ErrorKind::AddrNotAvailable => {
                check(Level::Error, format!("this machine has no address {}", address.ip()))
                    .advice("set server.listen to 127.0.0.1:8484 or to an address that `ip addr` shows")
            }
            io::ErrorKind::PermissionDenied => {
                check(Level::Error, "not permitted: ports below 1024 are for the system".into())
                    .advice("set server.listen to a port above 1024")
            }
            _ => check(Level::Error, format!("cannot be listened on: {error}"))
                .advice("set server.listen to another address"),
        },
    }
}

/// Whether a Lockgate answers: `/health` says how it is, `/` says that it is one.
pub(crate) async fn is_lockgate(address: SocketAddr) -> bool {
    let ask = async {
        Some(
            get(address, "/health").await?.contains("\"status\":")
                && get(address, "/").await?.contains("Lockgate"),
        )
    };
    tokio::time::timeout(Duration::from_secs(2), ask).await.ok().flatten().unwrap_or(false)
}

/// The first bytes of an answer.
async fn get(address: SocketAddr, path: &str) -> Option<String> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let to = SocketAddr::new(ip, address.port());
    let mut stream = TcpStream::connect(to).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = Vec::new();
    stream.take(4096).read_to_end(&mut text).await.ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}
