//! Proxies that connections to providers go out through: how one is written, and those that the environment names.
//!
//! An address is taken apart once and shown without its password everywhere. Chooses no proxy for a call and opens nothing;
//! the engine does.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use url::Url;

/// What a provider's setting says about proxies.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub enum Proxy {
    /// Connect directly, whatever the environment names.
    Direct,
    /// Always through this one.
    Through(ProxyAddress),
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        if text.trim() == "none" { Ok(Self::Direct) } else { text.parse().map(Self::Through) }
    }
}

impl TryFrom<String> for Proxy {
    type Error = ProxyError;

    fn try_from(text: String) -> Result<Self, ProxyError> {
        text.parse()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("none"),
            Self::Through(address) => address.fmt(f),
        }
    }
}

/// Where a proxy is, how it is spoken to, and who we are to it. Shown without the password.
#[derive(Clone, Eq, PartialEq)]
pub struct ProxyAddress {
    shown: Box<str>,
    url: Box<str>,
    has_password: bool,
}

impl ProxyAddress {
    /// The whole address, password and port included, for the one place that connects to it.
    pub fn expose(&self) -> &str {
        &self.url
    }

    /// Whether it holds something that must not be seen.
    pub fn has_password(&self) -> bool {
        self.has_password
    }
}

impl FromStr for ProxyAddress {
    type Err = ProxyError;

    /// Reads `scheme://user:password@host:port`; without a scheme it is `http`, as other programs take it.
    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let text = text.trim();
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&whole).map_err(ProxyError::NotAnAddress)?;
        let usual = match url.scheme() {
            "http" => 80,
            "socks5" | "socks5h" => 1080,
            "https" => return Err(ProxyError::Encrypted),
            _ => return Err(ProxyError::Scheme),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ProxyError::Host)?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyError::Path);
        }
        let port = url.port().unwrap_or(usual);
        let place = format!("{host}:{port}");
        let (user, password) = (url.username(), url.password());
        let named = !user.is_empty() || password.is_some();
        let login = match password {
            Some(password) => format!("{user}:{password}@"),
            None if named => format!("{user}@"),
            None => String::new(),
        };
        Ok(Self {
            shown: format!("{}://{place}", url.scheme()).into(),
            url: format!("{}://{login}{place}", url.scheme()).into(),
            has_password: password.is_some(),
        })
    }
}

impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not the address of a proxy. Never quotes it: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// TLS on the way to the proxy.
    #[error(
        "TLS on the way to the proxy is not supported; nearly every proxy also takes `https` traffic at an `http://` address: write that"
    )]
    Encrypted,
    /// Nothing to connect to.
    #[error("the proxy's address names no host")]
    Host,
    /// Not a URL at all.
    #[error("not the address of a proxy: {0}; write `http://host:port` or `none`")]
    NotAnAddress(url::ParseError),
    /// Something behind the port.
    #[error("a proxy's address ends after the port")]
    Path,
    /// Another way of speaking to it.
    #[error("a proxy's address starts with `http://`, `socks5://` or `socks5h://`, or it is the word `none`")]
    Scheme,
}

/// The proxies that the environment names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EnvironmentProxies {
    /// Hosts that are connected to directly, as `NO_PROXY` lists them.
    pub direct: String,
    /// For addresses that start with `http://`.
    pub http: Option<NamedProxy>,
    /// For addresses that start with `https://`.
    pub https: Option<NamedProxy>,
}

/// A proxy and the variable that names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedProxy {
    /// The proxy.
    pub address: ProxyAddress,
    /// The variable.
    pub variable: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_login_and_reached_with_it() {
        let proxy: Proxy = "http://me:p%40ss@proxy.example:3128/".parse().unwrap();
        assert_eq!(
            format!("{proxy} {proxy:?}"),
            "http://proxy.example:3128 Through(http://proxy.example:3128)"
        );
        let Proxy::Through(address) = proxy else { panic!() };
        assert_eq!(address.expose(), "http://me:p%40ss@proxy.example:3128");
        assert!(address.has_password());
    }

    #[test]
    fn what_is_left_out_is_what_other_programs_assume() {
        for (text, whole) in [
            ("proxy:3128", "http://proxy:3128"),
            ("http://proxy", "http://proxy:80"),
            ("socks5://me@proxy", "socks5://me@proxy:1080"),
            ("me:secret@10.0.0.1:8080", "http://me:secret@10.0.0.1:8080"),
            ("http://me:p@ss@proxy:1", "http://me:p%40ss@proxy:1"),
        ] {
            assert_eq!(text.parse::<ProxyAddress>().unwrap().expose(), whole, "{text}");
        }
        assert_eq!("none".parse::<Proxy>().unwrap(), Proxy::Direct);
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_without_being_quoted() {
        for (text, words) in [
            ("https://me:secret@proxy:1", "write that"),
            ("socks4://me:secret@proxy:1", "`socks5://`"),
            ("http://me:secret@proxy:99999", "not the address"),
            ("http://me:secret@proxy:1/path", "after the port"),
            ("http://", "not the address"),
        ] {
            let error = text.parse::<Proxy>().unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
