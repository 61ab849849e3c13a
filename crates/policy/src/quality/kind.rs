//! What kind of file a path is, and which kind of change the first line of a commit's message says it is.
//!
//! By names alone. What fits nothing is code.

pub(crate) use crate::work::is_docs;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Code,
    Docs,
    /// Written by a program.
    Generated,
    /// How it is built, checked and deployed.
    Infra,
    Test,
}

impl Kind {
    /// The kind of a file.
    pub(crate) fn of(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        let within = |folders: &[&str]| path.split('/').rev().skip(1).any(|part| folders.contains(&part));
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if ends(&[".lock", "-lock.json", "-lock.yaml", ".min.js", ".snap", "_pb2.py", ".pb.go", "go.sum"])
            || within(&["dist", "node_modules", "vendor", "__snapshots__"])
            || name.contains(".generated.")
        {
            return Self::Generated;
        }
        if within(&["test", "tests", "spec", "specs", "__tests__", "e2e", "testdata"])
            || name.starts_with("test_")
            || name == "conftest.py"
            || [".test.", ".spec.", "_test."].iter().any(|mark| name.contains(mark))
        {
            return Self::Test;
        }
        let named = [
            "Makefile",
            "justfile",
            "Jenkinsfile",
            "Vagrantfile",
            "Procfile",
            ".dockerignore",
            ".gitlab-ci.yml",
        ];
        let begins = ["Dockerfile", "docker-compose", "compose.y", ".pre-commit-config", "railway.", "fly."];
        if within(&[".github", ".circleci", "terraform", "helm", "k8s", "deploy", "infra", "ansible"])
            || named.contains(&name)
            || begins.iter().any(|begin| name.starts_with(begin))
            || ends(&[".tf", ".tfvars", ".dockerfile"])
        {
            return Self::Infra;
        }
        if is_docs(path) {
            return Self::Docs;
        }
        Self::Code
    }
}

/// Whether a mistake in a file costs much.
pub(crate) fn is_risky(path: &str) -> bool {
    let words = [
        "auth",
        "crypto",
        "migration",
        "migrations",
        "payment",
        "payments",
        "permission",
        "permissions",
        "security",
    ];
    path.to_ascii_lowercase().split(['/', '_', '-', '.']).any(|part| words.contains(&part))
}

/// The first line of a message that follows the convention `kind(scope): subject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) kind: String,
    pub(crate) scope: Option<String>,
}

impl Prefix {
    /// The prefix of a first line; `None` = it has none.
    pub(crate) fn of(subject: &str) -> Option<Self> {
        let (head, rest) = subject.split_once(':')?;
        if !rest.starts_with(' ') || head.len() > 48 {
            return None;
        }
        let head = head.trim_end_matches('!');
        let (kind, scope) = match head.split_once('(') {
            Some((kind, scope)) => (kind, Some(scope.strip_suffix(')')?.trim().to_ascii_lowercase())),
            None => (head, None),
        };
        let kind = match kind.to_ascii_lowercase().as_str() {
            "feature" => "feat".to_owned(),
            "bugfix" | "hotfix" => "fix".to_owned(),
            "doc" => "docs".to_owned(),
            "tests" => "test".to_owned(),
            kind => kind.to_owned(),
        };
        KNOWN.contains(&kind.as_str()).then_some(Self { kind, scope })
    }

    /// Which kind of file such a change is about.
    pub(crate) fn about(&self) -> Kind {
        match self.kind.as_str() {
            "docs" => Kind::Docs,
            "test" => Kind::Test,
            "build" | "chore" | "ci" | "deps" | "infra" | "ops" => Kind::Infra,
            _ => Kind::Code,
        }
    }
}

const KNOWN: [&str; 15] = [
    "build", "chore", "ci", "deps", "docs", "feat", "fix", "infra", "ops", "perf", "refactor", "revert",
    "security", "style", "test",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_names() {
        for (path, kind) in [
            ("src/auth/login.py", Kind::Code),
            ("README.md", Kind::Docs),
            ("docs/guide.html", Kind::Docs),
            ("src/docs/build.rs", Kind::Code),
            ("tests/test_login.py", Kind::Test),
            ("web/login.spec.ts", Kind::Test),
            ("Cargo.lock", Kind::Generated),
            ("web/package-lock.json", Kind::Generated),
            ("Dockerfile.dev", Kind::Infra),
            (".github/workflows/ci.yml", Kind::Infra),
            ("main.tf", Kind::Infra),
        ] {
            assert_eq!(Kind::of(path), kind, "{path}");
        }
        assert!(is_risky("db/migrations/1.sql") && is_risky("src/auth.py") && !is_risky("src/author.py"));
    }

    #[test]
    fn a_prefix_is_one_of_the_convention() {
        let read = |subject: &str| Prefix::of(subject).map(|prefix| (prefix.kind, prefix.scope));
        assert_eq!(read("feat(Auth)!: log in"), Some(("feat".into(), Some("auth".into()))));
        assert_eq!(read("Bugfix: it"), Some(("fix".into(), None)));
        assert_eq!(read("note: it"), None);
        assert_eq!(read("fix:it"), None);
        assert_eq!(read("Merge branch 'main'"), None);
    }
}
