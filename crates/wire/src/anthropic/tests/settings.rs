//! Settings of a request for Anthropic: thinking, sampling, choice of tools, schemas; each as the model takes it.

use lockgate_core::{Conversation, ReasoningRequest, Sampling, ToolChoice};
use serde_json::{Value, json};

use super::super::FORMAT;
use super::written::{NEWER, OLDER, function, hello, try_write, write};
use crate::{Loss, Quirks, Target};

/// What a model is told about thinking: `thinking`, effort, bound on output, losses.
fn thinking(
    wanted: &ReasoningRequest,
    max_tokens: Option<u64>,
    model: &str,
) -> (Value, Value, u64, Vec<String>) {
    let sampling = Sampling { max_tokens, ..Sampling::default() };
    let conversation = Conversation { reasoning: Some(wanted.clone()), sampling, ..hello() };
    let (body, lost) = write(&conversation, model);
    let effort = body.pointer("/output_config/effort").cloned().unwrap_or_default();
    (body["thinking"].clone(), effort, body["max_tokens"].as_u64().unwrap(), lost)
}

fn effort(word: &str) -> ReasoningRequest {
    ReasoningRequest { effort: Some(word.into()), ..ReasoningRequest::default() }
}

#[test]
fn an_effort_becomes_what_the_model_understands() {
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    let adaptive = json!({"type": "adaptive"});
    let none = Vec::<String>::new;
    for (word, model, max, expected) in [
        ("high", NEWER, None, (adaptive.clone(), json!("high"), 4096, none())),
        ("minimal", NEWER, Some(50), (adaptive.clone(), json!("low"), 50, none())),
        ("xhigh", "claude-sonnet-4-6", None, (adaptive, json!("high"), 4096, vec!["effort".to_owned()])),
        ("high", OLDER, None, (budget(16_384), Value::Null, 24_576, none())),
        ("high", OLDER, Some(10_000), (budget(8000), Value::Null, 10_000, none())),
        ("low", "qwen3:8b", None, (budget(2048), Value::Null, 10_240, none())),
        ("high", OLDER, Some(1000), (Value::Null, Value::Null, 1000, vec!["reasoning".to_owned()])),
        (
            "high",
            "claude-3-5-haiku-20241022",
            None,
            (Value::Null, Value::Null, 4096, vec!["reasoning".to_owned()]),
        ),
        ("none", NEWER, None, (Value::Null, Value::Null, 4096, none())),
        ("none", "claude-opus-5", None, (json!({"type": "disabled"}), Value::Null, 4096, none())),
        ("none", "claude-fable-5", None, (Value::Null, Value::Null, 4096, vec!["reasoning".to_owned()])),
        ("medium", "claude-opus-4-5", None, (budget(8192), json!("medium"), 16_384, none())),
    ] {
        assert_eq!(thinking(&effort(word), max, model), expected, "{word} {model} {max:?}");
    }
}

#[test]
fn a_budget_stays_below_the_bound_on_output() {
    let wanted = ReasoningRequest { budget: Some(9000), enabled: Some(true), ..ReasoningRequest::default() };
    let told = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    assert_eq!(thinking(&wanted, Some(10_000), OLDER), (told(9000), Value::Null, 10_000, vec![]));
    assert_eq!(
        thinking(&wanted, Some(5000), OLDER),
        (told(4999), Value::Null, 5000, vec!["budget_tokens".to_owned()])
    );
    assert_eq!(thinking(&wanted, None, OLDER), (told(9000), Value::Null, 17_192, vec![]));
    // Newer models refuse budgets: the nearest effort, declared.
    let adaptive = (json!({"type": "adaptive"}), json!("high"), 10_000, vec!["budget_tokens".to_owned()]);
    assert_eq!(thinking(&wanted, Some(10_000), NEWER), adaptive);
}

/// Pitfall: temperature with thinking, sampling on newer models.
#[test]
fn sampling_that_the_model_would_refuse_is_dropped_and_declared() {
    let sampled = |reasoning: Option<ReasoningRequest>, sampling: Sampling, model: &str| {
        let (body, lost) = write(&Conversation { reasoning, sampling, ..hello() }, model);
        let told = ["temperature", "top_p", "top_k"].map(|name| body[name].as_f64());
        (told, lost.join(" "))
    };
    let all = || Sampling { temperature: Some(0.2), top_k: Some(5), top_p: Some(0.9), ..Sampling::default() };
    let nothing = [None, None, None];
    assert_eq!(sampled(Some(effort("low")), all(), OLDER), (nothing, "temperature top_k top_p".into()));
    assert_eq!(sampled(None, all(), NEWER), (nothing, "temperature top_k top_p".into()));
    assert_eq!(sampled(None, all(), OLDER), ([Some(0.2), None, Some(5.0)], "top_p".into()));
    assert_eq!(
        sampled(None, all(), "claude-3-haiku-20240307"),
        ([Some(0.2), Some(0.9), Some(5.0)], String::new())
    );
    assert_eq!(
        sampled(Some(effort("low")), all(), "qwen3:8b"),
        ([Some(0.2), Some(0.9), Some(5.0)], String::new())
    );
    let one = || Sampling { temperature: Some(1.0), top_p: Some(1.0), ..Sampling::default() };
    assert_eq!(sampled(Some(effort("low")), one(), NEWER), (nothing, String::new()));
    let hot = Sampling { temperature: Some(1.8), ..Sampling::default() };
    assert_eq!(sampled(None, hot, OLDER), ([Some(1.0), None, None], "temperature".into()));
}

#[test]
fn a_choice_of_tools_keeps_its_meaning() {
    let choose = |choice: Option<ToolChoice>, parallel_tools: Option<bool>| {
        let conversation = Conversation {
            parallel_tools,
            tool_choice: choice,
            tools: vec![function("a", None), function("b", None), function("c", None)],
            ..hello()
        };
        let (body, lost) = write(&conversation, OLDER);
        let names: Vec<_> =
            body["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
        (body["tool_choice"].clone(), Value::from(names), lost.join(" "))
    };
    let among = |names: &[&str], required| {
        Some(ToolChoice::Among { names: names.iter().map(|name| (*name).to_owned()).collect(), required })
    };
    let all = json!(["a", "b", "c"]);
    let clean = String::new;
    assert_eq!(choose(None, Some(true)), (Value::Null, all.clone(), clean()));
    assert_eq!(
        choose(None, Some(false)),
        (json!({"type": "auto", "disable_parallel_tool_use": true}), all.clone(), clean())
    );
    assert_eq!(choose(Some(ToolChoice::None), Some(false)), (json!({"type": "none"}), all.clone(), clean()));
    assert_eq!(choose(Some(ToolChoice::Required), None), (json!({"type": "any"}), all.clone(), clean()));
    assert_eq!(choose(among(&["b"], true), None), (json!({"type": "tool", "name": "b"}), all, clean()));
    assert_eq!(
        choose(among(&["a", "b"], true), None),
        (json!({"type": "any"}), json!(["a", "b"]), "tool_choice".into())
    );
    assert_eq!(
        choose(among(&["a"], false), None),
        (json!({"type": "auto"}), json!(["a"]), "tool_choice".into())
    );
    let without = Conversation { tool_choice: Some(ToolChoice::Required), ..hello() };
    assert_eq!(
        write(&without, OLDER),
        (
            json!({"model": OLDER, "max_tokens": 4096,
        "messages": [{"role": "user", "content": "Hello"}]}),
            vec!["tool_choice".to_owned()]
        )
    );
}

#[test]
fn a_model_that_must_call_a_tool_does_not_think_first() {
    let conversation = Conversation {
        reasoning: Some(effort("high")),
        tool_choice: Some(ToolChoice::Required),
        tools: vec![function("f", None)],
        ..hello()
    };
    let (body, lost) = write(&conversation, NEWER);
    assert_eq!((&body["thinking"], &body["tool_choice"]["type"]), (&Value::Null, &json!("any")));
    assert_eq!(lost, ["reasoning"]);
}

#[test]
fn a_schema_says_that_input_is_an_object_and_is_else_untouched() {
    let schema = |text: Option<&str>| {
        let conversation = Conversation { tools: vec![function("f", text)], ..hello() };
        let quirks = Quirks::default();
        let target = Target { default_max_tokens: 1, model: NEWER, quirks: &quirks, stream: false };
        String::from_utf8(FORMAT.messages.write(&conversation, &target, &mut Loss::default()).unwrap())
            .unwrap()
    };
    let exact = r#"{"type":"object", "properties":{"n":{"minimum":1.50}}}"#;
    assert!(schema(Some(exact)).contains(&format!("\"input_schema\":{exact}")));
    assert!(schema(None).contains(r#""input_schema":{"type":"object"}"#));
    assert!(schema(Some(" { \"x\": 1 } ")).contains(r#""input_schema":{"type":"object", "x": 1 }"#));
    let broken = Conversation { tools: vec![function("f", Some("[]"))], ..hello() };
    assert_eq!(try_write(&broken, NEWER).unwrap_err().param.as_deref(), Some("tools"));
}
