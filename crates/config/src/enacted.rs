//! Policies that are set while the gateway runs: a document of the form of a configuration file with `policies.chain` (and `policies.groups`,
//! if they vote) and nothing else.
//!
//! It goes the way of a file, so its faults are told in the same words with their places. Variables are not filled in: what is stored
//! holds for every gateway alike.

use std::sync::Arc;

use lockgate_policy::{Configured, Policies, Unworkable};

use crate::check::Checker;
use crate::definition::definitions;
use crate::path::Path;
use crate::problem::{Code, Problem, Problems, render_text};
use crate::schema::Schema;
use crate::source::Source;
use crate::tree::Node;
use crate::{Config, Snapshot, shape, show, yaml};

/// How a document is called in what is said of it.
const NAME: &str = "policies";

/// The policies of a document.
pub fn chain_of(document: &str) -> Result<Vec<Configured>, String> {
    Document::read(document).map(|document| document.policies.chain)
}

/// The policies of the file, and behind them those of a document. A name that both have is refused.
pub fn with_document(file: &Policies, document: &str) -> Result<Policies, String> {
    Document::read(document)?.behind(file)
}

/// A document that is what it should be.
#[derive(Debug)]
pub struct Document {
    node: Node,
    policies: Policies,
}

impl Document {
    /// Reads what it says.
    pub fn read(document: &str) -> Result<Self, String> {
        let mut problems = Vec::new();
        let node = yaml::parse(document, &yaml::Origin::File(Arc::from(NAME)), &mut problems);
        let root = Path::default();
        let mut foreign = |what: &Node, path: &Path, message: &str| {
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
        if section.is_none_or(|node| node.content.is_empty()) && problems.is_empty() {
            let source = Source::File { file: NAME.into(), line: 1, column: 1 };
            let words = "there is no `policies:` (write it as in the configuration file; `policies: {chain: []}` for none)";
            problems.push(Problem::new(Code::WrongType, &source, &root, words));
        }
        let value = shape::read(&node, Schema::root(), &root, &mut problems).unwrap_or_default();
        if problems.iter().any(Problem::is_error) {
            return Err(told(problems));
        }
        let config: Config =
            serde_json::from_value(value).map_err(|_| "it fits the schema but not its types".to_owned())?;
        let document = Self { node, policies: config.policies };
        match document.policies.chain.iter().position(|configured| configured.webhook.is_some()) {
            None => Ok(document),
            Some(at) => {
                let words =
                    "it holds a secret, and what is set here can be read: put it into the configuration file";
                let path = Path::of(["policies", "chain"]).index(at).key("webhook");
                Err(told(vec![document.problem(&path, words)]))
            }
        }
    }

    /// The policies of the file, and behind them these. A name that both have is refused.
    pub fn behind(&self, file: &Policies) -> Result<Policies, String> {
        let of_file = file.chain.len();
        let mut all = file.clone();
        all.chain.extend(self.policies.chain.iter().cloned());
        for (name, group) in &self.policies.groups {
            if all.groups.insert(name.clone(), group.clone()).is_some() {
                let path = Path::of(["policies", "groups", name]);
                let words = "the configuration file has a group of that name";
                return Err(told(vec![self.problem(&path, words)]));
            }
        }
        all.entries()
            .map_err(|wrong| told(wrong.iter().map(|wrong| self.wrong(wrong, of_file)).collect()))?;
        Ok(all)
    }

    /// The same; refuses also what could be in force and was not meant so, such as a judge at a provider that a configuration does not have.
    pub fn checked(&self, file: &Policies, snapshot: &Snapshot) -> Result<Policies, String> {
        let all = self.behind(file)?;
        let mut problems: Vec<Problem> =
            self.policies.slips().iter().map(|slip| self.wrong(slip, 0)).collect();
        let config = Config { policies: self.policies.clone(), ..snapshot.config().clone() };
        let checker = Checker {
            tree: &self.node,
            config: &config,
            providers: snapshot.providers(),
            malformed: Vec::new(),
            problems: Vec::new(),
        };
        problems.extend(checker.judges());
        if problems.is_empty() { Ok(all) } else { Err(told(problems)) }
    }

    /// Each of its policies as it is defined, in order: a hash of everything but its mode.
    pub fn definitions(&self) -> Vec<String> {
        definitions(&show::settings(&self.node), &self.policies)
    }

    fn problem(&self, path: &Path, words: &str) -> Problem {
        let words = format!("{path}: {words}");
        Problem::new(Code::Policy, self.node.source_at(path), path, words)
    }

    /// What is wrong, behind so many policies of the file.
    fn wrong(&self, wrong: &Unworkable, of_file: usize) -> Problem {
        let mut path = Path::of(["policies"]);
        for (number, step) in wrong.path.iter().enumerate() {
            path = match step.parse::<usize>() {
                Ok(at) if number == 1 => path.index(at.checked_sub(of_file).unwrap_or(at)),
                Ok(at) => path.index(at),
                Err(_) => path.key(step),
            };
        }
        self.problem(&path, &wrong.words)
    }
}

fn told(problems: Vec<Problem>) -> String {
    render_text(&Problems(problems).0).trim_end().to_owned()
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
            ("policies:", "there is no `policies:`"),
            ("policies: {chain: [{name: a}]}", "policies:1:20: policies.chain[0]: say which policy it is"),
            ("policies:\n  chain:\n    - {rules: [{name: x, then: forbid}]}", "policies:3:"),
            ("policies: {chain: [", "policies:"),
            (WEBHOOK, "put it into the configuration file"),
        ] {
            let error = with_document(&file, document).unwrap_err();
            assert!(error.contains(said), "{document}: {error}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_where_it_stands_and_stays_in_force_where_it_is() {
        let inputs = crate::Inputs { detect: true, ..crate::Inputs::default() };
        let snapshot = inputs.load().unwrap();
        let judge = |model: &str| format!("policies:\n  chain:\n  - tool_judge: {{model: '{model}'}}\n");
        for (document, said) in [
            (
                "policies:\n  chain:\n  - rules:\n    - {name: a, on: call, if: \"text.contains('x')\", then: refuse}\n".to_owned(),
                "policies:4:31: policies.chain[0].rules[0].if: there is no `text` on `call`",
            ),
            (judge("nowhere:m"), "policies:3:25: there is no provider `nowhere`"),
        ] {
            let read = Document::read(&document).unwrap();
            let error = read.checked(&Policies::default(), &snapshot).unwrap_err();
            assert!(error.contains(said), "{error}");
            read.behind(&Policies::default()).unwrap();
        }
        Document::read(&judge("groq:m")).unwrap().checked(&Policies::default(), &snapshot).unwrap();
        Document::read(&judge("anthropic:claude-haiku-4-5"))
            .unwrap()
            .checked(&Policies::default(), &snapshot)
            .unwrap();
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
        assert!(error.contains("chain[0].group: there is no group `g`"), "{error}");
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
        assert!(error.contains("policies:1:20: policies.chain[0]: there is another policy `a`"), "{error}");
    }
}
