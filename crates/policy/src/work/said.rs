//! What the client and the person say of a session: the directory, the branches, the person's last words.
//!
//! Surroundings are read from what the client writes itself. The person's words are those that no client put there: elements that clients
//! wrap around files, reminders and output are left out.

use lockgate_core::{Block, Conversation, Role};

use super::Work;

/// So many bytes of the person's words are kept.
const SAID: usize = 16 * 1024;

/// Reads what is said of the session's surroundings, and what the person said last.
pub(super) fn surroundings(conversation: &Conversation, work: &mut Work) {
    for part in &conversation.system {
        if let Block::Text(text) = &part.block {
            told(text.text.as_str(), work);
        }
    }
    for turn in &conversation.turns {
        if turn.role == Role::Assistant {
            continue;
        }
        let mut words: Vec<&str> = Vec::new();
        for part in &turn.parts {
            let Block::Text(text) = &part.block else { continue };
            let text = text.text.as_str();
            if turn.role == Role::System || text.starts_with('<') || text.starts_with("# ") {
                told(text, work);
            }
            if text.starts_with("This session is being continued from a previous conversation") {
                work.whole = false;
            } else if turn.role == Role::User {
                words.extend(own_words(text));
            }
        }
        if words.iter().any(|word| !word.trim().is_empty()) {
            let said = words.join("\n");
            said[..said.floor_char_boundary(SAID)].clone_into(&mut work.said);
        }
    }
}

/// What of a text a person wrote: not what stands in elements.
fn own_words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let name_end = rest[at + 1..].find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'));
        let name = name_end.map_or("", |end| &rest[at + 1..at + 1 + end]);
        let close = (!name.is_empty()).then(|| format!("</{name}>"));
        let end = close.as_ref().and_then(|close| Some(rest[at..].find(close.as_str())? + at + close.len()));
        match end {
            Some(end) => {
                words.push(&rest[..at]);
                rest = &rest[end..];
            }
            None if name.is_empty() => {
                words.push(&rest[..=at]);
                rest = &rest[at + 1..];
            }
            // An element that is not closed: the rest may be anybody's.
            None => {
                words.push(&rest[..at]);
                return words;
            }
        }
    }
    words.push(rest);
    words
}

/// Directory and branches, as clients write them.
fn told(text: &str, work: &mut Work) {
    const DIRECTORY: [&str; 6] = [
        "Primary working directory: ",
        "Working directory: ",
        "Current working directory: ",
        "I'm currently working in the directory: ",
        "**Workspace Directories:**\n  - ",
        "<cwd>",
    ];
    let line = |key: &str| {
        let rest = &text[text.find(key)? + key.len()..];
        let value = rest.lines().next()?.split("</").next()?.trim();
        (!value.is_empty() && value.len() < 400).then(|| value.to_owned())
    };
    if let Some(path) = DIRECTORY.iter().find_map(|key| line(key)) {
        work.cwd = Some(path.trim_end_matches('/').replace('\\', "/"));
    }
    work.branch = line("Current branch: ").or(work.branch.take());
    let main = line("Main branch (you will usually use this for PRs): ").or_else(|| line("Main branch: "));
    work.main = main.or(work.main.take());
}
