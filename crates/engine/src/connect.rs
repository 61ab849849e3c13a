//! Connections to providers: TCP without delay, TLS where the address says so, both within one bound.
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
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

/// Opens connections, each within `timeout` from name lookup to TLS.
#[derive(Clone)]
pub(crate) struct Connector {
    http: HttpConnector,
    timeout: Duration,
}

impl Connector {
    pub(crate) fn new(timeout: Duration) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_keepalive(Some(Duration::from_mins(1)));
        Self { http, timeout }
    }
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.http.poll_ready(cx).map_err(io::Error::other)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (mut http, timeout) = (self.http.clone(), self.timeout);
        Box::pin(async move {
            let open = async {
                if uri.scheme_str() == Some("https") {
                    let mut https = with_tls(http).await?;
                    https.call(uri).await.map_err(io::Error::other)
                } else {
                    http.call(uri).await.map(MaybeHttpsStream::Http).map_err(io::Error::other)
                }
            };
            tokio::time::timeout(timeout, open).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        })
    }
}

async fn with_tls(http: HttpConnector) -> io::Result<HttpsConnector<HttpConnector>> {
    let config = match TLS.get() {
        Some(config) => config.clone(),
        None => tokio::task::spawn_blocking(tls).await.map_err(io::Error::other)??,
    };
    let builder = HttpsConnectorBuilder::new().with_tls_config((*config).clone());
    Ok(builder.https_only().enable_all_versions().wrap_connector(http))
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
