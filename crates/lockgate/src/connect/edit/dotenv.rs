//! Setting and removing variables in a `.env` file.
//!
//! The last assignment of a name is the one that is changed; comments, other lines and line ends stay.

use super::newline_of;

pub(super) fn apply(variables: &[(&'static str, Option<String>)], text: &str) -> String {
    let newline = newline_of(text);
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    for (name, value) in variables {
        let last = lines.iter().rposition(|line| name_of(line) == Some(name));
        match (value, last) {
            (None, _) => lines.retain(|line| name_of(line) != Some(name)),
            (Some(value), Some(at)) => {
                let line = &lines[at];
                let end = &line[line.trim_end_matches(['\r', '\n']).len()..];
                let head = &line[..=line.find('=').unwrap_or_default()];
                lines[at] = format!("{head}{}{end}", quoted(value));
            }
            (Some(value), None) => {
                if let Some(last) = lines.last_mut().filter(|line| !line.ends_with('\n')) {
                    last.push_str(newline);
                }
                lines.push(format!("{name}={}{newline}", quoted(value)));
            }
        }
    }
    lines.concat()
}

fn name_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, _) = line.split_once('=')?;
    Some(name.trim())
}

fn quoted(value: &str) -> String {
    if value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:@%+,".contains(&b)) {
        value.to_owned()
    } else if value.contains('\'') {
        format!("\"{value}\"")
    } else {
        format!("'{value}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &'static str, value: &str) -> Vec<(&'static str, Option<String>)> {
        vec![(name, Some(value.to_owned()))]
    }

    #[test]
    fn the_assignment_that_counts_is_replaced_and_the_rest_stays() {
        let text = "# A=0\r\nA=1\r\nexport A=2\r\nB = 3";
        assert_eq!(apply(&set("A", "http://x:1"), text), "# A=0\r\nA=1\r\nexport A=http://x:1\r\nB = 3");
        assert_eq!(apply(&set("C", "4"), text), "# A=0\r\nA=1\r\nexport A=2\r\nB = 3\r\nC=4\r\n");
        assert_eq!(apply(&[("A", None)], text), "# A=0\r\nB = 3");
        assert_eq!(apply(&set("A", "x y"), ""), "A='x y'\n");
    }
}
