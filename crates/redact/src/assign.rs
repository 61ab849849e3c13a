//! A name that says it holds a secret, and the value given to it: `.env`, YAML, JSON, ini, XML, code, flags, prose.
//!
//! Hand-written, because such names are frequent in code and a pattern over each would cost more than all other rules.
//! Knows no file types: it looks at the name, at what stands between, and at the value.

use std::ops::Range;

use crate::Level;
use crate::name::{Kind, NAME_MAX, name, names_secret};
use crate::rule::LOOK_BEHIND;
use crate::value::{self, Mix};

/// How the value is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Style {
    /// The line is a name, a separator and a value, as in `.env`, ini and YAML.
    Bare,
    /// Somewhere in code or a flag.
    Code,
    /// `"…"`, `'…'`, `` `…` `` or between XML tags.
    Quoted,
}

/// No value is longer.
const VALUE_MAX: usize = 512;

/// The value given to the name around `word`.
pub(crate) fn find(text: &[u8], word: Range<usize>, kind: Kind, level: Level) -> Option<Range<usize>> {
    let name = name(text, &word);
    let path = name.start > 0 && text[name.start - 1] == b'/';
    if path || !names_secret(&text[name.clone()], word.start - name.start..word.end - name.start, kind) {
        return None;
    }
    let (value, style) = value_after(text, &name)?;
    is_secret(&text[name], &text[value.clone()], kind, style, level).then_some(value)
}

/// True if no text that may follow makes this a secret.
pub(crate) fn never(text: &[u8], word: &Range<usize>, kind: Kind) -> bool {
    let from = word.start.saturating_sub(LOOK_BEHIND);
    let (text, word) = (&text[from..], word.start - from..word.end - from);
    let name = name(text, &word);
    let Some(next) = text.get(name.end) else { return false };
    if !names_secret(&text[name.clone()], word.start - name.start..word.end - name.start, kind) {
        return *next != b'-' && name.end - word.end < 24;
    }
    let gap = blanks(text, name.end);
    match text.get(name.end + gap) {
        Some(byte) if gap > 0 && gap < 40 => {
            let said = text[name.start] == b'-' || logs_in(text, &name);
            byte.is_ascii_alphabetic() && !b"fivVbruL".contains(byte) && !said
        }
        Some(b'.' | b';' | b'?' | b'!' | b')' | b'/') => *next != b'!',
        Some(_) | None => false,
    }
}

/// True after `login x` in a line of `.netrc`.
fn logs_in(text: &[u8], name: &Range<usize>) -> bool {
    let before = &text[name.start.saturating_sub(100)..name.start];
    memchr::memmem::rfind(before, b"login ").is_some()
}

/// True if a member of an object with this name and value holds a secret.
pub(crate) fn is_secret_pair(
    name: &[u8],
    word: Range<usize>,
    value: &[u8],
    kind: Kind,
    level: Level,
) -> bool {
    name.len() <= NAME_MAX
        && names_secret(name, word, kind)
        && value.len() <= VALUE_MAX
        && is_secret(name, value, kind, Style::Quoted, level)
}

/// The value after the name, and how it is written.
fn value_after(text: &[u8], name: &Range<usize>) -> Option<(Range<usize>, Style)> {
    let (mut at, quoted_name) = after_name(text, name);
    let gap = blanks(text, at);
    at += gap;
    let rest = &text[at..];
    let starts = |start: &str| rest.starts_with(start.as_bytes());
    let separator = if starts("===") || starts("!==") {
        3
    } else if starts("=>") || starts(":=") || starts("==") || starts("!=") || starts("||") {
        2
    } else if starts("::") {
        return None;
    } else if starts("=") || starts(":") {
        1
    } else if quoted_name && starts(",") || !quoted_name && gap == 0 && starts("(") {
        let value = quoted(text, at + 1 + blanks(text, at + 1))?;
        let argument =
            !starts(",") || first_of_list(text, name) || value::is_random(&text[value.clone()], 16);
        return argument.then_some((value, Style::Quoted));
    } else if name.start > 0 && text[name.start - 1] == b'<' {
        let open = memchr::memchr3(b'>', b'<', b'\n', rest).filter(|open| rest[*open] == b'>')?;
        return element(text, at + open + 1);
    } else if let Some(attribute) = value_attribute(rest, gap > 0 || quoted_name) {
        return quoted(text, at + attribute).map(|value| (value, Style::Quoted));
    } else {
        return said(text, name, at, gap, quoted_name);
    };
    let tight = gap == 0 && blanks(text, at + separator) == 0;
    at += separator;
    if separator == 1 && rest[0] == b':' {
        at += annotation(&text[at..]);
    }
    at += blanks(text, at);
    // A value on the next line is taken if it is quoted.
    let line = at + line_break(text, at);
    if line > at {
        return quoted(text, line + blanks(text, line)).map(|value| (value, Style::Quoted));
    }
    if let Some(value) = quoted(text, at) {
        let closes = !quoted_name && closes_string(text, name.start, text[at]);
        return (!closes).then_some((value, Style::Quoted));
    }
    if separator == 1 && rest[0] == b'=' && !quoted_name && in_connection_string(text, name.start) {
        return unquoted(text, at, false, tight).map(|(value, _)| (value, Style::Quoted));
    }
    let bare = starts_line(text, name.start) && (separator == 1 || rest.starts_with(b"=>"));
    unquoted(text, at, bare && !quoted_name, tight)
}

/// Past a closing quote and bracket of the name.
fn after_name(text: &[u8], name: &Range<usize>) -> (usize, bool) {
    let mut at = name.end;
    let slashes = text[at..].iter().take_while(|byte| **byte == b'\\').count().min(8);
    let quote = text.get(at + slashes).copied();
    let quoted = matches!(quote, Some(b'"' | b'\'' | b'`'));
    if quoted {
        at += slashes + 1;
        if text.get(at) == Some(&b']') {
            at += 1;
        }
    }
    (at, quoted)
}

/// True for the first of the things between brackets, as in `define('NAME', 'x')` and `["name", "x"]`.
fn first_of_list(text: &[u8], name: &Range<usize>) -> bool {
    let before = text[..name.start].trim_ascii_end();
    let before = before.strip_suffix(b"\"").or(before.strip_suffix(b"'")).unwrap_or(before);
    let before = &before[..before.len() - before.iter().rev().take_while(|byte| **byte == b'\\').count()];
    matches!(before.trim_ascii_end().last(), Some(b'(' | b'[' | b'{'))
}

/// True if a quote after the name ends the string in which the name stands.
fn closes_string(text: &[u8], name: usize, quote: u8) -> bool {
    let line = &text[name.saturating_sub(200)..name];
    let line = &line[line.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)..];
    let apostrophe = |at: usize| {
        at > 0 && line[at - 1].is_ascii_alphabetic() && line.get(at + 1).is_some_and(u8::is_ascii_alphabetic)
    };
    matches!(quote, b'"' | b'\'')
        && memchr::memchr_iter(quote, line)
            .filter(|at| !apostrophe(*at) && (*at == 0 || line[at - 1] != b'\\'))
            .count()
            % 2
            == 1
}

/// True after `key=value;`.
fn in_connection_string(text: &[u8], name: usize) -> bool {
    let before = text[name.saturating_sub(80)..name].trim_ascii_end();
    before.last() == Some(&b';') && before.contains(&b'=')
}

/// `value="` after the name of an XML element, `"value":` after `"name": "…",`, and the same on YAML's next line.
fn value_attribute(rest: &[u8], apart: bool) -> Option<usize> {
    let skip = rest
        .iter()
        .take(24)
        .take_while(|byte| matches!(byte, b' ' | b',' | b'\n' | b'\r' | b'\t' | b'"'))
        .count();
    let after = rest.get(skip..)?;
    let word = after.get(..5)?;
    if (skip == 0 && !apart) || !word.eq_ignore_ascii_case(b"value") {
        return None;
    }
    let tail = &after[5..];
    let gap = tail.iter().take(6).take_while(|byte| matches!(byte, b'=' | b':' | b' ' | b'"')).count();
    let quote = tail[..gap].iter().rposition(|byte| *byte == b'"');
    match quote {
        Some(quote) if quote > 0 && tail[..quote].iter().any(|byte| matches!(byte, b'=' | b':')) => {
            Some(skip + 5 + quote)
        }
        Some(_) | None => (gap > 0).then_some(skip + 5 + gap),
    }
}

/// `password 'x'`, `the password is "x"`, `--token x`, `login me password x`.
fn said(
    text: &[u8],
    name: &Range<usize>,
    at: usize,
    gap: usize,
    quoted_name: bool,
) -> Option<(Range<usize>, Style)> {
    if gap == 0 || quoted_name {
        return None;
    }
    if let Some(value) = quoted(text, at) {
        return Some((value, Style::Quoted));
    }
    if text[at..].starts_with(b"is ") || text[at..].starts_with(b"is: ") {
        let after = at + 3 + blanks(text, at + 3);
        return quoted(text, after).map(|value| (value, Style::Quoted));
    }
    if text[at..].starts_with(b"for ") {
        let line = &text[at..text.len().min(at + 60)];
        let is = memchr::memmem::find(line, b" is ").filter(|is| !line[..*is].contains(&b'\n'))?;
        return quoted(text, at + is + 4).map(|value| (value, Style::Quoted));
    }
    let flag = name.len() > 2 && text[name.start] == b'-';
    let login = logs_in(text, name);
    (flag || login).then(|| unquoted(text, at, login, false)).flatten()
}

/// The text of an XML element.
fn element(text: &[u8], at: usize) -> Option<(Range<usize>, Style)> {
    let length = text[at..].iter().take(VALUE_MAX).position(|byte| matches!(byte, b'<' | b'\n'))?;
    (text[at + length] == b'<' && length > 0).then_some((at..at + length, Style::Quoted))
}

/// The inside of a string literal at `at`; an open one counts if the text ends in it.
fn quoted(text: &[u8], at: usize) -> Option<Range<usize>> {
    let mut open = at;
    while open < at + 2 && matches!(text.get(open), Some(b'r' | b'b' | b'u' | b'f' | b'@' | b'L')) {
        open += 1;
    }
    let slashes = text.get(open..)?.iter().take_while(|byte| **byte == b'\\').count();
    let quote = *text.get(open + slashes)?;
    if slashes > 7 || !matches!(quote, b'"' | b'\'' | b'`') {
        return None;
    }
    let start = open + slashes + 1;
    let mut end = start;
    while end < text.len() && end - start < VALUE_MAX {
        match text[end] {
            b'\n' | b'\r' => return None,
            b'\\' => {
                let run = text[end..].iter().take_while(|byte| **byte == b'\\').count();
                if text.get(end + run) == Some(&quote) && run <= slashes {
                    return (end > start).then_some(start..end);
                }
                end += run + 1;
            }
            byte if byte == quote => return (end > start).then_some(start..end),
            _ => end += 1,
        }
    }
    (end >= text.len() && text.len() > start + 8).then_some(start..text.len())
}

/// A value without quotes: to the next blank or sign that ends an expression.
fn unquoted(text: &[u8], at: usize, bare: bool, tight: bool) -> Option<(Range<usize>, Style)> {
    let length = text[at..]
        .iter()
        .take(VALUE_MAX)
        .take_while(|byte| match byte {
            b',' | b')' | b']' | b'}' | b'(' | b'[' | b'{' => bare && tight,
            b'"' | b'\'' | b'`' | b';' | b'<' | b'>' | b'&' | b'\\' => false,
            byte => **byte > b' ' && **byte != 0x7F,
        })
        .count();
    let end = at + length;
    if length == 0 || matches!(text.get(end), Some(b'(' | b'[' | b'{')) {
        return None;
    }
    // A bare value ends its line, or a comment follows; a sentence goes on.
    let rest = &text[end..];
    let after = blanks(text, end);
    let ends = b"#/;\n\r\\\"'&";
    let alone = rest.get(after).is_none_or(|byte| ends.contains(byte));
    let style = if bare && (alone || tight) { Style::Bare } else { Style::Code };
    Some((at..end, style))
}

/// The length of `: type =` between a name and its value.
fn annotation(text: &[u8]) -> usize {
    let gap = blanks(text, 0);
    let kind = text[gap..]
        .iter()
        .take(40)
        .take_while(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'[' | b']' | b'<' | b'>' | b'?' | b'|' | b'.' | b' ' | b'&' | b'\'')
        })
        .count();
    let at = gap + kind;
    let assigns = kind > 0
        && text.get(at) == Some(&b'=')
        && text[at - 1] == b' '
        && matches!(text.get(at + 1 + blanks(text, at + 1)), Some(b'"' | b'\'' | b'\\' | b'`'));
    if assigns { at + 1 } else { 0 }
}

fn blanks(text: &[u8], at: usize) -> usize {
    text.get(at..)
        .map_or(0, |rest| rest.iter().take(40).take_while(|byte| matches!(byte, b' ' | b'\t')).count())
}

fn line_break(text: &[u8], at: usize) -> usize {
    match text.get(at..) {
        Some([b'\r', b'\n', ..]) => 2,
        Some([b'\n', ..]) => 1,
        Some(_) | None => 0,
    }
}

/// True if only blanks and words such as `export` stand before the name on its line.
fn starts_line(text: &[u8], at: usize) -> bool {
    let line = &text[at.saturating_sub(NAME_MAX)..at];
    let start = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let escaped = memchr::memmem::rfind(line, b"\\n").map_or(0, |newline| newline + 2);
    let before = line[start.max(escaped)..].trim_ascii();
    let before =
        before.strip_prefix(b"#").or(before.strip_prefix(b"//")).unwrap_or(before).trim_ascii_start();
    [
        &b""[..],
        b"-",
        b"export",
        b"ENV",
        b"set",
        b"SET",
        b"env",
        b"-e",
        b"ARG",
        b"REM SET",
        b"\"",
        b"//registry.npmjs.org/:",
    ]
    .contains(&before)
        || before.ends_with(b"/:")
}

fn is_secret(name: &[u8], value: &[u8], kind: Kind, style: Style, level: Level) -> bool {
    if value::is_placeholder(value)
        || value::is_id(value)
        || value.eq_ignore_ascii_case(name)
        || value::is_example(value)
    {
        return false;
    }
    let mix = Mix::of(value);
    if mix.letters() == 0 || value.len() < 4 {
        return false;
    }
    let random = value::is_random(value, 12);
    if value::is_location(value) && !random {
        return false;
    }
    match (level, kind) {
        (Level::Prompt, Kind::Key) => false,
        (Level::Prompt, Kind::Password) => {
            mix.spaces == 0 && value::is_random(value, 8) && !looks_like_code(value, style)
        }
        (Level::Prompt, Kind::Token) => {
            value::is_random(value, 16) && !value::is_uuid(value) && !looks_like_code(value, style)
        }
        (Level::Record, Kind::Key) => {
            let strong = value.len() >= 40 && value::entropy(value) > 4.5 && style == Style::Quoted;
            let plain = name.len() <= 3 && (mix.digits < 3 || value::entropy(value) < 3.6);
            (strong || value::is_random(value, 20)) && !plain && !looks_like_code(value, style)
        }
        (Level::Record, Kind::Password) => is_password(name, value, mix, style),
        (Level::Record, Kind::Token) => is_token(name, value, mix, style),
    }
}

fn is_password(name: &[u8], value: &[u8], mix: Mix, style: Style) -> bool {
    if looks_like_code(value, style) {
        return false;
    }
    let sentence = mix.spaces > 1 || (mix.spaces > 0 && matches!(value[value.len() - 1], b':' | b'.' | b'?'));
    if sentence && !(value.len() >= 32 && value::entropy(value) > 4.5 && mix.digits > 1) {
        return false;
    }
    if matches!(value[0], b'#' | b'/' | b'.') && value::is_words(&value[1..]) {
        return false;
    }
    match style {
        Style::Bare => !(value::is_words(value) && names_itself(name, value)),
        // A variable named like what it holds is no secret; one with a digit or a sign may be.
        Style::Code => mix.digits > 0 && !value::is_words(value) && value.len() >= 6,
        Style::Quoted => !(value::is_words(value) && (names_itself(name, value) || value.ends_with(b":"))),
    }
}

fn is_token(name: &[u8], value: &[u8], mix: Mix, style: Style) -> bool {
    if mix.spaces > 0 || value.len() < 8 || looks_like_code(value, style) {
        return (mix.spaces > 0) && value.len() >= 40 && value::entropy(value) > 4.6 && mix.digits > 1;
    }
    let words = value::is_words(value);
    match style {
        Style::Bare => {
            mix.digits > 0 && (value::is_random(value, 8) || !words) || (!words && value.len() >= 16)
        }
        Style::Code => value::is_random(value, 12),
        Style::Quoted => {
            value::is_random(value, 8)
                || (!words && mix.digits > 0 && value.len() >= 12)
                || (!words && value.len() >= 16)
                || (words
                    && value.len() >= 11
                    && !value.iter().any(|byte| matches!(byte, b' ' | b'.' | b'/' | b':' | b'_'))
                    && name.iter().all(|byte| byte.is_ascii_uppercase() || !byte.is_ascii_alphabetic()))
        }
    }
}

/// The value speaks of passwords too: `password_field`, `userPassword`.
fn names_itself(name: &[u8], value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let has = |part: &str| memchr::memmem::find(&lower, part.as_bytes()).is_some();
    let separated = value.iter().any(|byte| matches!(byte, b'_' | b'-' | b'.' | b' ' | b':'));
    lower == name.to_ascii_lowercase()
        || (separated
            && (has("password") || has("passwd") || has("secret") || has("token"))
            && name.len() >= value.len())
        || (name.len() < value.len() && lower.starts_with(&name.to_ascii_lowercase()) && separated)
}

/// Calls, interpolations, formats and members rather than a value.
fn looks_like_code(value: &[u8], style: Style) -> bool {
    let has = |part: &[u8]| memchr::memmem::find(value, part).is_some();
    if has(b"()")
        || has(b"${")
        || has(b"{{")
        || has(b"<%")
        || has(b"%s")
        || has(b"#{")
        || has(b"' +")
        || has(b"\" +")
    {
        return true;
    }
    match style {
        Style::Quoted => {
            (value[0] == b'{' && value[value.len() - 1] == b'}') || has(b"=\"") || has(b"\\n") && has(b" ")
        }
        Style::Bare => has(b"(") && has(b")") && has(b"."),
        Style::Code => {
            has(b"(")
                || has(b"[")
                || has(b"{")
                || has(b"->")
                || has(b"::")
                || value[0] == b'*'
                || value[0] == b'&'
                || has(b"|")
                || (has(b".") && !value::is_random(value, 20))
                || (has(b"_") && Mix::of(value).digits <= 2)
        }
    }
}
