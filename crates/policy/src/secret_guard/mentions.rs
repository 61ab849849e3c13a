//! Secret files in texts: where a text names one in a way that says "here is what it holds" (a tag, a header, a diff, a search result,
//! `@path`), and which part of the text that is. A path in the middle of a sentence is no mention.

use std::ops::Range;

use crate::paths::{RuleId, SecretPaths};

/// A secret file that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    /// What the text shows of it.
    pub(super) content: Option<Range<usize>>,
    pub(super) path: String,
    pub(super) rule: RuleId,
}

/// A longer text is no name of a file.
const NAME_MAX: usize = 512;

/// The secret files that a text names, in order. `spoken`: a person wrote it, so that `@path` is a mention.
pub(super) fn mentions(text: &str, paths: &SecretPaths, spoken: bool) -> Vec<Mention> {
    let mut reader = Reader { found: Vec::new(), paths, text };
    let mut at = 0;
    while at < text.len() {
        let end = text[at..].find('\n').map_or(text.len(), |length| at + length + 1);
        at = reader.line(at, end).max(end);
    }
    reader.tags();
    if spoken {
        reader.signs();
    }
    reader.found.sort_by_key(|mention| mention.content.as_ref().map_or(usize::MAX, |range| range.start));
    reader.found
}

/// What stands in place of what a secret file holds.
pub(super) fn withheld(path: &str, rule: &RuleId) -> String {
    format!("«withheld: {path} is a secret file ({})»", rule.name())
}

/// The text with what it shows of these files taken out; `None` = nothing is.
pub(super) fn without(text: &str, mentions: &[&Mention]) -> Option<String> {
    let mut out = String::new();
    let mut from = 0;
    for mention in mentions {
        let Some(range) = mention.content.clone().filter(|range| range.start >= from) else { continue };
        let inside = &text[range.clone()];
        let (front, shown, back) = around(inside);
        let mark = withheld(&mention.path, &mention.rule);
        if shown.is_empty() || shown == mark {
            continue;
        }
        out.push_str(&text[from..range.start]);
        out.extend([front, &mark, back]);
        from = range.end;
    }
    (from > 0).then(|| out + &text[from..])
}

/// Blanks before, the rest, blanks behind.
fn around(text: &str) -> (&str, &str, &str) {
    let start = text.len() - text.trim_start().len();
    let shown = text.trim();
    (&text[..start], shown, &text[start + shown.len()..])
}

struct Reader<'t> {
    found: Vec<Mention>,
    paths: &'t SecretPaths,
    text: &'t str,
}

impl Reader<'_> {
    fn add(&mut self, path: &str, content: Option<Range<usize>>) -> bool {
        let path = path.trim().trim_matches(['"', '\'', '`']);
        if path.is_empty() || path.len() > NAME_MAX || path.contains('\n') {
            return false;
        }
        let Some(rule) = self.paths.find(path) else { return false };
        let content = content.filter(|range| !range.is_empty());
        let mention = Mention { content, path: path.to_owned(), rule: rule.clone() };
        if !self.found.contains(&mention) {
            self.found.push(mention);
        }
        true
    }

    /// A line; how far what follows belongs to it.
    fn line(&mut self, start: usize, end: usize) -> usize {
        let line = self.text[start..end].trim_end();
        match line.as_bytes().first() {
            Some(b'+') if line.starts_with("+++ ") => self.diff(&line[4..], end),
            Some(b'-') if line.starts_with("--- ") => {
                self.add(side(&line[4..]), None);
                0
            }
            Some(b'*') if line.starts_with("*** ") => self.patch(&line[4..], end),
            Some(b'=') if line.starts_with("==> ") && line.ends_with(" <==") && line.len() > 8 => {
                let to = self.text[end..].find("\n==> ").map_or(self.text.len(), |length| end + length);
                self.add(&line[4..line.len() - 4], Some(end..to));
                0
            }
            Some(b'`') if line.starts_with("```") && line.len() > 3 => self.fence(&line[3..], end),
            Some(b'd') if line.starts_with("diff --git ") => {
                line[11..].split(' ').for_each(|one| {
                    self.add(side(one), None);
                });
                0
            }
            Some(_) => {
                self.hit(line, start);
                self.header(line, end);
                0
            }
            None => 0,
        }
    }

    /// `+++ b/.env`: the lines of its hunks.
    fn diff(&mut self, name: &str, end: usize) -> usize {
        let to = self.while_lines(end, |line, next| {
            let hunk = line.starts_with(['+', '-', ' ', '@', '\\']);
            hunk && !(line.starts_with("--- ") && next.starts_with("+++ "))
        });
        // A timestamp may stand behind the name.
        let name = name.split('\t').next().unwrap_or(name);
        if self.add(side(name), Some(end..to)) { to } else { 0 }
    }

    /// `*** Update File: .env`: its lines.
    fn patch(&mut self, header: &str, end: usize) -> usize {
        let verbs = ["Add File: ", "Update File: ", "Delete File: ", "Move to: "];
        let Some(name) = verbs.iter().find_map(|verb| header.strip_prefix(verb)) else { return 0 };
        let to = self.while_lines(end, |line, _| !line.starts_with("*** "));
        if self.add(name, Some(end..to)) { to } else { 0 }
    }

    /// A fence that names a file: its lines.
    fn fence(&mut self, info: &str, end: usize) -> usize {
        let named = info
            .split([' ', ':', '=', '"', '{', '}', ','])
            .find(|word| word.contains('.') && word.len() <= NAME_MAX && self.paths.find(word).is_some());
        let Some(name) = named.map(str::to_owned) else { return 0 };
        let to = self.while_lines(end, |line, _| !line.starts_with("```"));
        self.add(&name, Some(end..to));
        to
    }

    /// `.env:3:KEY=value`, as searches show a line.
    fn hit(&mut self, line: &str, start: usize) {
        let line = line.trim_start_matches(' ');
        let Some(colon) = line.find([':', ' ']).filter(|at| line.as_bytes()[*at] == b':' && *at <= NAME_MAX)
        else {
            return;
        };
        let rest = &line[colon + 1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && rest[digits..].starts_with([':', '-']) {
            let offset = self.text[start..].find(line).unwrap_or(0) + start;
            let from = offset + colon + 1 + digits + 1;
            self.add(&line[..colon], Some(from..offset + line.len()));
        }
    }

    /// `File: .env`, `Contents of .env:`, and how Claude Code shows a file that the person named.
    fn header(&mut self, line: &str, end: usize) {
        const CALLED: &str = "Called the Read tool with the following input: ";
        if let Some(input) = line.strip_prefix(CALLED) {
            let input: serde_json::Value = serde_json::from_str(input).unwrap_or_default();
            if let Some(path) = input.get("file_path").and_then(serde_json::Value::as_str) {
                self.add(path, None);
            }
            return;
        }
        let begins = ["File: ", "Filename: ", "# File: ", "Contents of ", "Content of ", "Path: "];
        if let Some(rest) = begins.iter().find_map(|start| line.strip_prefix(start)) {
            let name = rest.trim_end_matches(':').split(" (").next().unwrap_or(rest);
            self.add(name, Some(end..self.text.len()));
        }
    }

    /// From `at` on, as long as lines fulfil this; it is given the line and the one behind it.
    fn while_lines(&self, mut at: usize, goes_on: impl Fn(&str, &str) -> bool) -> usize {
        while at < self.text.len() {
            let end = self.text[at..].find('\n').map_or(self.text.len(), |length| at + length + 1);
            if !goes_on(&self.text[at..end], &self.text[end..]) {
                break;
            }
            at = end;
        }
        at
    }

    /// `<file path=".env">…</file>`, `<path>.env</path> <content>…</content>`.
    fn tags(&mut self) {
        let mut from = 0;
        while let Some(at) = self.text[from..].find('<').map(|at| from + at) {
            from = at + 1;
            let rest = &self.text[from..];
            let length =
                rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
            let name = &rest[..length];
            if !TAGS.iter().any(|tag| name.contains(tag)) {
                continue;
            }
            let head = &rest[..rest.floor_char_boundary(NAME_MAX)];
            let Some(close) = head.find('>') else { continue };
            let inside = from + close + 1;
            let ends = format!("</{name}>");
            let to = self.text[inside..].find(&ends).map_or(self.text.len(), |length| inside + length);
            let attributes = head[length..close].to_owned();
            let named = attributes.split(['"', '\'']).collect::<Vec<_>>();
            for pair in named.chunks(2).filter(|pair| pair.len() == 2) {
                let key = pair[0].trim().trim_end_matches('=').to_ascii_lowercase();
                if ["file", "filename", "filepath", "name", "path", "source", "src"].contains(&key.as_str()) {
                    self.add(pair[1], Some(inside..to));
                }
            }
            if attributes.is_empty() && ["path", "source", "file", "filename"].contains(&name) {
                let path = self.text[inside..to].to_owned();
                let behind = (to + ends.len()).min(self.text.len());
                self.add(&path, Some(behind..self.text.len()));
            }
        }
    }

    /// `@path`, as people point at a file.
    fn signs(&mut self) {
        let mut from = 0;
        while let Some(at) = self.text[from..].find('@').map(|at| from + at) {
            from = at + 1;
            let before = self.text[..at].chars().next_back();
            if before.is_some_and(|c| !c.is_whitespace() && !"([{\"'`".contains(c)) {
                continue;
            }
            let rest = &self.text[from..];
            let name = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next().unwrap_or(quoted),
                None => {
                    let end = rest.find(|c: char| c.is_whitespace() || ")]}\"'`,;<>#".contains(c));
                    rest[..end.unwrap_or(rest.len())].trim_end_matches(['.', ':', '!', '?'])
                }
            };
            let name = name.to_owned();
            self.add(&name, None);
        }
    }
}

/// Words in names of tags that show a file.
const TAGS: [&str; 6] = ["attachment", "document", "file", "path", "selection", "source"];

/// The name behind `a/` and `b/` of a diff.
fn side(name: &str) -> &str {
    let name = name.trim().trim_matches('"');
    name.strip_prefix("a/").or_else(|| name.strip_prefix("b/")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of a text is taken out, as `path` and what it leaves.
    fn taken(text: &str) -> (Vec<String>, String) {
        let paths = SecretPaths::default();
        let found = mentions(text, &paths, true);
        let all: Vec<&Mention> = found.iter().collect();
        let left = without(text, &all).unwrap_or_else(|| text.to_owned());
        (found.iter().map(|mention| mention.path.clone()).collect(), left)
    }

    /// 003-2: every way in which a text shows a file.
    #[test]
    fn what_a_text_shows_of_a_secret_file_is_found_and_taken_out_and_the_rest_stays() {
        let mark = "«withheld: .env is a secret file (dotenv)»";
        for (text, left) in [
            ("<file path=\".env\">\nA=1\n</file> end", "<file path=\".env\">\nMARK\n</file> end"),
            ("<document source='.env'>A=1</document>", "<document source='.env'>MARK</document>"),
            ("<path>.env</path>\n<content>A=1</content>", "<path>.env</path>\nMARK"),
            (
                "diff --git a/.env b/.env\n--- a/.env\n+++ b/.env\n@@ -1 +1 @@\n-A=1\n+A=2\ndiff --git a/x b/x\n",
                "diff --git a/.env b/.env\n--- a/.env\n+++ b/.env\nMARK\ndiff --git a/x b/x\n",
            ),
            ("*** Update File: .env\n+A=1\n*** End Patch", "*** Update File: .env\nMARK\n*** End Patch"),
            ("==> .env <==\nA=1\n\n==> b <==\nc", "==> .env <==\nMARK\n\n==> b <==\nc"),
            ("x\n```bash title=\".env\"\nA=1\n```\ny", "x\n```bash title=\".env\"\nMARK\n```\ny"),
            ("a.rs:1:x\n.env:12:A=1\nb.rs:2:y", "a.rs:1:x\n.env:12:MARK\nb.rs:2:y"),
            ("Contents of .env:\nA=1", "Contents of .env:\nMARK"),
        ] {
            let (found, out) = taken(text);
            assert!(!found.is_empty() && found.iter().all(|path| path == ".env"), "{text} {found:?}");
            assert_eq!(out, left.replace("MARK", mark), "{text}");
            assert_eq!(taken(&out).1, out, "what is taken out stays as it is");
        }
        for (text, path) in [
            ("look at @.env, please", ".env"),
            ("(@\"my keys/id_rsa\")", "my keys/id_rsa"),
            ("see @config/credentials.json.", "config/credentials.json"),
            ("Called the Read tool with the following input: {\"file_path\":\"/s/.env\"}", "/s/.env"),
        ] {
            let (found, out) = taken(text);
            assert_eq!((found, out), (vec![path.to_owned()], text.to_owned()));
        }
    }

    #[test]
    fn texts_that_only_speak_of_such_files_are_no_mentions() {
        for text in [
            "Put your key into .env and never commit it.",
            "mail me@.env",
            "@environment.ts and @app/.env.example",
            "<a href=\".env\">x</a> <input name=\"id_rsa\">",
            "+++ b/src/env.rs\n+let path = \".env\";",
            "src/main.rs:3:read(\".env\")",
            "12:30: see .env:",
            "```yaml\nfile: .env\n```",
        ] {
            assert_eq!(taken(text), (Vec::new(), text.to_owned()), "{text}");
        }
    }
}
