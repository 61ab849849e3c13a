//! Who calls: keys of this gateway, credentials that clients bring for providers, and callers on this machine.
//!
//! Keys are known by their BLAKE3 hash only. Without any key, whoever reaches a loopback address from this machine may
//! call, but no web page may: requests that a browser makes for another origin, or under a foreign host name, are
//! refused. Chooses no provider.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, header};
use lockgate_core::{ErrorKind, Failure, Secret};
use lockgate_engine::{Caller, Grant};
use lockgate_providers::Credential;

/// The keys of this gateway, by their hash.
pub type KeyRing = HashMap<[u8; 32], Arc<Grant>>;

/// Who may call.
#[derive(Debug, Default)]
pub struct Access {
    keys: KeyRing,
}

/// What clients send that have no credential: our own key's prefix and the word that the documentation gives.
const PLACEHOLDERS: [&str; 3] = ["lockgate", "dummy", "none"];

impl Access {
    /// Access by these keys; without any, from this machine only.
    pub fn new(keys: KeyRing) -> Self {
        Self { keys }
    }

    /// Who sent this request.
    pub fn caller(
        &self,
        peer: SocketAddr,
        headers: &HeaderMap,
        query_key: Option<&str>,
    ) -> Result<Caller, Failure> {
        let keyless = self.keys.is_empty();
        if keyless {
            from_this_machine(peer, headers)?;
        }
        let mut grant = None;
        let mut own = None;
        for shown in shown(headers, query_key) {
            match self.keys.get(blake3::hash(shown.text.as_bytes()).as_bytes()) {
                Some(known) => grant = Some(known.clone()),
                None if own.is_none() && !is_placeholder(shown.text) => own = Some(shown.credential()),
                None => {}
            }
        }
        let empty_override = headers.get("x-anthropic-api-key").is_some_and(http::HeaderValue::is_empty);
        if empty_override || (!keyless && grant.is_none() && own.is_none()) {
            return Err(Failure::new(
                ErrorKind::Unauthenticated,
                "no credential: send a key of this gateway (`lockgate key new`) as `x-api-key` or `Authorization: Bearer`",
            ));
        }
        Ok(Caller { grant, keyless, own })
    }
}

/// A credential as a client showed it.
struct Shown<'a> {
    bearer: bool,
    text: &'a str,
}

impl Shown<'_> {
    /// The credential with its scheme kept.
    fn credential(&self) -> Credential {
        let secret = Secret::new(self.text);
        if self.bearer { Credential::Bearer(secret) } else { Credential::Key(secret) }
    }
}

/// Every credential in a request; an explicit one for the provider comes first.
fn shown<'a>(headers: &'a HeaderMap, query_key: Option<&'a str>) -> impl Iterator<Item = Shown<'a>> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let key = |name: &str| text(name).map(|text| Shown { bearer: false, text });
    let bearer = text("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(Shown { bearer: true, text: token.trim() })
    });
    [
        key("x-anthropic-api-key"),
        key("x-api-key"),
        key("x-goog-api-key"),
        key("api-key"),
        bearer,
        key("x-lockgate-key"),
        query_key.map(|text| Shown { bearer: false, text }),
    ]
    .into_iter()
    .flatten()
    .filter(|shown| !shown.text.is_empty())
}

fn is_placeholder(text: &str) -> bool {
    text.starts_with("lg-") || PLACEHOLDERS.contains(&text)
}

fn from_this_machine(peer: SocketAddr, headers: &HeaderMap) -> Result<(), Failure> {
    let refuse = |words: &str| Err(Failure::new(ErrorKind::Forbidden, words));
    if !peer.ip().to_canonical().is_loopback() {
        return refuse(
            "this gateway has no keys yet, so it answers callers on its own machine only; make one with `lockgate key new`",
        );
    }
    let named = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if named(header::HOST).is_some_and(|host| !is_local_host(host)) {
        return refuse("without keys this gateway answers under `localhost` and loopback addresses only");
    }
    let foreign = |origin: &str| origin.split_once("://").is_none_or(|(_, host)| !is_local_host(host));
    if named(header::ORIGIN).is_some_and(foreign) {
        return refuse("without keys this gateway answers no web page of another origin");
    }
    Ok(())
}

/// Whether `host[:port]` is this machine. Names under `.localhost` never leave it (RFC 6761).
fn is_local_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn ring(key: &str) -> Access {
        let grant = Arc::new(Grant { name: "alice".into(), ..Grant::default() });
        Access::new(HashMap::from([(*blake3::hash(key.as_bytes()).as_bytes(), grant)]))
    }

    const HERE: &str = "127.0.0.1:9";
    const AWAY: &str = "192.168.1.7:9";

    /// Requirement L1, behaviours 3 to 6.
    #[test]
    fn a_key_is_taken_from_either_header_and_a_client_credential_keeps_its_scheme() {
        let access = ring("lg-one");
        let call = |pairs: &[_]| access.caller(AWAY.parse().unwrap(), &headers(pairs), None);
        for pairs in
            [[("x-api-key", "lg-one")], [("authorization", "Bearer lg-one")], [("x-goog-api-key", "lg-one")]]
        {
            let caller = call(&pairs).unwrap();
            assert!(caller.grant.is_some() && caller.own.is_none());
        }
        assert_eq!(call(&[]).unwrap_err().kind, ErrorKind::Unauthenticated);
        assert_eq!(call(&[("x-api-key", "lg-wrong")]).unwrap_err().kind, ErrorKind::Unauthenticated);
        let own = call(&[("authorization", "bearer sk-own")]).unwrap();
        assert!(own.grant.is_none() && matches!(own.own, Some(Credential::Bearer(_))));
        let both = call(&[("x-lockgate-key", "lg-one"), ("x-api-key", "sk-own")]).unwrap();
        assert!(both.grant.is_some() && matches!(both.own, Some(Credential::Key(_))));
        assert_eq!(
            call(&[("x-api-key", "lg-one"), ("x-anthropic-api-key", "")]).unwrap_err().kind,
            ErrorKind::Unauthenticated
        );
    }

    #[test]
    fn without_keys_only_this_machine_may_call_and_no_web_page() {
        let access = Access::default();
        let call =
            |peer: &str, pairs: &[_]| access.caller(peer.parse().unwrap(), &headers(pairs), None).is_ok();
        assert!(call(HERE, &[("host", "localhost:8484")]));
        assert!(call("[::1]:9", &[("host", "[::1]:8484"), ("origin", "http://127.0.0.1:3000")]));
        assert!(!call(AWAY, &[]));
        assert!(!call(HERE, &[("host", "evil.example")]));
        assert!(!call(HERE, &[("host", "localhost.evil.example:80")]));
        assert!(!call(HERE, &[("host", "localhost"), ("origin", "https://evil.example")]));
        assert!(!call(HERE, &[("host", "localhost"), ("origin", "null")]));
    }
}
