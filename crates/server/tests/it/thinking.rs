//! Thinking, streamed and whole, in one turn and in several, with tools and without, asked for and not, by an Anthropic
//! client before every provider that thinks. The upstream refuses thoughts and signatures that are not byte for byte
//! its own, and a tool loop without them.

use serde_json::{Value, json};

use crate::app::App;
use crate::client::Call;
use crate::enforcement::chain;
use crate::front::{Front, Layout};
use crate::shapes::events;

const SCRIPT: &str = "rules: [{quirks: {reasoning_field: reasoning_content}, agent: {chunk: 3, think: 'Hm, let me see.', say: Looking., steps: [{all: {get_weather: {city: A}}}, {all: {get_weather: {city: B}}}], then: All done.}}]";

/// The blocks of a streamed message, as an SDK puts them together.
fn assembled(text: &str) -> Vec<Value> {
    let (mut blocks, mut written): (Vec<Value>, _) = (Vec::new(), String::new());
    for (name, data) in events(text).unwrap() {
        let data: Value = serde_json::from_str(&data).unwrap();
        let add = |block: &mut Value, field: &str, piece: &Value| {
            let so_far = block[field].as_str().unwrap_or_default().to_owned();
            block[field] = json!(so_far + piece.as_str().unwrap());
        };
        match name.as_str() {
            "content_block_start" => {
                written.clear();
                blocks.push(data["content_block"].clone());
            }
            "content_block_delta" => {
                let (delta, block) = (&data["delta"], blocks.last_mut().unwrap());
                match delta["type"].as_str().unwrap() {
                    "input_json_delta" => written += delta["partial_json"].as_str().unwrap(),
                    "signature_delta" => block["signature"] = delta["signature"].clone(),
                    "text_delta" => add(block, "text", &delta["text"]),
                    "thinking_delta" => add(block, "thinking", &delta["thinking"]),
                    other => panic!("{other}"),
                }
            }
            "content_block_stop" if !written.is_empty() => {
                blocks.last_mut().unwrap()["input"] = serde_json::from_str(&written).unwrap();
            }
            _ => {}
        }
    }
    blocks
}

/// A way through the matrix.
#[derive(Debug, Clone, Copy)]
struct Way {
    layout: Layout,
    model: &'static str,
    /// Whether policies change words and arguments.
    policies: bool,
    /// Human turns.
    turns: usize,
    thinks: bool,
    tools: bool,
}

impl Way {
    fn body(self) -> Value {
        let mut body = Front::Anthropic.body(self.model, self.layout);
        body["max_tokens"] = json!(4096);
        if self.thinks {
            body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
        }
        if !self.tools {
            body.as_object_mut().unwrap().remove("tools");
        }
        body
    }
}

/// One answer's blocks.
async fn answer(app: &App, way: Way, body: &Value) -> Vec<Value> {
    let reply = app.send(&Call::post("/v1/messages", body)).await;
    assert_eq!(reply.status, 200, "{way:?} {}", reply.text());
    match way.layout {
        Layout::Whole => reply.json()["content"].as_array().unwrap().clone(),
        Layout::Array | Layout::Stream => assembled(&reply.text()),
    }
}

fn asked_to_think(sent: &Value) -> bool {
    let wish = &sent["generationConfig"]["thinkingConfig"]["includeThoughts"];
    sent["thinking"]["type"] == "enabled"
        || wish == true
        || sent["reasoning_effort"].is_string()
        || sent["reasoning"].is_object()
        || sent["think"] == true
        || sent["think"].is_string()
}

async fn go(way: Way) {
    // Who is not asked to think does not, though Gemini signs its calls in any case.
    let silent = SCRIPT.replace("think: 'Hm, let me see.', ", "");
    let app = App::start(if way.thinks { SCRIPT } else { &silent }).await;
    if way.policies {
        let rule = json!({"name": "r", "tools": ["get_weather"], "then": "rewrite", "with": "{\"city\":\"B\"}", "reason": "not A"});
        let words =
            json!({"replace": {"texts": {"Looking": "Seeking", "All": "Everything"}, "on": ["response"]}});
        app.engine.set_policies(chain(json!({"chain": [{"name": "p", "rules": [rule]}, words]})));
    }
    let mut body = way.body();
    let mut thoughts = 0;
    for turn in 0..way.turns {
        // Two calls and an end where there are tools, else the end at once.
        for step in 0..if way.tools { 3 } else { 1 } {
            let blocks = answer(&app, way, &body).await;
            let sent = app.upstream.last().unwrap().json();
            assert_eq!(asked_to_think(&sent), way.thinks, "{way:?} {turn} {step} {sent:#}");
            let of = |kind: &str| blocks.iter().filter(|block| block["type"] == kind).collect::<Vec<_>>();
            for thought in of("thinking") {
                assert_eq!(thought["thinking"], "Hm, let me see.", "{way:?} {turn} {step}");
                thoughts += 1;
            }
            let last = !way.tools || step == 2;
            let words = match (last, way.policies) {
                (false, false) => "Looking.",
                (false, true) => "Seeking.",
                (true, false) => "All done.",
                (true, true) => "Everything done.",
            };
            assert_eq!(of("text")[0]["text"], words, "{way:?} {turn} {step} {blocks:?}");
            let calls = of("tool_use");
            assert_eq!(calls.len(), usize::from(!last), "{way:?} {turn} {step} {blocks:?}");
            let results: Vec<Value> = calls
                .iter()
                .map(|call| {
                    let city = if way.policies { "B" } else { ["A", "B"][step] };
                    assert_eq!(call["input"]["city"], city, "{way:?} {turn} {step}");
                    json!({"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"})
                })
                .collect();
            let next = if last { json!("And tomorrow?") } else { json!(results) };
            let messages = body["messages"].as_array_mut().unwrap();
            messages.push(json!({"role": "assistant", "content": blocks}));
            messages.push(json!({"role": "user", "content": next}));
        }
    }
    if way.thinks {
        let answers = way.turns * if way.tools { 3 } else { 1 };
        assert_eq!(thoughts, answers, "{way:?}: each answer shows its thoughts");
    }
    assert_eq!(app.upstream.violations(), Vec::<String>::new(), "{way:?}");
}

/// Requirements T1 and B2: thoughts stay in place in both layouts, also where policies change what stands behind them.
#[tokio::test]
async fn thoughts_arrive_and_go_back_in_every_layout_over_turns_and_with_tools() {
    for model in
        ["anthropic:claude-sonnet-4-5", "gemini:gemini-3-pro", "ollama:qwen3", "openrouter:kimi-k2.6"]
    {
        for layout in [Layout::Stream, Layout::Whole] {
            for turns in [1, 3] {
                for tools in [false, true] {
                    for (thinks, policies) in [(false, false), (true, false), (false, true), (true, true)] {
                        go(Way { layout, model, policies, turns, thinks, tools }).await;
                    }
                }
            }
        }
    }
}
