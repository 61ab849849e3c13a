//! What the audit is told of the policies of the configuration file: which came into force, when, and how they differ from those it was told of last.
//!
//! Gateways with the same file tell it once. Holds names, modes and hashes, and no option of a policy.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockgate_admin::FILED;
use lockgate_config::Snapshot;
use lockgate_policy::Entry;
use lockgate_store::access::{Actor, AuditEntry, AuditFilter};
use lockgate_store::{Error, Limit, PageRequest, Store};
use serde_json::{Value, json};
use uuid::Uuid;

/// The policies of a file that came into force.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filed {
    at_us: i64,
    /// A hash of all that is said of policies.
    hash: String,
    /// A hash of what is said of them beside the policies themselves.
    manner: String,
    /// Definition and mode, by name.
    policies: BTreeMap<String, [String; 2]>,
}

impl Filed {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let entries = snapshot.config().policies.entries().unwrap_or_default();
        let (hash, manner) = snapshot.policy_hashes();
        let mode = |entry: &Entry| entry.mode.as_str().to_owned();
        let policies = entries.iter().zip(snapshot.definitions());
        let policies = policies.map(|(entry, hash)| (entry.name.clone(), [hash, mode(entry)])).collect();
        Self { at_us: Timestamp::now().as_microsecond(), hash, manner, policies }
    }

    /// Tells the audit, unless it knows.
    pub(super) async fn tell(&self, database: &dyn Store) -> Result<(), Error> {
        let (object, verb) = FILED;
        let (object, verb) = (object.to_owned(), verb.to_owned());
        let about =
            AuditFilter { object: Some(object.clone()), verb: Some(verb.clone()), ..AuditFilter::default() };
        let page = PageRequest { after: None, limit: Limit::of(1) };
        let before = database.audit(&about, &page).await?.items.into_iter().next();
        let before = before.map_or(Value::Null, |entry| entry.detail);
        let nothing_yet = before.is_null() && self.policies.is_empty();
        if nothing_yet || before["hash"] == self.hash.as_str() {
            return Ok(());
        }
        let entry = AuditEntry {
            actor: Actor::System,
            address: None,
            at_us: self.at_us,
            detail: self.detail(&before),
            id: Uuid::now_v7(),
            object,
            verb,
        };
        database.note(&entry).await
    }

    /// What is told, beside what was told last.
    fn detail(&self, before: &Value) -> Value {
        let known = before["policies"].as_object();
        let of = |name: &str| known.and_then(|known| known.get(name));
        let (mut added, mut changed, mut modes) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (name, [definition, mode]) in &self.policies {
            match of(name) {
                None => added.push(name.as_str()),
                Some(was) => {
                    if was["definition"] != definition.as_str() {
                        changed.push(name.as_str());
                    }
                    if was["mode"] != mode.as_str() {
                        modes.insert(name, json!({"from": was["mode"], "to": mode}));
                    }
                }
            }
        }
        let names = known.into_iter().flatten().map(|(name, _)| name);
        let removed: Vec<_> = names.filter(|name| !self.policies.contains_key(*name)).collect();
        let policies = self.policies.iter();
        let policies: BTreeMap<_, _> = policies
            .map(|(name, [definition, mode])| (name, json!({"definition": definition, "mode": mode})))
            .collect();
        json!({
            "by": "configuration file", "hash": self.hash, "before": before["hash"], "policies": policies,
            "added": added, "removed": removed, "changed": changed, "modes": modes,
            "manner": self.manner, "manner_changed": !before.is_null() && before["manner"] != self.manner.as_str(),
        })
    }
}
