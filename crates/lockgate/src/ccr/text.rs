//! References inside texts: claude-code-router's `$NAME` and `${NAME}`, a preset's `#{input}`, Lockgate's `${NAME}`.
//!
//! Pure text to text. A `$` that starts no reference stays a `$`.

use std::fmt::Write as _;

use super::document::Node;

/// The text with Lockgate's references; `inputs` are a preset's answers.
pub(super) fn references(text: &str, inputs: Option<&Node>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['$', '#']) {
        out.push_str(&rest[..at]);
        let sign = rest.as_bytes()[at];
        let after = &rest[at + 1..];
        let braced =
            after.strip_prefix('{').and_then(|inner| inner.split_once('}')).filter(|(name, _)| is_name(name));
        match (sign, braced) {
            (b'$', Some((name, tail))) => {
                let _ = write!(out, "${{{name}}}");
                rest = tail;
            }
            (b'#', Some((name, tail))) => {
                match inputs.and_then(|inputs| inputs.field(name)).and_then(Node::scalar) {
                    Some(value) => out.push_str(value),
                    None => {
                        let _ = write!(out, "${{{}}}", variable(name));
                    }
                }
                rest = tail;
            }
            (b'$', None) => {
                let length = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
                if is_name(&after[..length]) {
                    let _ = write!(out, "${{{}}}", &after[..length]);
                    rest = &after[length..];
                } else {
                    out.push_str(if after.starts_with('{') { "$$" } else { "$" });
                    rest = after;
                }
            }
            _ => {
                out.push(char::from(sign));
                rest = after;
            }
        }
    }
    out + rest
}

/// Whether the text is one reference and nothing else.
pub(super) fn is_reference(text: &str) -> bool {
    text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(is_name)
}

/// A name for an environment variable: `my-key` and `myKey` become `MY_KEY`.
pub(super) fn variable(words: &str) -> String {
    let mut out = String::new();
    let mut lower = false;
    for c in words.chars() {
        if c.is_ascii_uppercase() && lower {
            out.push('_');
        }
        lower = c.is_ascii_lowercase();
        let letter = if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        if letter != '_' || !out.ends_with('_') {
            out.push(letter);
        }
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) || out.is_empty() { format!("P_{out}") } else { out }
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.starts_with(|c: char| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_reference_become_ours_and_other_dollars_stay() {
        assert_eq!(references("$KEY", None), "${KEY}");
        assert_eq!(references("https://${HOST}/v1/$V", None), "https://${HOST}/v1/${V}");
        assert_eq!(references("costs 5$ or $5 #1", None), "costs 5$ or $5 #1");
        assert_eq!(references("${a b}", None), "$${a b}");
        assert_eq!(references("#{apiKey}", None), "${API_KEY}");
        assert_eq!(references("ü$Ä", None), "ü$Ä");
    }

    #[test]
    fn names_for_variables_are_valid() {
        assert_eq!(variable("my-provider.x"), "MY_PROVIDER_X");
        assert_eq!(variable("302ai"), "P_302AI");
        assert!(is_reference("${A_B}") && !is_reference("x${A}") && !is_reference("${}"));
    }
}
