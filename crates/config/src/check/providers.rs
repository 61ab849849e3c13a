//! Providers: kind, address, credential, sections, timeouts, headers.

use lockgate_providers::{Credentials, KINDS, Kind, Timeouts, known_ids};

use super::Checker;
use crate::{Code, Path, snapshot::Provider, suggest};

/// Headers that frame the message, name the connection or carry the credential.
const RESERVED: [&str; 14] = [
    "api-key",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-goog-api-key",
];

impl Checker<'_> {
    pub(super) fn check_providers(&mut self) {
        self.ids_and_kinds();
        for provider in self.providers {
            let path = Path::of(["providers", &provider.id]);
            self.sections(provider, &path);
            if !provider.settings.enabled || self.is_malformed(&path) {
                continue;
            }
            self.address(provider, &path);
            self.credential(provider, &path);
            self.timeouts(provider, &path);
            self.headers(provider, &path);
            self.proxy(provider, &path);
        }
    }

    fn ids_and_kinds(&mut self) {
        for id in self.config.providers.keys() {
            let path = Path::of(["providers", id]);
            let valid = id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            if id.is_empty() || !valid {
                let message = "a provider id is made of letters, digits, `-`, `_` and `.`, since `provider:model` must be readable";
                self.report_key(Code::BadValue, &path, message);
            } else if !self.providers.iter().any(|p| p.id == *id) && !self.is_malformed(&path.key("kind")) {
                let suggestion = suggest::nearest(id, known_ids()).map(str::to_owned);
                let message = format!(
                    "`{id}` is neither a kind of provider nor a preset, so it needs `kind` (mostly `openai-compatible`)"
                );
                self.report_key(Code::UnknownKind, &path, message).suggestion = suggestion;
            }
        }
    }

    fn sections(&mut self, provider: &Provider, path: &Path) {
        let settings = &provider.settings;
        let present = [
            ("azure", settings.azure.is_some()),
            ("claude_cli", settings.claude_cli.is_some()),
            ("ollama", settings.ollama.is_some()),
            ("openrouter", settings.openrouter.is_some()),
            ("vertex", settings.vertex.is_some()),
        ];
        for (section, _) in present.into_iter().filter(|(_, present)| *present) {
            if provider.kind.info().section == Some(section) {
                continue;
            }
            let owner = KINDS.iter().find(|info| info.section == Some(section)).map_or("", |info| info.name);
            let message = format!(
                "`{section}` is for kind `{owner}`, but `{}` is `{}`",
                provider.id,
                provider.kind.name()
            );
            self.report_key(Code::MisplacedSection, &path.key(section), message);
        }
    }

    fn address(&mut self, provider: &Provider, path: &Path) {
        let kind = provider.kind;
        match &provider.base_url {
            None if matches!(kind, Kind::AzureOpenai | Kind::OpenaiCompatible) => {
                let example = if kind == Kind::AzureOpenai {
                    "https://NAME.openai.azure.com"
                } else {
                    "https://host/v1"
                };
                let message =
                    format!("a provider of kind `{}` needs `base_url`, such as `{example}`", kind.name());
                self.report_key(Code::MissingAddress, path, message);
            }
            None if kind == Kind::Vertex && !has_project(provider) => {
                self.report_key(
                    Code::MissingAddress,
                    path,
                    "a provider of kind `vertex` needs `vertex.project`",
                );
            }
            Some(url) if url.scheme() == "http" && provider.settings.api_key.is_some() && !is_near(url) => {
                let message = "the credential goes to another network over plain http; use https";
                self.report(Code::PlainHttp, &path.key("base_url"), message);
            }
            None | Some(_) => {}
        }
    }

    fn proxy(&mut self, provider: &Provider, path: &Path) {
        if provider.kind == Kind::ClaudeCli && provider.settings.proxy.is_some() {
            let message =
                "the `claude` program makes its own connections; set `HTTPS_PROXY` where Lockgate is started";
            self.report_key(Code::MisplacedSection, &path.key("proxy"), message);
        }
    }

    fn credential(&mut self, provider: &Provider, path: &Path) {
        let settings = &provider.settings;
        let only_own = settings.credentials == Credentials::Gateway;
        let overridden = self.config.keys.iter().any(|key| key.credentials.contains_key(&provider.id));
        if only_own && settings.api_key.is_none() && !overridden && provider.needs_key() {
            let message = "`credentials: gateway` without an `api_key`: every call would be refused";
            self.report(Code::MissingCredential, &path.key("credentials"), message);
        }
    }

    fn timeouts(&mut self, provider: &Provider, path: &Path) {
        let settings = &provider.settings;
        self.phases(settings.timeouts, &path.key("timeouts"));
        for (index, entry) in settings.model_timeouts.iter().enumerate() {
            let path = path.key("model_timeouts").index(index);
            let first =
                settings.model_timeouts[..index].iter().position(|above| above.model.covers(&entry.model));
            if let Some(first) = first {
                let message =
                    format!("`{}` never applies: entry {first} above takes all its models", entry.model);
                self.report(Code::Shadowed, &path.key("model"), message);
                continue;
            }
            let base = settings.timeouts;
            let merged = Timeouts {
                connect_ms: base.connect_ms,
                first_byte_ms: entry.first_byte_ms.unwrap_or(base.first_byte_ms),
                idle_ms: entry.idle_ms.unwrap_or(base.idle_ms),
                total_ms: entry.total_ms.unwrap_or(base.total_ms),
            };
            self.phases(merged, &path);
        }
    }

    /// A phase that may take longer than the whole never gets to its own limit.
    fn phases(&mut self, timeouts: Timeouts, path: &Path) {
        let phases = [
            ("connect_ms", timeouts.connect_ms),
            ("first_byte_ms", timeouts.first_byte_ms),
            ("idle_ms", timeouts.idle_ms),
        ];
        if let Some((name, value)) = phases.into_iter().find(|(_, value)| *value > timeouts.total_ms) {
            let total = timeouts.total_ms;
            // The one that was written is the one to look at.
            let written = [name, "total_ms"].into_iter().find(|n| self.tree.at(&path.key(n)).is_some());
            let message = format!("{name} ({value}) is longer than total_ms ({total})");
            self.report(Code::Timeouts, &path.key(written.unwrap_or(name)), message);
        }
    }

    fn headers(&mut self, provider: &Provider, path: &Path) {
        for name in provider.settings.headers.keys() {
            let path = path.key("headers").key(name);
            let lower = name.to_ascii_lowercase();
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if RESERVED.contains(&lower.as_str()) || lower.starts_with("x-lockgate-") {
                let message = format!("`{name}` is set by the gateway itself; for credentials use `api_key`");
                self.report_key(Code::ReservedHeader, &path, message);
            } else if name.is_empty() || !name.chars().all(token) {
                self.report_key(Code::BadValue, &path, "this is not the name of a header");
            } else if provider.settings.headers[name].expose().chars().any(|c| c.is_control() && c != '\t') {
                self.report(Code::BadValue, &path, "the value of a header must not contain line breaks");
            }
        }
    }
}

fn has_project(provider: &Provider) -> bool {
    provider.settings.vertex.as_ref().is_some_and(|vertex| vertex.project.is_some())
}

/// This machine or a private network, where plain http is usual.
fn is_near(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => {
            name == "localhost"
                || !name.contains('.')
                || [".local", ".internal", ".lan", ".localhost"].iter().any(|s| name.ends_with(s))
        }
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        None => false,
    }
}
