//! `$NAME` and `${NAME…}`: values that the script has set are put in, those of the environment are kept as marks with their names.
//! Follows the operators of bash that are used to hide text: defaults, substrings, cuts, replacements, case, indirection.

use std::collections::HashMap;

use super::Unreadable;
use super::path::{HOME, UNKNOWN};
use super::reader::Reader;
use super::word::Word;
use super::{glob, word};

/// What a name stands for.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) vars: HashMap<String, Vec<Word>>,
    /// Arguments of the script or function that is read.
    pub(super) arguments: Vec<Word>,
    pub(super) ifs: String,
    /// Where the script has changed into, as far as that is known.
    pub(super) cwd: Option<String>,
}

/// The name at the start of the text.
pub(super) fn name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Values that every session has.
fn environment(name: &str, scope: &Scope) -> Option<Word> {
    let text = match name {
        "HOME" => HOME.to_string(),
        "PWD" => scope.cwd.clone().unwrap_or_else(|| ".".to_owned()),
        "TMPDIR" | "TMP" | "TEMP" => "/tmp".to_owned(),
        "SHELL" => "/bin/sh".to_owned(),
        "BASH" => "/bin/bash".to_owned(),
        "IFS" => scope.ifs.clone(),
        "XDG_CONFIG_HOME" => format!("{HOME}/.config"),
        "XDG_DATA_HOME" => format!("{HOME}/.local/share"),
        "XDG_CACHE_HOME" => format!("{HOME}/.cache"),
        "CLAUDE_PROJECT_DIR" => ".".to_owned(),
        _ => return None,
    };
    Some(Word { text, ..Word::default() })
}

impl Reader<'_> {
    pub(super) fn variable(&self, name: &str) -> Vec<Word> {
        if let Some(value) = self.scope.vars.get(name) {
            return value.first().cloned().into_iter().collect();
        }
        if let Some(value) = environment(name, &self.scope) {
            return vec![value];
        }
        vec![Word { text: UNKNOWN.to_string(), from: Vec::new(), env: vec![name.to_owned()] }]
    }

    pub(super) fn special(&self, c: char, quoted: bool) -> Vec<Word> {
        let arguments = &self.scope.arguments;
        match c {
            '0' => vec![Word::plain("sh")],
            '1'..='9' => {
                let at = c as usize - '1' as usize;
                vec![arguments.get(at).cloned().unwrap_or_else(|| Word::unknown(Vec::new()))]
            }
            '@' | '*' if arguments.is_empty() => vec![],
            '*' if quoted => vec![Word::plain(&join(arguments))],
            '@' | '*' => arguments.clone(),
            '#' => vec![Word::plain(&arguments.len().to_string())],
            '?' => vec![Word::plain("0")],
            _ => vec![Word::unknown(Vec::new())],
        }
    }

    /// What stands in `${…}`.
    pub(super) fn parameter(&mut self, text: &str, quoted: bool) -> Result<Vec<Word>, Unreadable> {
        if let Some(rest) = text.strip_prefix('#')
            && !rest.is_empty()
        {
            let value = self.variable(name(rest));
            let known = value.first().filter(|value| value.known());
            let length = known.map(|value| Word::plain(&value.text.chars().count().to_string()));
            return Ok(vec![length.unwrap_or_else(|| Word::unknown(Vec::new()))]);
        }
        let (indirect, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let named = match text.chars().next() {
            Some(c) if c.is_ascii_alphabetic() || c == '_' => name(text),
            Some(c) => &text[..c.len_utf8()],
            None => return Err(Unreadable::Syntax("an empty expansion".to_owned())),
        };
        let mut rest = &text[named.len()..];
        let mut value = self.named(named, quoted);
        if let Some(index) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            value = self.element(named, index.0);
            rest = index.1;
        }
        // The name of the shell with letters changed: nobody knows how it was called, and so not what comes out.
        let cuts = rest.starts_with('/')
            || rest
                .strip_prefix(':')
                .is_some_and(|range| range.starts_with(|c: char| c.is_ascii_digit() || c == ' '));
        if named == "0" && cuts {
            return Ok(vec![Word::plain("?*")]);
        }
        if indirect {
            value = match value.first().filter(|value| value.known()) {
                Some(target) => self.variable(&target.text),
                None => vec![Word::unknown(Vec::new())],
            };
        }
        self.operate(named, value, rest)
    }

    fn named(&self, named: &str, quoted: bool) -> Vec<Word> {
        match named.chars().next() {
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.variable(named),
            Some(c) => self.special(c, quoted),
            None => Vec::new(),
        }
    }

    fn element(&self, named: &str, index: &str) -> Vec<Word> {
        let Some(values) = self.scope.vars.get(named) else { return vec![Word::unknown(Vec::new())] };
        match index {
            "@" | "*" => values.clone(),
            index => {
                let at = index.trim_start_matches('$').parse::<usize>().ok();
                let found = at.and_then(|at| values.get(at)).cloned();
                vec![found.unwrap_or_else(|| Word::unknown(Vec::new()))]
            }
        }
    }

    fn operate(&mut self, named: &str, value: Vec<Word>, rest: &str) -> Result<Vec<Word>, Unreadable> {
        let set = self.scope.vars.contains_key(named);
        let known = value.iter().all(Word::known);
        for (mark, assigns) in [(":-", false), ("-", false), (":=", true), ("=", true)] {
            if let Some(default) = rest.strip_prefix(mark) {
                let empty = value.iter().all(|value| value.text.is_empty());
                if set && (!empty || !mark.starts_with(':')) || (known && !set && !value.is_empty()) {
                    return Ok(value);
                }
                let default = self.expand_one(default)?;
                if assigns {
                    self.scope.vars.insert(named.to_owned(), vec![default.clone()]);
                }
                return Ok(vec![default]);
            }
        }
        if rest.is_empty() {
            return Ok(value);
        }
        if let Some(other) = rest.strip_prefix(":+").or_else(|| rest.strip_prefix('+')) {
            return Ok(vec![self.expand_one(other)?]);
        }
        if rest.starts_with('?') || rest.starts_with(":?") {
            return Ok(value);
        }
        let Some(one) = value.first() else { return Ok(value) };
        let text = match rest.strip_prefix(':') {
            // `${HOME:0:1}` and `${PATH:0:1}` are ways to write `/`.
            Some("0:1") if matches!(named, "HOME" | "PATH" | "PWD" | "OLDPWD" | "SHELL") => {
                Some("/".to_owned())
            }
            Some(range) if known => Some(substring(&one.text, range)),
            None if known || one.text.contains(HOME) => self.edit(&one.text, rest)?,
            Some(_) | None => None,
        };
        let text = text.unwrap_or_else(|| UNKNOWN.to_string());
        Ok(vec![Word { text, from: one.from.clone(), env: one.env.clone() }])
    }

    /// Cuts, replacements and case; nothing when the operator is not one of these.
    fn edit(&mut self, text: &str, rest: &str) -> Result<Option<String>, Unreadable> {
        let edited = match rest.as_bytes() {
            [b'#', b'#', ..] => cut_start(text, &self.expand_one(&rest[2..])?.text, true),
            [b'#', ..] => cut_start(text, &self.expand_one(&rest[1..])?.text, false),
            [b'%', b'%', ..] => cut_end(text, &self.expand_one(&rest[2..])?.text, true),
            [b'%', ..] => cut_end(text, &self.expand_one(&rest[1..])?.text, false),
            [b'/', b'/', ..] => self.replace(text, &rest[2..], true)?,
            [b'/', ..] => self.replace(text, &rest[1..], false)?,
            [b',', b',', ..] | [b'@', b'L', ..] => text.to_lowercase(),
            [b'^', b'^', ..] | [b'@', b'U', ..] => text.to_uppercase(),
            [b'^', ..] => first_letter(text, |c| c.to_ascii_uppercase()),
            [b',', ..] => first_letter(text, |c| c.to_ascii_lowercase()),
            [b'@', b'E', ..] => super::decode::escapes(text, true),
            [b'@', ..] => text.to_owned(),
            _ => return Ok(None),
        };
        Ok(Some(edited))
    }

    fn replace(&mut self, text: &str, rest: &str, all: bool) -> Result<String, Unreadable> {
        let split = rest.char_indices().skip(1).find(|(at, c)| *c == '/' && !rest[..*at].ends_with('\\'));
        let (pattern, with) = split.map_or((rest, ""), |(at, _)| (&rest[..at], &rest[at + 1..]));
        let (pattern, with) = (self.expand_one(pattern)?.text, self.expand_one(with)?.text);
        if pattern.is_empty() {
            return Ok(text.to_owned());
        }
        if text.len().saturating_mul(with.len().max(1)) > self.limits.bytes {
            return Err(Unreadable::TooMany);
        }
        if glob::is_pattern(&pattern) {
            // One letter against a class is what hides text; longer patterns are not followed.
            let mut used = false;
            let letters = text.chars().map(|c| {
                let hit = (all || !used) && glob::matches(&pattern, c.encode_utf8(&mut [0; 4]));
                used |= hit;
                if hit { with.clone() } else { c.to_string() }
            });
            return Ok(letters.collect());
        }
        Ok(if all { text.replace(&pattern, &with) } else { text.replacen(&pattern, &with, 1) })
    }
}

fn join(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

fn first_letter(text: &str, turn: impl Fn(char) -> char) -> String {
    text.chars().enumerate().map(|(at, c)| if at == 0 { turn(c) } else { c }).collect()
}

fn substring(text: &str, range: &str) -> String {
    let (start, length) =
        range.split_once(':').map_or((range, None), |(start, length)| (start, Some(length)));
    let letters: Vec<char> = text.chars().collect();
    let count = i64::try_from(letters.len()).unwrap_or(i64::MAX);
    let place = |text: &str| text.trim().trim_matches(['(', ')']).trim().parse::<i64>().ok();
    let Some(start) = place(start) else { return UNKNOWN.to_string() };
    let start = if start < 0 { (count.saturating_add(start)).max(0) } else { start.min(count) };
    let end = match length.map(place) {
        None => count,
        Some(Some(length)) if length < 0 => count.saturating_add(length).max(start),
        Some(Some(length)) => start.saturating_add(length).min(count),
        Some(None) => return UNKNOWN.to_string(),
    };
    letters[start as usize..end as usize].iter().collect()
}

fn cut_start(text: &str, pattern: &str, longest: bool) -> String {
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).take(512).collect();
    let hit = |end: &&usize| glob::matches(pattern, &text[..**end]);
    let end = if longest { ends.iter().rev().find(hit) } else { ends.iter().find(hit) };
    text[end.copied().unwrap_or(0)..].to_owned()
}

fn cut_end(text: &str, pattern: &str, longest: bool) -> String {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).take(512).collect();
    let hit = |start: &&usize| glob::matches(pattern, &text[**start..]);
    let start = if longest { starts.iter().find(hit) } else { starts.iter().rev().find(hit) };
    text[..start.copied().unwrap_or(text.len())].to_owned()
}

/// Reads `NAME=value` where a command takes it as a word (`env`, `export`).
pub(super) fn assignment(text: &str) -> Option<(&str, &str)> {
    let (left, value) = text.split_once('=')?;
    let left = left.strip_suffix('+').unwrap_or(left);
    let ok = !left.is_empty() && word::is_name(left);
    ok.then_some((left, value))
}
