//! What a provider publishes (its addresses and keys), and what it is asked: a code for an ID token. Remembers addresses and keys for an hour;
//! a key that is not known is looked for at once, so that a provider may change its keys whenever it likes.

use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::OidcOptions;
use super::jwt::{Claims, Expected, Jwk, Refused, verify};

/// How long what is published is remembered.
const REMEMBERED: Duration = Duration::from_hours(1);

/// What is heard of a request.
pub type Fetching<'f> = Pin<Box<dyn Future<Output = Result<(StatusCode, Bytes), String>> + Send + 'f>>;

/// Sends requests to a provider. Bounds their time and the size of what comes back, and follows no redirect.
pub trait Fetch: Send + Sync {
    /// Sends one; the error says in words why nothing came back.
    fn fetch(&self, request: Request<Bytes>) -> Fetching<'_>;
}

/// What a provider says of itself (OpenID Connect Discovery).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: String,
    issuer: String,
    jwks_uri: String,
    token_endpoint: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

/// What is remembered.
type Remembered<T> = Mutex<Option<(Instant, Arc<T>)>>;

/// A provider.
pub(super) struct Provider {
    fetch: Arc<dyn Fetch>,
    keys: Remembered<Vec<Jwk>>,
    metadata: Remembered<Metadata>,
}

fn remembered<T>(place: &Remembered<T>) -> Option<Arc<T>> {
    let place = place.lock().unwrap_or_else(PoisonError::into_inner);
    place.as_ref().filter(|(since, _)| since.elapsed() < REMEMBERED).map(|(_, what)| what.clone())
}

fn remember<T>(place: &Remembered<T>, what: T) -> Arc<T> {
    let what = Arc::new(what);
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), what.clone()));
    what
}

impl Provider {
    pub(super) fn new(fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch, keys: Mutex::default(), metadata: Mutex::default() }
    }

    /// Its addresses.
    pub(super) async fn metadata(&self, options: &OidcOptions) -> Result<Arc<Metadata>, String> {
        if let Some(known) = remembered(&self.metadata) {
            return Ok(known);
        }
        let base = options.issuer.trim_end_matches('/');
        let found: Metadata = self.get(&format!("{base}/.well-known/openid-configuration")).await?;
        if found.issuer != options.issuer {
            return Err(format!(
                "it calls itself `{}` and not `{}` (admin.oidc.issuer)",
                found.issuer, options.issuer
            ));
        }
        for address in [&found.authorization_endpoint, &found.jwks_uri, &found.token_endpoint] {
            if !is_safe(address) {
                return Err(format!("it names the address `{address}`, which is not encrypted"));
            }
        }
        Ok(remember(&self.metadata, found))
    }

    /// The ID token for a code.
    pub(super) async fn redeem(
        &self,
        options: &OidcOptions,
        code: &str,
        verifier: &str,
    ) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Tokens {
            id_token: Option<String>,
        }
        let metadata = self.metadata(options).await?;
        let mut form = format!(
            "grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={}",
            encoded(code),
            encoded(&options.redirect_url),
            encoded(verifier)
        );
        let mut request = Request::post(&metadata.token_endpoint)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let by_form = !methods.is_empty()
            && methods.iter().all(|method| method != "client_secret_basic")
            && methods.iter().any(|method| method == "client_secret_post");
        match &options.client_secret {
            Some(secret) if !by_form => {
                let pair = format!("{}:{}", encoded(&options.client_id), encoded(secret.expose()));
                let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)));
                let mut value = value.map_err(|_| "the client's secret cannot be sent".to_owned())?;
                value.set_sensitive(true);
                request = request.header(header::AUTHORIZATION, value);
            }
            secret => {
                let _ = write!(form, "&client_id={}", encoded(&options.client_id));
                if let Some(secret) = secret {
                    let _ = write!(form, "&client_secret={}", encoded(secret.expose()));
                }
            }
        }
        let request = request.body(form.into()).map_err(|error| error.to_string())?;
        let tokens: Tokens = self.json(request).await?;
        tokens.id_token.ok_or_else(|| "it gave no ID token: is the scope `openid` asked for?".to_owned())
    }

    /// What an ID token says, if it is good.
    pub(super) async fn claims(
        &self,
        options: &OidcOptions,
        token: &str,
        expected: Expected<'_>,
    ) -> Result<Claims, String> {
        let words = |refused: Refused| format!("its ID token is refused: {refused}");
        if let Some(keys) = remembered(&self.keys) {
            match verify(token, &keys, expected) {
                // It may have new keys, under a name that was another's before.
                Err(Refused::Signature | Refused::UnknownKey) => {}
                told => return told.map_err(words),
            }
        }
        let metadata = self.metadata(options).await?;
        let published: Published = self.get(&metadata.jwks_uri).await?;
        // Keys of kinds that are not known here are no mistake.
        let keys = published.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        verify(token, &remember(&self.keys, keys), expected).map_err(words)
    }

    async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T, String> {
        let request = Request::get(address).header(header::ACCEPT, "application/json");
        self.json(request.body(Bytes::new()).map_err(|error| error.to_string())?).await
    }

    async fn json<T: DeserializeOwned>(&self, request: Request<Bytes>) -> Result<T, String> {
        #[derive(Default, Deserialize)]
        struct Said {
            error: Option<String>,
        }
        let path = request.uri().path().to_owned();
        let (status, body) = self.fetch.fetch(request).await?;
        if !status.is_success() {
            let said: Said = serde_json::from_slice(&body).unwrap_or_default();
            // A word of the standard; whatever else it says is not for the log.
            let word =
                said.error.filter(|word| word.len() < 60 && word.bytes().all(|byte| byte.is_ascii_graphic()));
            let word = word.map(|word| format!(" ({word})")).unwrap_or_default();
            return Err(format!("it answers `{path}` with status {}{word}", status.as_u16()));
        }
        serde_json::from_slice(&body)
            .map_err(|_| format!("what it answers `{path}` with is not what the standard says"))
    }
}

/// Whether nobody on the way can read or change what is sent to an address.
pub(super) fn is_safe(address: &str) -> bool {
    let Ok(uri) = address.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => here,
        Some(_) | None => false,
    }
}

/// A value in a form or a query.
pub(super) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_encrypted_addresses_and_this_machines_are_asked() {
        for safe in
            ["https://login.example.org/x", "http://127.0.0.1:9/x", "http://localhost:9", "http://[::1]:9/"]
        {
            assert!(is_safe(safe), "{safe}");
        }
        for open in [
            "http://login.example.org",
            "ftp://localhost",
            "login.example.org",
            "",
            "http://localhost.example.org/",
        ] {
            assert!(!is_safe(open), "{open}");
        }
    }
}
