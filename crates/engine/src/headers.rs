//! Which headers travel: from the client to the provider, and from the provider to the client.
//!
//! A call that keeps its dialect keeps its headers, except those that belong to one connection, carry a credential,
//! or are ours. A call that changes dialect takes nothing of the client's along: what a client tells its own vendor
//! (session ids, telemetry) is not another vendor's business. Internal headers never leave in either direction.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers that carry a credential of the client.
pub const CREDENTIALS: [&str; 7] = [
    "authorization",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "x-anthropic-api-key",
    "x-lockgate-key",
    "proxy-authorization",
];

/// The client's headers that a same-dialect request takes along.
pub(crate) fn for_upstream(client: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(client.len() + 4);
    let named = connection_names(client);
    for (name, value) in client {
        let text = name.as_str();
        let stays = is_hop_by_hop(name)
            || is_internal(text)
            || CREDENTIALS.contains(&text)
            || matches!(
                text,
                "host" | "content-length" | "accept-encoding" | "expect" | "cookie" | "forwarded" | "via"
            )
            || text.starts_with("x-forwarded-")
            || text == "x-real-ip"
            || named.iter().any(|other| other.eq_ignore_ascii_case(text));
        if !stays {
            out.append(name.clone(), value.clone());
        }
    }
    out
}

/// The provider's headers that a same-dialect answer keeps.
pub(crate) fn for_client(upstream: &HeaderMap, into: &mut HeaderMap) {
    for (name, value) in upstream {
        let stays = is_hop_by_hop(name)
            || is_internal(name.as_str())
            || *name == header::CONTENT_LENGTH
            || *name == header::SET_COOKIE;
        if !stays {
            into.append(name.clone(), value.clone());
        }
    }
}

/// The provider's headers that mean the same to every client: request ids, rate limits, when to come back.
pub(crate) fn for_foreign_client(upstream: &HeaderMap, into: &mut HeaderMap) {
    for (name, value) in upstream {
        let text = name.as_str();
        if matches!(text, "request-id" | "x-request-id" | "retry-after" | "retry-after-ms")
            || text.contains("ratelimit")
        {
            into.insert(name.clone(), value.clone());
        }
    }
}

/// The id that a provider gave the exchange.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    ["request-id", "x-request-id"].into_iter().find_map(|name| headers.get(name))
}

/// Sets a header of ours; a value that no header can hold is left out.
pub(crate) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Sets a header of ours to a name as a client wrote it: percent-encoded where a header cannot hold it. A name that is too long for a header
/// is left out.
pub(crate) fn set_name(headers: &mut HeaderMap, header: &'static str, name: &str) {
    use std::fmt::Write;

    const LONGEST: usize = 1024;
    let mut value = String::with_capacity(name.len());
    for byte in name.bytes().take(LONGEST + 1) {
        match byte {
            b' '..=b'$' | b'&'..=b'~' => value.push(char::from(byte)),
            _ => {
                let _ = write!(value, "%{byte:02X}");
            }
        }
    }
    if value.len() <= LONGEST {
        set(headers, header, &value);
    }
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "proxy-authenticate"
    )
}

fn is_internal(name: &str) -> bool {
    name.starts_with("x-lockgate-")
        || matches!(name, "x-task-id" | "x-provider" | "x-model" | "x-cache-hit" | "x-tokens-saved")
}

/// The headers that `Connection` names: they belong to the connection as well.
fn connection_names(client: &HeaderMap) -> Vec<&str> {
    let values = client.get_all(header::CONNECTION).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',').map(str::trim)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requirement 004-36, behaviour 14.
    #[test]
    fn nothing_of_ours_no_credential_and_no_connection_header_reaches_a_provider() {
        let mut client = HeaderMap::new();
        for (name, value) in [
            ("anthropic-beta", "a"),
            ("authorization", "Bearer x"),
            ("connection", "close, x-hop"),
            ("x-api-key", "k"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-hop", "1"),
            ("x-lockgate-strict", "1"),
            ("x-task-id", "1"),
        ] {
            client.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let sent = for_upstream(&client);
        assert_eq!(sent.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["anthropic-beta"]);
    }

    #[test]
    fn a_name_of_a_client_goes_into_a_header_whole_or_not_at_all() {
        let told = |name: &str| {
            let mut headers = HeaderMap::new();
            set_name(&mut headers, "x-lockgate-requested-model", name);
            headers.get("x-lockgate-requested-model").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(told("openai:gpt 4").as_deref(), Some("openai:gpt 4"));
        assert_eq!(told("größe\r\n100%").as_deref(), Some("gr%C3%B6%C3%9Fe%0D%0A100%25"));
        assert_eq!(told(&"m".repeat(1024)).map(|name| name.len()), Some(1024));
        assert_eq!(told(&"m".repeat(1025)), None);
    }

    #[test]
    fn a_provider_cannot_forge_our_headers() {
        let mut upstream = HeaderMap::new();
        upstream.append("x-lockgate-lossy", HeaderValue::from_static("forged"));
        upstream.append("request-id", HeaderValue::from_static("req_1"));
        let mut client = HeaderMap::new();
        for_client(&upstream, &mut client);
        assert_eq!(client.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["request-id"]);
    }
}
