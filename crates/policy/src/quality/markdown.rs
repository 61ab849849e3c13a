//! Markdown by its lines: which are code, which are headings, which links lead to files.
//!
//! Enough to tell prose from code; knows no nesting of lists and no HTML but comments.

/// A line of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Whether it is code.
    pub(crate) code: bool,
    /// How deep a heading it is; 0 = it is none.
    pub(crate) heading: usize,
    pub(crate) text: &'a str,
}

/// The lines of a text.
pub(crate) fn lines(text: &str) -> Vec<Line<'_>> {
    let mut fence: Option<(char, usize)> = None;
    let mut comment = false;
    let mut all = Vec::new();
    for text in text.lines() {
        let trimmed = text.trim_start();
        let mark = trimmed.chars().next().filter(|c| matches!(c, '`' | '~'));
        let count = mark.map_or(0, |mark| trimmed.chars().take_while(|c| *c == mark).count());
        let mut code = fence.is_some() || comment;
        if comment {
            comment = !trimmed.contains("-->");
        } else if count >= 3 {
            code = true;
            fence = match fence {
                None => mark.map(|mark| (mark, count)),
                Some((open, least)) if mark == Some(open) && count >= least => None,
                open => open,
            };
        } else if fence.is_none() && trimmed.starts_with("<!--") && !trimmed.contains("-->") {
            code = true;
            comment = true;
        }
        let depth = trimmed.chars().take_while(|c| *c == '#').count();
        let is_heading = !code && (1..=6).contains(&depth) && trimmed[depth..].starts_with(' ');
        all.push(Line { code, heading: if is_heading { depth } else { 0 }, text });
    }
    all
}

impl Line<'_> {
    /// The words of a heading.
    pub(crate) fn title(&self) -> &str {
        self.text.trim_start().trim_start_matches('#').trim().trim_end_matches('#').trim_end()
    }

    /// The line without what is code in it.
    pub(crate) fn prose(&self) -> String {
        without_code(self.text)
    }
}

/// A line without what stands between backticks.
pub(crate) fn without_code(text: &str) -> String {
    if !text.contains('`') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('`') {
        let ticks = rest[at..].chars().take_while(|c| *c == '`').count();
        let behind = &rest[at + ticks..];
        let Some(end) = behind.find(&"`".repeat(ticks)) else { break };
        out.push_str(&rest[..at]);
        rest = &behind[end + ticks..];
    }
    out.push_str(rest);
    out
}

/// The files that a text links to, as it writes them, without their anchors.
pub(crate) fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in lines(text).iter().filter(|line| !line.code) {
        let line = line.prose();
        for (at, _) in line.match_indices("](") {
            let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
            let target = target.trim_matches(['<', '>']).split(['#', '?']).next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:") || target.starts_with('/');
            if !target.is_empty() && !outside {
                links.push(target.to_owned());
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_prose() {
        let text = "# A\n\nText\n```sh\n# not a heading\n~~~\n```\n## B ##\n<!-- off\nx\n-->\nend `x` and ``a ` b`` here";
        let all = lines(text);
        let codes: Vec<bool> = all.iter().map(|line| line.code).collect();
        let expected = [0, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0].map(|code| code == 1);
        assert_eq!(codes, expected);
        let headings: Vec<&str> = all.iter().filter(|line| line.heading > 0).map(Line::title).collect();
        assert_eq!(headings, ["A", "B"]);
        assert_eq!(all[11].prose(), "end  and  here");
    }

    #[test]
    fn links_to_files_are_found_and_others_are_not() {
        let text = "[a](docs/a.md#x) ![b](img/b.png \"t\") [c](https://example.org/c) `[d](d.md)` [e](#here) [f](<f.md>)";
        assert_eq!(links(text), ["docs/a.md", "img/b.png", "f.md"]);
    }
}
