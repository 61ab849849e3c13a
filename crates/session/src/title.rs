//! A session's first title: what the user said first, on one line.

use crate::history::Said;

/// Bytes of a title at most, the ellipsis included.
pub(crate) const TITLE: usize = 80;

/// Bytes of what a title is made of.
const OPENING: usize = 2048;

/// What a title is made of; `None` where there are no words. Long enough that a secret at the place where the title is cut is
/// there whole: of a part nobody can tell that it is one.
pub(crate) fn opening(said: Said<'_>) -> Option<String> {
    match said {
        Said::Command(name, args) => Some(format!("{name} {}", crate::bound::head(args, OPENING))),
        Said::Media => None,
        Said::Words(words) => Some(crate::bound::head(unquoted(words), OPENING).to_owned()),
    }
}

/// An opening as a title.
pub fn title(opening: &str) -> Option<String> {
    let line = one_line(opening);
    (!line.is_empty()).then_some(line)
}

/// Words without the quotes that some clients put around what was given on their command line.
fn unquoted(words: &str) -> &str {
    let inside = words.strip_prefix('"').and_then(|words| words.strip_suffix('"'));
    inside.filter(|inside| !inside.contains('"')).unwrap_or(words)
}

/// One line of at most [`TITLE`] bytes: runs of white space and control characters are one space.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(TITLE + 4);
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            gap = !out.is_empty();
            continue;
        }
        if std::mem::take(&mut gap) {
            out.push(' ');
        }
        out.push(c);
        if out.len() > TITLE {
            return shortened(&out);
        }
    }
    out
}

fn shortened(text: &str) -> String {
    const ELLIPSIS: &str = "…";
    let head = crate::bound::head(text, TITLE - ELLIPSIS.len());
    // A word that is cut goes, unless it is the only one.
    let whole = head.rfind(' ').filter(|at| *at > TITLE / 2).map_or(head, |at| &head[..at]);
    format!("{}{ELLIPSIS}", whole.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requirement M4.
    #[test]
    fn a_title_is_one_line_of_at_most_eighty_bytes_cut_between_words() {
        let title = |words: &str| opening(Said::Words(words)).and_then(|words| title(&words));
        assert_eq!(title("Fix the\n\n  parser\tbug").as_deref(), Some("Fix the parser bug"));
        assert_eq!(title("\"Fix the parser bug\"").as_deref(), Some("Fix the parser bug"));
        assert_eq!(title("\"a\" or \"b\"").as_deref(), Some("\"a\" or \"b\""));
        assert_eq!(title(" \u{0} \n"), None);
        let long = title(&"word ".repeat(40)).unwrap();
        assert!(long.len() <= TITLE && long.ends_with("word…"), "{long}");
        let one = title(&"ä".repeat(200)).unwrap();
        assert!(one.len() <= TITLE && one.ends_with("ä…"), "{one}");
        assert_eq!(title(&"x".repeat(80)).unwrap().len(), 80);
    }

    #[test]
    fn a_command_is_titled_by_its_name_and_arguments() {
        let title = |said: Said<'_>| opening(said).and_then(|words| title(&words));
        assert_eq!(title(Said::Command("/init", "please")).as_deref(), Some("/init please"));
        assert_eq!(title(Said::Command("/review", "")).as_deref(), Some("/review"));
        assert_eq!(title(Said::Media), None);
    }
}
