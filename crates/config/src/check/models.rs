//! Aliases, slots, the model for titles and the threshold: every target must lead somewhere.

use std::collections::BTreeMap;

use lockgate_providers::{Kind, known_ids};

use super::Checker;
use crate::{Code, Path, suggest};

/// What a target names.
pub(super) enum Target<'t> {
    Alias,
    /// Provider and model, and the character between them.
    At(&'t str, &'t str, char),
    Plain,
}

impl Checker<'_> {
    pub(super) fn models(&mut self) {
        let aliases = &self.config.models.aliases;
        for (alias, target) in aliases {
            let path = Path::of(["models", "aliases", alias]);
            self.alias_name(alias, &path);
            if !self.cycle(alias, aliases, &path) {
                self.target(target, &path);
            }
        }
        for (slot, target) in self.config.models.slots.named() {
            if let Some(target) = target {
                self.target(target, &Path::of(["models", "slots", slot]));
            }
        }
        if let Some(target) = &self.config.record.titles.model {
            self.target(target, &Path::of(["record", "titles", "model"]));
        }
        self.threshold();
    }

    pub(super) fn parse<'t>(&self, target: &'t str) -> Target<'t> {
        if self.config.models.aliases.contains_key(target) {
            return Target::Alias;
        }
        match target.find([':', '/']) {
            Some(at) => {
                let separator = if target[at..].starts_with(':') { ':' } else { '/' };
                Target::At(&target[..at], &target[at + 1..], separator)
            }
            None => Target::Plain,
        }
    }

    fn alias_name(&mut self, alias: &str, path: &Path) {
        let hidden =
            alias.split_once([':', '/']).is_some_and(|(prefix, _)| self.provider_ids().contains(&prefix));
        if hidden {
            let message = format!("`{alias}` already names a model of a provider");
            self.report_key(Code::AmbiguousAlias, path, message);
        } else if alias.trim().is_empty() || alias != alias.trim() {
            self.report_key(Code::BadValue, path, "an alias must not be empty or padded with spaces");
        }
    }

    /// Reports each cycle once, at its alphabetically first alias; whoever leads into a cycle gets its own message.
    fn cycle(&mut self, alias: &str, aliases: &BTreeMap<String, String>, path: &Path) -> bool {
        let mut chain = vec![alias];
        let mut next = aliases.get(alias);
        while let Some(target) = next.filter(|target| aliases.contains_key(*target)) {
            if let Some(start) = chain.iter().position(|seen| seen == target) {
                let cycle = &chain[start..];
                if start > 0 || cycle.iter().all(|member| alias <= *member) {
                    let way = format!("{} -> {target}", chain.join(" -> "));
                    self.report(Code::AliasCycle, path, format!("this alias never ends: {way}"));
                }
                return true;
            }
            chain.push(target);
            next = aliases.get(target);
        }
        false
    }

    /// Where a target leads, if that is nowhere.
    pub(super) fn target(&mut self, target: &str, path: &Path) {
        let (prefix, model, separator) = match self.parse(target) {
            Target::Plain if target.trim().is_empty() => {
                self.report(Code::BadValue, path, "a target must not be empty");
                return;
            }
            Target::Alias | Target::Plain => return,
            Target::At(prefix, model, separator) => (prefix, model, separator),
        };
        let settings = self.config.providers.get(prefix);
        if settings.is_some_and(|settings| !settings.enabled) {
            self.report(Code::DisabledProvider, path, format!("provider `{prefix}` is disabled"));
        } else if settings.is_some() {
            if model.is_empty() {
                self.report(Code::BadValue, path, format!("no model after `{prefix}{separator}`"));
            }
        } else if separator == ':' && !self.is_malformed(&Path::of(["providers", prefix])) {
            self.absent(prefix, target, path);
        }
    }

    /// `org/model` is how many models are called, so only a colon promises a provider. Names of models with a colon
    /// (`llama3.2:3b`) are written with their provider in the file, where a typo must not pass for one.
    fn absent(&mut self, prefix: &str, target: &str, path: &Path) {
        let suggestion = suggest::nearest(prefix, self.provider_ids()).map(str::to_owned);
        let hint = if suggestion.is_some() {
            String::new()
        } else if known_ids().any(|id| id == prefix) {
            format!("; add it under `providers`, or write `ollama:{target}` if that is a model's whole name")
        } else {
            format!(
                "; if `{target}` is a model's whole name, put its provider before it, such as `ollama:{target}`"
            )
        };
        let message = format!("there is no provider `{prefix}`{hint}");
        self.report(Code::AbsentProvider, path, message).suggestion = suggestion;
    }

    fn threshold(&mut self) {
        let path = Path::of(["models", "long_context_threshold"]);
        let models = &self.config.models;
        let threshold = models.long_context_threshold;
        if models.slots.long_context.is_none() {
            if self.tree.at(&path).is_some() && !self.is_malformed(&Path::of(["models", "slots"])) {
                self.report(Code::UselessThreshold, &path, "without `slots.longContext` this has no effect");
            }
            return;
        }
        // Calls up to the threshold stay with the default slot, so its model must be able to hold them.
        let Some(context) = models.slots.default.as_deref().and_then(|target| self.context_of(target)) else {
            return;
        };
        if threshold > context {
            let message = format!(
                "calls of up to {threshold} tokens stay with `slots.default`, whose context is bounded to {context} (`ollama.max_num_ctx`)"
            );
            self.report(Code::ThresholdAboveContext, &path, message);
        }
    }

    /// What a target that is an alias stands for at last.
    pub(super) fn followed<'t>(&'t self, target: &'t str) -> &'t str {
        let aliases = &self.config.models.aliases;
        let mut target = target;
        for _ in 0..=aliases.len() {
            match aliases.get(target) {
                Some(next) => target = next,
                None => break,
            }
        }
        target
    }

    /// The context of a target, where the configuration itself bounds it.
    pub(super) fn context_of(&self, target: &str) -> Option<u64> {
        let Target::At(prefix, ..) = self.parse(self.followed(target)) else { return None };
        let provider = self.providers.iter().find(|p| p.id == prefix && p.kind == Kind::Ollama)?;
        provider.settings.ollama.as_ref()?.max_num_ctx
    }
}
