//! The sections `metrics`, `telemetry` and `webhooks`: what a running gateway tells, and whom.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use lockgate_core::Secret;
use lockgate_providers::ModelGlob;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// What the gateway counts, for Prometheus at `/metrics`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Whether calls are counted and `/metrics` answers.
    pub enabled: bool,
    /// Networks whose machines may ask, such as `10.0.0.0/8`. This machine may by default. Requests that a proxy passed on
    /// (with `forwarded` or `x-forwarded-for`) are nobody's network and need a key.
    pub allow: Vec<Network>,
    /// Names of the keys that may ask from anywhere.
    pub keys: Vec<String>,
}

impl Default for Metrics {
    fn default() -> Self {
        let four = Network { address: IpAddr::from([127, 0, 0, 0]), bits: 8 };
        let six = Network { address: IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]), bits: 128 };
        Self { enabled: true, allow: vec![four, six], keys: Vec::new() }
    }
}

/// A network: an address, and how many of its bits count.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "network"))]
pub struct Network {
    /// An address in it.
    pub address: IpAddr,
    /// The bits that its addresses share.
    pub bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or an address alone.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(head, tail)| (head, Some(tail)));
        let address: IpAddr = address.parse().ok()?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(all), |bits| bits.parse().ok().filter(|bits| *bits <= all))?;
        Some(Self { address, bits })
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = u32::from(self.bits);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.checked_shr(32 - bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.checked_shr(128 - bits).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text is no network.
#[derive(Debug, thiserror::Error)]
#[error("not a network such as `10.0.0.0/8` or an address")]
pub struct NetworkError;

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        Self::parse(&text).ok_or(NetworkError)
    }
}

/// What the gateway tells other programs of its calls.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// Where traces and metrics go.
    pub otlp: Otlp,
    /// What becomes of the trace context (`traceparent`, `tracestate`) that a client sends with a call.
    pub trace_context: TraceContext,
}

/// Where traces and metrics go: a collector that takes OTLP over HTTP. Nowhere by default.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// The address of the collector, such as `http://127.0.0.1:4318`; `/v1/traces` and `/v1/metrics` are added. Without one no spans are made.
    pub endpoint: Option<Url>,
    /// Headers that the collector wants. Values are treated as secrets.
    #[schemars(with = "BTreeMap<String, String>", extend("x-secret-values" = true))]
    pub headers: BTreeMap<String, Secret>,
    /// What `/metrics` tells, sent to the collector too.
    pub metrics: OtlpMetrics,
    /// The share of calls that spans are made of, 0 to 1. A client that sends a trace context decides for its own calls.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sample: f64,
}

impl Default for Otlp {
    fn default() -> Self {
        Self { endpoint: None, headers: BTreeMap::new(), metrics: OtlpMetrics::default(), sample: 1.0 }
    }
}

/// Whether and how often metrics are sent to the collector.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpMetrics {
    /// Whether they are sent, also where `metrics.enabled` is off for those who ask.
    pub enabled: bool,
    /// Seconds from one time to the next.
    #[schemars(range(min = 1))]
    pub interval_seconds: u32,
}

impl Default for OtlpMetrics {
    fn default() -> Self {
        Self { enabled: false, interval_seconds: 60 }
    }
}

/// What becomes of the trace context that a client sends.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TraceContext {
    /// The provider does not get it.
    Drop,
    /// The provider gets one that names the gateway's own span as its parent, also where the client sent none.
    Own,
    /// The provider gets it where it gets the client's other headers: when the call keeps its API.
    #[default]
    Untouched,
}

/// A receiver of webhooks: a POST for each call that is over or waits for a person.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where it is.
    #[schemars(with = "String", extend("format" = "webhook-url"))]
    pub url: Url,
    /// What it verifies signatures with (Standard Webhooks): `whsec_` and 24 to 64 random bytes in base64.
    #[schemars(with = "String", extend("writeOnly" = true, "format" = "webhook-secret"))]
    pub secret: Secret,
    /// What it hears of; empty means all.
    #[serde(default)]
    pub events: Vec<WebhookEvent>,
    /// Which calls it hears of, by what they are; all by default.
    #[serde(default)]
    pub filter: WebhookFilter,
}

/// What a webhook can be about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookEvent {
    /// The client went away before the end.
    Aborted,
    /// A call waits for a person.
    ApprovalRequested,
    /// The answer was complete.
    Completed,
    /// It failed.
    Failed,
}

/// Which calls a webhook is about; what is set must all fit.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookFilter {
    /// The name of the key.
    pub key: Option<String>,
    /// The model, as a pattern.
    pub model: Option<ModelGlob>,
    /// The provider's id.
    pub provider: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.168.7.7", "192.168.7.7", "192.168.7.8"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("127.0.0.0/8", "::ffff:127.0.0.1", "::1"),
            ("0.0.0.0/0", "8.8.8.8", "::1"),
        ] {
            let network = Network::parse(network).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0", "host/8", "::/129", "10.0.0.0/-1"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }
}
