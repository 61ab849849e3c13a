//! Token counts of every provider as every client gets them: buckets that do not overlap, sums that hold, nothing negative
//! and nothing made of an underflow, however odd the provider's own numbers are.

use lockgate_core::Usage;
use lockgate_providers::StreamUsage;
use lockgate_testkit::Script;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::client::Reply;
use crate::enforcement::chain;
use crate::front::{FRONTS, Front, Layout};
use crate::shapes::{Got, judge};

/// What a provider counted. The parts of the prompt do not overlap; reasoning is part of the output.
#[derive(Debug, Clone, Copy)]
struct Counted {
    cached: u64,
    input: u64,
    output: u64,
    reasoning: u64,
    written: u64,
}

/// Names of counters, as pointers below the usage, in the order: prompt, cached, written, output, reasoning.
fn counters(dialect: Front) -> [&'static str; 5] {
    match dialect {
        Front::Anthropic => [
            "/input_tokens",
            "/cache_read_input_tokens",
            "/cache_creation_input_tokens",
            "/output_tokens",
            "/output_tokens_details/thinking_tokens",
        ],
        Front::Chat => [
            "/prompt_tokens",
            "/prompt_tokens_details/cached_tokens",
            "",
            "/completion_tokens",
            "/completion_tokens_details/reasoning_tokens",
        ],
        Front::Gemini => [
            "/promptTokenCount",
            "/cachedContentTokenCount",
            "",
            "/candidatesTokenCount",
            "/thoughtsTokenCount",
        ],
        Front::Ollama => ["/prompt_eval_count", "", "", "/eval_count", ""],
        Front::Responses => [
            "/input_tokens",
            "/input_tokens_details/cached_tokens",
            "",
            "/output_tokens",
            "/output_tokens_details/reasoning_tokens",
        ],
    }
}

fn put(usage: &mut Value, pointer: &str, count: Value) {
    let mut at = usage;
    for name in pointer.split('/').skip(1) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[name];
    }
    if !pointer.is_empty() {
        *at = count;
    }
}

/// A whole answer of a provider with this usage.
fn answer(dialect: Front, usage: &Value) -> Value {
    match dialect {
        Front::Anthropic => json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "stop_sequence": null, "usage": usage}),
        Front::Chat => json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}], "usage": usage}),
        Front::Gemini => {
            json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": usage, "modelVersion": "m"})
        }
        Front::Ollama => {
            let mut line = json!({"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": true, "done_reason": "stop",
                "message": {"role": "assistant", "content": "x"}});
            for (name, count) in usage.as_object().into_iter().flatten() {
                line[name] = count.clone();
            }
            line
        }
        Front::Responses => {
            json!({"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m",
            "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "x", "annotations": []}]}], "usage": usage})
        }
    }
}

/// Where a client finds its usage.
fn usage_of(front: Front, body: &Value) -> Value {
    match front {
        Front::Anthropic | Front::Chat | Front::Responses => body["usage"].clone(),
        Front::Gemini => body["usageMetadata"].clone(),
        Front::Ollama => body.clone(),
    }
}

fn provider(dialect: Front) -> &'static str {
    if dialect == Front::Chat { "other" } else { dialect.provider() }
}

/// Who asks a provider in a dialect: nobody but its own clients is answered from Responses.
fn asking(dialect: Front) -> impl Iterator<Item = Front> {
    FRONTS.into_iter().filter(move |front| dialect != Front::Responses || *front == Front::Responses)
}

/// What a client and the report learn of such a usage.
async fn learn(app: &App, front: Front, dialect: Front, usage: &Value) -> (Value, Option<Usage>) {
    let body = serde_json::to_string(&answer(dialect, usage).to_string()).unwrap();
    let script = format!("rules: [{{raw: {{headers: {{content-type: application/json}}, body: {body}}}}}]");
    app.upstream.set_script(Script::parse(&script).unwrap());
    let reply = app.send(&front.call(&format!("{}:m", provider(dialect)), Layout::Whole)).await;
    let got = judge(front, Layout::Whole, &reply);
    // What passes is what the provider said, complete or not.
    let passed = front == dialect && reply.status == 200;
    assert!(passed || matches!(got, Ok(Got::Answer(_))), "{front:?} {dialect:?} {usage} {got:?} {reply:?}");
    (usage_of(front, &reply.json()), app.reported().pop().unwrap().usage)
}

/// Numbers without chance: the same ones each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// As the provider writes it: OpenAI and Gemini count the cached part into the prompt, Gemini thoughts beside the answer.
fn written(dialect: Front, counted: Counted) -> Value {
    let Counted { cached, input, output, reasoning, written } = counted;
    let prompt = if dialect == Front::Anthropic { input } else { input + cached + written };
    let visible = if dialect == Front::Gemini { output - reasoning } else { output };
    let mut usage = json!({});
    for (pointer, count) in counters(dialect).into_iter().zip([prompt, cached, written, visible, reasoning]) {
        put(&mut usage, pointer, json!(count));
    }
    usage
}

/// Requirement 004-43: cached tokens and thoughts are counted once, whoever counted and whoever asks.
#[tokio::test]
async fn counts_mean_the_same_to_every_client_of_every_provider() {
    let app = App::start("rules: []").await;
    let mut numbers = Numbers(7);
    for _ in 0..12 {
        let output = numbers.below(5000);
        for dialect in FRONTS {
            let [_, cached, cache_write, _, thoughts] =
                counters(dialect).map(|pointer| u64::from(!pointer.is_empty()));
            let counted = Counted {
                cached: numbers.below(9000) * cached,
                input: numbers.below(9000),
                output,
                reasoning: numbers.below(output + 1) * thoughts,
                written: numbers.below(9000) * cache_write,
            };
            let prompt = counted.input + counted.cached + counted.written;
            for front in asking(dialect) {
                let (shown, known) = learn(&app, front, dialect, &written(dialect, counted)).await;
                let case = format!("{front:?} {dialect:?} {counted:?} {shown} {known:?}");
                let known = known.unwrap();
                assert_eq!((known.prompt(), known.output), (Some(prompt), Some(output)), "{case}");
                assert_eq!(known.input_uncached, Some(counted.input), "{case}");
                assert_eq!(known.cache_read.unwrap_or(0), counted.cached, "{case}");
                assert_eq!(known.output_visible(), Some(output - counted.reasoning), "{case}");
                let told = counters(front).map(|pointer| shown.pointer(pointer).and_then(Value::as_u64));
                let expected = if front == Front::Anthropic { counted.input } else { prompt };
                assert_eq!(told[0], Some(expected), "{case}");
                let visible = if front == Front::Gemini { output - counted.reasoning } else { output };
                assert_eq!(told[3], Some(visible), "{case}");
                if front != Front::Ollama {
                    assert_eq!(told[1].unwrap_or(0), counted.cached, "{case}");
                }
                if let Some(total) = shown["total_tokens"].as_u64().or(shown["totalTokenCount"].as_u64()) {
                    assert_eq!(total, prompt + output, "{case}");
                }
            }
        }
    }
}

/// Every number below a value.
fn all_numbers(value: &Value, into: &mut Vec<Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| all_numbers(item, into)),
        Value::Number(_) => into.push(value.clone()),
        Value::Object(members) => members.values().for_each(|member| all_numbers(member, into)),
        Value::Bool(_) | Value::Null | Value::String(_) => {}
    }
}

/// Requirement 004-43: more cached than there was, more thoughts than output, negative, absent, absurd.
#[tokio::test]
async fn no_count_is_ever_negative_or_larger_than_what_the_provider_counted() {
    let app = App::start("rules: []").await;
    let mut numbers = Numbers(43);
    let odd = [
        json!(0),
        json!(1),
        json!(7),
        json!(1000),
        json!(1_u64 << 40),
        json!(-1),
        json!(-4000),
        json!(1.5),
        json!("12"),
        Value::Null,
        json!(u64::MAX),
    ];
    for _ in 0..40 {
        for dialect in FRONTS {
            let mut usage = json!({});
            let mut most = 0_u64;
            for pointer in counters(dialect) {
                let pick = odd[usize::try_from(numbers.below(odd.len() as u64)).unwrap()].clone();
                let as_text = pick.as_str().and_then(|text| text.parse().ok());
                let whole =
                    pick.as_u64().or(as_text).or(pick.as_f64().map(|number| number.max(0.0).ceil() as u64));
                most = most.saturating_add(whole.filter(|_| !pointer.is_empty()).unwrap_or(0));
                if numbers.below(5) > 0 {
                    put(&mut usage, pointer, pick);
                }
            }
            for front in asking(dialect) {
                let (shown, known) = learn(&app, front, dialect, &usage).await;
                let case = format!("{front:?} {dialect:?} {usage} {shown} {known:?}");
                let known = known.unwrap_or_default();
                // Where nobody counted the prompt, dialects that must tell it get an estimate of this small request.
                let most = most.saturating_add(if known.input_uncached.is_none() { 200 } else { 0 });
                let parts = [
                    known.prompt(),
                    known.output,
                    known.output_visible(),
                    known.cache_read,
                    known.input_uncached,
                ];
                assert!(parts.into_iter().flatten().all(|count| count <= most), "{case}");
                if front == dialect {
                    continue;
                }
                let mut shown_numbers = Vec::new();
                let told = if front == Front::Ollama {
                    // Beside counts it tells durations.
                    let pointers = counters(front).into_iter().filter(|pointer| !pointer.is_empty());
                    pointers.map(|pointer| shown.pointer(pointer).cloned().unwrap_or_default()).collect()
                } else {
                    shown
                };
                all_numbers(&told, &mut shown_numbers);
                for number in shown_numbers {
                    assert!(number.as_u64().is_some_and(|count| count <= most), "{number}: {case}");
                }
            }
        }
    }
}

/// Requirements 004-7 and 004-43: what the upstream says it counted is what is known of the call, in every layout.
#[tokio::test]
async fn what_was_used_is_known_from_streams_and_from_whole_answers_alike() {
    let tokens = "{input: 11, cached: 22, cache_write: 33, output: 44, reasoning: 5}";
    let script = format!(
        "rules: [{{answer: {{blocks: [{{text: A longer answer of some words.}}], usage: {tokens}}}}}]"
    );
    let app = App::with(&script, |setup| {
        setup.each(|settings| settings.stream_usage = StreamUsage::Always);
    })
    .await;
    for provider in ["anthropic", "gemini", "ollama", "openai", "openrouter", "other"] {
        for front in FRONTS {
            for layout in front.layouts() {
                let reply = app.send(&front.call(&format!("{provider}:m"), *layout)).await;
                let case = format!("{provider} {front:?} {layout:?} {reply:?}");
                let (known, told) = (app.reported().pop().unwrap().usage, app.upstream.last().unwrap().usage);
                let (known, told) = (known.unwrap_or_else(|| panic!("{case}")), told.unwrap());
                assert_eq!(
                    (known.prompt(), known.output),
                    (Some(told.prompt()), Some(told.output)),
                    "{case}"
                );
                // Ollama tells sums only.
                if provider != "ollama" {
                    assert_eq!(known.cache_read, Some(told.cached), "{case}");
                    assert_eq!(known.output_visible(), Some(told.output - told.reasoning), "{case}");
                }
            }
        }
    }
}

/// The last place of an answer that tells how much was written.
fn last_usage(front: Front, reply: &Reply) -> Value {
    let text = reply.text();
    let lines = text.lines().map(|line| line.strip_prefix("data: ").unwrap_or(line));
    let events = serde_json::from_str::<Value>(&text).map_or_else(
        |_| lines.filter_map(|line| serde_json::from_str(line).ok()).collect(),
        |body| if let Value::Array(events) = body { events } else { vec![body] },
    );
    let told = events.iter().map(|event: &Value| {
        usage_of(front, if event["response"].is_object() { &event["response"] } else { event })
    });
    let [.., output, _] = counters(front);
    told.rev().find(|usage| usage.pointer(output).is_some()).unwrap_or_else(|| panic!("no usage in {text}"))
}

/// Issue's verdict "resample": what both answers wrote is told; the prompt stays that of the conversation, by which clients know how full it is.
#[tokio::test]
async fn a_client_whose_model_was_asked_again_is_told_of_all_that_was_written() {
    let app = App::start(
        "rules:
  - when: {has_tool_result: true}
    answer: {blocks: [{text: Another way.}], usage: {input: 900, output: 25}}
  - answer: {blocks: [{text: Hm.}, {tool_call: {name: get_weather, args: {}}}], usage: {input: 700, output: 40}}",
    )
    .await;
    let rule = json!({"name": "r", "tools": ["get_weather"], "then": "resample", "reason": "no weather"});
    app.engine.set_policies(chain(json!({"chain": [{"name": "p", "rules": [rule]}]})));
    for dialect in FRONTS {
        for front in asking(dialect) {
            for layout in front.layouts() {
                let mut call = front.call(&format!("{}:m", provider(dialect)), *layout);
                if front == Front::Chat && *layout == Layout::Stream {
                    let mut body: Value = serde_json::from_slice(&call.body).unwrap();
                    body["stream_options"] = json!({"include_usage": true});
                    call.body = body.to_string().into();
                }
                let reply = app.send(&call).await;
                let place = format!("{front:?} to {dialect:?} as {layout:?}: {}", reply.text());
                assert!(reply.text().contains("Another way."), "{place}");
                let usage = last_usage(front, &reply);
                let told = counters(front).map(|pointer| usage.pointer(pointer).and_then(Value::as_u64));
                assert_eq!(told[3], Some(65), "{place}");
                // Anthropic's streams tell of the prompt at their beginning.
                assert!(told[0].map_or(front == Front::Anthropic, |prompt| prompt == 700), "{place}");
            }
        }
    }
}
