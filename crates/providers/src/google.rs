//! Access tokens of Google Cloud from a credentials file: a service account's key, or a person's refresh token.
//!
//! Reads a file once, when the provider is opened; asks nobody. The requests it makes go to the `token_uri` that the
//! file names. Other kinds of file (workload identity, impersonation) and the metadata server are not spoken to.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Uri, header};
use lockgate_core::{ErrorKind, Failure, Secret};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;

use crate::{AccessToken, TokenSource};

/// What the tokens are good for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// How long an assertion is valid, in seconds; Google takes no longer ones.
const LIFETIME: u64 = 3600;

/// Credentials from a file.
pub(crate) struct GoogleCredentials {
    grant: Grant,
    /// The project of a service account.
    pub(crate) project: Option<String>,
    /// The project that pays.
    pub(crate) quota_project: Option<String>,
    token_uri: Uri,
}

enum Grant {
    /// A person's login.
    RefreshToken { client_id: String, client_secret: Secret, refresh_token: Secret },
    /// A service account's key.
    ServiceAccount { email: String, key: Box<RsaKeyPair>, key_id: Option<String> },
}

#[derive(Deserialize)]
struct File {
    client_email: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    private_key: Option<Secret>,
    private_key_id: Option<String>,
    project_id: Option<String>,
    quota_project_id: Option<String>,
    refresh_token: Option<Secret>,
    token_uri: Option<String>,
    #[serde(rename = "type")]
    kind: String,
}

impl GoogleCredentials {
    /// Reads a credentials file's text; the error says what it lacks, and quotes nothing of it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(text)
            .map_err(|error| format!("is no credentials file of Google (line {})", error.line()))?;
        let token_uri =
            token_uri(file.token_uri.as_deref().unwrap_or("https://oauth2.googleapis.com/token"))?;
        let lacks = |field: &str| format!("lacks `{field}`");
        let grant = match file.kind.as_str() {
            "authorized_user" => Grant::RefreshToken {
                client_id: file.client_id.ok_or_else(|| lacks("client_id"))?,
                client_secret: file.client_secret.ok_or_else(|| lacks("client_secret"))?,
                refresh_token: file.refresh_token.ok_or_else(|| lacks("refresh_token"))?,
            },
            "service_account" => {
                let pem = file.private_key.ok_or_else(|| lacks("private_key"))?;
                Grant::ServiceAccount {
                    email: file.client_email.ok_or_else(|| lacks("client_email"))?,
                    key: Box::new(key_of(pem.expose())?),
                    key_id: file.private_key_id,
                }
            }
            other => {
                return Err(format!(
                    "is of type `{other}`; service_account and authorized_user are understood \
                     (`gcloud auth application-default login` makes one)"
                ));
            }
        };
        Ok(Self { grant, project: file.project_id, quota_project: file.quota_project_id, token_uri })
    }
}

impl TokenSource for GoogleCredentials {
    fn request(&self, now: u64) -> Result<Request<Bytes>, Failure> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        match &self.grant {
            Grant::RefreshToken { client_id, client_secret, refresh_token } => {
                form.append_pair("grant_type", "refresh_token")
                    .append_pair("client_id", client_id)
                    .append_pair("client_secret", client_secret.expose())
                    .append_pair("refresh_token", refresh_token.expose());
            }
            Grant::ServiceAccount { email, key, key_id } => {
                let assertion = assertion(email, key, key_id.as_deref(), &self.token_uri.to_string(), now)?;
                form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
                    .append_pair("assertion", &assertion);
            }
        }
        Request::post(self.token_uri.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(form.finish().into())
            .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))
    }

    fn read(&self, status: u16, body: &[u8]) -> Result<AccessToken, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: Option<Secret>,
            error: Option<String>,
            error_description: Option<String>,
            expires_in: Option<u64>,
        }
        let failed = |what: &str| {
            Failure::new(ErrorKind::UpstreamAuth, format!("Google gave no access token: {what}"))
        };
        let answer: Answer = serde_json::from_slice(body).map_err(|_| failed(&format!("status {status}")))?;
        match answer.access_token {
            Some(token) if status < 300 && !token.is_empty() => {
                Ok(AccessToken { expires_in: answer.expires_in.unwrap_or(LIFETIME), token })
            }
            Some(_) | None => {
                let what =
                    answer.error_description.or(answer.error).unwrap_or_else(|| format!("status {status}"));
                Err(failed(&what.chars().take(300).collect::<String>()))
            }
        }
    }
}

/// The signed statement that a service account trades for a token (RFC 7523).
fn assertion(
    email: &str,
    key: &RsaKeyPair,
    key_id: Option<&str>,
    audience: &str,
    now: u64,
) -> Result<String, Failure> {
    let mut head = serde_json::json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = key_id {
        head["kid"] = id.into();
    }
    let claims = serde_json::json!({
        "iss": email, "scope": SCOPE, "aud": audience, "iat": now, "exp": now + LIFETIME,
    });
    let mut out = URL_SAFE_NO_PAD.encode(head.to_string());
    out.push('.');
    out.push_str(&URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut signature = vec![0; key.public().modulus_len()];
    // The randomness only blinds the computation; the signature does not depend on it.
    key.sign(&RSA_PKCS1_SHA256, &ring::rand::SystemRandom::new(), out.as_bytes(), &mut signature)
        .map_err(|_| Failure::new(ErrorKind::Internal, "the service account's key cannot sign"))?;
    out.push('.');
    out.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(out)
}

fn key_of(pem: &str) -> Result<RsaKeyPair, String> {
    let body = |label: &str| {
        let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
    };
    let key = match (body("PRIVATE KEY"), body("RSA PRIVATE KEY")) {
        (Some(der), _) => RsaKeyPair::from_pkcs8(&der),
        (None, Some(der)) => RsaKeyPair::from_der(&der),
        (None, None) => return Err("holds a `private_key` that is no PEM".to_owned()),
    };
    key.map_err(|error| format!("holds a `private_key` that cannot be used: {error}"))
}

/// A credential is only sent over TLS, or to this machine.
fn token_uri(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|_| "has a `token_uri` that is no address".to_owned())?;
    let host = uri.host().unwrap_or_default();
    let here = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if here => Ok(uri),
        Some(_) | None => Err("has a `token_uri` that is not https".to_owned()),
    }
}
