//! Settings that are made while gateways run: a document of the form of a configuration file, laid over the file and below variables and flags.
//!
//! It goes the way of a file, so its faults are told in the same words with their places. Only what takes effect without a restart and
//! locks nobody out can be in it. Secrets are named by variable: a document can be read, and is kept in a database.

use std::sync::Arc;

use crate::problem::{Code, Problem};
use crate::schema::{Schema, Type};
use crate::tree::{Content, Node};
use crate::{Environment, Path, Source, expand, path::Step, yaml};

/// How a document is called in what is said of it.
const NAME: &str = "settings";

/// What can be set; everything below it with it.
const OPEN: [&str; 14] = [
    "conversion",
    "log.level",
    "metrics",
    "models",
    "prices",
    "providers",
    "record.retention.approvals_days",
    "record.retention.calls_days",
    "record.retention.classes",
    "record.retention.contents_days",
    "record.retention.verdicts_days",
    "server.keepalive_ms",
    "server.limits",
    "server.slow_client",
];

/// The layer that a document is. Its problems are added.
pub(crate) fn layer(document: &str, environment: &Environment, problems: &mut Vec<Problem>) -> Node {
    let mut node = yaml::parse(document, &yaml::Origin::File(Arc::from(NAME)), problems);
    place(&mut node);
    let root = Path::default();
    if !node.is_section() && !node.is_broken() {
        let words = "expected a mapping of sections such as `models:` and `providers:`";
        problems.push(Problem::new(Code::WrongType, &node.source, &root, words));
        return Node::map(&node.source);
    }
    check(&node, Some(Schema::root()), &root, problems);
    expand::expand(&mut node, &root, environment, problems);
    node
}

/// Says of every value that it is of the document, and where.
fn place(node: &mut Node) {
    let enacted = |source: &mut Source| {
        if let Source::File { line, column, .. } = source {
            *source = Source::Enacted { line: *line, column: *column };
        }
    };
    enacted(&mut node.source);
    match &mut node.content {
        Content::Broken | Content::Empty | Content::Scalar(_) => {}
        Content::List(items) => items.iter_mut().for_each(place),
        Content::Map(entries) => {
            for entry in entries {
                enacted(&mut entry.source);
                place(&mut entry.node);
            }
        }
    }
}

/// What cannot be set here.
fn check(node: &Node, schema: Option<Schema<'_>>, path: &Path, problems: &mut Vec<Problem>) {
    if let Some(why) = refused(path) {
        let words = format!("`{path}` can only be set in the configuration file: {why}");
        return problems.push(Problem::new(Code::BadValue, &node.source, path, words));
    }
    match &node.content {
        Content::Broken | Content::Empty => {}
        Content::List(items) => {
            let of = schema.and_then(|schema| match schema.shape() {
                Type::List(of) => Some(of),
                Type::Any
                | Type::Boolean
                | Type::Choice(_)
                | Type::Integer
                | Type::Map(_)
                | Type::Number
                | Type::Object
                | Type::String => None,
            });
            for (index, item) in items.iter().enumerate() {
                check(item, of, &path.index(index), problems);
            }
        }
        Content::Map(entries) => {
            for entry in entries {
                let Some(schema) = schema else { return };
                // Of a key that there is not it is said elsewhere that there is none.
                if let Some(below) = schema.property(&entry.key) {
                    check(&entry.node, Some(below), &path.key(&entry.key), problems);
                }
            }
        }
        Content::Scalar(scalar) => {
            let secret = schema.is_some_and(Schema::is_secret);
            let words = match (secret, scalar.text.contains("${")) {
                (true, _) if !is_variable(&scalar.text) => {
                    "a secret is not kept here: put it into a variable of every gateway and write `${NAME}`"
                }
                (false, true) => "variables are for secrets alone here, and are their whole value",
                (false, false) if has_login(&scalar.text) => {
                    "an address with a password is a secret: it goes into the configuration file"
                }
                (_, _) => return,
            };
            problems.push(Problem::new(Code::BadValue, &node.source, path, format!("`{path}`: {words}")));
        }
    }
}

/// Why something cannot be set; `None` = it can, or what is below it can.
fn refused(path: &Path) -> Option<&'static str> {
    let keys: Vec<&str> = path
        .steps()
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
        .collect();
    match keys.as_slice() {
        ["providers", _, "claude_cli", ..] => return Some("it says which program is started"),
        ["providers", _, "vertex", "credentials_file", ..] => return Some("it names a file of the machine"),
        ["policies", ..] => return Some("`lockgate policy apply` sets policies while gateways run"),
        ["keys", ..] => return Some("`lockgate key` makes and changes keys while gateways run"),
        ["admin", ..] | ["server", "cors_origins" | "listen" | "require_key" | "trusted_proxies", ..] => {
            return Some("it says who gets in, and could lock you out");
        }
        ["telemetry" | "webhooks", ..] => return Some("it says who is told of calls"),
        ["record", "retention", "audit_days", ..] => {
            return Some("the audit tells of those who set it, and must not go by their word");
        }
        ["record", "retention", "archive", ..] => return Some("it names a folder of the machine"),
        _ => {}
    }
    let dotted = keys.join(".");
    let within = |open: &str| {
        let (short, long) =
            if open.len() < dotted.len() { (open, dotted.as_str()) } else { (dotted.as_str(), open) };
        short.is_empty() || long == short || long.starts_with(&format!("{short}."))
    };
    if OPEN.iter().any(|open| within(open)) { None } else { Some("it takes effect at a start only") }
}

/// Whether a text is the name of a variable and nothing else.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

fn has_login(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.password().is_some())
}

#[cfg(test)]
mod tests {
    use crate::Inputs;

    fn inputs() -> Inputs {
        let environment = [("GROQ", "gsk-value"), ("LOCKGATE__LOG__LEVEL", "debug")].into_iter().collect();
        Inputs { environment, ..Inputs::default() }
    }

    #[test]
    fn a_document_lies_over_the_file_and_below_variables() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lockgate.yaml");
        std::fs::write(&file, "models: {aliases: {a: 'groq:x', b: 'groq:y'}}\nproviders: {groq: {api_key: old}}\nlog: {level: warn}\n").unwrap();
        let document = "{\"models\": {\"aliases\": {\"a\": \"groq:z\"}}, \"log\": {\"level\": \"trace\"}, \"providers\": {\"groq\": {\"api_key\": \"${GROQ}\"}}}";
        let snapshot = Inputs { file: Some(file), ..inputs() }.load_with(Some(document)).unwrap();
        let aliases = &snapshot.config().models.aliases;
        assert_eq!((aliases["a"].as_str(), aliases["b"].as_str()), ("groq:z", "groq:y"));
        let key = snapshot.config().providers["groq"].api_key.as_ref().unwrap();
        assert_eq!(key.expose(), "gsk-value");
        let shown = crate::render_settings_text(snapshot.settings());
        assert!(shown.contains("models.aliases.a = \"groq:z\"   (source: set settings:1:"), "{shown}");
        assert!(shown.contains("log.level = \"debug\"   (source: env LOCKGATE__LOG__LEVEL)"), "{shown}");
        assert!(!shown.contains("gsk-value"), "{shown}");
    }

    #[test]
    fn what_needs_a_restart_locks_out_or_is_a_secret_is_refused_with_its_place() {
        for (document, said) in [
            (
                "server: {listen: '0.0.0.0:1'}",
                "settings:1:18: `server.listen` can only be set in the configuration file: it says who gets in",
            ),
            ("keys: []", "`lockgate key`"),
            ("policies: {chain: []}", "`lockgate policy apply`"),
            ("record: {directory: /tmp}", "takes effect at a start only"),
            ("record: {retention: {archive: /tmp}}", "a folder of the machine"),
            ("record: {retention: {audit_days: 1}}", "the audit tells of those who set it"),
            (
                "providers: {c: {kind: claude-cli, claude_cli: {command: /bin/sh}}}",
                "which program is started",
            ),
            (
                "providers: {groq: {api_key: gsk_abc}}",
                "settings:1:29: `providers.groq.api_key`: a secret is not kept here",
            ),
            ("providers: {groq: {api_key: '${GROQ}x'}}", "a secret is not kept here"),
            ("providers: {groq: {base_url: 'https://a.example/${GROQ}'}}", "variables are for secrets alone"),
            ("providers: {groq: {proxy: 'http://u:p@a.example'}}", "an address with a password"),
            ("models:\n  aliases: {a: 'nowhere:x'}", "settings:2:"),
            ("modles: {}", "settings:1:"),
            ("conversion: {strict: maybe}", "settings:1:22"),
            ("- a", "expected a mapping"),
            ("models: {aliases: {a: [}", "settings:1:"),
        ] {
            let loaded = inputs().load_with(Some(document));
            let error = loaded.err().map_or_else(String::new, |problems| problems.to_string());
            assert!(error.contains(said), "{document}: {error}");
        }
        for document in ["record: {retention: {calls_days: 30}}\nserver: {limits: {tools: 9}}", ""] {
            inputs().load_with(Some(document)).unwrap();
        }
    }
}
