//! What the documentation shows works: links lead somewhere, commands parse, configurations load, snippets compile.
//!
//! Every fenced block is judged by its kind, and a kind that nobody judges is itself a finding. Client snippets run for
//! real in `tests/clients`; here is what can be said without a client.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{CommandFactory as _, Parser as _};
use lockgate::cli::Cli;
use lockgate_config::{Environment, Inputs, render_text};
use lockgate_testkit::Script;

/// Top-level sections of a configuration.
const SECTIONS: [&str; 12] = [
    "admin",
    "conversion",
    "keys",
    "log",
    "metrics",
    "models",
    "policies",
    "providers",
    "record",
    "server",
    "telemetry",
    "webhooks",
];

/// A secret of the form that webhooks have.
const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn markdown(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && !name.starts_with('.') && !matches!(name.as_str(), "target" | "node_modules") {
            markdown(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            into.push(path);
        }
    }
}

fn pages() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    markdown(&root(), &mut files);
    files.sort();
    assert!(files.len() > 20, "only {} pages found", files.len());
    files.into_iter().map(|file| (file.clone(), fs::read_to_string(&file).unwrap())).collect()
}

/// A fenced block.
#[derive(Debug, Default)]
struct Block {
    kind: String,
    line: usize,
    text: String,
}

/// A page, its fenced blocks taken out.
fn split(page: &str) -> (String, Vec<Block>) {
    let mut prose = String::new();
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (at, line) in page.lines().enumerate() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            open = !open;
            if open {
                blocks.push(Block { kind: kind.trim().to_owned(), line: at + 1, text: String::new() });
            }
        } else if open {
            let block = blocks.last_mut().unwrap();
            block.text.push_str(line);
            block.text.push('\n');
        } else {
            prose.push_str(line);
        }
        if !open {
            prose.push('\n');
        }
    }
    (prose, blocks)
}

/// Text without what stands between backticks, and those pieces.
fn without_code(prose: &str) -> (String, Vec<String>) {
    let (mut text, mut code) = (String::new(), Vec::new());
    for (at, piece) in prose.split('`').enumerate() {
        if at % 2 == 0 { text.push_str(piece) } else { code.push(piece.to_owned()) }
    }
    (text, code)
}

/// Where the links of a page lead.
fn links(page: &str) -> Vec<String> {
    let (text, _) = without_code(&split(page).0);
    text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()).map(str::to_owned).collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let (prose, _) = split(page);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let text = line.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

fn broken_links(file: &Path, page: &str) -> Vec<String> {
    let outside = |link: &str| link.contains("://") || link.starts_with("mailto:");
    let mut broken = Vec::new();
    for link in links(page).into_iter().filter(|link| !outside(link)) {
        let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
        let target = if path.is_empty() { file.to_owned() } else { file.parent().unwrap().join(path) };
        let text = || if path.is_empty() { Ok(page.to_owned()) } else { fs::read_to_string(&target) };
        let has_anchor = anchor.is_empty() || text().is_ok_and(|text| anchors(&text).contains(anchor));
        if !(path.is_empty() || target.exists()) || !has_anchor {
            broken.push(format!("{}: {link}", file.display()));
        }
    }
    broken
}

#[test]
fn every_link_inside_the_documentation_leads_somewhere() {
    let broken: Vec<_> = pages().iter().flat_map(|(file, page)| broken_links(file, page)).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The commands of a shell snippet, in words; enough of a shell for documentation.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    for line in text.replace("\\\n", " ").lines() {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        for c in line.chars() {
            match (quote, c) {
                (Some(open), _) if c == open => quote = None,
                (Some(_), _) => word.get_or_insert_default().push(c),
                (None, '"' | '\'') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (None, '#') if word.is_none() => break,
                (None, '|' | ';' | '&' | '>' | '<') => {
                    words.extend(word.take());
                    commands.push(std::mem::take(&mut words));
                }
                (None, c) if c.is_whitespace() => words.extend(word.take()),
                (None, c) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        commands.push(words);
    }
    let assignment = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    let plain = commands.into_iter().map(|words| words.into_iter().skip_while(assignment).collect());
    plain.filter(|words: &Vec<String>| !words.is_empty()).collect()
}

fn check_shell(text: &str) -> Result<(), String> {
    through("sh", &["-n"], text)?;
    for words in commands(text) {
        match words[0].as_str() {
            "lockgate" => drop(Cli::try_parse_from(&words).map_err(|error| error.to_string())?),
            "make" => {
                let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
                for target in words[1..].iter().filter(|word| !word.contains('=')) {
                    if !makefile.lines().any(|line| line.starts_with(&format!("{target}:"))) {
                        return Err(format!("the Makefile has no target `{target}`"));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A mention such as `lockgate config show --json`: subcommands and flags must exist; arguments may be left out.
fn check_mention(text: &str) -> Result<(), String> {
    let mut command = Cli::command();
    command.build();
    let mut at = &command;
    let mut words = text.split_whitespace().skip(1).peekable();
    while let Some(next) = words.peek().and_then(|word| at.find_subcommand(word)) {
        at = next;
        words.next();
    }
    for word in words.take_while(|word| *word != "--") {
        if let Some(flag) = word.strip_prefix("--") {
            let name = flag.split('=').next().unwrap_or(flag);
            if !at.get_arguments().any(|argument| argument.get_long() == Some(name)) {
                return Err(format!("`{}` has no --{name}", at.get_name()));
            }
        } else if at.has_subcommands() && word.chars().all(|c| c.is_ascii_lowercase()) {
            return Err(format!("`{}` has no command `{word}`", at.get_name()));
        }
    }
    Ok(())
}

fn check_config(text: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lockgate.yaml");
    fs::write(&file, text).unwrap();
    let variables = text.split("${").skip(1).filter_map(|rest| rest.split(['}', ':']).next());
    let value = |name| if name == "WEBHOOK_SECRET" { WEBHOOK_SECRET } else { "set" };
    let environment: Environment = variables.map(|name| (name, value(name))).collect();
    let inputs = Inputs { file: Some(file), environment, flags: Vec::new(), detect: true };
    let problems: Vec<_> = inputs.check().into_iter().filter(lockgate_config::Problem::is_error).collect();
    if problems.is_empty() { Ok(()) } else { Err(render_text(&problems)) }
}

/// Feeds a program; what it prints is the error.
fn through(program: &str, arguments: &[&str], text: &str) -> Result<(), String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error} (scripts/deps.sh installs it)"))?;
    child.stdin.take().unwrap().write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    let ended = child.wait_with_output().map_err(|error| error.to_string())?;
    if ended.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&ended.stderr).into_owned()) }
}

/// What a YAML block on a page is.
#[derive(Clone, Copy)]
enum Yaml {
    /// A client's own settings, or a configuration where it begins with a section of ours.
    Any,
    /// A configuration.
    Ours,
    /// A script of the scripted upstream.
    Script,
}

fn is_section(line: &str) -> bool {
    line.split_once(':').is_some_and(|(key, _)| SECTIONS.contains(&key))
}

/// A unit of systemd: sections with settings, a command of ours, and a stop that waits for answers.
fn check_unit(text: &str) -> Result<(), String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let settings: Vec<_> = lines.filter(|line| !(line.starts_with('[') && line.ends_with(']'))).collect();
    if let Some(wrong) = settings.iter().find(|line| !line.contains('=')) {
        return Err(format!("`{wrong}` is no setting"));
    }
    let value = |name: &str| settings.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let command = value("ExecStart")
        .and_then(|line| line.split_once("/lockgate"))
        .ok_or("it does not start a lockgate")?;
    check_shell(&format!("lockgate{}", command.1))?;
    let patience: u64 =
        value("TimeoutStopSec").and_then(|text| text.parse().ok()).ok_or("no TimeoutStopSec")?;
    let drain = lockgate_config::Config::default().server.drain_ms / 1_000;
    if patience > drain { Ok(()) } else { Err(format!("it is killed before answers had their {drain} s")) }
}

/// A server of nginx: whole directives, and those without which streams or long answers break.
fn check_nginx(text: &str) -> Result<(), String> {
    let mut depth = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.chars().last() {
            Some('{') => depth += 1,
            Some('}') if line == "}" && depth > 0 => depth -= 1,
            Some(';') => {}
            Some(_) | None => return Err(format!("`{line}` is no directive")),
        }
    }
    if depth != 0 {
        return Err("a brace is not closed".to_owned());
    }
    let server = lockgate_config::Config::default().server;
    let wanted = [
        "proxy_buffering off;".to_owned(),
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;".to_owned(),
        format!("client_max_body_size {}m;", server.limits.body_bytes >> 20),
        format!("proxy_read_timeout {}s;", lockgate_providers::Timeouts::default().total_ms / 1_000),
    ];
    let missing = wanted.iter().find(|directive| !text.contains(directive.as_str()));
    missing.map_or(Ok(()), |directive| Err(format!("there is no `{directive}`")))
}

/// Rules of Prometheus, on metrics that there are.
fn check_alerts(text: &str) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Groups {
        groups: Vec<Group>,
    }
    #[derive(serde::Deserialize)]
    struct Group {
        rules: Vec<Rule>,
    }
    #[derive(serde::Deserialize)]
    struct Rule {
        alert: String,
        expr: String,
    }
    let groups: Groups = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let known = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    for Rule { alert, expr } in groups.groups.into_iter().flat_map(|group| group.rules) {
        let names = expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in names.filter(|name| name.starts_with("lockgate_") || name.starts_with("process_")) {
            let whole = name.trim_end_matches("_bucket");
            if !known.contains(&format!("`{whole}`")) {
                return Err(format!("{alert}: there is no metric `{name}`"));
            }
        }
    }
    Ok(())
}

fn check(block: &Block, yaml: Yaml) -> Result<(), String> {
    let text = &block.text;
    match block.kind.as_str() {
        // Rust is compiled by doctests.
        "dotenv" | "mermaid" | "no_run" | "rust" | "text" => Ok(()),
        "ini" => check_unit(text),
        "nginx" => check_nginx(text),
        "js" => through("node", &["--input-type=module", "--check", "-"], text),
        "json" => {
            serde_json::from_str::<serde::de::IgnoredAny>(text).map(drop).map_err(|error| error.to_string())
        }
        "python" => through("python3", &["-c", "import ast, sys; ast.parse(sys.stdin.read())"], text),
        "sh" => check_shell(text),
        "toml" => text.parse::<toml_edit::DocumentMut>().map(drop).map_err(|error| error.to_string()),
        "yaml" if text.starts_with("groups:") => check_alerts(text),
        "yaml" => match yaml {
            Yaml::Any if !text.lines().next().is_some_and(is_section) => {
                serde_saphyr::from_str::<serde::de::IgnoredAny>(text)
                    .map(drop)
                    .map_err(|error| error.to_string())
            }
            Yaml::Ours if text.contains("\ntests:\n") => {
                serde_saphyr::from_str::<lockgate_policy::fixture::Fixtures>(text)
                    .map(drop)
                    .map_err(|error| error.to_string())
            }
            Yaml::Any | Yaml::Ours => check_config(text),
            Yaml::Script => Script::parse(text).map(drop).map_err(|error| error.to_string()),
        },
        kind => Err(format!("nobody checks blocks of kind `{kind}`; say text, or teach this test")),
    }
}

fn findings(file: &Path, page: &str) -> Vec<String> {
    let below = |folder: &str| file.components().any(|part| part.as_os_str() == folder);
    let yaml = match (below("clients"), below("testkit")) {
        (true, _) => Yaml::Any,
        (false, true) => Yaml::Script,
        (false, false) => Yaml::Ours,
    };
    let (prose, blocks) = split(page);
    let place = |line: usize, error: &str| format!("{}:{line}: {error}", file.display());
    let in_blocks = blocks.iter().filter_map(|block| Some(place(block.line, &check(block, yaml).err()?)));
    let (_, code) = without_code(&prose);
    let mentions = code.iter().filter(|code| code.starts_with("lockgate ") && !code.contains('…'));
    let in_prose =
        mentions.filter_map(|code| Some(place(0, &format!("{code}: {}", check_mention(code).err()?))));
    in_blocks.chain(in_prose).collect()
}

#[test]
fn every_command_configuration_and_snippet_in_the_documentation_is_right() {
    let wrong: Vec<_> = pages().iter().flat_map(|(file, page)| findings(file, page)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_wrong_in_a_page_is_found() {
    let file = root().join("docs/made-up.md");
    let wrong = [
        "```sh\nlockgate serv\n```",
        "```sh\nFOO=1 lockgate config show --jsn | less\n```",
        "```sh\nmake everything\n```",
        "```sh\nif true\n```",
        "```json\n{\"a\": 1,}\n```",
        "```toml\na = \n```",
        "```python\ndef f(:\n```",
        "```js\nconst = 1;\n```",
        "```yaml\nserver:\n  listne: 127.0.0.1:1\n```",
        "```yaml\nservers: {}\n```",
        "```yaml\nproviders: {groq: {api_key: \"${X\"}}\n```",
        "```ini\n[Service]\nExecStart=/usr/local/bin/lockgate serv\nTimeoutStopSec=45\n```",
        "```ini\n[Service]\nExecStart=/usr/local/bin/lockgate serve\nTimeoutStopSec=5\n```",
        "```nginx\nserver {\n    proxy_buffering off;\n}\n```",
        "```yaml\ngroups: [{rules: [{alert: A, expr: lockgate_made_up > 1}]}]\n```",
        "```cobol\n```",
        "say `lockgate config chek`",
        "say `lockgate connect codex --rvert`",
    ];
    for page in wrong {
        assert_eq!(findings(&file, page).len(), 1, "{page}");
    }
    for link in ["[a](nowhere.md)", "[a](clients/README.md#nothing-there)", "[a](#missing)"] {
        assert_eq!(broken_links(&file, link).len(), 1, "{link}");
    }
    assert!(broken_links(&file, "# One two\n[a](#one-two) [b](clients/README.md) `[c](nowhere)`").is_empty());
    assert!(
        findings(&file, "```sh\nFOO=1 lockgate config show --json  # all of it\n```\n`lockgate key new`")
            .is_empty()
    );
}
