//! Wildcards of the shell, compared by their letters: does a name match a pattern, and could two patterns name the same file.
//! Bounded: time is the product of the two lengths. Knows no file system.

/// Whether the text has wildcards.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Whether `text`, which has no wildcards, matches `pattern` (`*`, `?`, `[…]`).
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    if !is_pattern(pattern) {
        return pattern == text;
    }
    run(pattern, text)
}

/// Whether a file could have both names. The second may have wildcards that a shell would expand: it meets the first when it holds at
/// least two letters of it, so that `*` alone meets nothing but `*` and a hidden file is not meant by `*.txt`.
pub(crate) fn meet(rule: &str, name: &str) -> bool {
    if !is_pattern(name) {
        return matches(rule, name);
    }
    let letters = name.bytes().filter(|byte| !matches!(byte, b'*' | b'?' | b'[' | b']')).count();
    if rule == "*" {
        return true;
    }
    if letters < 2 || (rule.starts_with('.') && name.starts_with(['*', '?', '['])) {
        return false;
    }
    if is_pattern(rule) {
        // Two patterns: the letters that both ends must have agree.
        let (start_a, start_b) = (literal_start(rule), literal_start(name));
        let (end_a, end_b) = (literal_end(rule), literal_end(name));
        let starts = start_a.starts_with(start_b) || start_b.starts_with(start_a);
        let ends = end_a.ends_with(end_b) || end_b.ends_with(end_a);
        let held = (!start_a.is_empty() && !start_b.is_empty()) || (!end_a.is_empty() && !end_b.is_empty());
        return starts && ends && held;
    }
    // `*.txt` is not meant for `passwords.txt`: the pattern must give the start, or half of the letters.
    let aimed = !literal_start(name).is_empty() || letters * 2 >= rule.len();
    aimed && run(name, rule)
}

fn literal_start(pattern: &str) -> &str {
    let end = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    &pattern[..end]
}

fn literal_end(pattern: &str) -> &str {
    let start = pattern.rfind(['*', '?', ']']).map_or(0, |at| at + 1);
    &pattern[start..]
}

/// The usual matcher with one point of return, over letters.
fn run(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut seen) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while seen < text.len() {
        let step = match pattern.get(at) {
            Some('*') => {
                back = Some((at, seen));
                at += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => class(&pattern[at..], text[seen]),
            Some(c) if *c == text[seen] => Some(1),
            Some(_) | None => None,
        };
        match (step, back) {
            (Some(width), _) => {
                at += width;
                seen += 1;
            }
            (None, Some((star, from))) => {
                back = Some((star, from + 1));
                at = star + 1;
                seen = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

/// The length of the class at the start of `pattern` when `c` is in it.
fn class(pattern: &[char], c: char) -> Option<usize> {
    let not = matches!(pattern.get(1), Some('!' | '^'));
    let first = if not { 2 } else { 1 };
    let end = pattern.iter().skip(first + 1).position(|x| *x == ']')? + first + 1;
    let set = &pattern[first..end];
    let mut found = false;
    let mut at = 0;
    while at < set.len() {
        if set.get(at + 1) == Some(&'-') && at + 2 < set.len() {
            found |= (set[at]..=set[at + 2]).contains(&c);
            at += 3;
        } else {
            found |= set[at] == c;
            at += 1;
        }
    }
    (found != not).then_some(end + 1)
}
