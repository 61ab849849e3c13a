//! Lockgate's own keys: how they are made, listed, recognised and hashed.
//!
//! `lg-` + 43 characters of base62 (32 random bytes) + 6 characters of checksum, so that a secret scanner finds them
//! with one expression (`lg-[0-9A-Za-z]{49}`) and a mistyped key is caught before it travels. Only the hash is ever stored.

use std::path::PathBuf;

use clap::Args;
use lockgate_config::{Environment, Inputs, Key, locate, render_text};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::screen::{STRONG, Screen, styled};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BODY: usize = 43;
const CHECK: usize = 6;

/// Arguments of `lockgate key new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Name under which the key appears in the configuration and in reports.
    #[arg(long, default_value = "default")]
    pub name: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Makes a key and prints it together with the lines the configuration needs.
pub fn new(args: &NewArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    if args.name.is_empty() || args.name.contains(|c: char| c.is_control()) {
        return Err(Failure::usage("the key's name is empty or contains control characters"));
    }
    let mut seed = [0_u8; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::unavailable(format!("the system gives no random bytes: {error}")))?;
    let key = from_seed(&seed);
    let hash = hash(&key);
    if args.json {
        screen.json(&json!({"name": args.name, "key": key, "hash": hash}))?;
        return Ok(Exit::Ok);
    }
    let name = serde_json::Value::from(args.name.as_str());
    screen.line(&key)?;
    screen.line("")?;
    screen.paragraph("", "Shown once: Lockgate keeps only the hash. Put it into lockgate.yaml:")?;
    screen.line(&format!("\nkeys:\n  - name: {name}\n    hash: \"{hash}\""))?;
    Ok(Exit::Ok)
}

/// Arguments of `lockgate key list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The configuration file. Default: the one that `lockgate serve` would read.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Digits of a hash that are shown: enough to tell keys apart, of no use to anybody else.
const SHOWN: usize = 8;

/// Prints the keys that the configuration knows, what each may do, and where its entry stands.
pub fn list(args: &ListArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let environment = Environment::process();
    let file = locate(args.config.as_deref(), &environment);
    let inputs = Inputs { file, environment, flags: Vec::new(), detect: true };
    let snapshot = inputs.load().map_err(|problems| {
        Failure::usage(format!("the configuration cannot be used\n{}", render_text(&problems.0).trim_end()))
    })?;
    let place = |index: usize| {
        let path = format!("keys[{index}].name");
        let setting = snapshot.settings().iter().find(|setting| setting.path.to_string() == path);
        let source = setting.map_or_else(String::new, |setting| setting.source.to_string());
        source.strip_prefix("file ").unwrap_or(&source).to_owned()
    };
    let keys: Vec<Listed<'_>> = snapshot
        .config()
        .keys
        .iter()
        .enumerate()
        .map(|(index, key)| Listed { key, place: place(index) })
        .collect();
    if args.json {
        screen.json(&json!({"keys": keys.iter().map(Listed::json).collect::<Vec<_>>()}))?;
        return Ok(Exit::Ok);
    }
    if keys.is_empty() {
        screen.paragraph("", "No keys: programs on this machine call without one, nobody else does (`lockgate key new` makes keys).")?;
        return Ok(Exit::Ok);
    }
    for listed in &keys {
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
    Ok(Exit::Ok)
}

/// A key as it is shown, and where its entry stands.
struct Listed<'k> {
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

    fn json(&self) -> Value {
        json!({
            "name": self.key.name,
            "hash_prefix": self.hash(),
            "models": self.models(),
            "credentials": self.credentials(),
            "entry": self.place,
        })
    }
}

/// The key that belongs to these random bytes.
pub fn from_seed(seed: &[u8; 32]) -> String {
    let body = base62(seed, BODY);
    let check = checksum(&body);
    format!("lg-{body}{check}")
}

/// What the configuration stores instead of the key.
pub fn hash(key: &str) -> String {
    format!("blake3:{}", blake3::hash(key.as_bytes()).to_hex())
}

/// Whether this has the look of a Lockgate key but not its checksum.
pub fn is_mistyped(key: &str) -> bool {
    let Some(rest) = key.strip_prefix("lg-") else { return false };
    match rest.split_at_checked(BODY) {
        Some((body, check)) => checksum(body) != check,
        None => true,
    }
}

fn checksum(body: &str) -> String {
    let digest = blake3::derive_key("lockgate 2026-11 key checksum", body.as_bytes());
    base62(&digest[..4], CHECK)
}

/// Big-endian bytes as a base62 number of fixed width.
fn base62(bytes: &[u8], width: usize) -> String {
    let mut number = bytes.to_vec();
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let value = remainder * 256 + u32::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *digit = ALPHABET[remainder as usize];
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_seeds_give_different_keys_of_one_shape() {
        let zeros = from_seed(&[0; 32]);
        let ones = from_seed(&[255; 32]);
        assert_ne!(zeros, ones);
        for key in [&zeros, &ones] {
            assert_eq!(key.len(), 3 + BODY + CHECK);
            assert!(key[3..].bytes().all(|b| b.is_ascii_alphanumeric()), "{key}");
            assert!(!is_mistyped(key));
        }
        // 2^256 - 1 in base62, computed apart from this code.
        assert!(ones.starts_with("lg-yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1"), "{ones}");
    }

    #[test]
    fn a_changed_or_cut_key_is_noticed_and_foreign_keys_are_left_alone() {
        let key = from_seed(&[7; 32]);
        let swapped = format!("{}{}", &key[..10], key[10..].chars().rev().collect::<String>());
        assert!(is_mistyped(&swapped));
        assert!(is_mistyped(&key[..40]));
        assert!(is_mistyped("lg-ä"));
        assert!(!is_mistyped("sk-anything"));
    }
}
