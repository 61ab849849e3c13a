//! Bounds on what is taken from a request: a client may write anything, and what is found goes into a record.

/// Bytes of an id that a client gives.
pub(crate) const ID: usize = 200;

/// Bytes of a path.
pub(crate) const PATH: usize = 1024;

/// Bytes of a short word: a branch, a version, a platform.
pub(crate) const WORD: usize = 200;

/// The first bytes of a text, cut where a character ends.
pub(crate) fn head(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

/// The last bytes of a text, cut where a character begins.
pub(crate) fn tail(text: &str, bytes: usize) -> &str {
    let from = text.len().saturating_sub(bytes);
    let begin = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[begin..]
}

/// An id worth keeping: not empty, not too long, printable ASCII without spaces.
pub(crate) fn id(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= ID && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// A word worth keeping: one line without control characters, cut at a bound; `None` if nothing is left.
pub(crate) fn word(text: &str, bytes: usize) -> Option<String> {
    let line = text.lines().next()?.trim();
    let kept: String = head(line, bytes).chars().filter(|c| !c.is_control()).collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_ids_are_printable() {
        assert_eq!((head("naïve", 3), tail("naïve", 3), head("ab", 9)), ("na", "ve", "ab"));
        assert_eq!(id(" 66a7f3f6-5d6b "), Some("66a7f3f6-5d6b".into()));
        for odd in ["", "  ", "two words", "línea", "\u{0}", &"x".repeat(201)] {
            assert_eq!(id(odd), None, "{odd}");
        }
        assert_eq!(word(" linux\u{7}\r\nmore", 99).as_deref(), Some("linux"));
        assert_eq!(word("\u{1}", 9), None);
    }
}
