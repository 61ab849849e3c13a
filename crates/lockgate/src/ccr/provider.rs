//! One entry of claude-code-router's `Providers`: classic, documented in capitals, or as the desktop app writes it.
//!
//! A key written in the file becomes a reference to a variable; its value is neither stored nor shown.

use lockgate_providers::Kind;

use super::document::{Field, Node, Place};
use super::draft::Provider;
use super::hosts::{self, Protocol};
use super::import::Import;
use super::known;
use super::report::Entry;
use super::text::{is_reference, variable};
use super::transformer;

const NAME: [&str; 3] = ["name", "NAME", "id"];
const ADDRESS: [&str; 4] = ["api_base_url", "baseUrl", "baseurl", "HOST"];
const KEY: [&str; 4] = ["api_key", "apiKey", "apikey", "APIKEY"];
const MODELS: [&str; 2] = ["models", "MODELS"];
const OTHERS: [&str; 6] = ["credentials", "enabled", "extraHeaders", "transformer", "transformers", "type"];

/// Takes over one provider.
pub(super) fn take(import: &mut Import<'_>, path: &str, node: &Node) {
    let name =
        NAME.iter().find_map(|key| node.field(key)).and_then(Node::text).unwrap_or_default().to_owned();
    if name.is_empty() {
        import.left_out(path, node.place, "a provider without a name; give it one");
        return;
    }
    if let Some(field) = find(node, &["enabled"]).filter(|field| field.value.json() == false) {
        import.entries.push(Entry::not_mapped(path, field.place, "switched off (enabled: false)"));
        import.draft.providers.push(Provider {
            name: name.clone(),
            id: identifier(&name),
            ..Provider::default()
        });
        import.disabled.push(name);
        return;
    }
    let id = identifier(&name);
    if id.is_empty() {
        import.left_out(
            path,
            node.place,
            format!("the provider's name {name:?} has no letter or digit that can stand in provider:model"),
        );
        return;
    }
    if import.draft.providers.iter().any(|other| other.id == id) {
        import.left_out(path, node.place, format!("a second provider named {name:?}; give it another name"));
        return;
    }
    let address = ADDRESS.iter().find_map(|key| node.field(key)).and_then(Node::text).unwrap_or_default();
    let destination = hosts::destination(&id, &import.refer(address), protocol(node));
    let mut provider = Provider {
        name,
        id,
        kind: destination.kind,
        write_kind: destination.write_kind,
        base_url: destination.base_url,
        vertex: destination.vertex,
        ..Provider::default()
    };
    let (entries, variables) = (import.entries.len(), import.variables.len());
    for field in node.fields() {
        setting(import, path, field, &mut provider);
    }
    if !has_address(&provider) {
        // What is wrong inside may be the reason, such as a mistyped `api_base_url`.
        let mistakes = import.entries.split_off(entries).into_iter().filter(Entry::is_left_out);
        import.entries.extend(mistakes);
        import.variables.truncate(variables);
        let why = format!("the provider {:?} has no address; set its api_base_url", provider.name);
        import.left_out(path, node.place, why);
        return;
    }
    import.draft.providers.push(provider);
}

/// Whether Lockgate can know where the provider is.
fn has_address(provider: &Provider) -> bool {
    let implied = || match Kind::named(provider.kind) {
        Some(kind @ (Kind::AzureOpenai | Kind::OpenaiCompatible)) => {
            lockgate_providers::implied_base_url(&provider.id, kind).is_some()
        }
        Some(_) | None => true,
    };
    provider.base_url.is_some() || implied()
}

fn setting(import: &mut Import<'_>, path: &str, field: &Field, provider: &mut Provider) {
    let at = format!("{path}.{}", field.name);
    let place = field.place;
    let home = format!("providers.{}", provider.id);
    match field.name.as_str() {
        name if NAME.contains(&name) => {
            let changed = if provider.id == provider.name {
                ""
            } else {
                " (characters that cannot stand in provider:model are replaced)"
            };
            import.entries.push(Entry::mapped(at, place, format!("{home}{changed}")));
        }
        name if ADDRESS.contains(&name) => {
            import.entries.push(Entry::mapped(at, place, address(provider, &home)));
        }
        name if KEY.contains(&name) => key(import, &at, place, &field.value, provider),
        name if MODELS.contains(&name) => models(import, &at, field, provider),
        "credentials" => credentials(import, &at, field, provider),
        "enabled" => {
            import.entries.push(Entry::mapped(at, place, format!("{home} (enabled is the default)")));
        }
        "extraHeaders" => headers(import, &at, field, provider),
        "transformer" => transformers(import, &at, field, provider),
        "transformers" => {
            for (index, used) in field.value.items().iter().enumerate() {
                transformer::explain(&format!("{at}[{index}]"), used, None, provider, &mut import.entries);
            }
            import.leaf(&at, field, "empty");
        }
        "type" => {
            import.entries.push(Entry::mapped(at, place, format!("the provider's kind: {}", provider.kind)));
        }
        name => {
            if let Some(why) = known::reason(known::PROVIDER, name) {
                import.entries.push(Entry::not_mapped(at, place, why));
            } else {
                let names = NAME.iter().chain(&ADDRESS).chain(&KEY).chain(&MODELS).chain(&OTHERS).copied();
                let all = names.chain(known::PROVIDER.iter().map(|(known, _)| *known));
                import.unknown(&at, field, "a provider", all);
            }
        }
    }
}

fn address(provider: &Provider, home: &str) -> String {
    match (&provider.base_url, &provider.vertex) {
        (_, Some(_)) => format!("{home}.vertex"),
        (Some(base), None) => format!("{home}.base_url: {base} (kind {})", provider.kind),
        (None, None) => format!("{home}: the address that Lockgate knows for it (kind {})", provider.kind),
    }
}

fn key(import: &mut Import<'_>, at: &str, place: Place, value: &Node, provider: &mut Provider) {
    let text = value.text().unwrap_or_default();
    if text.trim().is_empty() {
        import.entries.push(Entry::not_mapped(at, place, "empty: the provider gets no key"));
        return;
    }
    let referred = import.refer(text);
    let home = format!("providers.{}.api_key", provider.id);
    if is_reference(&referred) {
        import.entries.push(Entry::mapped(at, place, format!("{home}: {referred}")));
        provider.api_key = Some(referred);
    } else if provider.kind == "ollama" && !text.contains(['$', '-', '_']) && text.len() < 16 {
        import.entries.push(Entry::not_mapped(at, place, "a placeholder: a local Ollama takes no key"));
    } else if import.inline_secrets {
        import.entries.push(Entry::mapped(at, place, format!("{home}, copied as it is")));
        provider.api_key = Some(referred);
    } else {
        let name = import.variable(&format!("{}_API_KEY", variable(&provider.id)), at, place);
        import.entries.push(Entry::mapped(
            at,
            place,
            format!("{home}: ${{{name}}} (set {name} to this key)"),
        ));
        provider.api_key = Some(format!("${{{name}}}"));
    }
}

fn models(import: &mut Import<'_>, at: &str, field: &Field, provider: &mut Provider) {
    let mut names = Vec::new();
    for (index, item) in field.value.items().iter().enumerate() {
        match item.text() {
            Some(name) => names.push(import.refer(name)),
            None => import.left_out(&format!("{at}[{index}]"), item.place, "a model's name must be a text"),
        }
    }
    if names.is_empty() {
        import.entries.push(Entry::not_mapped(
            at,
            field.place,
            "empty: Lockgate asks the provider for its models",
        ));
    } else {
        import.entries.push(Entry::mapped(
            at,
            field.place,
            format!("providers.{}.models ({})", provider.id, names.len()),
        ));
        provider.models = names;
    }
}

/// The desktop app's pool of keys: the first usable one stands for all.
fn credentials(import: &mut Import<'_>, at: &str, field: &Field, provider: &mut Provider) {
    for (index, credential) in field.value.items().iter().enumerate() {
        let here = format!("{at}[{index}]");
        let own = find(credential, &KEY).filter(|own| !own.value.is_empty());
        let off = credential.field("enabled").is_some_and(|enabled| enabled.json() == false);
        match own {
            Some(own) if provider.api_key.is_none() && !off => {
                key(import, &format!("{here}.{}", own.name), own.place, &own.value, provider);
                import.entries.push(Entry::not_mapped(
                    here,
                    credential.place,
                    "Lockgate uses one key per provider: this one, without weights or limits",
                ));
            }
            _ => import.entries.push(Entry::not_mapped(
                here,
                credential.place,
                "Lockgate uses one key per provider, and has another already",
            )),
        }
    }
    import.leaf(at, field, "empty");
}

fn headers(import: &mut Import<'_>, at: &str, field: &Field, provider: &mut Provider) {
    for header in field.value.fields() {
        let here = format!("{at}.{}", header.name);
        let Some(text) = header.value.text() else {
            import.entries.push(Entry::not_mapped(here, header.place, "a header's value must be a text"));
            continue;
        };
        let referred = import.refer(text);
        let lower = header.name.to_lowercase();
        let secret = ["auth", "cookie", "key", "secret", "token"].iter().any(|word| lower.contains(word));
        let value = if secret && !is_reference(&referred) && !import.inline_secrets {
            let name = variable(&format!("{}_{}", provider.id, header.name));
            format!("${{{}}}", import.variable(&name, &here, header.place))
        } else {
            referred
        };
        provider.headers.push((header.name.clone(), value));
        import.entries.push(Entry::mapped(
            here,
            header.place,
            format!("providers.{}.headers.{}", provider.id, header.name),
        ));
    }
    import.leaf(at, field, "empty");
}

fn transformers(import: &mut Import<'_>, at: &str, field: &Field, provider: &mut Provider) {
    for entry in field.value.fields() {
        let (list, here, model) = if entry.name == "use" {
            (&entry.value, format!("{at}.use"), None)
        } else {
            let Some(used) = entry.value.field("use") else {
                import.unknown(
                    &format!("{at}.{}", entry.name),
                    entry,
                    "a transformer",
                    ["use"].into_iter().chain(provider.models.iter().map(String::as_str)),
                );
                continue;
            };
            (used, format!("{at}.{}.use", entry.name), Some(entry.name.as_str()))
        };
        for (index, used) in list.items().iter().enumerate() {
            transformer::explain(&format!("{here}[{index}]"), used, model, provider, &mut import.entries);
            provider.stream_usage |= used.text() == Some("streamoptions");
        }
        if list.items().is_empty() {
            import.entries.push(Entry::not_mapped(here, entry.place, "empty"));
        }
    }
    import.leaf(at, field, "empty");
}

/// The protocol that transformers or the desktop app's `type` name.
fn protocol(node: &Node) -> Protocol {
    match node.field("type").and_then(Node::text) {
        Some("anthropic_messages") => return Protocol::Anthropic,
        Some("gemini_generate_content") => return Protocol::Gemini,
        Some(_) | None => {}
    }
    let used = node.field("transformer").and_then(|transformer| transformer.field("use"));
    used.map_or(Protocol::Unsaid, |used| transformer::protocol(used.items()))
}

fn find<'a>(node: &'a Node, names: &[&str]) -> Option<&'a Field> {
    node.fields().iter().find(|field| names.contains(&field.name.as_str()))
}

/// A provider id that can stand in `provider:model`.
pub(super) fn identifier(name: &str) -> String {
    let foreign = |c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
    let words: Vec<&str> = name.split(foreign).filter(|word| !word.is_empty()).collect();
    words.join("-")
}

impl Import<'_> {
    /// Reports a key that nobody knows, with the one it was probably meant to be.
    pub(super) fn unknown<'k>(
        &mut self,
        at: &str,
        field: &Field,
        of: &str,
        known: impl Iterator<Item = &'k str>,
    ) {
        let hint = known::nearest(&field.name, known).map_or_else(
            || "; remove it, or correct its name".to_owned(),
            |near| format!("; did you mean {near:?}?"),
        );
        self.left_out(at, field.place, format!("{:?} is not a setting of {of}{hint}", field.name));
    }

    /// Explains a container that has nothing inside to explain.
    pub(super) fn leaf(&mut self, at: &str, field: &Field, why: &str) {
        if field.value.fields().is_empty() && field.value.items().is_empty() {
            self.entries.push(Entry::not_mapped(at, field.place, why));
        }
    }
}
