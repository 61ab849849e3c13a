//! Policies on texts and imports: what each finds, and what it leaves alone.

use serde_json::json;

use crate::session::{Session, chain, create, verdicts};

/// Requirement 001-6: what is added to docs, messages and pull requests; not code, not lists of things to do, not what goes away.
#[test]
fn placeholders_are_found_where_people_read() {
    let chain =
        chain(&json!([{"placeholder_text": {"also": ["Coming Soon"], "except": ["docs/drafts/**"]}}]));
    let write = |path: &str, text: &str| ("Write", json!({"file_path": path, "content": text}));
    let found = [
        write("README.md", "# A\n\n!!!\n"),
        write("docs/a.md", "Text (TODO: more) here.\n"),
        write("docs/a.rst", "FIXME later\n"),
        write("a.md", "WIP\n"),
        write("a.md", "The date is TBD.\n"),
        write("a.md", "Costs XXX dollars.\n"),
        write("a.md", "Lorem ipsum dolor.\n"),
        write("a.md", "Dear [insert name],\n"),
        write("a.md", "We need to update this.\n"),
        write("a.md", "It is coming soon.\n"),
        write("a.md", "## Later TODO\n"),
        ("Bash", json!({"command": "git commit -m 'wip: x'"})),
        ("Bash", json!({"command": "gh pr create --title 'WIP it' --body 'x'"})),
        ("mcp__github__create_pull_request", json!({"title": "It", "body": "Screenshots: TBD"})),
        ("apply_patch", json!({"input": "*** Begin Patch\n*** Add File: a.md\n+!!!\n*** End Patch"})),
    ];
    for (tool, arguments) in found {
        let said = Session::new("x").asks(&chain, tool, arguments.clone());
        assert_eq!(verdicts(&said), ["placeholder_text warn"], "{arguments}");
    }
    let fine = [
        write("src/a.py", "# TODO: later\n"),
        write("a.md", "```\nTODO\n```\n"),
        write("a.md", "Use `TODO` for these, or the file TODO.md.\n"),
        write("a.md", "!!! note \"Mind\"\n    Text.\n"),
        write("a.md", "# TODO\n\n- write more TBD\n"),
        write("a.md", "Great!! A method, mastodon, todo lists and xxx.\n"),
        write("a.md", "A TODO list for teams.\n"),
        write("TODO.md", "TODO: all\n"),
        write("docs/drafts/a.md", "TODO\n"),
        ("Bash", json!({"command": "git commit -m 'fix: a wipe'"})),
        ("Bash", json!({"command": "grep -r TODO docs"})),
    ];
    for (tool, arguments) in fine {
        assert_eq!(
            Session::new("x").asks(&chain, tool, arguments.clone()),
            Vec::<String>::new(),
            "{arguments}"
        );
    }
    let mut session = Session::new("x");
    session.ran(
        "Read",
        &json!({"file_path": "a.md"}),
        "     1→# A\n     2→TODO old\n     3→```\n     4→x\n     5→```",
        false,
    );
    let edit = |old: &str, new: &str| json!({"file_path": "a.md", "old_string": old, "new_string": new});
    assert!(session.asks(&chain, "Edit", edit("TODO old", "It is done.")).is_empty(), "what goes away");
    assert!(session.asks(&chain, "Edit", edit("# A", "# B")).is_empty(), "what was there before");
    assert!(session.asks(&chain, "Edit", edit("x\n", "TODO\n")).is_empty(), "code, as the whole file shows");
    assert_eq!(verdicts(&session.asks(&chain, "Edit", edit("# A", "# A\n\nTBD"))), ["placeholder_text warn"]);
}

/// Requirement 001-6: when the pull request is opened, those that the session wrote and that are still there.
#[test]
fn placeholders_that_are_still_there_hold_a_pull_request_up() {
    let chain = chain(&json!([{"placeholder_text": {"team": "strict"}}]));
    let mut session = Session::new("x");
    session.ran("Read", &json!({"file_path": "old.md"}), "     1→TODO of before", false);
    session.wrote("a.md", "TBD\n");
    session.wrote("b.md", "TBD\n");
    session.wrote("b.md", "Done.\n");
    let answered = session.answered(&chain, &[("Bash", create())]);
    assert!(
        answered.said()[0]
            .starts_with("placeholder_text refuse: a placeholder is still there: `TBD` in a.md. To go on")
    );
    session.wrote("a.md", "Done.\n");
    assert!(session.asks(&chain, "Bash", create()).is_empty());
}

/// Requirement 001-7: the same name twice and one module twice, in the file as it will be; what is meant so is left alone.
#[test]
fn an_import_that_is_there_already_is_found() {
    let chain = chain(&json!([{"duplicate_import": {}}]));
    let write = |path: &str, text: &str| {
        Session::new("x").asks(&chain, "Write", json!({"file_path": path, "content": text}))
    };
    for (path, text, reason) in [
        ("a.py", "import os\nimport sys\nimport os\n", "`os` is imported twice in `a.py` (lines 1 and 3)"),
        ("a.py", "from a import X\nfrom b import X\n", "`X` is imported twice in `a.py` (lines 1 and 2)"),
        (
            "a.py",
            "from a import X\nfrom a import Y\n",
            "`a` is imported by several statements that could be one in `a.py` (lines 1 and 2)",
        ),
        (
            "a.ts",
            "import { a } from './m';\nimport { b } from './m';\n",
            "`./m` is imported by several statements that could be one in `a.ts` (lines 1 and 2)",
        ),
        ("a.js", "import a from 'x'\nimport a from 'y'\n", "`a` is imported twice in `a.js` (lines 1 and 2)"),
        (
            "a.rs",
            "use std::fmt;\nuse std::{fmt, io};\n",
            "`std::fmt` is imported twice in `a.rs` (lines 1 and 2)",
        ),
        (
            "a.go",
            "import (\n    \"fmt\"\n    \"os\"\n    \"fmt\"\n)\n",
            "`fmt` is imported twice in `a.go` (lines 2 and 4)",
        ),
    ] {
        assert_eq!(write(path, text), [format!("duplicate_import warn: {reason}")]);
    }
    for (path, text) in [
        ("a.py", "import os\nimport os.path\nfrom os import environ\nfrom . import a\nfrom .a import b\n"),
        (
            "a.py",
            "try:\n    import tomllib\nexcept ImportError:\n    import tomli as tomllib\nif TYPE_CHECKING:\n    from a import X\ndef f():\n    from a import X\n",
        ),
        ("a.ts", "import type { T } from './m';\nimport { a } from './m';\nimport * as m from './m';\n"),
        (
            "a.rs",
            "use a::X;\nuse b::X;\nuse std::fmt;\nuse std::fmt::Write as _;\n#[cfg(unix)]\nuse c::Y;\n#[cfg(windows)]\nuse c::Y;\n",
        ),
        ("a.go", "import (\n    \"text/template\"\n    html \"html/template\"\n    _ \"embed\"\n)\n"),
        ("a.md", "import os\nimport os\n"),
    ] {
        assert_eq!(write(path, text), Vec::<String>::new(), "{text}");
    }
    let mut session = Session::new("x");
    session.ran(
        "Read",
        &json!({"file_path": "a.py"}),
        "     1→import os\n     2→import os\n     3→x = 1",
        false,
    );
    let edit = |old: &str, new: &str| json!({"file_path": "a.py", "old_string": old, "new_string": new});
    assert!(session.asks(&chain, "Edit", edit("x = 1", "x = 2")).is_empty(), "it was there before");
    assert_eq!(
        verdicts(&session.asks(&chain, "Edit", edit("x = 1", "import sys\nimport sys"))),
        ["duplicate_import warn"]
    );
    let mut part = Session::new("x");
    part.ran("Read", &json!({"file_path": "a.py", "offset": 1, "limit": 1}), "     1→import os", false);
    assert!(part.asks(&chain, "Edit", edit("x", "import os")).is_empty(), "a part says nothing of the whole");
    assert_eq!(
        verdicts(&part.asks(&chain, "Edit", edit("x", "import os\nimport os"))),
        ["duplicate_import warn"]
    );
}

/// Requirement 001-8: empty sections, links to what is not there, missing sections, variables that nobody is told of.
#[test]
fn holes_in_a_readme_are_found() {
    let chain = chain(&json!([{"readme_completeness": {"sections": ["Install"]}}]));
    let mut session = Session::new("x");
    session.ran("Read", &json!({"file_path": "/home/ada/shop/docs/gone.md"}), "File does not exist.", true);
    let write = |session: &Session, text: &str| {
        session.asks(&chain, "Write", json!({"file_path": "/home/ada/shop/README.md", "content": text}))
    };
    for (text, reason) in [
        (
            "# A\n\nText.\n\n## Install\n\n## Use\n\nText.\n",
            "the section \"Install\" of `README.md` is empty",
        ),
        (
            "# A\n\nText.\n\n## Install\n\nTBD\n\n...\n",
            "the section \"Install\" of `README.md` has nothing but a placeholder",
        ),
        (
            "# A\n\n## Install\n\n[how](docs/gone.md#x)\n",
            "`README.md` links to `docs/gone.md`, which is not there",
        ),
        ("# A\n\nText.\n", "`README.md` has no section \"Install\""),
    ] {
        assert_eq!(write(&session, text), [format!("readme_completeness warn: {reason}")]);
    }
    let whole = "# A\n\n## Install\n\n```sh\n# none\n```\n\n### On\n\n[x](docs/unknown.md) and [y](https://example.org/gone)\n";
    assert_eq!(write(&session, whole), Vec::<String>::new());
    let other = json!({"file_path": "docs/a.md", "content": "# A\n"});
    assert!(session.asks(&chain, "Write", other).is_empty(), "no README");
    session.wrote("/home/ada/shop/README.md", "# A\n\n## Install\n\n## Old\n\nx\n");
    let edit =
        json!({"file_path": "/home/ada/shop/README.md", "old_string": "## Old\n", "new_string": "## New\n"});
    assert!(session.asks(&chain, "Edit", edit).is_empty(), "the hole was there before");
    assert_eq!(
        verdicts(&session.asks(&chain, "Bash", create())),
        ["readme_completeness warn"],
        "it is still there"
    );
}

/// Requirement 001-8: variables that added code reads are to be found in the README or in an example.
#[test]
fn a_variable_that_nothing_names_holds_a_pull_request_up() {
    let chain = chain(&json!([{"readme_completeness": {"team": "strict"}}]));
    let mut session = Session::new("x");
    session.wrote("src/app.py", "import os\nkey = os.environ[\"SHOP_KEY\"]\nport = os.getenv('SHOP_PORT')\n");
    assert!(session.asks(&chain, "Bash", create()).is_empty(), "no README is known");
    session.ran(
        "Read",
        &json!({"file_path": "README.md"}),
        "     1→# Shop\n     2→`SHOP_PORT` is the port.",
        false,
    );
    let said = session.asks(&chain, "Bash", create());
    assert!(said[0].starts_with("readme_completeness refuse: the code reads the variable `SHOP_KEY`, which the README does not name"), "{said:?}");
    let mut example = session.clone();
    example.ran("Read", &json!({"file_path": ".env.example"}), "     1→SHOP_KEY=", false);
    assert!(example.asks(&chain, "Bash", create()).is_empty());
    let mut unread = session.clone();
    unread.bash("echo 'SHOP_KEY=' >> .env.example", "");
    assert!(unread.asks(&chain, "Bash", create()).is_empty(), "an example that was not read may name it");
}

/// Nothing is said where the conversation is not known, and every policy can be tried by a fixture.
#[test]
fn what_a_policy_does_not_know_it_says_nothing_about() {
    use lockgate_policy::fixture::{Expect, Fixture};
    let chain = chain(
        &json!([{"pr_scope": {"team": "strict"}}, {"pre_pr_lint": {"team": "strict"}}, {"duplicate_import": {"team": "strict"}}]),
    );
    for (tool, arguments) in [("Bash", create()), ("Bash", json!({"command": "git push"}))] {
        let fixture =
            Fixture { tool: Some(tool.into()), arguments, expect: Expect::Allow, ..Fixture::default() };
        assert_eq!(fixture.judge(&chain).wrong, None);
    }
}

/// Whoever configures a policy on quality tries it with a fixture: what was said before is its history.
#[test]
fn a_fixture_with_a_history_tries_a_policy_on_quality() {
    use lockgate_policy::fixture::Fixture;
    let chain = chain(&json!([{"pre_pr_lint": {"team": "strict"}}]));
    let wrote = json!({"tool": "Write", "arguments": {"file_path": "a.py", "content": "x"}, "result": "ok"});
    let checked =
        json!({"tool": "Bash", "arguments": {"command": "ruff check ."}, "result": "All checks passed!"});
    let tried = |history: &[&serde_json::Value], expect: &str| {
        let fixture = json!({"tool": "Bash", "arguments": {"command": "git push"}, "history": history, "expect": expect});
        let fixture: Fixture = serde_json::from_value(fixture).unwrap();
        assert_eq!(fixture.judge(&chain).wrong, None);
    };
    tried(&[&wrote], "refuse");
    tried(&[&wrote, &checked], "allow");
    tried(&[&checked, &wrote], "refuse");
    tried(&[&wrote, &json!({"user": "Override pre_pr_lint, it is a hotfix."})], "allow");
}
