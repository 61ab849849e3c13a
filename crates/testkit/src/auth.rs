//! Who may ask: the script's keys in each dialect's header, and Google's tokens, issued here and checked here.
//!
//! Checks the form of a service account's assertion, not its signature: no cryptography here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::clock;
use crate::dialect::{Dialect, Op, decode};
use crate::play::Response;
use crate::render;
use crate::script::Script;
use crate::seen::{Seen, text};
use crate::state::State;
use crate::validate::Rejection;

/// Refuses what carries no accepted credential.
pub(crate) fn check(seen: &Seen, state: &State, script: &Script) -> Result<(), Rejection> {
    if matches!(seen.route.op, Op::Health | Op::Token | Op::Version) {
        return Ok(());
    }
    let bearer = seen.header("authorization").and_then(|v| v.strip_prefix("Bearer "));
    let refused = |kind: Option<&str>| {
        let message = render::usual_message(seen.route.dialect, 401);
        Err(Rejection { status: 401, kind: kind.map(String::from), message: message.into() })
    };
    if seen.route.vertex && script.vertex.check_tokens {
        return if bearer.is_some_and(|t| state.token_valid(t)) { Ok(()) } else { refused(None) };
    }
    if script.keys.is_empty() {
        return Ok(());
    }
    let given = match seen.route.dialect {
        Dialect::Anthropic => seen.header("x-api-key").or(bearer),
        Dialect::Chat | Dialect::Responses => bearer.or_else(|| seen.header("api-key")),
        Dialect::Gemini => seen.header("x-goog-api-key").or(bearer),
        Dialect::Ollama => bearer,
    };
    if given.is_some_and(|key| script.keys.iter().any(|k| k == key)) {
        return Ok(());
    }
    if seen.route.dialect == Dialect::Gemini && seen.header("x-goog-api-key").is_some() {
        // Google says 400 to a wrong key and 401 only to a wrong token.
        let message = "API key not valid. Please pass a valid API key.";
        return Err(Rejection::bad(message));
    }
    refused(None)
}

/// Google's token endpoint: service account assertions and refresh tokens.
pub(crate) fn token(seen: &Seen, state: &State) -> Response {
    let form = String::from_utf8_lossy(&seen.raw).into_owned();
    let field = |name: &str| {
        let found = form.split('&').filter_map(|pair| pair.split_once('=')).find(|(k, _)| *k == name);
        found.map(|(_, v)| decode(&v.replace('+', " "))).unwrap_or_default()
    };
    let problem = match field("grant_type").as_str() {
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => assertion_problem(&field("assertion")),
        "refresh_token" => ["client_id", "client_secret", "refresh_token"]
            .iter()
            .find(|name| field(name).is_empty())
            .map(|name| format!("Missing required parameter: {name}")),
        other => Some(format!("Invalid grant_type: {other}")),
    };
    if let Some(description) = problem {
        let body = json!({"error": "invalid_grant", "error_description": description});
        return Response::json(400, Dialect::Gemini, &body);
    }
    let (token, ttl) = state.issue_token();
    let body = json!({"access_token": token, "expires_in": ttl.as_secs(), "token_type": "Bearer"});
    Response::json(200, Dialect::Gemini, &body)
}

fn assertion_problem(assertion: &str) -> Option<String> {
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return Some("Invalid JWT: not three parts".into());
    };
    let open = |part: &str| -> Value {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    };
    let (header, claims) = (open(header), open(claims));
    if text(&header, "alg") != "RS256" {
        return Some("Invalid JWT: alg must be RS256".into());
    }
    if URL_SAFE_NO_PAD.decode(signature).map_or(0, |s| s.len()) < 64 {
        return Some("Invalid JWT Signature.".into());
    }
    if let Some(missing) = ["iss", "aud", "scope"].iter().find(|c| text(&claims, c).is_empty()) {
        return Some(format!("Invalid JWT: missing {missing}"));
    }
    let (issued, expires) = (claims["iat"].as_u64(), claims["exp"].as_u64());
    let now = clock::unix_ms() / 1000;
    match (issued, expires) {
        (Some(issued), Some(expires)) if expires > now && issued <= now + 60 && expires - issued <= 3600 => {
            None
        }
        _ => Some(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
                .into(),
        ),
    }
}
