//! Who may call, and whether secrets are kept: keys, the listening address, secrets written into the file.

use std::collections::HashMap;

use lockgate_providers::Proxy;

use super::Checker;
use crate::{
    Code, Path, Source,
    schema::Schema,
    shape::looks_secret,
    suggest,
    tree::{Content, Node, Style},
};

/// Whether nobody on the way to an address can read along.
fn is_safe(address: &str) -> bool {
    let Ok(url) = url::Url::parse(address) else { return false };
    let here = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || url.scheme() == "http" && here
}

impl Checker<'_> {
    pub(super) fn access(&mut self) {
        let listen = Path::of(["server", "listen"]);
        let keyless = self.tree.child("keys").is_none_or(|keys| keys.items().is_empty());
        let address = self.config.server.listen;
        let keyless = keyless && !self.config.server.require_key;
        if keyless && !address.ip().is_loopback() && !self.is_malformed(&Path::of(["keys"])) {
            let message = format!(
                "`{address}` can be reached from outside, but there are no `keys`; add one, set `server.require_key`, or listen on 127.0.0.1"
            );
            self.report(Code::PublicBind, &listen, message);
        }
        self.keys();
        self.oidc();
        self.inline_secrets(self.tree, Schema::root(), &Path::default());
    }

    fn oidc(&mut self) {
        let Some(oidc) = &self.config.admin.oidc else { return };
        let path = Path::of(["admin", "oidc"]);
        let mut wrong = Vec::new();
        if !is_safe(&oidc.issuer) {
            let message = "the provider is asked over `https://`, or on this machine".to_owned();
            wrong.push((path.key("issuer"), message));
        }
        let back = "/api/login/oidc/callback";
        if oidc.redirect_url.path() != back || !is_safe(oidc.redirect_url.as_str()) {
            let message = format!("this is `https://`, a name of this gateway, and `{back}`");
            wrong.push((path.key("redirect_url"), message));
        }
        for (index, rule) in oidc.roles.iter().enumerate() {
            if rule.claim.is_some() != rule.value.is_some() {
                let message = "`claim` and `value` stand together, or neither is there".to_owned();
                wrong.push((path.key("roles").index(index), message));
            }
        }
        for (path, message) in wrong {
            if !self.is_malformed(&path) {
                self.report(Code::BadValue, &path, message);
            }
        }
    }

    fn keys(&mut self) {
        let Some(keys) = self.tree.child("keys") else { return };
        let (mut names, mut hashes) = (HashMap::new(), HashMap::new());
        for (index, key) in keys.items().iter().enumerate() {
            let path = Path::of(["keys"]).index(index);
            for (field, seen) in [("name", &mut names), ("hash", &mut hashes)] {
                let Some(value) = key.child(field).and_then(Node::text) else { continue };
                if let Some(first) = seen.insert(value.to_lowercase(), index) {
                    let message = format!("this {field} is that of keys[{first}] too");
                    self.report(Code::DuplicateCaller, &path.key(field), message);
                }
            }
            self.key_providers(key, &path);
            for entry in key.child("credentials").map_or(&[][..], Node::entries) {
                if self.tree.child("providers").and_then(|all| all.child(&entry.key)).is_none() {
                    let suggestion = suggest::nearest(&entry.key, self.provider_ids()).map(str::to_owned);
                    let message = format!("there is no provider `{}`", entry.key);
                    let path = path.key("credentials").key(&entry.key);
                    self.report_key(Code::KeyCredential, &path, message).suggestion = suggestion;
                }
            }
        }
    }

    /// Providers that keys may use. One that is neither here nor known at all is a slip.
    fn key_providers(&mut self, key: &Node, path: &Path) {
        for (index, allowed) in key.child("providers").map_or(&[][..], Node::items).iter().enumerate() {
            let Some(id) = allowed.text() else { continue };
            let known = lockgate_providers::known_ids().any(|known| known == id);
            if known || self.provider_ids().contains(&id) {
                continue;
            }
            let suggestion = suggest::nearest(id, self.provider_ids()).map(str::to_owned);
            let message = format!("there is no provider `{id}`");
            self.report(Code::AbsentProvider, &path.key("providers").index(index), message).suggestion =
                suggestion;
        }
    }

    pub(super) fn provider_ids(&self) -> Vec<&str> {
        let providers = self.tree.child("providers").map_or(&[][..], Node::entries);
        providers.iter().map(|entry| entry.key.as_str()).collect()
    }

    /// A literal in the file where a secret belongs, or a text that looks like one anywhere else.
    fn inline_secrets(&mut self, node: &Node, schema: Schema<'_>, path: &Path) {
        match &node.content {
            Content::Broken | Content::Empty => {}
            Content::List(items) => {
                let crate::schema::Type::List(of) = schema.shape() else { return };
                for (index, item) in items.iter().enumerate() {
                    self.inline_secrets(item, of, &path.index(index));
                }
            }
            Content::Map(entries) => {
                for entry in entries {
                    if let Some(below) = schema.property(&entry.key) {
                        self.inline_secrets(&entry.node, below, &path.key(&entry.key));
                    }
                }
            }
            Content::Scalar(scalar) => {
                let in_file = matches!(node.source, Source::File { .. });
                let literal = matches!(scalar.style, Style::Plain | Style::Quoted);
                // Headers and query values are kept secret but rarely are, unless they look so.
                let credential =
                    (schema.is_secret() && !is_decoration(path)) || holds_login(schema, &scalar.text);
                let looks = looks_secret(&scalar.text) && schema.format() != Some("key-hash");
                if in_file && literal && (credential || looks) && !self.is_malformed(path) {
                    let message = format!(
                        "`{path}` holds a secret in plain text; keep it in a variable and write `${{NAME}}`"
                    );
                    self.report(Code::InlineSecret, path, message);
                }
            }
        }
    }
}

/// A proxy's address is no secret until a password is part of it.
fn holds_login(schema: Schema<'_>, text: &str) -> bool {
    let proxy = || matches!(text.parse(), Ok(Proxy::Through(address)) if address.has_password());
    schema.format() == Some("proxy") && proxy()
}

fn is_decoration(path: &Path) -> bool {
    let mut keys = path
        .steps()
        .iter()
        .map(|step| matches!(step, crate::path::Step::Key(key) if key == "headers" || key == "query"));
    keys.nth(2).unwrap_or(false)
}
