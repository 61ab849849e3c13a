//! What a call of git in a session tells: the branch that is checked out, the repository's name.
//!
//! Reads what the command printed, and only what the command that was run could have printed: a list that begins with `*` is a
//! list of branches only behind `git branch`. The last word counts, since commands are run one after the other.

use crate::bound::{WORD, tail, word};

/// Bytes of a result that are read: the end, which is the newest.
const READ: usize = 16 * 1024;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) branch: Option<String>,
    pub(crate) repo: Option<String>,
}

/// Whether a command may be one of git.
pub(crate) fn is_git(command: &str) -> bool {
    memchr::memmem::find_iter(command.as_bytes(), b"git").any(|at| {
        let before = command[..at].bytes().next_back();
        let behind = command[at + 3..].bytes().next();
        before.is_none_or(|byte| !byte.is_ascii_alphanumeric()) && matches!(behind, Some(b' ' | b'"'))
    })
}

/// What a command of git printed.
pub(crate) fn read(command: &str, output: &str) -> Found {
    let has = |words: &str| memchr::memmem::find(command.as_bytes(), words.as_bytes()).is_some();
    let (branches, commits, states, remotes) = (has("branch"), has("commit"), has("status"), has("remote"));
    let alone = has("--show-current") || has("--abbrev-ref");
    let mut found = Found::default();
    for line in tail(output, READ).lines() {
        let line = line.trim_end();
        let line = line.strip_prefix("Output: ").unwrap_or(line);
        let told = on_branch(line)
            .or_else(|| states.then(|| short_status(line)).flatten())
            .or_else(|| branches.then(|| line.strip_prefix("* ").and_then(branch)).flatten())
            .or_else(|| commits.then(|| committed(line)).flatten())
            .or_else(|| alone.then(|| only_word(line)).flatten());
        found.branch = told.or(found.branch);
        if remotes && let Some(address) = line.strip_prefix("origin\t") {
            found.repo = repo(address.split(' ').next().unwrap_or_default()).or(found.repo);
        }
    }
    found
}

fn on_branch(line: &str) -> Option<String> {
    let quoted = |line: &str| branch(line.strip_suffix('\'')?);
    if let Some(name) = line.strip_prefix("On branch ") {
        return branch(name);
    }
    let switched =
        line.strip_prefix("Switched to branch '").or_else(|| line.strip_prefix("Switched to a new branch '"));
    switched.or_else(|| line.strip_prefix("Already on '")).and_then(quoted)
}

/// `## main...origin/main [ahead 1]`.
pub(crate) fn short_status(line: &str) -> Option<String> {
    let rest = line.strip_prefix("## ")?;
    let rest = rest.strip_prefix("No commits yet on ").unwrap_or(rest);
    let name = rest.split("...").next().unwrap_or(rest);
    branch(name.split(" [").next().unwrap_or(name))
}

/// `[main 52bd1ef] first` or `[main (root-commit) 52bd1ef] first`.
fn committed(line: &str) -> Option<String> {
    let (inside, _) = line.strip_prefix('[')?.split_once(']')?;
    let (name, hash) = inside.rsplit_once(' ')?;
    let is_hash = hash.len() >= 7 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| branch(name.split(' ').next().unwrap_or_default())).flatten()
}

/// A line that is nothing but a branch, as `git branch --show-current` prints it.
fn only_word(line: &str) -> Option<String> {
    (!line.ends_with(':') && line != "HEAD").then(|| branch(line)).flatten()
}

/// A name that git allows for a branch.
pub(crate) fn branch(name: &str) -> Option<String> {
    let name = name.trim();
    let allowed = |c: char| !c.is_whitespace() && !c.is_control() && !"~^:?*[\\(".contains(c);
    let fits = !name.is_empty() && name.len() <= WORD && name.chars().all(allowed) && !name.starts_with('-');
    fits.then(|| name.to_owned())
}

/// The name of the repository at an address, without its owner and whatever else is in the address.
pub(crate) fn repo(address: &str) -> Option<String> {
    let address = address.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let (_, last) = address.rsplit_once(['/', ':'])?;
    word(last.strip_suffix(".git").unwrap_or(last), WORD).filter(|name| !name.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requirement M3.
    #[test]
    fn the_branch_is_read_from_what_git_printed_last() {
        for (command, output, expected) in [
            ("git status", "On branch feature/parser\nnothing to commit", Some("feature/parser")),
            ("git status", "Output: On branch main\nx", Some("main")),
            ("git status -sb", "## fix...origin/fix [ahead 1]\n M a", Some("fix")),
            ("git status -sb", "## No commits yet on main", Some("main")),
            ("git status && git checkout -b b", "On branch a\nSwitched to a new branch 'b'", Some("b")),
            ("git checkout main", "Already on 'main'", Some("main")),
            ("git branch -a", "  dev\n* main\n  remotes/origin/main", Some("main")),
            ("git branch", "* (HEAD detached at 52bd1ef)\n  main", None),
            ("git branch --show-current", "topic/x\n", Some("topic/x")),
            ("git rev-parse --abbrev-ref HEAD", "HEAD\n", None),
            ("git commit -m x", "[main (root-commit) 52bd1ef] first\n 1 file changed", Some("main")),
            ("git commit -m x", "[feature/parser 52bd1ef] it", Some("feature/parser")),
            ("git log", "* fixed it\n## heading", None),
            ("git status", "", None),
        ] {
            assert_eq!(read(command, output).branch.as_deref(), expected, "{command}: {output}");
        }
    }

    #[test]
    fn commands_of_git_are_told_from_words_with_git_in_them() {
        for command in ["{\"command\":\"git status\"}", "cd x && git diff", "[\"git\",\"log\"]"] {
            assert!(is_git(command), "{command}");
        }
        for command in ["{\"command\":\"ls\"}", "digit 1", "legit thing", "cat .gitignore", ""] {
            assert!(!is_git(command), "{command}");
        }
    }

    #[test]
    fn the_name_of_a_repository_holds_no_credentials() {
        for (address, name) in [
            ("https://example.com/acme/parser.git", Some("parser")),
            ("git@example.com:acme/parser.git", Some("parser")),
            ("https://ada:secret@example.com/acme/parser/", Some("parser")),
            ("https://ada:secret@example.com", None),
            ("parser", None),
            ("", None),
        ] {
            assert_eq!(repo(address).as_deref(), name, "{address}");
        }
        let remotes =
            "origin\tgit@example.com:acme/parser.git (fetch)\norigin\tgit@example.com:acme/parser.git (push)";
        assert_eq!(read("git remote -v", remotes).repo.as_deref(), Some("parser"));
    }
}
