//! What shell commands do to a workspace, read off the steps of [`crate::shell`]: commits, branches, pushes, pull requests, programs that
//! run, files that are written.
//!
//! Says what a command asks for, not what came of it. A command that the shell's reader cannot read does nothing that is known of.

use super::act::{Act, Change, How, Reads};
use super::args::Args;
use crate::shell::{self, Fact, Step};

/// Something that a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Changes are made ready for a commit.
    Add {
        /// All there are.
        all: bool,
        /// Or those of these paths.
        paths: Vec<String>,
    },
    /// A branch is made and checked out.
    Branch(String),
    /// A commit is made.
    Commit(Commit),
    /// Files with one of these endings may have other text afterwards; no endings = any file.
    Disturb(&'static [&'static str]),
    /// Past commits are made anew.
    Forget,
    /// A pull request is opened.
    PullRequest(PullRequest),
    /// Commits are pushed.
    Push(Push),
    /// A program runs: its first words.
    Ran(String),
    /// So many of the last commits are taken back.
    Reset(usize),
    /// Another branch is checked out.
    Switch(String),
}

/// A commit as it is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// With all changes of files that git knows.
    pub all: bool,
    /// In place of the last one.
    pub amend: bool,
    /// Its message, where the command has it.
    pub message: Option<String>,
}

/// A pull request as it is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullRequest {
    /// Where it goes.
    pub base: Option<String>,
    /// Its text.
    pub body: Option<String>,
    /// Where it comes from.
    pub head: Option<String>,
    /// Its title.
    pub title: Option<String>,
}

/// A push as it is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Push {
    /// The branch, where it is named.
    pub branch: Option<String>,
}

/// So many bytes of the words of a program are kept.
const RAN: usize = 160;

/// So many deeds of one command are kept.
const DEEDS: usize = 128;

/// What a command would do.
pub(super) fn read(text: &str) -> Act {
    let mut act = Act::default();
    if let Some(path) = shown(text) {
        act.reads = Some(Reads { path: path.to_owned(), whole: true });
        return act;
    }
    if only_looks(text) {
        return act;
    }
    let Ok(script) = shell::read(text) else { return act };
    for step in script.steps.iter().filter(|step| !step.remote && !step.contained) {
        files(step, &mut act.changes);
        let words: Vec<&str> = step.words.iter().map(|word| word.text.as_str()).collect();
        if words.is_empty() || act.deeds.len() >= DEEDS {
            continue;
        }
        let ran = words.iter().take(12).copied().collect::<Vec<_>>().join(" ");
        act.deeds.push(Deed::Ran(ran[..ran.floor_char_boundary(RAN)].to_owned()));
        act.deeds.extend(deed(&words).map(|deed| within(deed, entered(text))));
    }
    act
}

/// The directory below that a command changes into first.
fn entered(text: &str) -> Option<&str> {
    let (folder, _) = text.trim_start().strip_prefix("cd ")?.split_once("&&")?;
    let folder = folder.trim().trim_matches(['"', '\'']).trim_end_matches('/');
    (!folder.is_empty() && !folder.contains(['$', '`', '\n', ';'])).then_some(folder)
}

/// A deed whose paths are named in a directory.
fn within(deed: Deed, folder: Option<&str>) -> Deed {
    match (deed, folder) {
        (Deed::Add { all, paths }, Some(folder)) => {
            let paths = paths.into_iter().map(|path| format!("{folder}/{path}")).collect();
            Deed::Add { all, paths }
        }
        (deed, _) => deed,
    }
}

/// The file that a command shows and does nothing else with.
fn shown(text: &str) -> Option<&str> {
    let path = text.trim().strip_prefix("cat ")?.trim();
    let plain = |c: char| c.is_alphanumeric() || "-_./@+".contains(c);
    (!path.is_empty() && !path.starts_with('-') && path.chars().all(plain)).then_some(path)
}

/// Whether a command is one that only looks, as most commands of agents are: alone, or handed on to others that do.
fn only_looks(text: &str) -> bool {
    const LOOKS: [&str; 15] = [
        "cat", "cut", "file", "find", "grep", "head", "jq", "ls", "pwd", "rg", "sed -n", "sort", "tail",
        "tree", "wc",
    ];
    let text = text.trim();
    let looks = |part: &str| {
        let rest = LOOKS.iter().find_map(|look| part.trim_start().strip_prefix(look));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let plain = text.replace("2>&1", "").replace("2>/dev/null", "");
    !plain.contains(['>', ';', '&', '$', '`', '\n', '<'])
        && !["-exec", "-delete", "-fprint", "-ok"].iter().any(|acts| plain.contains(acts))
        && plain.split('|').all(looks)
}

fn files(step: &Step, changes: &mut Vec<Change>) {
    const FOLDERS: [&str; 4] = ["chmod", "chown", "install", "mkdir"];
    if step.words.first().is_some_and(|word| FOLDERS.contains(&word.text.as_str())) {
        return;
    }
    for fact in &step.facts {
        let (path, how) = match fact {
            Fact::Writes { path, .. } => (path, How::Touch),
            Fact::Deletes { path, .. } => (path, How::Delete),
            _ => continue,
        };
        if !path.unknown() && !path.raw().starts_with("/dev/") {
            changes.push(Change { how, path: path.shown() });
        }
    }
}

fn deed(words: &[&str]) -> Option<Deed> {
    let (program, rest) = words.split_first()?;
    match program.rsplit('/').next().unwrap_or(program) {
        "git" => git(rest),
        "gh" => match rest {
            ["pr", "create" | "new", rest @ ..] => {
                let args = Args::new(rest, "tbBHFlamprT");
                Some(Deed::PullRequest(PullRequest {
                    base: args.value('B', "base"),
                    body: args.value('b', "body"),
                    head: args.value('H', "head"),
                    title: args.value('t', "title"),
                }))
            }
            _ => None,
        },
        "glab" => match rest {
            ["mr", "create" | "new", rest @ ..] => {
                let args = Args::new(rest, "tdbsalm");
                Some(Deed::PullRequest(PullRequest {
                    base: args.value('b', "target-branch"),
                    body: args.value('d', "description"),
                    head: args.value('s', "source-branch"),
                    title: args.value('t', "title"),
                }))
            }
            _ => None,
        },
        "patch" | "npm" | "yarn" | "pnpm" | "make" | "just" => None,
        program => reformats(program, rest).map(Deed::Disturb),
    }
}

/// The endings of files that a program brings into another form.
fn reformats(program: &str, rest: &[&str]) -> Option<&'static [&'static str]> {
    let has = |flag: &str| rest.iter().any(|word| word.starts_with(flag));
    // Runners give their program in the first words behind them.
    let program = match (program, rest) {
        ("uv" | "poetry" | "pdm" | "hatch" | "pipenv" | "rye", ["run", program, ..])
        | ("uvx" | "npx", [program, ..]) => program,
        _ => program,
    };
    match program {
        "autopep8" | "black" | "isort" | "yapf" => Some(&[".py", ".pyi"]),
        "ruff" if has("format") || has("--fix") => Some(&[".py", ".pyi", ".ipynb"]),
        "biome" | "eslint" | "oxlint" | "prettier" if has("--fix") || has("--write") => {
            Some(&[".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".json", ".css", ".md", ".html", ".vue"])
        }
        "cargo" if matches!(rest.first(), Some(&"fmt" | &"fix")) || has("--fix") => Some(&[".rs"]),
        "rustfmt" => Some(&[".rs"]),
        "gofmt" | "goimports" if has("-w") => Some(&[".go"]),
        "go" if rest.first() == Some(&"fmt") => Some(&[".go"]),
        "golangci-lint" if has("--fix") => Some(&[".go"]),
        "pre-commit" | "lefthook" => Some(&[]),
        _ => None,
    }
}

fn git(words: &[&str]) -> Option<Deed> {
    let mut words = words;
    while let Some((first, rest)) = words.split_first() {
        match *first {
            "-C" | "-c" | "--git-dir" | "--work-tree" | "--namespace" => words = rest.get(1..)?,
            option if option.starts_with('-') => words = rest,
            _ => break,
        }
    }
    let (verb, rest) = words.split_first()?;
    let text = |text: &&str| (*text).to_owned();
    match *verb {
        "add" | "stage" => {
            let args = Args::new(rest, "");
            let all = args.has('A', "all") || args.has('u', "update") || args.operands.contains(&".");
            Some(Deed::Add { all, paths: args.operands.iter().map(text).collect() })
        }
        "checkout" | "switch" => {
            let args = Args::new(rest, "bBcC");
            let made = args
                .value('b', "")
                .or(args.value('B', ""))
                .or(args.value('c', "create"))
                .or(args.value('C', "force-create"));
            match (made, args.operands.as_slice()) {
                (Some(name), _) => Some(Deed::Branch(name)),
                (None, [name]) if !rest.contains(&"--") && !name.contains('.') => {
                    Some(Deed::Switch((*name).to_owned()))
                }
                (None, _) => Some(Deed::Disturb(&[])),
            }
        }
        "commit" => Some(Deed::Commit(commit(rest))),
        "mv" | "rm" | "merge" | "pull" | "restore" | "revert" | "stash" | "apply" | "am" | "cherry-pick" => {
            Some(Deed::Disturb(&[]))
        }
        "push" => push(rest),
        "rebase" | "filter-branch" | "filter-repo" => Some(Deed::Forget),
        "reset" => {
            let args = Args::new(rest, "");
            let back = args.operands.iter().find_map(|word| back(word));
            match back {
                Some(back) => Some(Deed::Reset(back)),
                None if args.has(' ', "hard") => Some(Deed::Disturb(&[])),
                None => None,
            }
        }
        _ => None,
    }
}

/// How far back `HEAD~2`, `HEAD^` or `@~` is.
fn back(word: &str) -> Option<usize> {
    let rest = word.strip_prefix("HEAD").or_else(|| word.strip_prefix('@'))?;
    match rest {
        "^" | "~" | "~1" => Some(1),
        "^^" => Some(2),
        _ => rest.strip_prefix('~')?.parse().ok(),
    }
}

fn commit(rest: &[&str]) -> Commit {
    let args = Args::new(rest, "mFcCt");
    let messages = args.values('m', "message");
    Commit {
        all: args.has('a', "all"),
        amend: args.has(' ', "amend"),
        message: (!messages.is_empty()).then(|| messages.join("\n\n")),
    }
}

fn push(rest: &[&str]) -> Option<Deed> {
    let args = Args::new(rest, "o");
    if args.has('d', "delete")
        || args.has('n', "dry-run")
        || (args.has(' ', "tags") && args.operands.len() < 2)
    {
        return None;
    }
    let target = args.operands.get(1).map(|spec| spec.trim_start_matches('+'));
    let branch = target.map(|spec| spec.rsplit(':').next().unwrap_or(spec));
    let branch = branch.map(|name| name.trim_start_matches("refs/heads/"));
    if branch.is_some_and(|name| name.starts_with("refs/tags/") || name.is_empty()) {
        return None;
    }
    Some(Deed::Push(Push { branch: branch.filter(|name| *name != "HEAD").map(str::to_owned) }))
}
