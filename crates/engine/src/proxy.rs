//! Through which proxy a connection goes out, if through any, and what is said when that fails.
//!
//! A provider's own setting wins over the environment. The environment's proxies are not for this machine's own addresses nor for
//! what `NO_PROXY` lists; a proxy cannot reach the former, and the latter is what the variable is for. `connect` opens the connections.

mod handshake;

use std::net::IpAddr;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use lockgate_providers::{EnvironmentProxies, NamedProxy, Proxy, ProxyAddress};
use tokio::net::TcpStream;

/// How a provider's addresses are reached.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    http: Option<Way>,
    https: Option<Way>,
    /// Whether the provider's own setting says so, which then holds for every address.
    own: bool,
}

/// One proxy with the hosts that are not for it.
#[derive(Debug)]
struct Way {
    matcher: Matcher,
    name: String,
}

impl Way {
    fn new(address: &ProxyAddress, direct: &str, origin: &str) -> Self {
        let matcher = Matcher::builder().all(address.expose()).no(direct).build();
        Self { matcher, name: format!("{address} ({origin})") }
    }
}

impl Ways {
    /// What the settings of provider `id` and the environment say.
    pub(crate) fn new(id: &str, own: Option<&Proxy>, environment: &EnvironmentProxies) -> Self {
        let named = |proxy: &Option<NamedProxy>| {
            proxy.as_ref().map(|proxy| Way::new(&proxy.address, &environment.direct, &proxy.variable))
        };
        match own {
            Some(Proxy::Direct) => Self { own: true, ..Self::default() },
            Some(Proxy::Through(address)) => {
                let way = || Some(Way::new(address, "", &format!("providers.{id}.proxy")));
                Self { http: way(), https: way(), own: true }
            }
            None => Self { http: named(&environment.http), https: named(&environment.https), own: false },
        }
    }

    /// The proxy on the way to an address.
    pub(crate) fn to(&self, uri: &Uri) -> Option<Hop> {
        let encrypted = uri.scheme_str() == Some("https");
        let way = if encrypted { self.https.as_ref()? } else { self.http.as_ref()? };
        if !self.own && is_here(uri.host()?) {
            return None;
        }
        let found = way.matcher.intercept(uri)?;
        let owned = |(user, password): (&str, &str)| (user.to_owned(), password.to_owned());
        Some(Hop {
            basic: found.basic_auth().cloned(),
            encrypted,
            login: found.raw_auth().map(owned),
            name: way.name.clone(),
            uri: found.uri().clone(),
        })
    }
}

/// Whether a host is this machine.
pub(crate) fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let named =
        || host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    host.parse::<IpAddr>().map_or_else(|_| named(), |ip| ip.is_loopback())
}

/// A proxy on the way to one address.
#[derive(Clone)]
pub(crate) struct Hop {
    /// What it wants to see in front of HTTP.
    pub(crate) basic: Option<HeaderValue>,
    encrypted: bool,
    /// What it wants to see in front of SOCKS.
    pub(crate) login: Option<(String, String)>,
    /// Its address without the login, and where it is set.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) uri: Uri,
}

impl Hop {
    /// Whether it speaks SOCKS.
    pub(crate) fn is_socks(&self) -> bool {
        self.uri.scheme_str().is_some_and(|scheme| scheme.starts_with("socks"))
    }

    /// Whether it gets the requests themselves: plain ones, which every HTTP proxy passes on to any port, while many open tunnels
    /// to port 443 only.
    pub(crate) fn forwards(&self) -> bool {
        !self.encrypted && !self.is_socks()
    }

    /// It cannot be reached.
    pub(crate) fn unreachable(&self, why: &dyn std::error::Error) -> String {
        format!("the proxy {} cannot be reached: {}", self.name, deepest(why))
    }

    /// It wants to know who we are.
    pub(crate) fn wants_login(&self) -> String {
        if self.basic.is_some() || self.login.is_some() {
            format!("the proxy {} does not accept the user and password that it was sent (407)", self.name)
        } else {
            format!("the proxy {} wants a user and password (407): http://user:password@host:port", self.name)
        }
    }

    /// It opens no connection.
    pub(crate) fn refuses(&self, why: &dyn std::fmt::Display) -> String {
        format!("the proxy {} opened no connection to the provider: {why}", self.name)
    }

    /// Nothing came of it in time.
    pub(crate) fn late(&self) -> String {
        format!("no connection in time through the proxy {}", self.name)
    }

    /// Has the proxy at the other end of `io` pass everything on to an address.
    pub(crate) async fn pass(&self, io: TokioIo<TcpStream>, to: Uri) -> Result<TokioIo<TcpStream>, String> {
        if self.forwards() {
            Ok(io)
        } else if self.is_socks() {
            handshake::socks(self, io, to).await
        } else {
            handshake::connect(self, io, &to).await
        }
    }
}

/// The cause of causes.
pub(crate) fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(http: &str, https: &str, direct: &str) -> EnvironmentProxies {
        let named = |text: &str| {
            let address = text.parse().ok()?;
            Some(NamedProxy { address, variable: "HTTPS_PROXY".into() })
        };
        EnvironmentProxies { direct: direct.into(), http: named(http), https: named(https) }
    }

    fn through(ways: &Ways, uri: &str) -> Option<String> {
        ways.to(&uri.parse().unwrap()).map(|hop| hop.uri.to_string())
    }

    /// Requirement 004-27.
    #[test]
    fn the_environments_proxies_are_for_other_machines_that_no_proxy_does_not_list() {
        let env = environment("plain:1", "secure:2", "direct.example,10.0.0.0/8");
        let ways = Ways::new("p", None, &env);
        assert_eq!(through(&ways, "https://api.example/v1").unwrap(), "http://secure:2/");
        assert_eq!(through(&ways, "http://api.example/v1").unwrap(), "http://plain:1/");
        for near in [
            "https://direct.example/",
            "https://a.direct.example/",
            "http://10.1.2.3:8000/v1",
            "http://localhost:11434",
            "http://a.localhost:1",
            "http://127.0.0.2:8000/v1",
            "http://[::1]:8000/v1",
        ] {
            assert_eq!(through(&ways, near), None, "{near}");
        }
        assert_eq!(through(&Ways::new("p", None, &environment("", "", "")), "https://api.example"), None);
    }

    #[test]
    fn a_providers_own_setting_holds_for_every_address() {
        let env = environment("plain:1", "secure:2", "*");
        let own = Ways::new("p", Some(&"http://me:secret@own:3".parse().unwrap()), &env);
        for address in ["https://api.example", "http://127.0.0.1:8000", "http://localhost"] {
            assert_eq!(through(&own, address).unwrap(), "http://own:3/", "{address}");
        }
        let hop = own.to(&Uri::from_static("https://api.example")).unwrap();
        assert_eq!(hop.name, "http://own:3 (providers.p.proxy)");
        assert!(hop.basic.is_some());
        assert_eq!(
            through(&Ways::new("p", Some(&Proxy::Direct), &environment("a:1", "a:1", "")), "https://x"),
            None
        );
    }
}
