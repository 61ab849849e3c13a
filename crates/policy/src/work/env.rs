//! Variables of the environment that a line of code reads, in Python, JavaScript and TypeScript, Rust, Go and Ruby.
//!
//! Looks at the forms that name the variable in place; a name that is made elsewhere is not seen.

/// Whether a path is code whose variables a user has to know of: tests are not.
pub(super) fn is_code(path: &str) -> bool {
    const ENDINGS: [&str; 15] = [
        ".cjs", ".go", ".js", ".jsx", ".kt", ".mjs", ".mts", ".php", ".py", ".rb", ".rs", ".svelte", ".ts",
        ".tsx", ".vue",
    ];
    let name = path.rsplit('/').next().unwrap_or(path);
    let test = path
        .split('/')
        .any(|part| matches!(part, "test" | "tests" | "spec" | "__tests__" | "e2e" | "testdata"))
        || name.starts_with("test_")
        || [".test.", ".spec.", "_test."].iter().any(|mark| name.contains(mark));
    !test && ENDINGS.iter().any(|ending| path.ends_with(ending))
}

/// Forms with the name in quotes.
const QUOTED: [&str; 14] = [
    "os.getenv(",
    "os.environ[",
    "os.environ.get(",
    "os.environ.setdefault(",
    "environ.get(",
    "process.env[",
    "env::var(",
    "env::var_os(",
    "env!(",
    "os.Getenv(",
    "os.LookupEnv(",
    "ENV[",
    "ENV.fetch(",
    "Deno.env.get(",
];

/// Forms with the name behind a dot.
const DOTTED: [&str; 3] = ["process.env.", "import.meta.env.", "Bun.env."];

/// Names that every machine has.
const USUAL: [&str; 14] = [
    "CI", "DEV", "HOME", "LANG", "MODE", "NODE_ENV", "PATH", "PROD", "PWD", "SHELL", "SSR", "TERM", "TMPDIR",
    "USER",
];

/// The variables that a line reads.
pub(super) fn read_in(line: &str) -> Vec<String> {
    if !line.contains("env") && !line.contains("Env") && !line.contains("ENV") {
        return Vec::new();
    }
    let mut names = Vec::new();
    let mut found = |name: &str| {
        let fits = name.len() > 1 && name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_uppercase());
        let known =
            USUAL.contains(&name) || name.starts_with("CARGO_") || names.iter().any(|other| other == name);
        if fits && !known {
            names.push(name.to_owned());
        }
    };
    for form in QUOTED {
        for (at, _) in line.match_indices(form) {
            let rest = line[at + form.len()..].trim_start();
            let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else { continue };
            let name = rest[1..].split(quote).next().unwrap_or_default();
            if name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') {
                found(name);
            }
        }
    }
    for form in DOTTED {
        for (at, _) in line.match_indices(form) {
            let rest = &line[at + form.len()..];
            let end = rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
            found(&rest[..end.unwrap_or(rest.len())]);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_in_the_languages_that_people_use() {
        for (line, names) in [
            ("    port = int(os.getenv(\"GATEWAY_PORT\", \"8000\"))", vec!["GATEWAY_PORT"]),
            ("x = os.environ['API_KEY'] or os.environ.get(\"OTHER_KEY\")", vec!["API_KEY", "OTHER_KEY"]),
            (
                "const url = process.env.DATABASE_URL ?? process.env['OLD_URL'];",
                vec!["OLD_URL", "DATABASE_URL"],
            ),
            ("let home = std::env::var(\"LOCKGATE_HOME\")?;", vec!["LOCKGATE_HOME"]),
            ("if v, ok := os.LookupEnv(\"MODE_X\"); ok {", vec!["MODE_X"]),
            ("os.environ.get(name)", vec![]),
            ("process.env.NODE_ENV === 'test'", vec![]),
            ("the environment of \"THINGS\"", vec![]),
        ] {
            assert_eq!(read_in(line), names, "{line}");
        }
        assert!(
            is_code("src/app.py")
                && !is_code("tests/app.py")
                && !is_code("src/app_test.go")
                && !is_code("README.md")
        );
    }
}
