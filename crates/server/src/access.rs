//! Who calls: keys of this gateway, credentials that clients bring for providers, and callers on this machine.
//!
//! Keys are known by their BLAKE3 hash only. Without any key, whoever reaches a loopback address from this machine may
//! call, but no web page may: requests that a browser makes for another origin, or under a foreign host name, are
//! refused. Nor does anybody whom a proxy on this machine speaks for. Chooses no provider.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, header};
use lockgate_core::{ErrorKind, Failure, Secret};
use lockgate_engine::Caller;
use lockgate_providers::Credential;

use crate::ring::{KeyRing, KnownKey};

/// Who may call.
#[derive(Debug, Default)]
pub struct Access {
    keys: KeyRing,
    origins: Vec<String>,
    /// Whether there may be keys that are not known here yet.
    pending: bool,
    required: bool,
}

/// What clients send that have no credential: words from the documentation of servers that need none, in lower case
/// and without `sk-`.
const PLACEHOLDERS: [&str; 22] = [
    "anything",
    "api-key",
    "api_key",
    "dummy",
    "dummy-key",
    "empty",
    "fake",
    "fake-key",
    "key",
    "lm-studio",
    "lockgate",
    "no-key",
    "no-key-required",
    "none",
    "not-needed",
    "not-required",
    "null",
    "ollama",
    "placeholder",
    "unused",
    "your-api-key",
    "your_api_key",
];

/// What proxies add: whoever sent such a request need not be on this machine.
const PASSED_ON: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];

impl Access {
    /// Access by these keys; without any, from this machine only.
    pub fn new(keys: KeyRing) -> Self {
        Self { keys, ..Self::default() }
    }

    /// The same, and with `required` nobody without a key; with `pending` there may be keys that are not known yet, so that an unknown one
    /// is not called wrong.
    #[must_use]
    pub fn with_keys_elsewhere(self, required: bool, pending: bool) -> Self {
        Self { pending, required, ..self }
    }

    /// The same for pages of these origins as well, as far as browsers are concerned: they need a key like everybody.
    #[must_use]
    pub fn with_origins(self, origins: Vec<String>) -> Self {
        Self { origins, ..self }
    }

    /// The origin of the page that a browser sent this request for, if it is a listed one.
    pub(crate) fn page<'a>(&self, headers: &'a HeaderMap) -> Option<&'a http::HeaderValue> {
        let listed = |origin: &&http::HeaderValue| {
            self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes())
        };
        headers.get(header::ORIGIN).filter(listed)
    }

    /// Who sent this request.
    pub fn caller(
        &self,
        peer: SocketAddr,
        headers: &HeaderMap,
        query_key: Option<&str>,
    ) -> Result<Caller, Failure> {
        let keyless = self.keys.is_empty() && !self.required;
        if keyless {
            from_this_machine(peer, headers)?;
        }
        let mut caller = Caller { grant: None, keyless, own: None, own_anthropic: None };
        let mut wrong = None;
        for shown in shown(headers, query_key) {
            match self.keys.get(blake3::hash(shown.text.as_bytes()).as_bytes()).map(KnownKey::grant) {
                Some(Ok(grant)) => caller.grant = Some(grant),
                // Nobody but this gateway can have made it: it is wrong here, and nobody else's business.
                Some(Err(over)) if shown.place == Place::Ours => return Err(over),
                Some(Err(over)) => wrong = Some(over),
                None if shown.place == Place::Ours && !keyless => return Err(self.unknown_key()),
                None if shown.place == Place::Ours || shown.text.starts_with("lg-") => {
                    wrong = wrong.or_else(|| Some(self.unknown_key()));
                }
                None if is_placeholder(shown.text) => {}
                None if shown.place == Place::Anthropic => caller.own_anthropic = Some(shown.credential()),
                None if caller.own.is_none() => caller.own = Some(shown.credential()),
                None => {}
            }
        }
        let empty_override = headers.get("x-anthropic-api-key").is_some_and(http::HeaderValue::is_empty);
        if let Some(failure) = wrong.filter(|_| !keyless && caller.grant.is_none()) {
            return Err(failure);
        }
        if empty_override || !(caller.is_trusted() || caller.has_own()) {
            return Err(Failure::new(
                ErrorKind::Unauthenticated,
                "no credential: send a key of this gateway (`lockgate key new`) as `x-api-key` or `Authorization: Bearer`",
            ));
        }
        Ok(caller)
    }

    fn unknown_key(&self) -> Failure {
        if self.pending {
            // Clients give up on a 401; this is not their fault, and passes.
            let words = "the keys in the database are not known here yet: it cannot be reached; try again in a moment";
            return Failure {
                retry_after: Some(Duration::from_secs(1)),
                ..Failure::new(ErrorKind::Overloaded, words)
            };
        }
        Failure::new(
            ErrorKind::Unauthenticated,
            "this key of the gateway is not known here: it was mistyped, or taken out of the configuration; \
             `lockgate key new` makes another",
        )
    }
}

/// Where a client showed a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Where only Anthropic's keys belong.
    Anthropic,
    /// As a bearer token.
    Bearer,
    /// Where any key may stand.
    Key,
    /// Where only keys of this gateway belong.
    Ours,
}

/// A credential as a client showed it.
struct Shown<'a> {
    place: Place,
    text: &'a str,
}

impl Shown<'_> {
    /// The credential with its scheme kept.
    fn credential(&self) -> Credential {
        let secret = Secret::new(self.text);
        if self.place == Place::Bearer { Credential::Bearer(secret) } else { Credential::Key(secret) }
    }
}

/// Every credential in a request.
fn shown<'a>(headers: &'a HeaderMap, query_key: Option<&'a str>) -> impl Iterator<Item = Shown<'a>> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let at = |place: Place, name: &str| text(name).map(|text| Shown { place, text });
    let bearer = text("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(Shown { place: Place::Bearer, text: token.trim() })
    });
    [
        at(Place::Ours, "x-lockgate-key"),
        at(Place::Anthropic, "x-anthropic-api-key"),
        at(Place::Key, "x-api-key"),
        at(Place::Key, "x-goog-api-key"),
        at(Place::Key, "api-key"),
        bearer,
        query_key.map(|text| Shown { place: Place::Key, text }),
    ]
    .into_iter()
    .flatten()
    .filter(|shown| !shown.text.is_empty())
}

/// Whether a client sent this only because it insists on sending something.
fn is_placeholder(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let word = text.strip_prefix("sk-").unwrap_or(&text);
    PLACEHOLDERS.contains(&word) || word.bytes().all(|byte| matches!(byte, b'x' | b'*' | b'.' | b'-' | b'_'))
}

fn from_this_machine(peer: SocketAddr, headers: &HeaderMap) -> Result<(), Failure> {
    let refuse = |words: &str| Err(Failure::new(ErrorKind::Forbidden, words));
    if !peer.ip().to_canonical().is_loopback() {
        return refuse(
            "this gateway has no keys yet, so it answers callers on its own machine only; make one with `lockgate key new`",
        );
    }
    if let Some(by) = PASSED_ON.iter().find(|name| headers.contains_key(**name)) {
        return refuse(&format!(
            "this request came through a proxy (`{by}`), and without keys only programs on this machine may call; make a key with \
             `lockgate key new`"
        ));
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
    use std::sync::Arc;

    use http::{HeaderName, HeaderValue};
    use lockgate_engine::Grant;

    use super::*;
    use crate::ring::{Ending, Why};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn known(key: &str, ends: Option<Ending>) -> KeyRing {
        let grant = Arc::new(Grant { name: "alice".into(), ..Grant::default() });
        let known = KnownKey { ends, ..KnownKey::from(grant) };
        KeyRing::from([(*blake3::hash(key.as_bytes()).as_bytes(), known)])
    }

    fn ring(key: &str) -> Access {
        Access::new(known(key, None))
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

    /// Requirement L1, behaviour 4.
    #[test]
    fn a_wrong_key_of_the_gateway_is_said_to_be_unknown_and_is_nobodys_credential() {
        let access = ring("old-secret");
        let call = |pairs: &[_]| access.caller(AWAY.parse().unwrap(), &headers(pairs), None);
        for pairs in [
            &[("x-lockgate-key", "old-secert")][..],
            &[("x-lockgate-key", "old-secert"), ("x-api-key", "sk-own")],
            &[("x-lockgate-key", "old-secert"), ("x-api-key", "old-secret")],
            &[("x-api-key", "lg-other")],
            &[("x-api-key", "lg-other"), ("authorization", "Bearer sk-own")],
        ] {
            let refused = call(pairs).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Unauthenticated, "{pairs:?}");
            assert!(refused.message.contains("not known"), "{pairs:?} {}", refused.message);
        }
        let keyless = Access::default();
        let caller = keyless
            .caller(HERE.parse().unwrap(), &headers(&[("x-lockgate-key", "anything at all")]), None)
            .unwrap();
        assert!(caller.keyless && !caller.has_own(), "{caller:?}");
    }

    /// A key that is over is refused with the reason, and never taken for somebody else's credential.
    #[test]
    fn a_key_that_is_over_is_refused_and_the_words_say_why() {
        let long_ago = 1_700_000_000_000_000;
        for (why, words) in [
            (Why::Closed, "is closed"),
            (Why::Expired, "expired at 2023-11-14T22:13:20Z"),
            (Why::Replaced, "was replaced"),
            (Why::Revoked, "was revoked at 2023-11-14T22:13:20Z"),
        ] {
            let access = Access::new(known("lg-one", Some(Ending { at_us: long_ago, why })));
            for pairs in [
                &[("x-api-key", "lg-one")][..],
                &[("x-lockgate-key", "lg-one"), ("authorization", "Bearer sk-own")],
                &[("x-api-key", "lg-one"), ("authorization", "Bearer sk-own")],
            ] {
                let refused = access.caller(HERE.parse().unwrap(), &headers(pairs), None).unwrap_err();
                assert_eq!(refused.kind, ErrorKind::Unauthenticated);
                assert!(refused.message.contains(words), "{}", refused.message);
            }
        }
        let ahead = Access::new(known("lg-one", Some(Ending { at_us: i64::MAX, why: Why::Expired })));
        assert!(ahead.caller(HERE.parse().unwrap(), &headers(&[("x-api-key", "lg-one")]), None).is_ok());
    }

    /// Database trouble is never a 401.
    #[test]
    fn a_key_that_may_be_in_a_database_that_is_away_is_asked_to_come_again() {
        let access = ring("lg-one").with_keys_elsewhere(false, true);
        let refused =
            access.caller(AWAY.parse().unwrap(), &headers(&[("x-api-key", "lg-two")]), None).unwrap_err();
        assert_eq!((refused.status(), refused.retry_after.is_some()), (503, true));
        let required = Access::default().with_keys_elsewhere(true, false);
        let refused = required.caller(HERE.parse().unwrap(), &headers(&[]), None).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Unauthenticated);
    }

    #[test]
    fn what_clients_send_without_having_a_key_counts_as_none() {
        let access = Access::default();
        for word in [
            "EMPTY",
            "ollama",
            "sk-xxx",
            "sk-XXXXXXXX",
            "xxx",
            "not-needed",
            "no-key",
            "sk-no-key-required",
            "none",
            "dummy",
            "lockgate",
            "lm-studio",
            "NULL",
            "lg-old",
            "sk-",
        ] {
            let mut sent = HeaderMap::new();
            sent.insert("authorization", format!("Bearer {word}").parse().unwrap());
            let caller = access.caller(HERE.parse().unwrap(), &sent, None).unwrap();
            assert!(!caller.has_own(), "{word}");
        }
        for key in ["sk-proj-xx1", "sk-ant-x", "gsk_1", "AIzaSy"] {
            let mut sent = HeaderMap::new();
            sent.insert("x-api-key", key.parse().unwrap());
            assert!(access.caller(HERE.parse().unwrap(), &sent, None).unwrap().has_own(), "{key}");
        }
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

    #[test]
    fn without_keys_nobody_calls_through_a_proxy_on_this_machine_and_is_told_what_to_do() {
        let proxied = [
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9"),
            ("x-real-ip", "203.0.113.9"),
            ("via", "1.1 proxy"),
        ];
        for (name, value) in proxied {
            let sent = headers(&[("host", "localhost:8484"), (name, value)]);
            let refused = Access::default().caller(HERE.parse().unwrap(), &sent, None).unwrap_err();
            assert_eq!(refused.status(), 403, "{name}");
            assert!(
                refused.message.contains(name) && refused.message.contains("lockgate key new"),
                "{refused:?}"
            );
            let keyed = headers(&[(name, value), ("x-api-key", "lg-one")]);
            assert!(ring("lg-one").caller(HERE.parse().unwrap(), &keyed, None).is_ok(), "{name}");
        }
    }
}
