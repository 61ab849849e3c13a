//! Policies that are set while the gateway runs: a document of the form of a configuration file with `policies.chain` (and `policies.groups`,
//! if they vote) and nothing else.
//!
//! It goes the way of a file, so its faults are told in the same words with their places. Variables are not filled in: what is stored
//! holds for every gateway alike.

use std::sync::Arc;

use lockgate_policy::{Configured, Policies};

use crate::Config;
use crate::path::Path;
use crate::problem::{Code, Problem, Problems, render_text};
use crate::schema::Schema;
use crate::source::Source;
use crate::{shape, yaml};

/// How a document is called in what is said of it.
const NAME: &str = "policies";

/// The policies of a document.
pub fn chain_of(document: &str) -> Result<Vec<Configured>, String> {
    read(document).map(|policies| policies.chain)
}

/// What a document says.
fn read(document: &str) -> Result<Policies, String> {
    let mut problems = Vec::new();
    let node = yaml::parse(document, &yaml::Origin::File(Arc::from(NAME)), &mut problems);
    let root = Path::default();
    let mut foreign = |what: &crate::tree::Node, path: &Path, message: &str| {
        problems.push(Problem::new(Code::UnknownKey, &what.source, path, message));
    };
    for entry in node.entries().iter().filter(|entry| entry.key != "policies") {
        foreign(&entry.node, &root.key(&entry.key), "only `policies` can be set while the gateway runs");
    }
    let section = node.child("policies");
    for entry in section.map_or(&[][..], |node| node.entries()) {
        if ["chain", "groups"].contains(&&*entry.key) {
            continue;
        }
        let words = "only `chain` and `groups` can be set while the gateway runs; the rest is the configuration file's";
        foreign(&entry.node, &root.key("policies").key(&entry.key), words);
    }
    if section.is_none() && problems.is_empty() {
        let source = Source::File { file: NAME.into(), line: 1, column: 1 };
        let words = "there is no `policies:` (write it as in the configuration file; `policies: {chain: []}` for none)";
        problems.push(Problem::new(Code::WrongType, &source, &root, words));
    }
    let value = shape::read(&node, Schema::root(), &root, &mut problems).unwrap_or_default();
    if problems.iter().any(Problem::is_error) {
        return Err(render_text(&Problems(problems).0).trim_end().to_owned());
    }
    let config: Config =
        serde_json::from_value(value).map_err(|_| "it fits the schema but not its types".to_owned())?;
    let policies = config.policies;
    match policies.chain.iter().position(|configured| configured.webhook.is_some()) {
        None => Ok(policies),
        Some(at) => Err(format!(
            "{NAME}.chain.{at}.webhook: it holds a secret, and what is set here can be read: put it into the configuration file"
        )),
    }
}

/// The policies of the file, and behind them those of a document. A name that both have is refused.
pub fn with_document(file: &Policies, document: &str) -> Result<Policies, String> {
    let more = read(document)?;
    let of_file = file.chain.len();
    let mut all = file.clone();
    all.chain.extend(more.chain);
    for (name, group) in more.groups {
        if all.groups.insert(name.clone(), group).is_some() {
            return Err(format!("{NAME}.groups.{name}: the configuration file has a group of that name"));
        }
    }
    all.entries().map_err(|wrong| {
        let of = |mut path: Vec<String>| {
            let at = path.get(1).and_then(|at| at.parse::<usize>().ok());
            if let (Some(at), Some(step)) = (at.and_then(|at| at.checked_sub(of_file)), path.get_mut(1)) {
                *step = at.to_string();
            }
            path.join(".")
        };
        let lines = wrong.into_iter().map(|wrong| format!("{NAME}.{}: {}", of(wrong.path), wrong.words));
        lines.collect::<Vec<_>>().join("\n")
    })?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBHOOK: &str = "policies: {chain: [{webhook: {url: 'https://a.example/x', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}}]}";

    #[test]
    fn a_document_holds_policies_and_nothing_else_and_says_where_it_is_wrong() {
        let good = "policies:\n  chain:\n    - {name: a, model_allow: {allow: [claude-*]}}\n";
        let file = Policies::default();
        assert_eq!(with_document(&file, good).unwrap().chain.len(), 1);
        assert_eq!(with_document(&file, "policies: {chain: []}").unwrap().chain.len(), 0);
        for (document, said) in [
            ("server: {listen: 127.0.0.1:1}\npolicies: {chain: []}", "only `policies`"),
            ("policies: {budget_ms: 5, chain: []}", "only `chain` and `groups`"),
            ("chain: []", "only `policies`"),
            ("", "there is no `policies:`"),
            ("policies: {chain: [{name: a}]}", "chain.0: say which policy it is"),
            ("policies:\n  chain:\n    - {rules: [{name: x, then: forbid}]}", "policies:3:"),
            ("policies: {chain: [", "policies:"),
            (WEBHOOK, "put it into the configuration file"),
        ] {
            let error = with_document(&file, document).unwrap_err();
            assert!(error.contains(said), "{document}: {error}");
        }
    }

    #[test]
    fn a_document_may_hold_groups_of_its_own() {
        let file = Policies::default();
        let document = |groups: &str| {
            format!(
                "policies: {{groups: {{{groups}}}, chain: [{{group: g, shell_guard: {{}}}}, {{group: g, rules: [{{name: a, then: refuse}}]}}]}}"
            )
        };
        let all = with_document(&file, &document("g: {vote: unanimous}")).unwrap();
        assert!(all.entries().unwrap().iter().all(|entry| entry.group.is_some()));
        let error = with_document(&file, &document("h: {}")).unwrap_err();
        assert!(error.contains("chain.0.group: there is no group `g`"), "{error}");
        assert!(error.contains("groups.h: fewer than two policies"), "{error}");
        let file = Policies { groups: all.groups, ..Policies::default() };
        let error = with_document(&file, &document("g: {vote: unanimous}")).unwrap_err();
        assert!(error.contains("the configuration file has a group of that name"), "{error}");
    }

    #[test]
    fn a_name_of_the_file_is_not_given_again() {
        let document = "policies: {chain: [{name: a, model_allow: {allow: [x]}}]}";
        let file = with_document(&Policies::default(), document).unwrap();
        let error = with_document(&file, document).unwrap_err();
        assert!(error.contains("chain.0: there is another policy `a`"), "{error}");
    }
}
