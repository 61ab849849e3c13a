//! Which paths are secret, and that no spelling of them slips through.

use proptest::prelude::*;

use super::{SecretPaths, Tier, canonical, lexical, rules, without_drive};

fn found(path: &str) -> Option<String> {
    SecretPaths::default().find(path).map(|id| id.name().to_owned())
}

/// 003-2: the twenty paths that an earlier policy let through as harmless.
#[test]
fn paths_that_an_earlier_policy_let_through_are_found() {
    let leaks = [
        ("app/.env", "dotenv"),
        ("./.env", "dotenv"),
        ("src/.env.local", "dotenv"),
        ("secrets/prod.yaml", "credentials"),
        ("server.pem", "key"),
        ("auth/login.ts", "auth"),
        ("infra/main.tf", "infra"),
        (".git/config", "git"),
        (".npmrc", "packages"),
        (".aws/credentials", "aws"),
        ("config/credentials.json", "credentials"),
        ("terraform.tfstate", "cloud"),
        (".envrc", "dotenv"),
        ("app/.ENV", "dotenv"),
        ("a/../.env", "dotenv"),
        ("x.kdbx", "passwords"),
        ("x.p12", "key"),
        ("service-account.json", "credentials"),
        ("/proc/self/environ", "process"),
        ("src/authentication/token.ts", "auth"),
    ];
    for (path, rule) in leaks {
        assert_eq!(found(path).as_deref(), Some(rule), "{path}");
    }
}

/// 003-2: names that only look like secrets.
#[test]
fn near_misses_are_not_found() {
    let near = [
        "environment.ts",
        "docs/pem-format.md",
        "key.svg",
        ".env.example",
        ".env.sample",
        "app/.env.template",
        "src/env.rs",
        "envelope.json",
        "src/keys.ts",
        "keyboard.ts",
        "monkey.rs",
        "docs/ssh.md",
        "ssh_config.md",
        "id_rsa.pub",
        "~/.ssh/id_ed25519.pub",
        "~/.ssh/known_hosts",
        "~/.ssh/config",
        "src/credentials_form.tsx",
        "credential-helper.md",
        "aws.md",
        "src/aws/client.ts",
        "kube.yaml",
        "docker/config.yaml",
        "docker-compose.yml",
        "npmrc.md",
        "netrc-parser.js",
        "src/secret.rs",
        "secretary.txt",
        "no-secrets.md",
        "src/secrets/scanner.rs",
        "history.ts",
        "bash_history.md",
        "shadow.css",
        "src/shadow-dom.ts",
        "passwd.md",
        "authors.md",
        "docs/authoring.md",
        "src/author/index.ts",
        "infrared.c",
        "wallet.ts",
        "cookies.ts",
        "src/cookies/index.js",
        "terraform.tf",
        "main.tfvars.example",
        "pem.rs",
        "server.pem.md",
        "node_modules/pkg/test.pem",
        "logins.ts",
        "config.json",
        "Cargo.toml",
    ];
    for path in near {
        assert_eq!(found(path), None, "{path}");
    }
}

#[test]
fn a_wildcard_that_could_name_a_secret_is_found() {
    for path in ["~/.ss?/id_rsa", "/etc/sh*ow", "~/.aws/*", ".en?", ".env*", "*.pem", "~/.ssh/*"] {
        assert!(found(path).is_some(), "{path}");
    }
    for path in ["*", "src/*", "*.ts", "*.txt", "?", "docs/*.md", "**/*"] {
        assert_eq!(found(path), None, "{path}");
    }
}

#[test]
fn own_rules_and_exceptions_are_heeded() {
    let mut paths = SecretPaths::default();
    paths.add("customers", "customers/**", Tier::Secret).unwrap();
    paths.allow("certs/dev.pem").unwrap();
    assert_eq!(paths.find("data/customers/a.csv").unwrap().name(), "customers");
    assert!(paths.find("certs/dev.pem").is_none());
    assert!(paths.find("certs/prod.pem").is_some());
    assert!(paths.add("nothing", "/./", Tier::Secret).is_err());
    let mut exact = SecretPaths::empty(false);
    exact.add("dotenv", ".env", Tier::Secret).unwrap();
    assert!(exact.find(".ENV").is_none());
    exact.add("rooted", "/srv/keys/**", Tier::Secret).unwrap();
    assert!(exact.find("/srv/keys/a").is_some() && exact.find("x/srv/keys/a").is_none());
}

#[test]
fn composed_and_decomposed_letters_are_the_same_path() {
    let mut paths = SecretPaths::empty(true);
    paths.add("café", "caf\u{e9}/**", Tier::Secret).unwrap();
    assert!(paths.find("cafe\u{301}/key").is_some());
}

#[test]
fn blanks_and_drives_behind_detours_are_taken_away_too() {
    for (path, form) in [("A /", "a"), ("./ .env", ".env"), ("x/../C:/.env", "/.env"), ("./c:/d:/x", "/d:/x")]
    {
        assert_eq!(canonical(path, true), form, "{path}");
    }
}

/// Such a name stood in a request once and ended the process: a stack is not endless.
#[test]
fn a_name_with_a_hundred_thousand_detours_is_brought_to_its_form_at_once() {
    let begun = std::time::Instant::now();
    for detour in ["\t/.", "\t/.\t/..", "/\t./..", "/..", "/.\t"] {
        let long = format!(".env{}", detour.repeat(100_000 / detour.len()));
        let _ = SecretPaths::default().find(&long);
    }
    assert_eq!(canonical(&format!("a{}", "\t/.".repeat(40_000)), true), "a");
    assert_eq!(canonical(&format!("{}.env", "./ ".repeat(40_000)), true), ".env");
    assert_eq!(found(&format!("{}.env", "./".repeat(40_000))).as_deref(), Some("dotenv"));
    assert_eq!(found(&"[a]/.env/".repeat(10_000)), None, "no system has such a path");
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

/// What `canonical` makes is what taking blanks, drives and detours away again and again ends with.
fn in_rounds(path: &str) -> String {
    let mut path = path.trim().strip_prefix("file://").unwrap_or(path.trim()).replace('\\', "/");
    loop {
        let made = lexical(without_drive(&path));
        if made.trim().len() == made.len() && without_drive(&made).len() == made.len() {
            return made;
        }
        made.trim().clone_into(&mut path);
    }
}

fn concrete(pattern: &str) -> String {
    pattern.trim_start_matches('/').replace("/**", "/x").replace('*', "7").replace("y7ml", "yml")
}

proptest! {
    /// 003-2: any spelling of a secret path gives the same rule.
    #[test]
    fn any_spelling_of_a_path_gives_the_same_rule(
        at in 0_usize..1000,
        start in prop::sample::select(&["", "/", "~/", "./", "a/b/", "../", "C:\\", "file:///"][..]),
        spell in prop::collection::vec(0_u8..6, 12),
        upper in any::<u64>(),
    ) {
        let (_, pattern) = rules::SECRET[at % rules::SECRET.len()];
        let plain = format!("{start}{}", concrete(pattern));
        let expected = found(&plain);
        prop_assert!(expected.is_some(), "{}", plain);
        let mut text = String::new();
        let mut choice = spell.iter().cycle();
        for (at, part) in plain.split('/').enumerate() {
            if at > 0 {
                text.push_str(match choice.next().unwrap() {
                    0 => "//",
                    1 => "/./",
                    2 => "/zz/../",
                    3 => "\\",
                    4 => "\\.\\",
                    _ => "/",
                });
            }
            text.push_str(part);
        }
        // A scheme and a drive stand at the start only; they are not respelled.
        if start.is_empty() || start.ends_with('/') && !start.contains(':') {
            let varied: String = text.chars().enumerate().map(|(at, c)| if upper >> (at % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c }).collect();
            prop_assert_eq!(found(&varied), expected, "{}", varied);
        }
    }

    #[test]
    fn ends_are_cleared_inwards(text in "([ab~:/. \t\\\\]|c:|/|\\.\\.|/\\.){0,14}") {
        prop_assert_eq!(canonical(&text, false), in_rounds(&text), "{:?}", text);
    }

    #[test]
    fn any_text_has_one_form_and_keeps_it(text in "\\PC{0,60}") {
        let once = canonical(&text, true);
        prop_assert_eq!(canonical(&once, true), once.clone());
        let _ = SecretPaths::default().find(&text);
    }
}
