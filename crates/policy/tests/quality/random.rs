//! Whatever a session holds, no policy fails on it: a policy that panics or takes too long says `failed`.

use lockgate_policy::Said;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::session::{Session, chain};

/// Pieces that texts are made of: what the policies look for, and what stands where they do not expect it.
const PIECES: [&str; 64] = [
    "import ",
    "from ",
    "use ",
    "a",
    "ä",
    "😀",
    "::{",
    "}",
    "{",
    "(",
    ")",
    "\"",
    "'",
    "`",
    "```",
    "\n",
    "\n\n",
    " ",
    "\\",
    "/",
    "# ",
    "## TODO",
    "!!!",
    "TODO",
    "[x](",
    "](",
    "<!--",
    "-->",
    "<cwd>",
    "os.getenv(\"",
    "process.env.",
    "env!(",
    "X_1",
    "git ",
    "commit ",
    "-m ",
    "-am",
    "--",
    "$(",
    "cat <<'EOF'\n",
    "EOF\n",
    "push ",
    "gh pr create ",
    "&& ",
    "| ",
    "; ",
    "[main 1234567] ",
    "feat(",
    "): ",
    " 1 file changed, ",
    "2 insertions(+)",
    " create mode 100644 ",
    "*** Begin Patch\n",
    "*** Add File: ",
    "*** Update File: ",
    "@@\n",
    "+",
    "-",
    "*** End Patch",
    "    12→",
    "     1→",
    "Exit code: ",
    "override ",
    "README.md",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24).prop_map(|pieces| pieces.concat())
}

fn call() -> impl Strategy<Value = (String, Value)> {
    let path = prop_oneof![
        Just("README.md"),
        Just("a.py"),
        Just("src/b.rs"),
        Just("c.ts"),
        Just("d.go"),
        Just("ä/e.md"),
        Just("")
    ];
    (0..6_u8, path, text(), text()).prop_map(|(tool, path, one, other)| match tool {
        0 => ("Bash".into(), json!({ "command": one })),
        1 => ("Write".into(), json!({"file_path": path, "content": one})),
        2 => ("Edit".into(), json!({"file_path": path, "old_string": one, "new_string": other, "replace_all": one.len() % 2 == 0})),
        3 => ("Read".into(), json!({ "file_path": path })),
        4 => ("apply_patch".into(), json!({"input": format!("*** Begin Patch\n{one}{other}")})),
        _ => ("create_pull_request".into(), json!({"title": one, "body": other, "head": path})),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_session_makes_a_policy_fail(
        steps in prop::collection::vec((call(), text(), any::<bool>()), 0..8),
        said in text(),
        (tool, arguments) in call(),
    ) {
        let kinds = ["pr_scope", "commit_pattern", "review_prediction", "pre_pr_lint", "placeholder_text", "duplicate_import", "readme_completeness"];
        let chain = chain(&kinds.iter().map(|kind| json!({"mode": "warn", *kind: {"team": "strict"}})).collect());
        let mut session = Session::in_place(&said, &said);
        for ((tool, arguments), result, error) in &steps {
            session.ran(tool, arguments, result, *error);
        }
        let answered = session.answered(&chain, &[(&tool, arguments.clone()), ("Bash", json!({"command": "git push && gh pr create --fill"}))]);
        for decision in &answered.decisions {
            prop_assert!(decision.said != Said::Failed, "{decision:?}");
        }
    }
}
