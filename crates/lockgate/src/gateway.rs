//! Which Lockgate a client should talk to, and with which key: the arguments `connect` and `run` share.
//!
//! The address is kept without a trailing slash and without `/v1`, because clients disagree about who adds it.
//! Knows no HTTP: the only thing it does on the network is to see whether the port accepts a connection.

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use clap::Args;
use url::Url;

use crate::exit::Failure;
use crate::key;

/// What clients send as a key when Lockgate asks for none: most refuse to start without any.
pub const PLACEHOLDER: &str = "lockgate";

/// Where Lockgate is and what to say to it.
#[derive(Debug, Clone, Args)]
pub struct GatewayArgs {
    /// Address of Lockgate.
    #[arg(long, value_name = "URL", env = "LOCKGATE_URL", default_value = "http://127.0.0.1:8484")]
    pub url: String,
    /// Lockgate key for the client; without one a placeholder is sent, which a keyless Lockgate on loopback accepts.
    #[arg(long, value_name = "LOCKGATE_KEY", env = "LOCKGATE_KEY", hide_env_values = true)]
    pub key: Option<Secret>,
    /// Leave the client's own credentials alone: Lockgate passes them through to the provider.
    #[arg(long, conflicts_with = "key")]
    pub own_key: bool,
    /// Model the client should ask for (an alias, a slot, `provider:model`, …).
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
}

/// A value that is never shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl Secret {
    /// The value itself, to be written where the user asked for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// What a client authenticates with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A key that Lockgate knows.
    Key(Secret),
    /// Whatever the client already has.
    Own,
    /// Something, because the client insists.
    Placeholder,
}

/// A Lockgate that a client is to be pointed at.
#[derive(Debug, Clone)]
pub struct Gateway {
    base: Url,
    /// What the client authenticates with.
    pub credential: Credential,
    /// The model the client should ask for.
    pub model: Option<String>,
}

impl Gateway {
    /// Checks the arguments.
    pub fn parse(args: &GatewayArgs) -> Result<Self, Failure> {
        let base = parse_base(&args.url)?;
        let credential = match &args.key {
            _ if args.own_key => Credential::Own,
            None => Credential::Placeholder,
            Some(secret) if secret.reveal().is_empty() => Credential::Placeholder,
            Some(secret) if secret.reveal().contains(|c: char| c.is_whitespace() || c.is_control()) => {
                return Err(
                    Failure::usage("the key contains white space").hint("copy it again, without line breaks")
                );
            }
            Some(secret) if key::is_mistyped(secret.reveal()) => {
                return Err(Failure::usage("the key's checksum is wrong: it was mistyped or cut off")
                    .hint("copy it again from where `lockgate key new` printed it"));
            }
            Some(secret) => Credential::Key(secret.clone()),
        };
        Ok(Self { base, credential, model: args.model.clone() })
    }

    /// The address without a trailing slash, for clients that add `/v1` or `/v1beta` by themselves.
    pub fn base(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// The address with `/v1`, for clients that do not add it.
    pub fn v1(&self) -> String {
        format!("{}/v1", self.base())
    }

    /// What to put where the client wants a key; `None` when its own credentials stay.
    pub fn token(&self) -> Option<&str> {
        match &self.credential {
            Credential::Key(secret) => Some(secret.reveal()),
            Credential::Own => None,
            Credential::Placeholder => Some(PLACEHOLDER),
        }
    }

    /// The model to name where a client cannot do without one.
    pub fn model_or_auto(&self) -> &str {
        self.model.as_deref().unwrap_or("auto")
    }

    /// Whether somebody listens at the address; waits half a second at most per resolved address.
    pub fn reachable(&self) -> Result<(), Failure> {
        let host = self.base.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.base.port_or_known_default().unwrap_or(80);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let addresses = (host, port).to_socket_addrs().map_err(|error| self.absent(&error))?;
        for address in addresses {
            match TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(self.absent(&last))
    }

    fn absent(&self, error: &io::Error) -> Failure {
        let reason = if error.kind() == io::ErrorKind::ConnectionRefused {
            "connection refused".to_owned()
        } else {
            error.to_string()
        };
        Failure::unavailable(format!("nothing answers at {}: {reason}", self.base()))
            .hint("start `lockgate` first (or name another address with --url; --no-check skips this test)")
    }
}

fn parse_base(text: &str) -> Result<Url, Failure> {
    let refuse = |why: &str| {
        Failure::usage(format!("--url {text}: {why}")).hint("it looks like http://127.0.0.1:8484")
    };
    let mut base = Url::parse(text.trim()).map_err(|error| refuse(&error.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(refuse("only http and https addresses work"));
    }
    if base.host_str().is_none_or(str::is_empty) {
        return Err(refuse("it names no host"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(refuse("it contains credentials; use --key"));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(refuse("it has a query or a fragment"));
    }
    let path = base.path().trim_end_matches('/');
    let path = path.strip_suffix("/v1").unwrap_or(path).to_owned();
    base.set_path(&path);
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(url: &str) -> Result<Gateway, Failure> {
        Gateway::parse(&GatewayArgs { url: url.into(), key: None, own_key: false, model: None })
    }

    #[test]
    fn an_address_may_be_given_with_or_without_slash_and_v1() {
        for url in [
            "http://localhost:8484",
            "http://localhost:8484/",
            "http://localhost:8484/v1",
            "http://localhost:8484/v1/",
        ] {
            let gateway = gateway(url).unwrap();
            assert_eq!(gateway.base(), "http://localhost:8484");
            assert_eq!(gateway.v1(), "http://localhost:8484/v1");
        }
        assert_eq!(gateway("https://ai.example.org/gate/v1").unwrap().base(), "https://ai.example.org/gate");
    }

    #[test]
    fn an_address_that_cannot_work_is_refused_with_the_reason() {
        for (url, why) in [
            ("127.0.0.1:8484", "URL"),
            ("ftp://host", "http and https"),
            ("http://me:secret@host", "credentials"),
            ("http://host/?a=b", "query"),
        ] {
            let failure = gateway(url).unwrap_err();
            assert_eq!(failure.exit, crate::exit::Exit::Usage);
            assert!(failure.message.contains(why), "{url}: {}", failure.message);
        }
    }
}
