//! What tools printed: whether a program succeeded, which commits git made, the text of a file that was read.
//!
//! Believes what the client sends back. What a form does not say is not guessed.

use lockgate_core::Block;
use lockgate_core::content::ToolResult;
use serde_json::Value;

/// What came of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It found something, or did not run to its end.
    Failed,
    /// It succeeded.
    Passed,
    /// It is not told.
    Unknown,
}

/// A result, without what clients put around what was printed.
#[derive(Debug, Clone)]
pub(super) struct Printed {
    pub(super) outcome: Outcome,
    pub(super) text: String,
}

/// Bytes of a result that are looked at.
const READ: usize = 512 * 1024;

impl Printed {
    pub(super) fn of(result: &ToolResult) -> Self {
        let mut text = String::new();
        for part in &result.content {
            if let Block::Text(words) = &part.block
                && text.len() + words.text.size() <= READ
            {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(words.text.as_str());
            }
        }
        let code = code(&text);
        let outcome = match code {
            Some(0) if !result.is_error => Outcome::Passed,
            None if !result.is_error && !text.starts_with("Error") => Outcome::Passed,
            Some(_) | None => Outcome::Failed,
        };
        Self { outcome, text: body(text) }
    }
}

/// The exit code, where a client tells it in the first or the last lines.
fn code(text: &str) -> Option<i64> {
    const SAYS: [&str; 5] = [
        "exited with code ",
        "Exit code: ",
        "Exit code ",
        "\"exit_code\":",
        "Command failed with exit code ",
    ];
    let ends = [
        &text[..text.floor_char_boundary(400)],
        &text[text.ceil_char_boundary(text.len().saturating_sub(200))..],
    ];
    ends.iter().find_map(|part| {
        SAYS.iter().find_map(|says| {
            let rest = part[part.find(says)? + says.len()..].trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
            rest[..end].parse().ok()
        })
    })
}

/// What a program printed, without what Codex and Gemini CLI put around it.
fn body(text: String) -> String {
    if text.starts_with('{')
        && let Ok(value) = serde_json::from_str::<Value>(&text)
        && let Some(output) = value.get("output").or(value.get("stdout")).and_then(Value::as_str)
    {
        return unwrapped(output).to_owned();
    }
    let inner = unwrapped(&text);
    if inner.len() == text.len() { text } else { inner.to_owned() }
}

fn unwrapped(text: &str) -> &str {
    let head = &text[..text.floor_char_boundary(400)];
    let begins = ["Chunk ID:", "Exit code:", "Wall time:", "Process exited"];
    if let Some(at) = head.find("Output:\n").filter(|_| begins.iter().any(|words| head.starts_with(words))) {
        return &text[at + "Output:\n".len()..];
    }
    let inner = text.strip_prefix("<untrusted_context>\n").unwrap_or(text);
    let inner = inner.trim_end().strip_suffix("</untrusted_context>").unwrap_or(inner);
    inner.strip_prefix("Output: ").unwrap_or(inner)
}

/// A commit that git says it made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) branch: Option<String>,
    pub(super) created: Vec<String>,
    pub(super) deleted: u32,
    pub(super) files: Option<u32>,
    pub(super) inserted: u32,
    pub(super) sha: String,
    pub(super) subject: String,
}

/// The commits that git says it made, in order.
pub(super) fn made(text: &str) -> Vec<Made> {
    let mut all: Vec<Made> = Vec::new();
    for line in text.lines() {
        if let Some(made) = made_in(line) {
            all.push(made);
        } else if let Some(last) = all.last_mut() {
            details(line.trim_start(), last);
        }
    }
    all
}

/// `[main 52bd1ef] subject`, `[main (root-commit) 52bd1ef] subject`, `[detached HEAD 52bd1ef] subject`.
fn made_in(line: &str) -> Option<Made> {
    let (inside, subject) = line.strip_prefix('[')?.split_once("] ")?;
    let (name, sha) = inside.rsplit_once(' ')?;
    let is_sha = (7..=40).contains(&sha.len()) && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = name.trim_end_matches(" (root-commit)");
    is_sha.then(|| Made {
        branch: (name != "detached HEAD").then(|| name.to_owned()),
        sha: sha.to_owned(),
        subject: subject.to_owned(),
        ..Made::default()
    })
}

fn details(line: &str, made: &mut Made) {
    let number = |text: &str| text.split(' ').next().and_then(|number| number.parse().ok());
    if line.contains(" changed") && line.contains(" file") {
        made.files = number(line);
        for part in line.split(", ") {
            if part.contains("insertion") {
                made.inserted = number(part).unwrap_or(0);
            } else if part.contains("deletion") {
                made.deleted = number(part).unwrap_or(0);
            }
        }
    } else if let Some(rest) = line.strip_prefix("create mode ").or_else(|| line.strip_prefix("delete mode "))
        && let Some((_, path)) = rest.split_once(' ')
    {
        made.created.push(path.to_owned());
    }
}

/// The branch that git says is checked out.
pub(super) fn branch(text: &str) -> Option<String> {
    let told = |line: &str| {
        let line = line.trim_end();
        let quoted = ["Switched to a new branch '", "Switched to branch '", "Already on '"];
        let name = match line.strip_prefix("On branch ") {
            Some(name) => Some(name),
            None => quoted.iter().find_map(|begins| line.strip_prefix(begins)?.strip_suffix('\'')),
        };
        name.filter(|name| !name.is_empty() && name.len() < 200).map(str::to_owned)
    };
    text.lines().filter_map(told).next_back()
}

/// Whether a checker's words say that it found something, where its exit code does not.
pub(super) fn complains(text: &str) -> bool {
    // What is found is summed up at the end.
    let text = &text[text.ceil_char_boundary(text.len().saturating_sub(32 * 1024))..];
    text.lines().any(|line| {
        let line = line.trim_start();
        if line.contains(" 0 remaining") {
            return false;
        }
        if line.starts_with("error:") || line.starts_with("error[") || line.starts_with("✖") {
            return true;
        }
        let mut words = line.split([' ', '(', ',']);
        let mut before = words.next().unwrap_or_default();
        words.any(|word| {
            let counted = before.parse::<u32>().is_ok_and(|count| count > 0);
            let noun = ["error", "problem", "issue", "violation", "failed"]
                .iter()
                .any(|noun| word.starts_with(noun));
            before = word;
            counted && noun
        })
    })
}

/// The hooks that passed when git made a commit: `ruff........Passed`.
pub(super) fn passed_hooks(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let name = line.trim_end().strip_suffix("Passed")?;
        let (name, dots) = (name.trim_end_matches('.'), name.len());
        (dots - name.len() >= 3 && !name.is_empty()).then_some(name)
    })
}

/// A file as a tool showed it.
pub(super) struct Shown {
    pub(super) text: String,
    /// Whether all of it is there.
    pub(super) whole: bool,
}

/// The text of a file that was read: numbers of lines and notes of the client are taken away.
pub(super) fn shown(text: &str, asked_whole: bool) -> Shown {
    let text = text.split("\n\n<system-reminder>").next().unwrap_or(text);
    let mut lines = Vec::new();
    let (mut numbered, mut first, mut last) = (true, 0, 0);
    for line in text.lines() {
        let Some((number, rest)) = number_of(line) else {
            numbered = false;
            break;
        };
        numbered &= lines.is_empty() || number == last + 1;
        if lines.is_empty() {
            first = number;
        }
        last = number;
        lines.push(rest);
    }
    if numbered && !lines.is_empty() {
        let mut text = lines.join("\n");
        text.push('\n');
        // Claude Code shows 2,000 lines at most, and cuts long ones.
        let cut = lines.len() >= 2_000 || lines.iter().any(|line| line.len() >= 2_000);
        return Shown { text, whole: asked_whole && first <= 1 && !cut };
    }
    let cut = text.len() >= 28_000 || text.contains("truncated") || text.contains("[TRUNCATED");
    Shown { text: text.to_owned(), whole: asked_whole && !cut }
}

/// `    12→text` or `12\ttext`.
fn number_of(line: &str) -> Option<(u32, &str)> {
    let trimmed = line.trim_start();
    let end = trimmed.find(|c: char| !c.is_ascii_digit())?;
    let rest = &trimmed[end..];
    let text = rest.strip_prefix('→').or_else(|| rest.strip_prefix('\t'))?;
    Some((trimmed[..end].parse().ok()?, text))
}

/// Whether a tool says that the file is not there.
pub(super) fn absent(text: &str) -> bool {
    let head = text[..text.floor_char_boundary(400)].to_ascii_lowercase();
    ["no such file", "does not exist", "file not found", "enoent"].iter().any(|words| head.contains(words))
}
