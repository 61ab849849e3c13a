//! From the name that a client calls to one model at one provider. One function, one answer.
//!
//! `provider:model`, `provider/model`, `provider,model`, aliases, slots, `auto` and plain names. A name that fits several
//! providers is refused with the list of choices, never guessed; a provider that is ready comes before one that only
//! could be. Knows no price and nothing of the call: choosing among models comes with routing.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockgate_core::{Dialect, ErrorKind, Failure};
use lockgate_providers::{Kind, Preset, Settings, family_of, known_ids};

use crate::auto;
use crate::caller::{Caller, NOT_CONFIGURED};
use crate::catalogue::Catalogue;
use crate::discover::{Probes, is_there};
use crate::upstream::Upstream;

/// One model at one provider.
#[derive(Clone)]
pub(crate) struct Target {
    /// The model's id there.
    pub model: String,
    /// The provider.
    pub upstream: Arc<Upstream>,
}

/// What names mean.
pub(crate) struct Names<'a> {
    /// Aliases and slots: name to target.
    pub aliases: &'a BTreeMap<String, String>,
    /// Who calls: what is ready depends on the credentials it has.
    pub caller: &'a Caller,
    /// Models that providers are known to have.
    pub catalogue: &'a Catalogue,
    /// Providers that the configuration names, also those that are disabled or cannot be opened.
    pub configured: &'a BTreeMap<String, Settings>,
    /// The client's dialect: an unknown plain name goes to the provider that owns it.
    pub dialect: Dialect,
    /// Which providers answered.
    pub probes: &'a Probes,
    /// Enabled providers by id.
    pub upstreams: &'a BTreeMap<String, Arc<Upstream>>,
}

/// Aliases may point to aliases, so many times.
const ALIAS_DEPTH: usize = 8;

/// The name that leaves the choice to the gateway.
pub(crate) const AUTO: &str = "auto";

/// Purposes that a configuration may give a model to; one without falls back to `default`, and that to `auto`.
const SLOTS: [&str; 6] = ["background", "default", "image", "longContext", "think", "webSearch"];

impl Names<'_> {
    /// The model that a name means.
    pub(crate) fn resolve(&self, name: &str) -> Result<Target, Failure> {
        let name = self.followed(name);
        if let Some(target) = self.explicit(name)? {
            return Ok(target);
        }
        if let Some(id) = self.out_of_service(name) {
            return Err(unavailable(id));
        }
        if let Some(target) = self.listed(name)? {
            return Ok(target);
        }
        if name == AUTO || SLOTS.contains(&name) {
            return self.auto(name);
        }
        match family_of(name) {
            Some(kinds) => self.of_family(name, kinds),
            None => self.owner(name),
        }
    }

    /// What an alias or a slot stands for at last. A slot that nobody filled stands for `default`; a wish behind `auto`
    /// (`auto:economy`) is for routing to hear.
    fn followed<'n>(&'n self, name: &'n str) -> &'n str {
        let mut name = name;
        for _ in 0..ALIAS_DEPTH {
            name = match self.aliases.get(name) {
                Some(target) if target != name => target,
                None if name.starts_with("auto:") || name.starts_with("auto/") => AUTO,
                None if (name == AUTO || SLOTS.contains(&name)) && self.aliases.contains_key("default") => {
                    "default"
                }
                Some(_) | None => return name,
            };
        }
        name
    }

    /// Whether a call of this caller to that provider has all it needs.
    fn is_ready(&self, upstream: &Upstream) -> bool {
        let native = owners_of(self.dialect).contains(&upstream.kind);
        is_there(upstream, self.probes) && self.caller.credential_for(upstream, native).is_ok()
    }

    fn ready<'n>(&'n self, among: &[&'n Arc<Upstream>]) -> Vec<&'n Arc<Upstream>> {
        among.iter().filter(|upstream| self.is_ready(upstream)).copied().collect()
    }

    /// Providers whose list has exactly this name; those that are ready, if any is.
    fn holders(&self, name: &str) -> Vec<&Arc<Upstream>> {
        let has = |upstream: &&Arc<Upstream>| self.catalogue.has(&upstream.id, name);
        let all: Vec<_> = self.upstreams.values().filter(has).collect();
        let ready = self.ready(&all);
        if ready.is_empty() { all } else { ready }
    }

    fn listed(&self, name: &str) -> Result<Option<Target>, Failure> {
        match self.holders(name).as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(target(one, name))),
            several => Err(ambiguous(name, several)),
        }
    }

    /// `provider:model`, `provider/model` or `provider,model`, split at the first separator that follows a provider. A
    /// provider that nobody configured and that is not ready does not keep the name from one that lists it as its own:
    /// `openai/gpt-4o` is a model of OpenRouter.
    fn explicit(&self, name: &str) -> Result<Option<Target>, Failure> {
        let meant = [':', '/', ','].into_iter().find_map(|separator| {
            let (provider, model) = name.split_once(separator)?;
            let upstream = self.upstreams.get(provider.trim())?;
            let model = model.trim();
            (!model.is_empty()).then(|| target(upstream, model))
        });
        let Some(meant) = meant else { return Ok(None) };
        if meant.upstream.detected && !self.is_ready(&meant.upstream) {
            let holders = self.ready(&self.holders(name));
            match holders.as_slice() {
                [] => {}
                [one] => return Ok(Some(target(one, name))),
                several => return Err(ambiguous(name, several)),
            }
        }
        Ok(Some(meant))
    }

    /// The usual model of the first provider that is ready: configured ones first, then by [`auto::rank`], then by name.
    fn auto(&self, name: &str) -> Result<Target, Failure> {
        let mut ready = self.ready(&self.upstreams.values().collect::<Vec<_>>());
        ready.sort_by_key(|upstream| (upstream.detected, auto::rank(upstream.kind)));
        let usual = |upstream: &&Arc<Upstream>| {
            let model = auto::model_of(upstream, self.catalogue.of(&upstream.id))?;
            let full = format!("{}:{model}", upstream.id);
            let caller = self.caller;
            let may = caller.may_use(name) || caller.may_use(&model) || caller.may_use(&full);
            may.then(|| target(upstream, &model))
        };
        ready.iter().find_map(usual).ok_or_else(|| {
            let words = format!(
                "`{name}` leaves the choice of the model to the gateway, and no provider is ready: set a key such as \
                 ANTHROPIC_API_KEY or OPENAI_API_KEY and restart, or set models.slots.default in lockgate.yaml"
            );
            Failure { code: Some(NOT_CONFIGURED.into()), ..Failure::invalid("model", words) }
        })
    }

    /// A name of a known family that nobody lists: its maker, or else a provider that hosts it.
    fn of_family(&self, name: &str, kinds: &[Kind]) -> Result<Target, Failure> {
        let members: Vec<_> =
            self.upstreams.values().filter(|upstream| kinds.contains(&upstream.kind)).collect();
        let ready = self.ready(&members);
        if ready.is_empty()
            && let Some(slot) = self.slot_of_claude(name)
        {
            return self.resolve(slot);
        }
        let members = if ready.is_empty() { members } else { ready };
        match members.as_slice() {
            [one] => Ok(target(one, name)),
            [] => Err(self.unknown(name, kinds)),
            several => {
                // The first kind owns the family, the others host it.
                let owners: Vec<_> =
                    several.iter().filter(|upstream| upstream.kind == kinds[0]).copied().collect();
                match owners.as_slice() {
                    [one] => Ok(target(one, name)),
                    _ => Err(ambiguous(name, several)),
                }
            }
        }
    }

    /// Claude Code calls its own models whatever the gateway has. Where no provider has them, the slots answer, as in
    /// claude-code-router: `background` for the small one, `default` for the rest.
    fn slot_of_claude(&self, name: &str) -> Option<&str> {
        if !name.starts_with("claude-") {
            return None;
        }
        let small = name.contains("haiku").then(|| self.aliases.get("background")).flatten();
        let target = self.followed(small.or_else(|| self.aliases.get("default"))?);
        // A slot that names another model of Claude leads here again.
        (!target.starts_with("claude-")).then_some(target)
    }

    /// A plain name that nobody knows: the only provider, or the owner of the client's dialect, will say.
    fn owner(&self, name: &str) -> Result<Target, Failure> {
        let configured: Vec<_> = self.upstreams.values().filter(|upstream| !upstream.detected).collect();
        if let [one] = configured.as_slice() {
            return Ok(target(one, name));
        }
        if let Some(id) = self.absent(name) {
            return Err(not_here(name, id));
        }
        let kinds = owners_of(self.dialect);
        let owners: Vec<_> =
            self.upstreams.values().filter(|upstream| kinds.contains(&upstream.kind)).collect();
        match owners.as_slice() {
            // What has a prefix was meant for a provider that is not here, and its words are not for another one.
            [one] if one.kind != Kind::Ollama && has_prefix(name) => Err(self.unknown(name, kinds)),
            // Without a key it will not say anything: a model with such a name elsewhere is the better answer.
            [one] if self.is_ready(one) || self.similar(name).is_empty() => Ok(target(one, name)),
            _ => Err(self.unknown(name, kinds)),
        }
    }

    /// Names like this one; strangers are not told what there is.
    fn similar(&self, name: &str) -> Vec<String> {
        if !self.caller.is_trusted() {
            return Vec::new();
        }
        let mut near = self.catalogue.nearest(name, 5);
        near.retain(|name| name.split(':').next().is_some_and(|provider| self.caller.may_reach(provider)));
        near
    }

    /// A provider that is configured but out of service, if the name is explicit about one: the call was meant for
    /// nobody else.
    fn out_of_service(&self, name: &str) -> Option<&str> {
        [':', '/', ','].into_iter().find_map(|separator| {
            let (provider, _) = name.split_once(separator)?;
            let (id, _) = self.configured.get_key_value(provider.trim())?;
            (!self.upstreams.contains_key(id)).then_some(id.as_str())
        })
    }

    /// A provider that is known but not here, if the name is explicit about one.
    fn absent(&self, name: &str) -> Option<&'static str> {
        [':', '/', ','].into_iter().find_map(|separator| {
            let provider = name.split_once(separator)?.0.trim();
            known_ids().find(|id| *id == provider && !self.upstreams.contains_key(*id))
        })
    }

    fn unknown(&self, name: &str, kinds: &[Kind]) -> Failure {
        let near = self.similar(name);
        let mut message = format!("no provider here has the model `{name}`");
        if !near.is_empty() {
            message = format!("{message}; did you mean {}?", near.join(", "));
        }
        if let Some(kind) =
            kinds.iter().find(|kind| !self.upstreams.values().any(|upstream| upstream.kind == **kind))
        {
            let id = kind.name();
            let how = match kind.info().key_variables.first() {
                Some(variable) => format!(
                    "; to add {id}, set {variable} or add `providers: {{{id}: {{api_key: …}}}}` to lockgate.yaml"
                ),
                None => format!("; to add {id}, put `providers: {{{id}: {{}}}}` into lockgate.yaml"),
            };
            message.push_str(&how);
        }
        message.push_str("; or name the provider, as in `provider:model`");
        Failure {
            code: Some("model_not_found".into()),
            param: Some("model".into()),
            ..Failure::new(ErrorKind::NotFound, message)
        }
    }
}

/// Whether a name is written as `provider:model`. Of the makers' own names only those of models tuned by OpenAI hold a colon.
fn has_prefix(name: &str) -> bool {
    name.contains([':', ',']) && !name.starts_with("ft:")
}

fn unavailable(id: &str) -> Failure {
    let message = format!(
        "the provider `{id}` is disabled or cannot be used as configured; `lockgate doctor` says which"
    );
    Failure {
        code: Some("model_not_found".into()),
        param: Some("model".into()),
        ..Failure::new(ErrorKind::NotFound, message)
    }
}

fn not_here(name: &str, id: &str) -> Failure {
    let preset = Preset::named(id).map(|preset| preset.key_variables);
    let variables =
        preset.or_else(|| Kind::named(id).map(|kind| kind.info().key_variables)).unwrap_or_default();
    let how = match variables.first() {
        Some(variable) => {
            format!(
                "set {variable} and restart, or add `providers: {{{id}: {{api_key: …}}}}` to lockgate.yaml"
            )
        }
        None => format!("put `providers: {{{id}: {{}}}}` into lockgate.yaml"),
    };
    Failure {
        code: Some("model_not_found".into()),
        param: Some("model".into()),
        ..Failure::new(ErrorKind::NotFound, format!("`{name}`: the provider `{id}` is not configured; {how}"))
    }
}

/// The kinds of provider that own a dialect: endpoints we do not model belong to them.
pub fn owners_of(dialect: Dialect) -> &'static [Kind] {
    match dialect {
        Dialect::Anthropic => &[Kind::Anthropic],
        Dialect::Chat | Dialect::Responses => &[Kind::Openai],
        Dialect::ClaudeCli => &[Kind::ClaudeCli],
        Dialect::Gemini => &[Kind::Gemini],
        Dialect::Ollama => &[Kind::Ollama],
    }
}

fn target(upstream: &Arc<Upstream>, model: &str) -> Target {
    Target { model: model.to_owned(), upstream: upstream.clone() }
}

fn ambiguous(name: &str, choices: &[&Arc<Upstream>]) -> Failure {
    let list: Vec<_> = choices.iter().map(|upstream| format!("`{}:{name}`", upstream.id)).collect();
    Failure::invalid(
        "model",
        format!("several providers have the model `{name}`: call it {}", list.join(" or ")),
    )
}
