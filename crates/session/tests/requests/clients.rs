//! What is read from the requests of real clients.

use crate::fixture::Fixture;
use lockgate_session::{
    Agent, ClientKind, Condensed, Housekeeping as House, Identity, Lineage, Messages, SessionSource, Step,
    TurnKind, Work,
};

fn identity(name: &str) -> Identity {
    Fixture::load(name).identity()
}

/// Requirements C1, M4: each request of each client, by program, session, kind of turn, count of human turns and title.
#[test]
fn each_client_is_known_with_its_session_turn_and_title() {
    use ClientKind::{AnthropicSdk, ClaudeCode, Codex, Cursor, GeminiCli, OpenaiSdk, Opencode, Pi};
    use SessionSource::{Client, Derived, Explicit, None as Nowhere};
    use TurnKind::{Delegated, Housekeeping, Human, Notice, ToolLoop};
    let fix = Some("Fix the parser bug");
    let file = Some("Fix the parser bug in a.txt");
    for (name, client, session, kind, turn, title) in [
        ("claude-code/main-first", ClaudeCode, Client, Human, 1, file),
        ("claude-code/main-loop", ClaudeCode, Client, ToolLoop, 1, file),
        ("claude-code/notice", ClaudeCode, Client, Notice, 1, file),
        ("claude-code/other-model", ClaudeCode, Client, Human, 2, file),
        ("claude-code/sub-agent-first", ClaudeCode, Client, Delegated, 0, Some("List the files here.")),
        ("claude-code/sub-agent-loop", ClaudeCode, Client, ToolLoop, 0, Some("List the files here.")),
        ("claude-code/compaction-request", ClaudeCode, Client, Housekeeping(House::Compaction), 2, file),
        ("claude-code/continued", ClaudeCode, Client, Human, 1, Some("And after the compaction?")),
        ("claude-code/slash-command", ClaudeCode, Client, Human, 2, Some("Please explain a.txt")),
        ("claude-code/older-main", ClaudeCode, Client, Human, 1, Some("Rename the lexer")),
        ("claude-code/title", ClaudeCode, Client, Housekeeping(House::Title), 1, None),
        ("claude-code/topic", ClaudeCode, Client, Housekeeping(House::Topic), 1, None),
        ("claude-code/quota-probe", ClaudeCode, Client, Housekeeping(House::Quota), 1, None),
        ("claude-code/warmup", ClaudeCode, Client, Housekeeping(House::Probe), 0, None),
        ("claude-code/count-tokens", ClaudeCode, Nowhere, Housekeeping(House::CountTokens), 1, None),
        ("claude-code/web-search", ClaudeCode, Client, Housekeeping(House::WebSearch), 1, None),
        ("codex/first", Codex, Client, Human, 1, fix),
        ("codex/loop", Codex, Client, ToolLoop, 1, fix),
        ("codex/second-turn", Codex, Client, Human, 2, fix),
        ("codex/compacted", Codex, Client, Human, 2, fix),
        ("codex/sub-agent", Codex, Client, Delegated, 0, Some("List the callers of parse().")),
        ("cursor/first", Cursor, Derived, Human, 1, Some("Why is the cart total wrong?")),
        ("cursor/probe", ClientKind::Unknown, Nowhere, Housekeeping(House::Probe), 0, None),
        ("gemini-cli/first", GeminiCli, Derived, Human, 1, fix),
        ("gemini-cli/loop", GeminiCli, Derived, ToolLoop, 1, fix),
        ("opencode/title", Opencode, Client, Housekeeping(House::Title), 1, None),
        ("opencode/first", Opencode, Client, Human, 1, fix),
        ("opencode/loop", Opencode, Client, ToolLoop, 1, fix),
        ("pi/first", Pi, Client, Human, 1, fix),
        ("pi/loop", Pi, Client, ToolLoop, 1, fix),
        ("anthropic-sdk/tool-loop", AnthropicSdk, Derived, ToolLoop, 1, Some("What is the weather?")),
        ("openai-sdk/one-question", OpenaiSdk, Nowhere, Human, 1, Some("What is the capital of France?")),
        ("openai-sdk/chat-second-turn", OpenaiSdk, Derived, Human, 2, Some("What is the capital of France?")),
        ("openai-sdk/explicit-session", OpenaiSdk, Explicit, Human, 1, Some("Translate: bread")),
    ] {
        let found = identity(name);
        assert_eq!(
            (found.client.kind, found.session.source, found.kind, found.human_turn, found.title.as_deref()),
            (client, session, kind, turn, title),
            "{name}"
        );
    }
}

/// Requirement 004-M3: what Cursor wraps around a message hides neither the message nor a command in it.
#[test]
fn a_command_typed_in_cursor_is_seen_without_its_wrapper() {
    let (first, feedback) = (identity("cursor/first"), identity("cursor/feedback"));
    assert_eq!(
        (feedback.client.kind, feedback.kind, feedback.human_turn),
        (ClientKind::Cursor, TurnKind::Human, 2)
    );
    assert_eq!(feedback.session, first.session, "it rates the session it is typed in");
    assert_eq!(first.work.cwd.as_deref(), Some("/home/ada/shop"));
    assert_eq!(
        (first.work.repo.as_deref(), first.work.branch.as_deref()),
        (Some("shop"), Some("checkout/fix"))
    );
}

#[test]
fn all_calls_of_one_session_name_the_same_session() {
    let value = |name: &str| identity(name).session.value.unwrap();
    for names in [
        &[
            "main-first",
            "main-loop",
            "notice",
            "other-model",
            "sub-agent-first",
            "sub-agent-loop",
            "continued",
            "quota-probe",
        ]
        .map(|name| format!("claude-code/{name}"))[..],
        &["first", "loop", "second-turn"].map(|name| format!("codex/{name}")),
        &["title", "first", "loop"].map(|name| format!("opencode/{name}")),
        &["first", "loop"].map(|name| format!("gemini-cli/{name}")),
        &["first", "loop"].map(|name| format!("pi/{name}")),
        &["one-question", "chat-second-turn"].map(|name| format!("openai-sdk/{name}")),
    ] {
        for name in names {
            assert_eq!(value(name), value(&names[0]), "{name}");
        }
    }
    assert_eq!(
        value("claude-code/older-main"),
        "f265404d-b46e-46ae-a15d-f8112c799c9d",
        "the older form of user_id"
    );
    assert_eq!(value("openai-sdk/explicit-session"), "batch-7", "not the cache key that all its users share");
}

#[test]
fn a_session_that_nobody_names_is_known_by_how_it_begins() {
    for (first, later) in [
        ("claude-code/main-first", "claude-code/main-loop"),
        ("claude-code/main-first", "claude-code/notice"),
        ("codex/first", "codex/second-turn"),
        ("opencode/first", "opencode/loop"),
        ("pi/first", "pi/loop"),
    ] {
        let first = Fixture::load(first).nameless();
        let session = first.identity().session;
        assert_eq!(session.source, SessionSource::Derived);
        assert_eq!(Fixture::load(later).nameless().identity().session, session, "{later}");
        assert_ne!(first.identity_of("bob").session, session, "another caller's session is another one");
    }
}

#[test]
fn what_changes_with_each_call_makes_no_other_session() {
    let mut changed = Fixture::load("claude-code/main-first").nameless();
    let before = changed.identity().session;
    let line =
        "x-anthropic-billing-header: cc_version=9.9.9.abc; cc_entrypoint=cli;\nToday's date is 2027-01-01.";
    changed.body["system"][0]["text"] = line.into();
    changed.body["system"][1]["cache_control"] = serde_json::Value::Null;
    changed.body["system"][2]["cache_control"] = serde_json::json!({"type": "ephemeral", "ttl": "1h"});
    assert_eq!(changed.identity().session, before);
    changed.body["system"][1]["text"] = "You are another agent.".into();
    assert_ne!(changed.identity().session, before);
}

#[test]
fn sub_agents_are_told_from_the_main_agent_with_their_parents() {
    for name in ["claude-code/main-loop", "codex/loop", "opencode/loop", "gemini-cli/first"] {
        assert_eq!(identity(name).agent, Agent::Main, "{name}");
    }
    let (first, later) = (identity("claude-code/sub-agent-first"), identity("claude-code/sub-agent-loop"));
    assert_eq!(first.agent.id(), Some("a6e74d7958de6a06e"));
    assert_eq!((&first.agent, first.agent.parent()), (&later.agent, None));
    let codex = identity("codex/sub-agent").agent;
    let sub = Agent::Sub {
        id: "01a1ffd1-0000-7000-8000-000000000009".into(),
        kind: Some("collab_spawn".into()),
        parent: None,
    };
    assert_eq!(codex, sub);
    let mut nested = Fixture::load("claude-code/sub-agent-first");
    nested.headers.push(("x-claude-code-parent-agent-id".into(), "a1".into()));
    nested.headers.push(("x-claude-code-agent-type".into(), "Explore".into()));
    let nested = nested.identity().agent;
    assert!(matches!(&nested, Agent::Sub { kind: Some(kind), .. } if kind == "Explore"));
    assert_eq!(nested.parent(), Some("a1"));
    let mut older = Fixture::load("claude-code/sub-agent-first");
    older.headers.retain(|(name, _)| name != "x-claude-code-agent-id");
    assert!(older.identity().agent.id().is_some(), "known by its instructions");
}

/// Requirement M3: branch, directory and repository, as each client tells them.
#[test]
fn a_client_tells_where_its_session_works() {
    let parser = |work: &Work| (work.cwd.clone(), work.repo.clone(), work.git);
    let expected = (Some("/home/ada/parser".to_owned()), Some("parser".to_owned()), Some(true));
    for (name, branch, platform) in [
        ("claude-code/main-first", Some("feature/parser"), Some("linux")),
        ("claude-code/other-model", Some("feature/parser"), Some("linux")),
        ("codex/loop", Some("feature/parser"), None),
        ("codex/first", None, None),
        ("gemini-cli/loop", Some("feature/parser"), Some("linux")),
        ("opencode/first", None, Some("linux")),
        ("opencode/loop", Some("feature/parser"), Some("linux")),
        ("pi/loop", Some("feature/parser"), None),
    ] {
        let work = identity(name).work;
        assert_eq!(parser(&work), expected, "{name}");
        assert_eq!((work.branch.as_deref(), work.platform.as_deref()), (branch, platform), "{name}");
    }
    let older = identity("claude-code/older-main").work;
    assert_eq!(
        (older.branch.as_deref(), older.main_branch.as_deref(), older.cwd.as_deref(), older.os.as_deref()),
        (Some("topic/rename"), Some("develop"), Some("/home/ada/lexer"), Some("Darwin 24.6.0"))
    );
    assert_eq!(identity("claude-code/main-first").client.version.as_deref(), Some("2.1.329"));
}

/// Requirement M3: the branch of the session's start, which is repeated with each call, does not undo a later checkout.
#[test]
fn a_checkout_in_the_session_counts_until_the_next_one() {
    let mut fixture = Fixture::load("claude-code/main-loop");
    let start = identity("claude-code/main-first").work;
    let result = fixture.body.pointer_mut("/messages/3/content/0/content").unwrap();
    *result = "Switched to a new branch 'fix/lexer'\n".into();
    let after = fixture.identity().work;
    assert_eq!(
        (after.branch.as_deref(), after.branch_at_start.as_deref()),
        (Some("fix/lexer"), Some("feature/parser"))
    );
    let mut known = start.clone();
    known.update(&after);
    assert_eq!(known.branch.as_deref(), Some("fix/lexer"));
    known.update(&start);
    assert_eq!(known.branch.as_deref(), Some("fix/lexer"), "the result has been compacted away");
    let elsewhere = Work { branch: Some("main".into()), branch_at_start: Some("main".into()), ..start };
    known.update(&elsewhere);
    assert_eq!(known.branch.as_deref(), Some("main"), "resumed on another branch");
}

#[test]
fn a_conversation_that_goes_on_from_a_summary_says_so() {
    let form = |name: &str| identity(name).compaction.map(|found| found.form);
    assert_eq!(form("claude-code/continued"), Some(Condensed::Words));
    assert_eq!(form("codex/compacted"), Some(Condensed::Sealed));
    for name in ["claude-code/other-model", "claude-code/compaction-request", "codex/loop", "cursor/feedback"]
    {
        assert_eq!(form(name), None, "{name}");
    }
}

/// A real session of Claude Code: a tool loop, a sub-agent beside it, another model in between, a compaction.
#[test]
fn a_session_is_followed_through_its_calls_model_changes_and_compaction() {
    let messages =
        |name: &str| Messages::of(&Fixture::load(&format!("claude-code/{name}")).conversation().unwrap());
    let mut main = Lineage::default();
    assert_eq!(main.observe(&messages("main-first")), Step::New);
    assert_eq!(main.observe(&messages("main-first")), Step::Same);
    assert!(matches!(main.observe(&messages("main-loop")), Step::Continues { .. }));
    assert!(matches!(main.observe(&messages("notice")), Step::Continues { .. }));
    // The other model gets the client's reminders in other places.
    assert!(matches!(main.observe(&messages("other-model")), Step::Continues { .. }));
    assert_eq!(main.observe(&messages("continued")), Step::Compacted);
    let mut sub = Lineage::default();
    assert_eq!(sub.observe(&messages("sub-agent-first")), Step::New);
    assert!(matches!(sub.observe(&messages("sub-agent-loop")), Step::Continues { .. }));
    assert!(matches!(main.compare(&messages("sub-agent-first")), Step::New));
}

#[test]
fn an_edited_question_forks_the_session_where_it_was_edited() {
    let mut lineage = Lineage::default();
    let fixture = Fixture::load("codex/second-turn");
    let before = fixture.conversation().unwrap();
    lineage.observe(&Messages::of(&before));
    let mut edited = Fixture::load("codex/second-turn");
    let input = edited.body["input"].as_array_mut().unwrap();
    let last = input.len() - 1;
    input[last]["content"][0]["text"] = "Now add two tests".into();
    let after = edited.conversation().unwrap();
    assert_eq!(lineage.compare(&Messages::of(&after)), Step::Forked { at: after.turns.len() - 1 });
}

#[test]
fn a_body_that_cannot_be_read_still_names_its_client_and_session() {
    let mut fixture = Fixture::load("claude-code/main-first");
    fixture.body["messages"] = 7.into();
    let found = fixture.identity();
    assert_eq!((found.client.kind, found.kind), (ClientKind::ClaudeCode, TurnKind::Unknown));
    assert_eq!(found.session.source, SessionSource::Client);
    let mut nothing = Fixture::load("openai-sdk/one-question");
    nothing.body["messages"] = 7.into();
    assert_eq!((nothing.identity().session.value, nothing.identity().title), (None, None));
}

#[test]
fn an_agent_that_reads_a_clients_prompt_in_a_file_is_not_housekeeping() {
    let mut fixture = Fixture::load("claude-code/main-first");
    let content = fixture.body["messages"][0]["content"].as_array_mut().unwrap();
    content.push(serde_json::json!({"type": "text", "text": "Why does it say: You are a title generator?"}));
    assert_eq!(fixture.identity().kind, TurnKind::Human);
}
