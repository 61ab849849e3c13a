//! Keys that are entries of the configuration: what each may do, and where its entry stands.

use lockgate_config::{Key, Snapshot};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::screen::{STRONG, Screen, styled};

/// Digits of a hash that are shown: enough to tell keys apart, of no use to anybody else.
const SHOWN: usize = 8;

/// The keys of a configuration.
pub(super) fn listed(snapshot: &Snapshot) -> Vec<Listed<'_>> {
    let place = |index: usize| {
        let path = format!("keys[{index}].name");
        let setting = snapshot.settings().iter().find(|setting| setting.path.to_string() == path);
        let source = setting.map_or_else(String::new, |setting| setting.source.to_string());
        source.strip_prefix("file ").unwrap_or(&source).to_owned()
    };
    let keys = snapshot.config().keys.iter().enumerate();
    keys.map(|(index, key)| Listed { key, place: place(index) }).collect()
}

/// Prints them, and how one is revoked.
pub(super) fn print(listed: &[Listed<'_>], screen: &mut Screen) -> Result<(), Failure> {
    if listed.is_empty() {
        return Ok(());
    }
    for listed in listed {
        screen.line(&styled(STRONG, &listed.key.name))?;
        for (label, words) in listed.rows() {
            screen.paragraph(&format!("  {label:<12}"), &words)?;
        }
    }
    screen.line("")?;
    screen.paragraph(
        "",
        "To revoke a key, delete its entry: a running gateway refuses it as soon as the file is saved. Without the last one, \
         programs on this machine need no key.",
    )?;
    Ok(())
}

/// A key as it is shown, and where its entry stands.
pub(super) struct Listed<'k> {
    key: &'k Key,
    place: String,
}

impl Listed<'_> {
    fn hash(&self) -> String {
        let whole = self.key.hash.to_string();
        whole.chars().take("blake3:".len() + SHOWN).collect()
    }

    fn models(&self) -> Vec<String> {
        self.key.models.iter().map(ToString::to_string).collect()
    }

    /// Providers that it has credentials of its own for.
    fn credentials(&self) -> Vec<&str> {
        self.key.credentials.keys().map(String::as_str).collect()
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let models = self.models();
        let models = if models.is_empty() { "all".to_owned() } else { models.join(", ") };
        let mut rows = vec![("models", models)];
        let own = self.credentials();
        if !own.is_empty() {
            rows.push(("credentials", format!("its own for {}", own.join(", "))));
        }
        rows.push(("hash", format!("{}…", self.hash())));
        rows.push(("entry", self.place.clone()));
        rows
    }

    /// As JSON.
    pub(super) fn json(&self) -> Value {
        json!({
            "name": self.key.name,
            "hash_prefix": self.hash(),
            "models": self.models(),
            "credentials": self.credentials(),
            "entry": self.place,
        })
    }
}
