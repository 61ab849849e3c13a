//! Whether a request may come from a page: its host is one of ours (a page cannot give a foreign name to this address and read what
//! it gets), and what it changes it was told to change by one of our own pages.
//!
//! Every address in numbers is ours: behind it there is no name that could be turned to another. Reads headers, decides nothing else.

use std::net::IpAddr;

use http::{HeaderMap, Method, header};

/// The header that only a page of ours, or a program, can add to a request with a cookie.
pub(crate) const MARK: &str = "x-lockgate-csrf";

/// Whether the request was made for one of our names. `names` are those that the configuration adds to this machine's.
pub(crate) fn is_our_host(headers: &HeaderMap, authority: Option<&str>, names: &[String]) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).or(authority);
    host.is_some_and(|host| is_ours(host, names))
}

fn is_ours(host: &str, names: &[String]) -> bool {
    let name = name_of(host).trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok()
        || names.iter().any(|own| name_of(own).trim_end_matches('.').eq_ignore_ascii_case(&name))
}

/// The name in `host[:port]`.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').filter(|(name, _)| !name.contains(':')).map_or(host, |(name, _)| name),
    }
}

/// Whether no page of another origin made the request: what browsers say of it (`Sec-Fetch-Site`, `Origin`) is that it comes from us, or
/// nothing.
pub(crate) fn is_same_origin(headers: &HeaderMap, authority: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "none" | "same-origin")) {
        return false;
    }
    let Some(origin) = text("origin") else { return true };
    let host = text("host").or(authority);
    let named = origin.split_once("://").map(|(_, host)| host);
    named.is_some() && named.map(str::to_ascii_lowercase) == host.map(str::to_ascii_lowercase)
}

/// Whose request it is: behind proxies that are trusted the address that the last of them heard from (`x-forwarded-for`, read from its end), else
/// the peer. What others write into that header is not believed.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &dyn Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer.to_canonical();
    let lists: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or_default()).collect();
    let hops = lists.iter().rev().flat_map(|list| list.rsplit(','));
    for hop in hops {
        if !trusted(client) {
            break;
        }
        let Some(address) = address_of(hop.trim()) else { break };
        client = address.to_canonical();
    }
    client
}

/// An address, as proxies write it: some with a port.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.trim_matches('"');
    let ported = || bare.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || bare.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare.parse().ok().or_else(ported).or_else(bracketed)
}

/// Whether a request that is allowed by its cookie may change something.
pub(crate) fn may_change(method: &Method, headers: &HeaderMap, authority: Option<&str>) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    is_same_origin(headers, authority) && headers.contains_key(MARK)
}

/// Whether the client's own connection is encrypted, as a proxy before us says.
pub(crate) fn is_encrypted(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let first = |list: &str| list.split(',').next().unwrap_or_default().trim().eq_ignore_ascii_case("https");
    text("x-forwarded-proto").is_some_and(first)
        || text("forwarded").is_some_and(|text| {
            let nearest = text.split(',').next().unwrap_or_default().to_ascii_lowercase();
            nearest.split(';').any(|pair| pair.trim().trim_end_matches('"').replace('"', "") == "proto=https")
        })
        || text("origin").is_some_and(|origin| origin.starts_with("https://"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_foreign_name_is_refused_whatever_it_points_to() {
        let names = ["gate.example.org".to_owned(), "other.example:8484".to_owned()];
        let ours = |host: &'static str| is_our_host(&headers(&[("host", host)]), None, &names);
        for host in [
            "localhost",
            "LOCALHOST:8484",
            "app.localhost:1",
            "127.0.0.1:8484",
            "[::1]:8484",
            "192.168.1.5",
            "gate.example.org",
            "Gate.Example.org.:443",
            "other.example",
        ] {
            assert!(ours(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8484",
            "gate.example.org.evil.example",
            "",
            "127.0.0.1.nip.io",
        ] {
            assert!(!ours(host), "{host}");
        }
        assert!(!is_our_host(&HeaderMap::new(), None, &names));
        assert!(is_our_host(&HeaderMap::new(), Some("localhost:1"), &names), "HTTP/2 has it in the address");
    }

    #[test]
    fn only_our_own_pages_change_something_with_a_cookie() {
        let may = |pairs: &[_]| may_change(&Method::POST, &headers(pairs), None);
        assert!(may(&[("host", "localhost:8484"), (MARK, "1")]));
        assert!(may(&[
            ("host", "localhost:8484"),
            ("origin", "http://localhost:8484"),
            ("sec-fetch-site", "same-origin"),
            (MARK, "1")
        ]));
        assert!(!may(&[("host", "localhost:8484")]), "the mark is missing");
        for foreign in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:9"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(!may(&[("host", "localhost:8484"), foreign, (MARK, "1")]), "{foreign:?}");
        }
        assert!(may_change(&Method::GET, &headers(&[("origin", "https://evil.example")]), None));
    }

    #[test]
    fn only_proxies_that_are_trusted_say_whose_a_request_is() {
        let near = |address: IpAddr| address.to_string().starts_with("10.") || address.is_loopback();
        let of = |peer: &str, lists: &[&'static str]| {
            let pairs: Vec<_> = lists.iter().map(|list| ("x-forwarded-for", *list)).collect();
            let mut all = HeaderMap::new();
            for (name, value) in pairs {
                all.append(name, HeaderValue::from_static(value));
            }
            client(peer.parse().unwrap(), &all, &near).to_string()
        };
        for (peer, lists, whose) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.7"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6", "198.51.100.1:4711"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            assert_eq!(of(peer, lists), whose, "{peer} {lists:?}");
        }
    }

    #[test]
    fn a_proxy_says_whether_the_client_came_encrypted() {
        for pair in [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-proto", "https, http"),
            ("forwarded", "for=1.2.3.4;proto=https"),
            ("forwarded", "proto=\"https\", proto=http"),
            ("origin", "https://gate.example.org"),
        ] {
            assert!(is_encrypted(&headers(&[pair])), "{pair:?}");
        }
        assert!(!is_encrypted(&headers(&[("x-forwarded-proto", "http"), ("host", "https")])));
    }
}
