//! claude-code-router's configuration to Lockgate's: top level and router; `provider` does the providers.
//!
//! Every setting gets an entry in the report, also one that makes no sense (an unknown key, a slot that leads nowhere): that is left
//! out, and the rest is taken over.

use std::net::IpAddr;

use lockgate_providers::ProxyAddress;

use super::document::{self, Field, Node, Place, Problem};
use super::draft::Draft;
use super::known;
use super::provider::{self, identifier};
use super::report::{Entry, Imported, Outcome, Variable};
use super::text;
use crate::key;

/// An import under way.
pub(super) struct Import<'a> {
    pub(super) entries: Vec<Entry>,
    pub(super) draft: Draft,
    pub(super) disabled: Vec<String>,
    pub(super) inline_secrets: bool,
    pub(super) variables: Vec<Variable>,
    inputs: Option<&'a Node>,
}

/// Reads a configuration; the error says why the file is none.
pub fn read(text: &str, inline_secrets: bool) -> Result<Imported, Problem> {
    let root = document::parse(text)?;
    if root.fields().is_empty() {
        return Err(Problem {
            place: root.place,
            message: "this is no claude-code-router configuration: no settings".into(),
        });
    }
    let mut import = Import {
        entries: Vec::new(),
        draft: Draft::default(),
        disabled: Vec::new(),
        inline_secrets,
        variables: Vec::new(),
        inputs: root.field("userValues"),
    };
    // A preset's `template` has the form of the file itself; slots need the providers of both.
    let parts: Vec<(String, &Node)> = [(String::new(), &root)]
        .into_iter()
        .chain(root.field("template").map(|node| ("template.".to_owned(), node)))
        .collect();
    for (prefix, whole) in &parts {
        for field in whole.fields() {
            if matches!(field.name.as_str(), "Providers" | "providers") {
                import.providers(&format!("{prefix}{}", field.name), field);
            }
        }
    }
    for (prefix, whole) in &parts {
        for field in whole.fields() {
            import.top(prefix, whole, field);
        }
    }
    import.draft.providers.retain(|provider| !import.disabled.contains(&provider.name));
    import.entries.sort_by_key(|entry| (entry.line, entry.column));
    Ok(Imported { entries: import.entries, variables: import.variables, draft: import.draft })
}

impl Import<'_> {
    fn top(&mut self, prefix: &str, whole: &Node, field: &Field) {
        let at = format!("{prefix}{}", field.name);
        match field.name.as_str() {
            "Providers" | "providers" => {}
            "template" if prefix.is_empty() => self.leaf(&at, field, "empty"),
            "APIKEY" => self.own_key(&at, field.place, &field.value),
            "APIKEYS" => self.own_keys(&at, field),
            "API_TIMEOUT_MS" => self.timeout(&at, field),
            "HOST" | "PORT" => self.listen(&at, whole, field),
            "LOG_LEVEL" => self.log_level(&at, field),
            "PROXY_URL" => self.proxy(&at, field),
            "Router" => self.router(&at, field),
            "gateway" => self.gateway(&at, whole, field),
            name => match known::reason(known::TOP, name) {
                Some(why) => self.entries.push(Entry::not_mapped(at, field.place, why)),
                None => self.stranger(&at, field),
            },
        }
    }

    /// Top-level texts in capitals are variables for claude-code-router's process; anything else unknown is a mistake.
    fn stranger(&mut self, at: &str, field: &Field) {
        let mapped = [
            "APIKEY",
            "APIKEYS",
            "API_TIMEOUT_MS",
            "HOST",
            "LOG_LEVEL",
            "PORT",
            "PROXY_URL",
            "Providers",
            "Router",
            "gateway",
            "template",
        ];
        let all = || mapped.into_iter().chain(known::TOP.iter().map(|(name, _)| *name));
        let shouted = field.name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            && field.name.contains('_');
        if shouted && field.value.scalar().is_some() && known::nearest(&field.name, all()).is_none() {
            let why = "a variable for claude-code-router's environment; set it in Lockgate's where it is referred to";
            self.entries.push(Entry::not_mapped(at, field.place, why));
        } else {
            self.unknown(at, field, "claude-code-router", all());
        }
    }

    fn providers(&mut self, at: &str, field: &Field) {
        for (index, provider) in field.value.items().iter().enumerate() {
            provider::take(self, &format!("{at}[{index}]"), provider);
        }
        self.leaf(at, field, "empty");
    }

    fn own_key(&mut self, at: &str, place: Place, value: &Node) {
        let text = value.text().unwrap_or_default();
        let referred = self.refer(text);
        if text.trim().is_empty() {
            self.entries.push(Entry::not_mapped(
                at,
                place,
                "empty: Lockgate asks for no key either, on loopback",
            ));
        } else if referred == text {
            let name = if self.draft.keys.is_empty() {
                "ccr".to_owned()
            } else {
                format!("ccr-{}", self.draft.keys.len() + 1)
            };
            self.entries.push(Entry::mapped(
                at,
                place,
                format!("keys: {name} (its hash; clients go on using the same key)"),
            ));
            self.draft.keys.push((name, key::hash(text)));
        } else {
            self.entries.push(Entry::not_mapped(at, place, "its value is in the environment and Lockgate stores hashes: make a key with `lockgate key new`"));
        }
    }

    fn own_keys(&mut self, at: &str, field: &Field) {
        for (index, item) in field.value.items().iter().enumerate() {
            let here = format!("{at}[{index}]");
            match item.field("key") {
                Some(value) => {
                    self.own_key(&format!("{here}.key"), value.place, value);
                    self.entries.push(Entry::not_mapped(
                        here,
                        item.place,
                        "names and limits of the desktop app's keys",
                    ));
                }
                None => self.own_key(&here, item.place, item),
            }
        }
        self.leaf(at, field, "empty");
    }

    fn timeout(&mut self, at: &str, field: &Field) {
        match field.value.scalar().and_then(|text| text.trim().parse::<u64>().ok()).filter(|ms| *ms > 0) {
            Some(ms) => {
                self.draft.total_ms = Some(ms);
                self.entries.push(Entry::mapped(at, field.place, "timeouts.total_ms of every provider"));
            }
            None => self.left_out(at, field.place, "it must be a number of milliseconds"),
        }
    }

    /// Host and port are one setting here; whichever of the two is met first writes it.
    fn listen(&mut self, at: &str, whole: &Node, field: &Field) {
        let keyless = whole.field("APIKEY").is_none_or(Node::is_empty)
            && whole.field("APIKEYS").is_none_or(Node::is_empty);
        let host = whole.field("HOST").and_then(Node::text).unwrap_or("127.0.0.1").to_owned();
        let port = whole.field("PORT").and_then(Node::scalar).unwrap_or("3456").trim().to_owned();
        self.address(at, field, (&host, &port), keyless);
    }

    fn gateway(&mut self, at: &str, whole: &Node, field: &Field) {
        let host = field.value.field("host").and_then(Node::text).unwrap_or("127.0.0.1").to_owned();
        let port = field.value.field("port").and_then(Node::scalar).unwrap_or("3456").to_owned();
        for inner in field.value.fields() {
            let here = format!("{at}.{}", inner.name);
            match inner.name.as_str() {
                "host" | "port" if whole.field("HOST").is_some() || whole.field("PORT").is_some() => {
                    self.entries.push(Entry::not_mapped(here, inner.place, "HOST and PORT say it already"));
                }
                "host" | "port" => self.address(
                    &here,
                    inner,
                    (&host, &port),
                    whole.field("APIKEYS").is_none_or(Node::is_empty),
                ),
                "coreHost" | "corePort" | "enabled" => {
                    self.entries.push(Entry::not_mapped(
                        here,
                        inner.place,
                        "an inner part of the desktop app",
                    ));
                }
                _ => self.unknown(
                    &here,
                    inner,
                    "the gateway",
                    ["coreHost", "corePort", "enabled", "host", "port"].into_iter(),
                ),
            }
        }
        self.leaf(at, field, "empty");
    }

    fn address(&mut self, at: &str, field: &Field, (host, port): (&str, &str), keyless: bool) {
        let named_host = field.name.eq_ignore_ascii_case("host");
        if named_host && field.value.is_empty() {
            self.entries.push(Entry::not_mapped(at, field.place, "empty"));
            return;
        }
        let host = if host.is_empty() || host == "localhost" { "127.0.0.1" } else { host };
        let Ok(ip) = host.parse::<IpAddr>() else {
            self.entries.push(Entry::not_mapped(
                at,
                field.place,
                format!("server.listen takes an IP address, not {host:?}: set it by hand"),
            ));
            return;
        };
        let Ok(port) = port.parse::<u16>() else {
            self.left_out(at, field.place, "the port must be a number from 1 to 65535");
            return;
        };
        let forced = keyless && !ip.is_loopback();
        let ip = if forced { IpAddr::from([127, 0, 0, 1]) } else { ip };
        let listen = std::net::SocketAddr::new(ip, port).to_string();
        if forced && named_host {
            self.entries.push(Entry::not_mapped(
                at,
                field.place,
                "without APIKEY claude-code-router listens on 127.0.0.1 only, and so does Lockgate",
            ));
        } else {
            self.entries.push(Entry::mapped(at, field.place, format!("server.listen: {listen}")));
        }
        self.draft.listen = Some(listen);
    }

    fn proxy(&mut self, at: &str, field: &Field) {
        let text = self.refer(field.value.text().unwrap_or_default().trim());
        let home = "proxy of every provider that is not on this machine";
        if text.is_empty() {
            self.entries.push(Entry::not_mapped(
                at,
                field.place,
                "empty: providers are connected to directly",
            ));
        } else if text.contains("${") {
            self.entries.push(Entry::mapped(at, field.place, format!("{home}: {text}")));
            self.draft.proxy = Some(text);
        } else {
            match text.parse::<ProxyAddress>() {
                Err(error) => self.entries.push(Entry::not_mapped(at, field.place, error.to_string())),
                Ok(address) if address.has_password() && !self.inline_secrets => {
                    let name = self.variable("PROXY_URL", at, field.place);
                    let words = format!("{home}: ${{{name}}} (set {name} to this address)");
                    self.entries.push(Entry::mapped(at, field.place, words));
                    self.draft.proxy = Some(format!("${{{name}}}"));
                }
                Ok(address) => {
                    self.entries.push(Entry::mapped(at, field.place, format!("{home}: {address}")));
                    self.draft.proxy = Some(address.expose().to_owned());
                }
            }
        }
    }

    fn log_level(&mut self, at: &str, field: &Field) {
        let level = match field.value.text() {
            Some("fatal" | "error") => "error",
            Some("warn") => "warn",
            Some("info") => "info",
            Some("debug") => "debug",
            Some("trace") => "trace",
            Some(_) | None => {
                self.left_out(at, field.place, "it must be fatal, error, warn, info, debug or trace");
                return;
            }
        };
        self.draft.log_level = Some(level);
        self.entries.push(Entry::mapped(at, field.place, format!("log.level: {level}")));
    }

    fn router(&mut self, at: &str, field: &Field) {
        for inner in field.value.fields() {
            let here = format!("{at}.{}", inner.name);
            let slot = known::SLOTS.iter().find(|slot| **slot == inner.name);
            match (slot, inner.name.as_str()) {
                (Some(slot), _) => self.slot(&here, slot, inner),
                (None, "longContextThreshold") => match inner
                    .value
                    .scalar()
                    .and_then(|text| text.trim().parse().ok())
                {
                    Some(tokens) => {
                        self.draft.threshold = Some(tokens);
                        self.entries.push(Entry::mapped(here, inner.place, "models.long_context_threshold"));
                    }
                    None => self.left_out(&here, inner.place, "it must be a number of tokens"),
                },
                (None, name) => {
                    if let Some(why) = known::reason(known::ROUTER, name) {
                        self.entries.push(Entry::not_mapped(here, inner.place, why));
                    } else {
                        let all = known::SLOTS.into_iter().chain(["longContextThreshold"]);
                        self.unknown(
                            &here,
                            inner,
                            "the router",
                            all.chain(known::ROUTER.iter().map(|(name, _)| *name)),
                        );
                    }
                }
            }
        }
        self.leaf(at, field, "empty");
    }

    fn slot(&mut self, at: &str, slot: &'static str, field: &Field) {
        let target = field.value.text().map(|text| self.refer(text)).unwrap_or_default();
        if target.trim().is_empty() {
            self.entries.push(Entry::not_mapped(at, field.place, "empty: no model for this slot"));
            return;
        }
        let Some((name, model)) = target.split_once(',').map(|(name, model)| (name.trim(), model.trim()))
        else {
            self.left_out(
                at,
                field.place,
                format!("{target:?} is not \"provider,model\"; set models.slots.{slot}"),
            );
            return;
        };
        let id = identifier(name);
        let Some(provider) =
            self.draft.providers.iter().find(|provider| provider.id == id || provider.name == name)
        else {
            let near =
                known::nearest(name, self.draft.providers.iter().map(|provider| provider.name.as_str()));
            let hint = near.map_or_else(
                || format!("; set models.slots.{slot} to one that there is"),
                |near| format!("; did you mean {near:?}?"),
            );
            self.left_out(at, field.place, format!("there is no provider {name:?}{hint}"));
            return;
        };
        if self.disabled.contains(&provider.name) {
            self.entries.push(Entry::not_mapped(at, field.place, "its provider is switched off"));
            return;
        }
        let listed = provider.models.iter().any(|known| known == model);
        let unlisted =
            if listed { "" } else { " (the provider's list does not have this model; taken over as it is)" };
        let target = format!("{}:{model}", provider.id);
        let force = match slot {
            "default" => "answers Claude's models that no provider here has",
            "background" => "answers Claude's haiku models that no provider here has",
            _ => "kept as a name to call; no call is moved to it yet",
        };
        let words = format!("models.slots.{slot}: {target}{unlisted} ({force})");
        self.entries.push(Entry::mapped(at, field.place, words));
        self.draft.slots.push((slot, target));
    }

    /// Takes something out that makes no sense, and says what to do about it.
    pub(super) fn left_out(&mut self, at: &str, place: Place, why: impl Into<String>) {
        self.entries.push(Entry::new(at, place, Outcome::LeftOut(why.into())));
    }

    pub(super) fn refer(&self, text: &str) -> String {
        text::references(text, self.inputs)
    }

    /// A variable that will hold the value at this place; its name is made unique.
    pub(super) fn variable(&mut self, wanted: &str, from: &str, place: Place) -> String {
        let mut name = wanted.to_owned();
        let mut number = 2;
        while self.variables.iter().any(|variable| variable.name == name) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        self.variables.push(Variable { name: name.clone(), from: from.to_owned(), line: place.line });
        name
    }
}
