//! The part of Lockgate's configuration that an import can fill, and its YAML.
//!
//! Only what was found is written. Scalars are quoted unless they are plain in every YAML reader.

use std::fmt::Write as _;

use serde_json::Value;

/// Lockgate's usual wait for the first byte; a total below it needs a shorter one.
const FIRST_BYTE_MS: u64 = 300_000;

/// A configuration in the making.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) listen: Option<String>,
    pub(super) keys: Vec<(String, String)>,
    pub(super) providers: Vec<Provider>,
    pub(super) slots: Vec<(&'static str, String)>,
    pub(super) threshold: Option<u64>,
    pub(super) log_level: Option<&'static str>,
    pub(super) total_ms: Option<u64>,
    /// What providers on other machines are reached through.
    pub(super) proxy: Option<String>,
}

/// One provider.
#[derive(Debug, Default)]
pub(super) struct Provider {
    /// The name in the foreign file.
    pub(super) name: String,
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) write_kind: bool,
    pub(super) base_url: Option<String>,
    pub(super) api_key: Option<String>,
    pub(super) models: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) openrouter: Vec<(String, Value)>,
    pub(super) stream_usage: bool,
    pub(super) vertex: Option<(String, String)>,
}

impl Draft {
    pub(super) fn yaml(&self, origin: &str) -> String {
        let mut out = format!("# Imported from {}.\n", origin.replace(['\n', '\r'], " "));
        if let Some(listen) = &self.listen {
            let _ = write!(out, "\nserver:\n  listen: {}\n", scalar(listen));
        }
        if !self.keys.is_empty() {
            out.push_str("\nkeys:\n");
        }
        for (name, hash) in &self.keys {
            let _ = write!(out, "  - name: {}\n    hash: {}\n", scalar(name), scalar(hash));
        }
        if !self.providers.is_empty() {
            out.push_str("\nproviders:\n");
        }
        for provider in &self.providers {
            provider.write(self, &mut out);
        }
        if !self.slots.is_empty() || self.threshold.is_some() {
            out.push_str("\nmodels:\n");
        }
        if !self.slots.is_empty() {
            out.push_str("  slots:\n");
        }
        for (slot, target) in &self.slots {
            let _ = writeln!(out, "    {slot}: {}", scalar(target));
        }
        if let Some(threshold) = self.threshold {
            let _ = writeln!(out, "  long_context_threshold: {threshold}");
        }
        if let Some(level) = self.log_level {
            let _ = write!(out, "\nlog:\n  level: {level}\n");
        }
        out
    }
}

impl Provider {
    fn write(&self, draft: &Draft, out: &mut String) {
        let start = out.len();
        let _ = writeln!(out, "  {}:", scalar(&self.id));
        let head = out.len();
        if self.write_kind {
            let _ = writeln!(out, "    kind: {}", self.kind);
        }
        if let Some(base_url) = &self.base_url {
            let _ = writeln!(out, "    base_url: {}", scalar(base_url));
        }
        if let Some(api_key) = &self.api_key {
            let _ = writeln!(out, "    api_key: {}", scalar(api_key));
        }
        if !self.models.is_empty() {
            out.push_str("    models:\n");
        }
        for model in &self.models {
            let _ = writeln!(out, "      - {}", scalar(model));
        }
        if !self.headers.is_empty() {
            out.push_str("    headers:\n");
        }
        for (name, value) in &self.headers {
            let _ = writeln!(out, "      {}: {}", scalar(name), scalar(value));
        }
        if !self.openrouter.is_empty() {
            out.push_str("    openrouter:\n");
        }
        for (name, value) in &self.openrouter {
            let _ = writeln!(out, "      {name}: {value}");
        }
        if let Some((project, location)) = &self.vertex {
            let _ = write!(
                out,
                "    vertex:\n      project: {}\n      location: {}\n",
                scalar(project),
                scalar(location)
            );
        }
        if self.stream_usage {
            out.push_str("    stream_usage: always\n");
        }
        if let Some(proxy) = draft.proxy.as_ref().filter(|_| !self.is_here()) {
            let _ = writeln!(out, "    proxy: {}", scalar(proxy));
        }
        if let Some(total_ms) = draft.total_ms {
            let _ = write!(out, "    timeouts:\n      total_ms: {total_ms}\n");
            if total_ms < FIRST_BYTE_MS {
                let _ = writeln!(out, "      first_byte_ms: {total_ms}");
            }
        }
        if out.len() == head {
            out.truncate(start);
            let _ = writeln!(out, "  {}: {{}}", scalar(&self.id));
        }
    }
}

impl Provider {
    /// Whether it is on this machine, where a proxy elsewhere would look for it in vain.
    fn is_here(&self) -> bool {
        let implied = || {
            let kind = lockgate_providers::Kind::named(self.kind)?;
            lockgate_providers::implied_base_url(&self.id, kind).map(str::to_owned)
        };
        let url = self.base_url.clone().or_else(implied).and_then(|url| url.parse::<url::Url>().ok());
        match url.as_ref().and_then(url::Url::host) {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }
}

/// A YAML scalar for this text. JSON's strings are YAML's double-quoted ones.
fn scalar(text: &str) -> String {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    let reference = super::text::is_reference(text);
    if (first && rest && !word) || reference { text.to_owned() } else { Value::from(text).to_string() }
}
