//! `{a,b}` and `{1..9}`, multiplied out before anything else happens to a word, as the shell does. Bounded: past the limit a sequence
//! becomes a value that is not known.

use super::path::UNKNOWN;

/// The words that a raw word stands for; itself when it has no braces.
pub(super) fn expand(raw: &str, limit: usize) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![raw.to_owned()];
    while let Some(word) = open.pop() {
        match first(&word) {
            Some((start, end, parts)) if done.len() + open.len() + parts.len() <= limit => {
                // Pushed from the last on, so that words come out in order.
                let (before, after) = (&word[..start], &word[end..]);
                open.extend(parts.iter().rev().map(|part| format!("{before}{part}{after}")));
            }
            Some((start, end, _)) => done.push(format!("{}{UNKNOWN}{}", &word[..start], &word[end..])),
            None => done.push(word),
        }
    }
    done
}

/// The first pair of braces outside quotes that multiplies: where it starts and ends, and its parts.
fn first(word: &str) -> Option<(usize, usize, Vec<String>)> {
    let bytes = word.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\'' => at = after(bytes, at, b'\''),
            b'"' => at = after(bytes, at, b'"'),
            b'`' => at = after(bytes, at, b'`'),
            b'$' if matches!(bytes.get(at + 1), Some(b'(' | b'{')) => at = super::word::close(word, at + 1),
            b'{' => match parts(word, at) {
                Some((end, parts)) => return Some((at, end, parts)),
                None => at += 1,
            },
            _ => at += 1,
        }
    }
    None
}

fn after(bytes: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if quote == b'"' && bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

fn parts(word: &str, from: usize) -> Option<(usize, Vec<String>)> {
    let bytes = word.as_bytes();
    let (mut at, mut depth, mut start) = (from + 1, 0_usize, from + 1);
    let mut parts = Vec::new();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            quote @ (b'\'' | b'"' | b'`') => at = after(bytes, at, quote) - 1,
            b'{' => depth += 1,
            b',' if depth == 0 => {
                parts.push(word.get(start..at)?.to_owned());
                start = at + 1;
            }
            b'}' if depth > 0 => depth -= 1,
            b'}' => {
                let last = word.get(start..at)?;
                if parts.is_empty() {
                    return sequence(last).map(|parts| (at + 1, parts));
                }
                parts.push(last.to_owned());
                return Some((at + 1, parts));
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn sequence(text: &str) -> Option<Vec<String>> {
    let mut ends = text.split("..");
    let (start, end) = (ends.next()?, ends.next()?);
    let long = || Some(vec![UNKNOWN.to_string()]);
    if let (Ok(start), Ok(end)) = (start.parse::<i64>(), end.parse::<i64>()) {
        if start.abs_diff(end) > 64 {
            return long();
        }
        let numbers: Vec<String> =
            (start.min(end)..=start.max(end)).map(|number| number.to_string()).collect();
        return Some(numbers);
    }
    let (mut start, mut end) = (start.chars(), end.chars());
    match (start.next(), start.next(), end.next(), end.next()) {
        (Some(a), None, Some(b), None) if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
            Some((a.min(b)..=a.max(b)).map(String::from).collect())
        }
        _ => None,
    }
}
