//! One configured provider with its settings, its connections and its access tokens.
//!
//! Made anew when its settings change, kept otherwise, so that connections survive a reload. Chooses nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use lockgate_core::{DataClass, Dialect, ErrorKind, Failure};
use lockgate_providers::{
    AccessToken, Credential, EnvironmentProxies, Kind, OpenError, Preset, Provider, Settings, TokenSource,
};

use crate::courier::{Courier, Unsent};
use crate::proxy::{Ways, is_here};

/// A configured provider.
pub struct Upstream {
    courier: Courier,
    /// Whether nobody configured it: found in the environment, or offered by default.
    pub detected: bool,
    /// Headers that the configuration adds.
    pub headers: HeaderMap,
    /// Its id in the configuration.
    pub id: String,
    /// How it is spoken to.
    pub kind: Kind,
    /// Its addresses, signing and quirks.
    pub provider: Box<dyn Provider>,
    /// Its settings.
    pub settings: Settings,
    token: tokio::sync::Mutex<Option<(AccessToken, u64)>>,
}

impl Upstream {
    /// Opens a provider; the error says what its settings lack.
    pub fn open(
        id: &str,
        settings: &Settings,
        detected: bool,
        proxies: &EnvironmentProxies,
    ) -> Result<Arc<Self>, OpenError> {
        let provider = lockgate_providers::open(id, settings)?;
        let kind =
            settings.kind.or_else(|| lockgate_providers::implied_kind(id)).unwrap_or(Kind::OpenaiCompatible);
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            if let (Ok(name), Ok(mut value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_str(value.expose()))
            {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        let ways = Ways::new(id, settings.proxy.as_ref(), proxies);
        let courier = Courier::new(Duration::from_millis(settings.timeouts.connect_ms), ways);
        let settings = settings.clone();
        let token = tokio::sync::Mutex::new(None);
        Ok(Arc::new(Self { courier, detected, headers, id: id.to_owned(), kind, provider, settings, token }))
    }

    /// Whether it speaks a dialect itself.
    pub fn speaks(&self, dialect: Dialect) -> bool {
        self.provider.dialects().contains(&dialect)
    }

    /// Whether calls without any credential cannot succeed.
    pub fn needs_key(&self) -> bool {
        self.kind.info().needs_key || Preset::named(&self.id).is_some_and(|preset| !preset.local)
    }

    /// Whether what is sent there stays in the hands of whoever runs the gateway.
    pub(crate) fn is_local(&self) -> bool {
        let default = || match Preset::named(&self.id) {
            Some(preset) if self.kind == Kind::OpenaiCompatible => Some(preset.base_url),
            Some(_) | None => self.kind.info().base_url,
        };
        let here = || match &self.settings.base_url {
            Some(url) => url.host_str().is_some_and(is_here),
            None => {
                default().and_then(|url| url.parse::<Uri>().ok()).and_then(|uri| uri.host().map(is_here))
                    == Some(true)
            }
        };
        self.settings.local.unwrap_or_else(here)
    }

    /// The most confidential data that may go there. `local`: to a model that runs in our hands.
    pub(crate) fn takes(&self, local: bool) -> DataClass {
        let default = if local { DataClass::Secret } else { DataClass::Confidential };
        self.settings.data_class.unwrap_or(default)
    }

    /// Environment variables that would give it a credential.
    pub fn key_variables(&self) -> &'static [&'static str] {
        match Preset::named(&self.id) {
            Some(preset) if self.kind == Kind::OpenaiCompatible => preset.key_variables,
            _ => self.kind.info().key_variables,
        }
    }

    /// Sends a request. Waits for the answer's head, not for its body.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Unsent> {
        self.courier.carry(request).await
    }

    /// The proxy on the way to an address, in words.
    pub(crate) fn proxy_to(&self, uri: &Uri) -> Option<String> {
        self.courier.proxy_to(uri)
    }

    /// A credential that can be signed with: an access token in place of none, where the provider wants one.
    pub async fn redeem(&self, credential: Credential) -> Result<Credential, Failure> {
        match (self.provider.tokens(), &credential) {
            (Some(source), Credential::None) => self.access_token(source).await,
            _ => Ok(credential),
        }
    }

    /// Forgets the access token, so that the next call gets a new one.
    pub async fn forget_token(&self) {
        *self.token.lock().await = None;
    }

    /// One call fetches a token, the others wait for it; it is renewed a minute before it expires.
    async fn access_token(&self, source: &dyn TokenSource) -> Result<Credential, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut kept = self.token.lock().await;
        if let Some((token, until)) = kept.as_ref()
            && *until > now + 60
        {
            return Ok(Credential::Bearer(token.token.clone()));
        }
        let request = source.request(now)?.map(Full::new);
        let failed = |what: &str| {
            let message = format!("provider `{}`: no access token: {what}", self.id);
            Failure::new(ErrorKind::UpstreamAuth, message)
        };
        let fetch = async {
            let response = self.send(request).await.map_err(|unsent| failed(&unsent.words))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), 64 * 1024).collect().await;
            let body = body.map_err(|_| failed("the answer could not be read"))?.to_bytes();
            source.read(status, &body)
        };
        let wait = Duration::from_millis(self.settings.timeouts.connect_ms + 10_000);
        let token = tokio::time::timeout(wait, fetch).await.map_err(|_| failed("no answer in time"))??;
        let secret = token.token.clone();
        let until = now + token.expires_in;
        *kept = Some((token, until));
        Ok(Credential::Bearer(secret))
    }
}
