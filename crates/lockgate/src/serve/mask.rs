//! Secrets are masked in everything the gateway keeps or prints: one redactor for the record and for the log.
//!
//! Knows the secrets of the configuration in force. Made when it is needed first, since that takes milliseconds.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockgate_config::{Snapshot, Step};
use lockgate_core::Secret;
use lockgate_redact::{Known, Level, Options, Redactor};

/// What masks secrets. Clones share everything.
#[derive(Clone)]
pub(crate) struct Masks(Arc<Mutex<State>>);

struct State {
    key: [u8; 32],
    known: Vec<Known>,
    prompts: Option<Redactor>,
    redactor: Option<Redactor>,
}

impl Masks {
    /// With the secrets of a configuration, and a key of this process until [`Self::rekey`].
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let mut key = [0; 32];
        // Without chance the hashes in masks can be compared with guesses; they are masks all the same.
        let _ = getrandom::fill(&mut key);
        Self(Arc::new(Mutex::new(State { key, known: known(snapshot), prompts: None, redactor: None })))
    }

    /// From now on masks are made with the key of the installation, so that equal secrets look equal after a restart too.
    pub(crate) fn rekey(&self, key: [u8; 32]) {
        let mut state = self.state();
        state.key = key;
        state.redactor = None;
        state.prompts = None;
    }

    /// Takes over the secrets of a new configuration.
    pub(crate) fn reload(&self, snapshot: &Snapshot) {
        let mut state = self.state();
        state.known = known(snapshot);
        for redactor in [&state.redactor, &state.prompts].into_iter().flatten() {
            redactor.replace_known(&state.known);
        }
    }

    /// Takes some milliseconds the first time.
    pub(crate) fn redactor(&self) -> Redactor {
        let mut state = self.state();
        let State { key, known, redactor, .. } = &mut *state;
        let make = || Redactor::new(Options { known: known.clone(), key: *key, level: Level::Record });
        redactor.get_or_insert_with(make).clone()
    }

    /// The same for what models read: policies look for secrets with it.
    pub(crate) fn prompts(&self) -> Redactor {
        let mut state = self.state();
        let State { key, known, prompts, .. } = &mut *state;
        let make = || Redactor::new(Options { known: known.clone(), key: *key, level: Level::Prompt });
        prompts.get_or_insert_with(make).clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Standard error, behind the masks.
    pub(crate) fn stderr(&self) -> Masked {
        Masked(self.redactor())
    }

    /// Panics are told like everything else: masked, in the log.
    pub(crate) fn tell_panics(&self) {
        let masks = self.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let _ = io::stderr().write_all(&masks.told(panic));
        }));
    }

    fn told(&self, panic: &impl Display) -> Vec<u8> {
        self.redactor().redact_bytes(format!("a fault of Lockgate: {panic}\n").as_bytes()).into_owned()
    }
}

/// Standard error, behind the masks.
pub(crate) struct Masked(Redactor);

impl Write for Masked {
    /// The log writes each message in one go.
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(&self.0.redact_bytes(message))?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Every secret of the configuration, by what it belongs to. Those that were found elsewhere (the environment) are at their providers.
fn known(snapshot: &Snapshot) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    let mut add = |name: &str, secret: Secret| {
        let is_new = known.iter().all(|one| one.secret.expose() != secret.expose());
        if is_new && !secret.expose().is_empty() {
            known.push(Known { name: name.to_owned(), secret });
        }
    };
    for provider in snapshot.providers() {
        let settings = &provider.settings;
        let more = settings.headers.values().chain(settings.query.values());
        for secret in settings.api_key.iter().chain(more) {
            add(&provider.id, secret.clone());
        }
    }
    for key in &snapshot.config().keys {
        for (provider, secret) in &key.credentials {
            add(provider, secret.clone());
        }
    }
    for setting in snapshot.settings() {
        let Some(secret) = setting.secret() else { continue };
        let name = owner(&setting.path);
        add(name, secret.clone());
        let url = url::Url::parse(secret.expose()).ok();
        if let Some(password) = url.as_ref().and_then(url::Url::password) {
            add(name, Secret::new(password.to_owned()));
        }
        if let Some(key) = secret.expose().strip_prefix("whsec_") {
            add(name, Secret::new(key.to_owned()));
        }
    }
    known
}

/// What the secret at a path is called where it is masked.
fn owner(path: &lockgate_config::Path) -> &str {
    let mut keys = path.steps().iter().filter_map(|step| match step {
        Step::Index(_) => None,
        Step::Key(key) => Some(&**key),
    });
    match (keys.next().unwrap_or_default(), keys.next()) {
        ("admin", Some("oidc")) => "oidc",
        ("policies", _) => "policy",
        ("providers", Some(id)) => id,
        ("record", Some("database")) => "database",
        ("telemetry", _) => "collector",
        ("webhooks", _) => "webhook",
        (section, _) => section,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 003-5.
    #[test]
    fn a_panic_is_told_without_the_secret_in_its_message() {
        let masks = Masks(Arc::new(Mutex::new(State {
            key: [1; 32],
            known: Vec::new(),
            prompts: None,
            redactor: None,
        })));
        let told = Arc::new(Mutex::new(Vec::new()));
        let (own, kept) = (masks, told.clone());
        std::panic::set_hook(Box::new(move |panic| kept.lock().unwrap().extend(own.told(panic))));
        let secret = format!("ghp_{}", "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z0A");
        let words = secret.clone();
        let ended = std::panic::catch_unwind(move || panic!("there is no place for {words}"));
        let _ = std::panic::take_hook();
        let told = String::from_utf8(told.lock().unwrap().clone()).unwrap();
        assert!(ended.is_err() && told.contains("there is no place for «redacted:github-token:"), "{told}");
        assert!(!told.contains(&secret), "{told}");
    }
}
