//! A proxy as companies have them, and the world behind it: every name leads to one scripted upstream, `https` ones through TLS with
//! a certificate of a test's own authority.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};

use crate::support::{Home, Scripted};

/// What the proxy does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Manner {
    /// Takes what it is told and never answers.
    Mute,
    /// Passes everything on.
    Open,
    /// Says a status and nothing else.
    Says(u16),
    /// Hangs up.
    Silent,
    /// Speaks SOCKS 5 and wants `me` and `secret`.
    Socks,
}

/// The proxy.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    /// File with the authority's certificate.
    pub(crate) authority: PathBuf,
    seen: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

struct World {
    plain: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    tls: TlsAcceptor,
}

impl Gate {
    pub(crate) fn open(home: &Home, upstream: &Scripted, manner: Manner) -> Self {
        let (certificate, tls) = tls(&["provider.test", "oauth.test"]);
        let authority = home.write("authority.pem", &certificate);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let plain = upstream.seen.url().trim_start_matches("http://").parse().unwrap();
        let world = Arc::new(World { plain, seen: seen.clone(), tls });
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let world = world.clone();
                tokio::spawn(async move {
                    // A client that goes away ends its own connection only.
                    let _ = match manner {
                        Manner::Socks => world.socks(client).await,
                        Manner::Mute | Manner::Open | Manner::Says(_) | Manner::Silent => {
                            world.http(client, manner).await
                        }
                    };
                });
            }
        });
        Self { address, authority, seen, _runtime: runtime }
    }

    /// The heads of everything that was asked of the proxy itself.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn authority(&self) -> &str {
        self.authority.to_str().unwrap()
    }
}

impl World {
    async fn http(&self, mut client: TcpStream, manner: Manner) -> io::Result<()> {
        let mut read = Vec::new();
        let end = loop {
            if let Some(at) = read.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            if client.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        self.seen.lock().unwrap().push(head.clone());
        match manner {
            Manner::Says(status) => {
                let answer =
                    format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                client.write_all(answer.as_bytes()).await?;
                client.shutdown().await
            }
            Manner::Mute => client.read_to_end(&mut read).await.map(drop),
            Manner::Silent => Ok(()),
            Manner::Open | Manner::Socks => match head.strip_prefix("CONNECT ") {
                Some(rest) => {
                    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
                    self.pass(client, rest.split(' ').next().unwrap().ends_with(":443")).await
                }
                None => {
                    let mut server = TcpStream::connect(self.plain).await?;
                    server.write_all(forwarded(&head).as_bytes()).await?;
                    server.write_all(&read[end..]).await?;
                    copy_bidirectional(&mut client, &mut server).await.map(drop)
                }
            },
        }
    }

    /// RFC 1928 with the login of RFC 1929.
    async fn socks(&self, mut client: TcpStream) -> io::Result<()> {
        let mut methods = [0; 2];
        client.read_exact(&mut methods).await?;
        let mut offered = vec![0; methods[1].into()];
        client.read_exact(&mut offered).await?;
        if !offered.contains(&2) {
            self.seen.lock().unwrap().push("no login offered".to_owned());
            return client.write_all(&[5, 0xff]).await;
        }
        client.write_all(&[5, 2]).await?;
        client.read_u8().await?;
        let (user, password) = (word(&mut client).await?, word(&mut client).await?);
        let right = (user.as_str(), password.as_str()) == ("me", "secret");
        client.write_all(&[1, u8::from(!right)]).await?;
        let mut wanted = [0; 4];
        client.read_exact(&mut wanted).await?;
        assert_eq!(wanted, [5, 1, 0, 3], "a name, for the proxy to look up");
        let (host, port) = (word(&mut client).await?, client.read_u16().await?);
        self.seen.lock().unwrap().push(format!("{host}:{port}"));
        client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        self.pass(client, port == 443).await
    }

    async fn pass(&self, mut client: TcpStream, encrypted: bool) -> io::Result<()> {
        let mut server = TcpStream::connect(self.plain).await?;
        if encrypted {
            let mut client = self.tls.accept(client).await?;
            copy_bidirectional(&mut client, &mut server).await.map(drop)
        } else {
            copy_bidirectional(&mut client, &mut server).await.map(drop)
        }
    }
}

/// A request as a proxy sends it on: by its path, without what was meant for the proxy. One request a connection.
fn forwarded(head: &str) -> String {
    let (line, headers) = head.split_once("\r\n").unwrap();
    let (method, rest) = line.split_once(" http://").unwrap();
    let path = &rest[rest.find('/').unwrap()..];
    let mine = |line: &&str| !line.starts_with("proxy-authorization:");
    let headers: Vec<&str> = headers.split("\r\n").filter(mine).collect();
    format!("{method} {path}\r\nconnection: close\r\n{}", headers.join("\r\n"))
}

async fn word(client: &mut TcpStream) -> io::Result<String> {
    let mut word = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut word).await?;
    Ok(String::from_utf8(word).unwrap())
}

/// An authority's certificate, and what answers for `names` in its name.
fn tls(names: &[&str]) -> (String, TlsAcceptor) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    (authority.pem(), TlsAcceptor::from(Arc::new(config)))
}
