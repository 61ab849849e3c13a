//! Which provider an address belongs to, and how each kind's address differs from claude-code-router's.
//!
//! claude-code-router wants the whole URL of an endpoint; Lockgate wants the base that all endpoints share.

use lockgate_providers::{Kind, implied_base_url};
use url::Url;

/// The protocol that claude-code-router was told to speak, if it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Anthropic,
    Gemini,
    Unsaid,
    Vertex,
}

/// A provider's kind and base address; `None` where the id or the kind says it already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Destination {
    /// The kind that holds, implied or written.
    pub(super) kind: &'static str,
    pub(super) write_kind: bool,
    pub(super) base_url: Option<String>,
    /// Project and location, for Vertex.
    pub(super) vertex: Option<(String, String)>,
}

pub(super) fn destination(id: &str, address: &str, protocol: Protocol) -> Destination {
    let base = strip_endpoint(address);
    // References to variables are not part of a URL's grammar; whatever holds one is taken as it is.
    let url = Url::parse(&base).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
    let port = url.as_ref().and_then(Url::port);
    let known = implied_kind(id).filter(|_| base.is_empty() && protocol == Protocol::Unsaid);
    let kind = known.unwrap_or_else(|| kind_of(&host, port, &base, protocol));
    let base = match kind {
        "gemini" | "ollama" => origin(url.as_ref()).unwrap_or(base),
        "vertex" => String::new(),
        _ => base,
    };
    let vertex = (kind == "vertex").then(|| (segment(address, "projects"), segment(address, "locations")));
    let same = usual_address(id, kind).is_some_and(|usual| same_address(usual, &base));
    Destination {
        kind,
        write_kind: implied_kind(id) != Some(kind),
        base_url: (!same && kind != "vertex" && !base.is_empty()).then_some(base),
        vertex,
    }
}

fn kind_of(host: &str, port: Option<u16>, base: &str, protocol: Protocol) -> &'static str {
    let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]" | "host.docker.internal");
    match (protocol, host) {
        (Protocol::Vertex, _) => "vertex",
        (Protocol::Anthropic, _) | (_, "api.anthropic.com") => "anthropic",
        (_, "generativelanguage.googleapis.com") if base.contains("/openai") => "openai-compatible",
        (Protocol::Gemini, _) | (_, "generativelanguage.googleapis.com") => "gemini",
        (_, "openrouter.ai") => "openrouter",
        (_, "api.openai.com") => "openai",
        _ if local && port == Some(11434) => "ollama",
        _ if host.ends_with(".openai.azure.com") => "azure-openai",
        _ => "openai-compatible",
    }
}

/// The endpoint's full URL, as claude-code-router wants it, and the transformer it needs there.
pub(super) fn endpoint(id: &str, kind: &str, base_url: Option<&str>) -> (String, Option<&'static str>) {
    let base = base_url.or_else(|| usual_address(id, kind)).unwrap_or_default().trim_end_matches('/');
    match kind {
        "anthropic" => (format!("{base}/v1/messages"), Some("Anthropic")),
        "gemini" => (format!("{base}/v1beta/models/"), Some("gemini")),
        "llamacpp" | "ollama" => (format!("{base}/v1/chat/completions"), None),
        "openrouter" => (format!("{base}/chat/completions"), Some("openrouter")),
        "vertex" => (base.to_owned(), Some("vertex-gemini")),
        _ => (format!("{base}/chat/completions"), None),
    }
}

/// The kind that an id implies when the configuration names none.
pub(super) fn implied_kind(id: &str) -> Option<&'static str> {
    lockgate_providers::implied_kind(id).map(Kind::name)
}

/// Where a provider is found whose settings do not say.
fn usual_address(id: &str, kind: &str) -> Option<&'static str> {
    implied_base_url(id, Kind::named(kind)?)
}

fn strip_endpoint(address: &str) -> String {
    let mut base = address.trim().trim_end_matches('/');
    for suffix in ["/chat/completions", "/completions", "/responses", "/v1/messages", "/messages"] {
        if let Some(rest) = base.strip_suffix(suffix) {
            base = rest;
            break;
        }
    }
    base.trim_end_matches('/').to_owned()
}

fn origin(url: Option<&Url>) -> Option<String> {
    let url = url?;
    Some(url[..url::Position::BeforePath].to_owned())
}

/// The path segment after `name`.
fn segment(address: &str, name: &str) -> String {
    let mut segments = address.split('/');
    segments.by_ref().find(|segment| *segment == name);
    segments.next().unwrap_or_default().to_owned()
}

fn same_address(left: &str, right: &str) -> bool {
    let canonical = |text: &str| {
        let text = text.replace("//localhost", "//127.0.0.1");
        text.trim_end_matches('/').trim_end_matches("/v1").to_owned()
    };
    canonical(left) == canonical(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: &str, address: &str) -> (&'static str, bool, Option<String>) {
        let destination = destination(id, address, Protocol::Unsaid);
        (destination.kind, destination.write_kind, destination.base_url)
    }

    #[test]
    fn well_known_addresses_become_kinds_and_presets_without_an_address() {
        assert_eq!(
            found("openrouter", "https://openrouter.ai/api/v1/chat/completions"),
            ("openrouter", false, None)
        );
        assert_eq!(found("openrouter", ""), ("openrouter", false, None));
        assert_eq!(found("mine", ""), ("openai-compatible", true, None));
        assert_eq!(found("or2", "https://openrouter.ai/api/v1/chat/completions"), ("openrouter", true, None));
        assert_eq!(
            found("deepseek", "https://api.deepseek.com/chat/completions"),
            ("openai-compatible", false, None)
        );
        assert_eq!(found("ollama", "http://localhost:11434/v1/chat/completions"), ("ollama", false, None));
        assert_eq!(
            found("gemini", "https://generativelanguage.googleapis.com/v1beta/models/"),
            ("gemini", false, None)
        );
        assert_eq!(found("oai", "https://api.openai.com/v1/responses"), ("openai", true, None));
    }

    #[test]
    fn other_addresses_lose_the_endpoint_and_keep_the_base() {
        let base = |text: &str| Some(text.to_owned());
        assert_eq!(
            found("volc", "https://ark.cn-beijing.volces.com/api/v3/chat/completions"),
            ("openai-compatible", true, base("https://ark.cn-beijing.volces.com/api/v3"))
        );
        assert_eq!(
            found("g", "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"),
            ("openai-compatible", true, base("https://generativelanguage.googleapis.com/v1beta/openai"))
        );
        // A name that Lockgate knows, at another address: the address decides.
        assert_eq!(
            found("deepseek", "https://x.example/v1/chat/completions"),
            ("openai-compatible", false, base("https://x.example/v1"))
        );
        assert_eq!(
            found("openai", "https://x.example/v1/chat/completions"),
            ("openai-compatible", true, base("https://x.example/v1"))
        );
    }
}
