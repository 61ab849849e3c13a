//! Requests taken apart and written.

use lockgate_core::{Block, ReasoningRequest, Role, Tool};
use serde_json::{Value, json};

use crate::{Envelope, EnvelopeLimits, Quirks, check};

use super::super::FORMAT;
use super::{parse, write};

fn refused(body: &Value) -> (String, String) {
    let failure = FORMAT.messages.parse(body.to_string().as_bytes()).unwrap_err();
    (failure.param.unwrap_or_default(), failure.message)
}

/// Everything that the published types have and this crate models.
fn rich() -> Value {
    json!({
        "model": "gpt-5.6",
        "instructions": "Be brief.",
        "input": [
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "Look:", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "high"},
                {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "auto"},
                {"type": "input_image", "file_id": "file_1", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
                {"type": "input_file", "file_id": "file_2"},
                {"type": "input_file", "file_url": "https://x.example/b.pdf"},
                {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Looking"}], "encrypted_content": "gAAA"},
            {"type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "I see.", "annotations": [{"type": "url_citation", "start_index": 0, "end_index": 6, "url": "https://x", "title": "X"}]},
                {"type": "refusal", "refusal": "Not that."}]},
            {"type": "function_call", "call_id": "c1", "name": "read", "arguments": "{\"path\":\"a\"}"},
            {"type": "function_call", "call_id": "c2", "namespace": "browser", "name": "open", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c3", "name": "apply_patch", "input": "*** Begin"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
            {"type": "function_call_output", "call_id": "c1", "output": "text of a"},
            {"type": "function_call_output", "call_id": "c2", "output": [
                {"type": "input_text", "text": "page"}, {"type": "input_image", "image_url": "data:image/jpeg;base64,/9j/", "detail": "auto"}]},
            {"type": "custom_tool_call_output", "call_id": "c3", "output": "done"},
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Now answer."}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go on."}]}],
        "tools": [
            {"type": "function", "name": "read", "description": "Reads", "parameters": {"type": "object", "properties": {}}, "strict": false},
            {"type": "namespace", "name": "browser", "description": "A browser", "tools": [
                {"type": "function", "name": "open", "description": "Opens", "parameters": {"type": "object"}, "strict": true},
                {"type": "custom", "name": "type"}]},
            {"type": "custom", "name": "apply_patch", "description": "Patches", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
            {"type": "web_search", "external_web_access": true}],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "read"}, {"type": "custom", "name": "apply_patch"}]},
        "parallel_tool_calls": false,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "out", "description": "d", "schema": {"type": "object"}, "strict": true}, "verbosity": "low"},
        "stream": true,
        "store": false,
        "include": ["reasoning.encrypted_content", "web_search_call.action.sources", "message.output_text.logprobs"],
        "max_output_tokens": 1000,
        "metadata": {"team": "a"},
        "prompt_cache_key": "key",
        "safety_identifier": "user-1",
        "service_tier": "flex",
        "temperature": 0.5,
        "top_logprobs": 2,
        "top_p": 0.9,
        "client_metadata": {"session_id": "s"},
        "max_tool_calls": 3,
        "truncation": "disabled"
    })
}

/// Requirements 004-3 and 004-5.
#[test]
fn a_request_that_is_read_and_written_means_the_same() {
    let mut expected = rich();
    expected["model"] = "upstream-model".into();
    let (written, loss) = write(&parse(&rich()));
    assert_eq!(written, expected, "{}", serde_json::to_string_pretty(&written).unwrap());
    assert!(loss.is_empty(), "{loss:?}");
}

#[test]
fn a_rich_request_is_taken_apart_into_what_it_means() {
    insta::assert_snapshot!("responses_parsed_rich", format!("{:#?}", parse(&rich())));
}

/// What Codex sends: the system prompt first, as a message of the developer; items with ids; no `instructions`.
#[test]
fn a_call_of_codex_keeps_its_system_prompt_turns_and_tools() {
    let conversation = parse(&json!({
        "model": "gpt-5.5", "stream": true, "store": false, "include": ["reasoning.encrypted_content"],
        "input": [
            {"type": "message", "id": "m0", "role": "developer", "content": [{"type": "input_text", "text": "You are Codex."}]},
            {"type": "message", "id": "m1", "role": "user", "content": [{"type": "input_text", "text": "<environment>"}]},
            {"type": "message", "id": "m2", "role": "user", "content": [{"type": "input_text", "text": "Fix it."}]},
            {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
            {"type": "function_call", "id": "f1", "call_id": "c1", "name": "exec", "arguments": "{}"},
            {"type": "function_call", "id": "f2", "call_id": "c2", "name": "view", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "ok"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "auto"}]}],
        "tools": [{"type": "namespace", "name": "mcp", "description": "Servers", "tools": [{"type": "function", "name": "ask", "parameters": {}, "strict": false}]},
            {"type": "tool_search"}],
        "tool_choice": "auto", "parallel_tool_calls": true, "reasoning": {"summary": "auto"},
        "prompt_cache_key": "s-1", "client_metadata": {"turn_id": "t"}
    }));
    let shape: Vec<_> = conversation.turns.iter().map(|turn| (turn.role, turn.parts.len())).collect();
    assert_eq!(shape, [(Role::User, 1), (Role::User, 1), (Role::Assistant, 3), (Role::User, 2)]);
    assert!(matches!(&conversation.system[0].block, Block::Text(text) if &*text.text == "You are Codex."));
    let tools: Vec<_> = conversation
        .tools
        .iter()
        .map(|tool| match tool {
            Tool::Custom(custom) => (custom.name.as_str(), custom.namespace.as_deref()),
            Tool::Function(function) => (function.name.as_str(), function.namespace.as_deref()),
            Tool::Hosted(hosted) => (hosted.kind.as_str(), None),
        })
        .collect();
    assert_eq!(tools, [("namespace", None), ("ask", Some("mcp")), ("tool_search", None)]);
    let rest: Vec<_> = conversation.rest.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(rest, ["store", "client_metadata"]);
}

/// What is not known is kept with its place, or whole. Requirement 004-3.
#[test]
fn nothing_unknown_is_lost_unseen() {
    let conversation = parse(&json!({
        "model": "m", "new_field": [1.0], "stream_options": {"include_obfuscation": false}, "background": false, "prompt": null,
        "text": {"tone": "dry"}, "reasoning": {"effort": "low", "context": "auto", "mode": null},
        "tool_choice": {"type": "mcp", "server_label": "s"},
        "tools": [{"type": "function", "name": "f", "parameters": null, "defer_loading": true}],
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "a", "mood": "good"}, {"type": "input_smell", "text": "rose", "strength": 2}]},
            {"type": "message", "role": "assistant", "phase": "commentary", "id": "m", "status": "completed", "content": "b"},
            {"type": "teleport_call", "id": "t", "to": "there"}, {"type": "teleport_call_output", "id": "o"},
            {"type": "item_reference", "id": "i"}]
    }));
    let rest: Vec<_> = conversation.rest.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(
        rest,
        [
            "input[0].content[0].mood",
            "input[1].phase",
            "tools[0].defer_loading",
            "tool_choice",
            "reasoning.context",
            "text.tone",
            "new_field",
            "stream_options"
        ]
    );
    let kinds: Vec<_> = conversation
        .turns
        .iter()
        .flat_map(|turn| &turn.parts)
        .filter_map(|part| match &part.block {
            Block::Opaque(opaque) => Some((opaque.kind.as_str(), opaque.raw.get())),
            _ => None,
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("content.input_smell", r#"{"type":"input_smell","text":"rose","strength":2}"#),
            ("teleport_call", r#"{"type":"teleport_call","id":"t","to":"there"}"#),
            ("teleport_call_output", r#"{"type":"teleport_call_output","id":"o"}"#),
            ("item_reference", r#"{"type":"item_reference","id":"i"}"#),
        ]
    );
    let (written, loss) = write(&conversation);
    assert_eq!(written["input"][0]["content"][1]["strength"], 2);
    assert_eq!(written["input"][2]["to"], "there");
    assert_eq!(written["tool_choice"]["server_label"], "s");
    assert_eq!(
        loss.names(),
        [
            "input.content.mood",
            "input.phase",
            "tools.defer_loading",
            "reasoning.context",
            "text.tone",
            "new_field",
            "stream_options"
        ]
    );
}

/// Requirement I4: the words behind these are not in the body.
#[test]
fn what_only_the_provider_has_stored_is_refused_by_name() {
    for (field, value) in [
        ("background", json!(true)),
        ("conversation", json!({"id": "conv_1"})),
        ("previous_response_id", json!("resp_1")),
        ("prompt", json!({"id": "pmpt_1"})),
    ] {
        let (param, words) = refused(&json!({"model": "m", "input": "hi", field: value}));
        assert_eq!(param, field);
        assert!(words.contains("stored"), "{words}");
    }
}

/// Behaviour 7, requirement I3.
#[test]
fn a_bad_request_is_refused_by_the_path_of_the_field() {
    for (body, param) in [
        (json!({"model": "m"}), "input"),
        (json!({"model": "m", "input": 7}), "input"),
        (json!({"model": "m", "input": [7]}), "input[0]"),
        (json!({"model": "m", "input": [{"role": "pope", "content": "x"}]}), "input[0].role"),
        (json!({"model": "m", "input": [{"content": "x"}]}), "input[0].role"),
        (
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_text"}]}]}),
            "input[0].content[0].text",
        ),
        (
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]}),
            "input[0].content[0].text",
        ),
        (
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_image"}]}]}),
            "input[0].content[0].image_url",
        ),
        (
            json!({"model": "m", "input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}),
            "input[0].id",
        ),
        (
            json!({"model": "m", "input": [{"type": "function_call_output", "output": "x"}]}),
            "input[0].call_id",
        ),
        (json!({"model": "m", "input": "x", "tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"model": "m", "input": "x", "tools": [{"name": "f"}]}), "tools[0].type"),
        (
            json!({"model": "m", "input": "x", "tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]}),
            "tools[0].tools[0].name",
        ),
        (json!({"model": "m", "input": "x", "tool_choice": "maybe"}), "tool_choice"),
        (
            json!({"model": "m", "input": "x", "text": {"format": {"type": "json_schema"}}}),
            "text.format.schema",
        ),
        (json!({"model": "m", "input": "x", "temperature": "hot"}), "temperature"),
    ] {
        assert_eq!(refused(&body).0, param, "{body}");
    }
}

#[test]
fn the_outside_of_a_request_is_read_without_input() {
    let limits = EnvelopeLimits { messages: 10, nesting: 10, tools: 10 };
    let read = |body: &str| Envelope::read(body.as_bytes(), FORMAT.envelope, &limits);
    let envelope = read(r#"{"model":"m","previous_response_id":"r"}"#).unwrap();
    assert_eq!((envelope.stream, envelope.messages), (Some(false), 0));
    assert_eq!(read(r#"{"model":"m","input":[{},{}],"stream":true}"#).unwrap().messages, 2);
    assert_eq!(read(r#"{"input":"x"}"#).unwrap_err().param.as_deref(), Some("model"));
}

/// Nothing is stored unless the client said so, and strictness is always said.
#[test]
fn a_plain_call_is_not_stored_and_its_tools_are_not_strict() {
    let mut conversation = parse(
        &json!({"model": "m", "input": "hi", "tools": [{"type": "function", "name": "f", "parameters": {}}]}),
    );
    let (written, _) = write(&conversation);
    assert_eq!((&written["store"], &written["tools"][0]["strict"]), (&false.into(), &false.into()));
    assert!(written.get("include").is_none());
    conversation.reasoning =
        Some(ReasoningRequest { effort: Some("high".into()), ..ReasoningRequest::default() });
    assert_eq!(write(&conversation).0["include"], json!(["reasoning.encrypted_content"]));
}

#[test]
fn a_server_that_lacks_a_field_is_not_sent_it() {
    let quirks = Quirks {
        no_openai_extras: true,
        no_parallel_tools: true,
        no_reasoning: true,
        no_strict_tools: true,
        system_role: true,
        ..Quirks::default()
    };
    let (body, loss) = check::write(&FORMAT, &parse(&rich()), &quirks);
    let written: Value = serde_json::from_str(&body).unwrap();
    for field in [
        "store",
        "metadata",
        "prompt_cache_key",
        "safety_identifier",
        "service_tier",
        "parallel_tool_calls",
        "reasoning",
    ] {
        assert!(written.get(field).is_none(), "{field}");
    }
    assert!(written["tools"][0].get("strict").is_none());
    assert_eq!(written["input"][10]["role"], "system");
    assert_eq!(
        loss.names(),
        [
            "store",
            "client_metadata",
            "reasoning_effort",
            "parallel_tool_calls",
            "prompt_cache_key",
            "user",
            "service_tier",
            "metadata",
            "verbosity"
        ]
    );
}

/// Thoughts in both forms, with one seal, are two blocks and one item again.
#[test]
fn a_reasoning_item_with_thoughts_and_summary_comes_back_as_one_item() {
    let item = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "S"}],
        "content": [{"type": "reasoning_text", "text": "T"}], "encrypted_content": "E"});
    let shown = json!({"type": "reasoning", "id": "rs_2", "summary": [], "content": [{"type": "reasoning_text", "text": "open"}]});
    let unsealed =
        json!({"type": "reasoning", "id": "rs_3", "summary": [{"type": "summary_text", "text": "gone"}]});
    let conversation =
        parse(&json!({"model": "m", "input": [{"role": "user", "content": "x"}, item, shown, unsealed]}));
    let (written, loss) = write(&conversation);
    assert_eq!(written["input"].as_array().unwrap()[1..], [item, shown]);
    assert_eq!(loss.names(), ["thinking"]);
}
