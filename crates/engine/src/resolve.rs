//! From the name that a client calls to one model at one provider. One function, one answer.
//!
//! `provider:model`, `provider/model`, `provider,model`, aliases, slots and plain names. A name that fits several
//! providers is refused with the list of choices, never guessed. Knows no health and no price: choosing among
//! models comes with routing.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockgate_core::{Dialect, ErrorKind, Failure};
use lockgate_providers::{Kind, Preset, Settings, family_of, known_ids};

use crate::catalogue::Catalogue;
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
    /// Models that providers are known to have.
    pub catalogue: &'a Catalogue,
    /// Providers that the configuration names, also those that are disabled or cannot be opened.
    pub configured: &'a BTreeMap<String, Settings>,
    /// Enabled providers by id.
    pub upstreams: &'a BTreeMap<String, Arc<Upstream>>,
}

/// Aliases may point to aliases, so many times.
const ALIAS_DEPTH: usize = 8;

impl Names<'_> {
    /// The model that a name means. `dialect` is the client's: an unknown plain name goes to the provider that owns
    /// the dialect.
    pub(crate) fn resolve(&self, name: &str, dialect: Dialect) -> Result<Target, Failure> {
        let mut name = name;
        for _ in 0..ALIAS_DEPTH {
            match self.aliases.get(name) {
                Some(target) if target != name => name = target,
                Some(_) | None => break,
            }
        }
        if let Some(target) = self.explicit(name) {
            return Ok(target);
        }
        if let Some(id) = self.out_of_service(name) {
            return Err(unavailable(id));
        }
        let known: Vec<&Arc<Upstream>> =
            self.upstreams.values().filter(|upstream| self.catalogue.has(&upstream.id, name)).collect();
        match known.as_slice() {
            [one] => return Ok(target(one, name)),
            [] => {}
            several => return Err(ambiguous(name, several)),
        }
        if let Some(kinds) = family_of(name) {
            let members: Vec<_> =
                self.upstreams.values().filter(|upstream| kinds.contains(&upstream.kind)).collect();
            match members.as_slice() {
                [one] => return Ok(target(one, name)),
                [] => return Err(self.unknown(name, kinds)),
                several => {
                    // Nobody listed it: the first kind owns the family, the others host it.
                    let owners: Vec<_> =
                        several.iter().filter(|upstream| upstream.kind == kinds[0]).copied().collect();
                    return match owners.as_slice() {
                        [one] => Ok(target(one, name)),
                        _ => Err(ambiguous(name, several)),
                    };
                }
            }
        }
        self.owner(name, dialect)
    }

    /// `provider:model`, `provider/model` or `provider,model`, split at the first separator that follows a provider.
    fn explicit(&self, name: &str) -> Option<Target> {
        [':', '/', ','].into_iter().find_map(|separator| {
            let (provider, model) = name.split_once(separator)?;
            let upstream = self.upstreams.get(provider.trim())?;
            let model = model.trim();
            (!model.is_empty()).then(|| target(upstream, model))
        })
    }

    /// A plain name that nobody knows: the only provider, or the owner of the client's dialect, will say.
    fn owner(&self, name: &str, dialect: Dialect) -> Result<Target, Failure> {
        let configured: Vec<_> = self.upstreams.values().filter(|upstream| !upstream.detected).collect();
        if let [one] = configured.as_slice() {
            return Ok(target(one, name));
        }
        if let Some(id) = self.absent(name) {
            return Err(not_here(name, id));
        }
        let kinds = owners_of(dialect);
        let owners: Vec<_> =
            self.upstreams.values().filter(|upstream| kinds.contains(&upstream.kind)).collect();
        match owners.as_slice() {
            [one] => Ok(target(one, name)),
            _ => Err(self.unknown(name, kinds)),
        }
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
        let near = self.catalogue.nearest(name, 5);
        let mut message = format!("no provider here has the model `{name}`");
        if !near.is_empty() {
            message = format!("{message}; similar: {}", near.join(", "));
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
