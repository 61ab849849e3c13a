//! Text that others wrote, inside Markdown that we write: it may say anything and change nothing around it.
//!
//! Blocks of code go into fences that are longer than any in them; all else is quoted, with what could begin HTML or load a picture
//! taken its meaning.

use std::fmt::Write as _;

/// In a table or a summary: one line, nothing with a meaning.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '`' | '*' | '_' | '[' | ']' | '|' | '\\' | '!' => {
                // As a number, since a backslash means nothing in HTML.
                let _ = write!(out, "&#{};", u32::from(sign));
            }
            sign if sign.is_control() => out.push(' '),
            sign => out.push(sign),
        }
    }
    out
}

/// A block of code.
pub(super) fn fenced(text: &str, language: &str, out: &mut String) {
    let text = lines(text);
    let longest = text.split(|sign| sign != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = writeln!(out, "{fence}{language}");
    out.push_str(&text);
    if !text.ends_with('\n') {
        out.push('\n');
    }
    let _ = writeln!(out, "{fence}\n");
}

/// Words, as they were formatted, in a quotation.
pub(super) fn quoted(text: &str, out: &mut String) {
    let text = lines(text);
    let mut code: Option<(char, usize, String)> = None;
    let mut block = String::new();
    for line in text.lines() {
        match &code {
            Some((sign, length, _)) if closes(line, *sign, *length) => {
                flush(&mut code, &mut block);
            }
            Some(_) => {
                if let Some((_, _, body)) = &mut code {
                    body.push_str(line);
                    body.push('\n');
                }
            }
            None => match opens(line) {
                Some((sign, length)) => code = Some((sign, length, String::new())),
                None => {
                    block.push_str(&plain(line));
                    block.push('\n');
                }
            },
        }
    }
    flush(&mut code, &mut block);
    for line in block.trim_end().lines() {
        let _ = writeln!(out, "> {line}");
    }
    out.push('\n');
}

fn flush(code: &mut Option<(char, usize, String)>, block: &mut String) {
    if let Some((_, _, body)) = code.take() {
        fenced(&body, "", block);
    }
}

/// Whether a line opens a block of code: its sign and how many of it.
fn opens(line: &str) -> Option<(char, usize)> {
    let line = line.trim_start_matches(' ');
    let sign = line.chars().next().filter(|sign| matches!(sign, '`' | '~'))?;
    let length = line.chars().take_while(|other| *other == sign).count();
    (length >= 3 && !(sign == '`' && line[length..].contains('`'))).then_some((sign, length))
}

fn closes(line: &str, sign: char, length: usize) -> bool {
    let line = line.trim();
    line.len() >= length && line.chars().all(|other| other == sign)
}

/// A line outside code, with nothing in it that begins HTML, a picture, or a block of code.
fn plain(line: &str) -> String {
    let mut line = line.replace('<', "&lt;").replace("![", "!&#91;");
    while let Some(at) = line.find("```").or_else(|| line.find("~~~")) {
        let sign = u32::from(line.as_bytes()[at]);
        line.replace_range(at..=at, &format!("&#{sign};"));
    }
    line
}

/// With one kind of line break, and none of the signs that have no place in a text.
fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.replace(|sign: char| sign.is_control() && sign != '\n' && sign != '\t', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_any_in_its_text() {
        let mut out = String::new();
        fenced("a\n````\nb", "json", &mut out);
        assert_eq!(out, "`````json\na\n````\nb\n`````\n\n");
    }

    #[test]
    fn quoted_words_keep_their_code_and_nothing_gets_out_of_the_quotation() {
        let mut out = String::new();
        quoted("# a\r<script>\n~~~rust\nif a < b {}\n```\n</details>", &mut out);
        assert_eq!(out, "> # a\n> &lt;script>\n> ````\n> if a < b {}\n> ```\n> </details>\n> ````\n\n");
        let mut out = String::new();
        quoted("x ``` y ``` ![p](http://a)", &mut out);
        assert_eq!(out, "> x &#96;`` y &#96;`` !&#91;p](http://a)\n\n");
    }

    #[test]
    fn a_line_in_a_table_is_one_line_without_meaning() {
        assert_eq!(inline("a|b\n<i>`*"), "a&#124;b &lt;i&gt;&#96;&#42;");
    }
}
