//! Transcripts of Claude Code: the shape, and the folder. That the client takes them is proved with the real one, in the tests of the binary.

use std::collections::HashSet;

use lockgate_core::Dialect;
use lockgate_history::{Conversation, TranscriptError, TranscriptOptions, project_folder, transcript};
use serde_json::{Value, json};

use crate::support::{Told, calls, fixtures, passed, read, result, row, says, user};

fn options() -> TranscriptOptions {
    TranscriptOptions {
        branch: Some("main".into()),
        cwd: "/home/ada/my.parser_2".into(),
        session: "4f6d5d8b-d358-43d8-ad13-9dd1f06bac77".into(),
        version: Some("2.1.329".into()),
    }
}

fn lines(conversation: &Conversation) -> Vec<Value> {
    let written = transcript(conversation, &options()).unwrap();
    let text = String::from_utf8(written.bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Requirement 000 M1.
#[test]
fn a_transcript_is_a_chain_of_what_was_said_in_blocks_as_the_client_keeps_them() {
    let mut told = Told::new();
    let answer = json!([
        {"type": "thinking", "thinking": "I look.", "signature": "c2ln"},
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "t1", "name": "Read", "input": {"file_path": "/w/a.txt"}},
    ]);
    let said = json!({"role": "user", "content": [
        {"type": "text", "text": "<system-reminder>\nThe date\n</system-reminder>\n"},
        {"type": "text", "text": "What is in a.txt?"},
    ]});
    told.turn(said, "human", answer);
    told.turn(result("t1", "no such file", true), "tool-loop", says("Nothing."));
    let lines = lines(&told.conversation);
    let blocks: Vec<_> = lines.iter().map(|line| line["message"]["content"].clone()).collect();
    assert_eq!(
        blocks,
        [
            json!("What is in a.txt?"),
            json!([{"type": "thinking", "thinking": "I look.", "signature": "c2ln"}]),
            json!([{"type": "text", "text": "Let me see."}]),
            json!([{"type": "tool_use", "id": "t1", "name": "Read", "input": {"file_path": "/w/a.txt"}}]),
            json!([{"type": "tool_result", "tool_use_id": "t1", "content": "no such file", "is_error": true}]),
            json!([{"type": "text", "text": "Nothing."}]),
        ]
    );
    let mut last = Value::Null;
    for line in &lines {
        assert_eq!(line["parentUuid"], last, "each follows from the one before");
        last = line["uuid"].clone();
        assert_eq!((&line["sessionId"], &line["cwd"]), (&json!(options().session), &json!(options().cwd)));
        assert_eq!((&line["isSidechain"], &line["gitBranch"]), (&json!(false), &json!("main")));
    }
    let ids: HashSet<_> = lines.iter().map(|line| line["uuid"].to_string()).collect();
    assert_eq!(ids.len(), lines.len());
    assert_eq!(lines[1]["message"]["id"], lines[3]["message"]["id"], "blocks of one answer share its id");
    assert_eq!(lines[4]["toolUseResult"], "Error: no such file");
    assert_eq!(lines[4]["sourceToolAssistantUUID"], lines[3]["uuid"]);
    let written = transcript(&told.conversation, &options()).unwrap();
    assert_eq!(written.path, "projects/-home-ada-my-parser-2/4f6d5d8b-d358-43d8-ad13-9dd1f06bac77.jsonl");
    assert_eq!(written, transcript(&told.conversation, &options()).unwrap(), "the same each time");
}

/// The fixture was recorded from the real client; the transcript made of it is what that client was seen to go on from.
#[test]
fn a_recorded_session_of_the_real_client_gives_the_transcript_that_is_kept_beside_it() {
    let folder = fixtures().join("transcripts/claude-code");
    let mut conversation = Conversation::new();
    for number in 0..3 {
        let file = |end: &str| std::fs::read(folder.join(format!("{number}.{end}"))).unwrap();
        let kind = if number == 0 { "human" } else { "tool-loop" };
        let call = row(number, Dialect::Anthropic, kind);
        conversation.push(read(&call, &passed(file("request.json"), file("answer.sse"))));
    }
    assert_eq!((conversation.threads.len(), conversation.turns.len(), conversation.tools.len()), (1, 1, 2));
    let options = TranscriptOptions {
        branch: None,
        cwd: "/home/ada/parser".into(),
        session: "964ad0a8-27b0-43e9-8c0e-b0c465141099".into(),
        version: Some("2.1.329".into()),
    };
    let written = String::from_utf8(transcript(&conversation, &options).unwrap().bytes).unwrap();
    let expected = std::fs::read_to_string(folder.join("expected.jsonl")).unwrap_or_default();
    assert_eq!(written, expected, "--- written:\n{written}");
}

#[test]
fn a_tool_call_that_was_never_answered_gets_an_answer_so_that_a_provider_takes_the_history() {
    let mut told = Told::new();
    told.turn(user("Go"), "human", calls("t1", "Bash", json!({"command": "sleep 9"})));
    let lines = lines(&told.conversation);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["message"]["content"][0]["tool_use_id"], "t1");
}

#[test]
fn thoughts_with_a_masked_secret_are_left_out_since_their_signature_no_longer_fits() {
    let mut told = Told::new();
    let answer = json!([
        {"type": "thinking", "thinking": "The key is «redacted:api-key:0123abcd».", "signature": "c2ln"},
        {"type": "text", "text": "I have it."},
    ]);
    told.turn(user("Remember the key"), "human", answer);
    let lines = lines(&told.conversation);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["message"]["content"][0]["text"], "I have it.");
}

#[test]
fn a_session_whose_id_is_no_uuid_gets_one_that_stays() {
    let mut told = Told::new();
    told.turn(user("Go"), "human", says("Gone."));
    let named = TranscriptOptions { session: "d-0123".into(), ..options() };
    let one = transcript(&told.conversation, &named).unwrap();
    assert_eq!(one.session.get_version_num(), 4);
    assert_eq!(one.session, transcript(&told.conversation, &named).unwrap().session);
}

#[test]
fn a_session_without_contents_has_no_transcript() {
    assert_eq!(transcript(&Conversation::new(), &options()), Err(TranscriptError::Empty));
}

/// As Claude Code 2.1.329 names them.
#[test]
fn a_projects_folder_is_named_as_the_client_names_it() {
    assert_eq!(project_folder("/tmp/hist/work.dir/sub_x"), "-tmp-hist-work-dir-sub-x");
    assert_eq!(project_folder("C:\\Users\\Ada"), "C--Users-Ada");
    assert_eq!(project_folder("/tmp/hist/grün/😀"), "-tmp-hist-gr-n---");
    let long = format!("/tmp/hist/{}/{}", "abcdefghij".repeat(12), "klmnopqrst_".repeat(12));
    let plain = format!("-tmp-hist-{}-{}", "abcdefghij".repeat(12), "klmnopqrst-".repeat(12));
    assert_eq!(project_folder(&long), format!("{}-jqstsj", &plain[..200]));
}
