//! Response headers as the providers send them, and request headers that must never reach one.

use crate::clock;
use crate::dialect::Dialect;
use crate::play::Response;
use crate::seen::Seen;
use crate::state::State;

/// Meant for one connection only; a proxy that forwards them leaks.
const HOP_BY_HOP: [&str; 6] =
    ["keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "upgrade"];

/// What a real provider never should have seen.
pub(crate) fn violations(seen: &Seen, target: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in &seen.headers {
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("x-lockgate-") {
            found.push(format!("internal header {lower} reached the provider"));
        }
        if HOP_BY_HOP.contains(&lower.as_str()) {
            found.push(format!("hop-by-hop header {lower} reached the provider"));
        }
        if lower == "connection" && !["close", "keep-alive"].contains(&value.to_ascii_lowercase().as_str()) {
            found.push(format!("connection header names {value}"));
        }
    }
    for single in ["content-length", "content-type", "host", "authorization", "x-api-key", "x-goog-api-key"] {
        if seen.headers.iter().filter(|(k, _)| k.eq_ignore_ascii_case(single)).count() > 1 {
            found.push(format!("header {single} came twice"));
        }
    }
    let query = target.split_once('?').map_or("", |(_, q)| q);
    if seen.route.dialect == Dialect::Gemini && query.split('&').any(|pair| pair.starts_with("key=")) {
        found.push("the API key is in the URL".into());
    }
    found
}

/// Adds request ids and rate limits.
pub(crate) fn add(response: &mut Response, seen: &Seen, state: &State) {
    let id = state.next_id();
    let mut put = |name: &str, value: String| {
        if !response.headers.iter().any(|(k, _)| k.eq_ignore_ascii_case(name)) {
            response.headers.push((name.into(), value));
        }
    };
    match seen.route.dialect {
        Dialect::Anthropic => {
            put("request-id", format!("req_{id}"));
            put("anthropic-organization-id", "00000000-0000-4000-8000-000000000000".into());
            let reset = clock::rfc3339(clock::unix_ms() + 60_000);
            let limits = [
                ("requests", 4000),
                ("tokens", 480_000),
                ("input-tokens", 400_000),
                ("output-tokens", 80_000),
            ];
            for (what, limit) in limits {
                put(&format!("anthropic-ratelimit-{what}-limit"), limit.to_string());
                put(&format!("anthropic-ratelimit-{what}-remaining"), (limit - 1).to_string());
                put(&format!("anthropic-ratelimit-{what}-reset"), reset.clone());
            }
        }
        Dialect::Chat | Dialect::Responses => {
            put("x-request-id", format!("req_{id}"));
            put("openai-processing-ms", "1".into());
            put("openai-version", "2020-10-01".into());
            for (what, limit) in [("requests", 10_000), ("tokens", 2_000_000)] {
                put(&format!("x-ratelimit-limit-{what}"), limit.to_string());
                put(&format!("x-ratelimit-remaining-{what}"), (limit - 1).to_string());
                put(&format!("x-ratelimit-reset-{what}"), "6ms".into());
            }
        }
        Dialect::Gemini => put("server-timing", "gfet4t7; dur=1".into()),
        Dialect::Ollama => {}
    }
}
