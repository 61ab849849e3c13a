//! Connections to providers: TCP without delay, directly or through a proxy, TLS where the address says so, all within one bound.
//!
//! Root certificates are loaded at the first `https` connection and not before, so that a start takes no longer
//! than it must. Knows nothing of HTTP requests.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::proxy::{Hop, Ways};

/// Opens connections, each within `timeout` from name lookup to TLS.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    http: HttpConnector,
    timeout: Duration,
    ways: Arc<Ways>,
}

impl Connector {
    pub(crate) fn new(timeout: Duration, ways: Arc<Ways>) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_keepalive(Some(Duration::from_mins(1)));
        Self { http, timeout, ways }
    }
}

type Opening<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Line>;
    type Error = io::Error;
    type Future = Opening<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.http.poll_ready(cx).map_err(io::Error::other)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (hop, timeout) = (self.ways.to(&uri), self.timeout);
        let late = hop.as_ref().map(Hop::late);
        let mut through = Through { hop, http: self.http.clone() };
        Box::pin(async move {
            let open = async {
                if uri.scheme_str() == Some("https") {
                    let mut https = with_tls(through).await?;
                    https.call(uri).await.map_err(io::Error::other)
                } else {
                    through.call(uri).await.map(MaybeHttpsStream::Http)
                }
            };
            let too_late = || match late {
                Some(words) => io::Error::new(io::ErrorKind::TimedOut, words),
                None => io::ErrorKind::TimedOut.into(),
            };
            tokio::time::timeout(timeout, open).await.unwrap_or_else(|_| Err(too_late()))
        })
    }
}

/// A TCP connection to an address, or to a proxy that passes everything on to it.
pub(crate) struct Line {
    /// Whether a proxy reads the requests, which then name the whole address.
    forwarded: bool,
    io: TokioIo<TcpStream>,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.forwarded)
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

/// Opens lines, through a proxy if one is on the way.
struct Through {
    hop: Option<Hop>,
    http: HttpConnector,
}

impl Service<Uri> for Through {
    type Response = Line;
    type Error = io::Error;
    type Future = Opening<Line>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.http.poll_ready(cx).map_err(io::Error::other)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (hop, mut http) = (self.hop.clone(), self.http.clone());
        Box::pin(async move {
            let Some(hop) = hop else {
                let io = http.call(uri).await.map_err(io::Error::other)?;
                return Ok(Line { forwarded: false, io });
            };
            let opened = match http.call(hop.uri.clone()).await {
                Err(error) => Err(hop.unreachable(&error)),
                Ok(io) => hop.pass(io, uri).await,
            };
            opened.map(|io| Line { forwarded: hop.forwards(), io }).map_err(io::Error::other)
        })
    }
}

async fn with_tls(through: Through) -> io::Result<HttpsConnector<Through>> {
    let config = match TLS.get() {
        Some(config) => config.clone(),
        None => tokio::task::spawn_blocking(tls).await.map_err(io::Error::other)??,
    };
    let builder = HttpsConnectorBuilder::new().with_tls_config((*config).clone());
    Ok(builder.https_only().enable_all_versions().wrap_connector(through))
}

static TLS: OnceLock<Arc<rustls::ClientConfig>> = OnceLock::new();

/// The TLS configuration with this machine's root certificates; loaded once.
fn tls() -> io::Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for certificate in found.certs {
        // One broken certificate in the system's store must not take down the others.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        return Err(io::Error::other("no root certificates found on this machine (install ca-certificates)"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TLS.get_or_init(|| Arc::new(config)).clone())
}
