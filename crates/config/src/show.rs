//! Every effective value with its source, as `config show` prints it and as the hash and the comparison of two
//! configurations see it. Secrets are shown as set, never as they are.

use std::fmt::Write as _;

use lockgate_core::Secret;
use lockgate_providers::Proxy;
use serde_json::{Value, json};
use url::Url;

use crate::{
    Path, Source,
    schema::{Schema, Type},
    shape,
    tree::Node,
};

/// What stands for a secret.
const SET: &str = "«set»";

/// One effective value.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Where in the configuration.
    pub path: Path,
    /// Where it came from.
    pub source: Source,
    shown: Shown,
}

#[derive(Clone, Debug)]
enum Shown {
    Open(Value),
    /// An address, and what of it is shown: no secret by itself, but more than whoever looks has to know.
    Part(Secret, String),
    /// The value, and what stands for it where it is seen.
    Secret(Secret, String),
}

impl Setting {
    /// The value as it may be shown.
    pub fn value(&self) -> Value {
        match &self.shown {
            Shown::Open(value) => value.clone(),
            Shown::Part(_, shown) | Shown::Secret(_, shown) => shown.as_str().into(),
        }
    }

    /// The value where it is a secret, or an address with one in it.
    pub fn secret(&self) -> Option<&Secret> {
        match &self.shown {
            Shown::Secret(secret, shown) if secret.expose() != shown => Some(secret),
            Shown::Open(_) | Shown::Part(..) | Shown::Secret(..) => None,
        }
    }

    /// What tells it from others in a hash that nobody can read it from: the whole address where only its host is shown.
    pub(crate) fn distinct(&self) -> Value {
        match &self.shown {
            Shown::Part(whole, _) => whole.expose().into(),
            Shown::Open(_) | Shown::Secret(..) => self.value(),
        }
    }

    /// Whether both stand for the same value, secrets included.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.path == other.path
            && match (&self.shown, &other.shown) {
                (Shown::Open(a), Shown::Open(b)) => a == b,
                (Shown::Part(a, _), Shown::Part(b, _)) | (Shown::Secret(a, _), Shown::Secret(b, _)) => {
                    a.expose() == b.expose()
                }
                (Shown::Open(_) | Shown::Part(..) | Shown::Secret(..), _) => false,
            }
    }
}

/// One line per value: `path = value   (source: …)`.
pub fn render_settings_text(settings: &[Setting]) -> String {
    settings.iter().fold(String::new(), |mut text, setting| {
        let value = match &setting.shown {
            Shown::Open(value) => value.to_string(),
            Shown::Secret(_, shown) if shown == SET => SET.to_owned(),
            Shown::Part(_, shown) | Shown::Secret(_, shown) => format!("{shown:?}"),
        };
        let _ = writeln!(text, "{} = {value}   (source: {})", setting.path, setting.source);
        text
    })
}

/// A JSON list of objects with `path`, `value`, `source`.
pub fn render_settings_json(settings: &[Setting]) -> String {
    let all = settings.iter().map(|setting| {
        json!({"path": setting.path.to_string(), "value": setting.value(), "source": setting.source})
    });
    format!("{:#}\n", all.collect::<Value>())
}

/// The effective values of a merged tree.
pub(crate) fn settings(tree: &Node) -> Vec<Setting> {
    let mut settings = Vec::new();
    collect(Some(tree), Schema::root(), &Path::default(), &mut settings);
    settings
}

/// A hash that is equal for equal values, whatever layer they are from and in which order they were written.
pub(crate) fn hash(settings: &[Setting]) -> String {
    let mut lines: Vec<String> =
        settings.iter().map(|setting| format!("{}={}\n", setting.path, setting.distinct())).collect();
    lines.sort_unstable();
    blake3::hash(lines.concat().as_bytes()).to_hex().to_string()
}

fn collect(node: Option<&Node>, schema: Schema<'_>, path: &Path, settings: &mut Vec<Setting>) {
    match schema.shape() {
        // An optional section that nobody wrote is absent, not a set of defaults.
        Type::Object if node.is_none() && schema.is_nullable() => {}
        Type::Object => {
            for (key, below) in schema.properties() {
                collect(node.and_then(|node| node.child(key)), below, &path.key(key), settings);
            }
        }
        Type::Map(values) => {
            for entry in node.map_or(&[][..], Node::entries) {
                collect(Some(&entry.node), values, &path.key(&entry.key), settings);
            }
        }
        Type::List(of) if matches!(of.shape(), Type::Object) => {
            for (index, item) in node.map_or(&[][..], Node::items).iter().enumerate() {
                collect(Some(item), of, &path.index(index), settings);
            }
        }
        Type::Any
        | Type::Boolean
        | Type::Choice(_)
        | Type::Integer
        | Type::List(_)
        | Type::Number
        | Type::String => {
            settings.extend(leaf(node, schema, path));
        }
    }
}

fn leaf(node: Option<&Node>, schema: Schema<'_>, path: &Path) -> Option<Setting> {
    let value = node.and_then(|node| Some((shape::read(node, schema, path, &mut Vec::new())?, &node.source)));
    let (value, source) = match value {
        Some((value, source)) => (value, source.clone()),
        None => (schema.default()?.clone(), Source::Default),
    };
    let shown = match value {
        Value::String(text) if schema.is_secret() => Shown::Secret(Secret::new(text), SET.to_owned()),
        Value::String(text) if schema.format() == Some("proxy") => {
            let shown = text.parse::<Proxy>().map_or_else(|_| SET.to_owned(), |proxy| proxy.to_string());
            Shown::Secret(Secret::new(text), shown)
        }
        Value::String(text) if schema.format() == Some("database") && has_password(&text) => {
            Shown::Secret(Secret::new(text), SET.to_owned())
        }
        // What comes behind the host of a receiver is often all that it asks of who posts there.
        Value::String(text) if schema.format() == Some("webhook-url") => {
            let shown =
                Url::parse(&text).map_or_else(|_| SET.to_owned(), |url| url.origin().ascii_serialization());
            Shown::Part(Secret::new(text), shown)
        }
        value => Shown::Open(value),
    };
    Some(Setting { path: path.clone(), source, shown })
}

/// Whether it is a URL with a password in it.
fn has_password(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.password().is_some())
}

#[cfg(test)]
mod tests {
    use crate::Inputs;

    #[test]
    fn of_a_receiver_is_shown_where_it_is_and_nothing_behind_that() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lockgate.yaml");
        let receiver = "url: 'https://a.example:99/hooks/T0K3N?key=T0K3N', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let text =
            format!("webhooks: [{{{receiver}}}]\npolicies: {{chain: [{{webhook: {{{receiver}}}}}]}}\n");
        std::fs::write(&file, text).unwrap();
        let snapshot = Inputs { file: Some(file), ..Inputs::default() }.load().unwrap();
        let shown = super::render_settings_json(snapshot.settings());
        assert!(!shown.contains("T0K3N"), "{shown}");
        for path in ["webhooks[0].url", "policies.chain[0].webhook.url"] {
            let one = snapshot.settings().iter().find(|setting| setting.path.to_string() == path).unwrap();
            assert_eq!(one.value(), "https://a.example:99");
        }
    }
}
