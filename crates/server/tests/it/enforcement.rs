//! Policies in every dialect before every dialect, in every layout: what is forbidden reaches nobody, everything else stays as it is,
//! and the next turn is accepted by a provider that is strict about it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_policy::{Approvals, Chain, Manner, Policies, Resample};
use serde_json::{Value, json};

use crate::app::App;
use crate::client::{Call, Reply};
use crate::front::{FRONTS, Front, Layout};
use crate::shapes::{Answer, Got, judge};

/// Stands in whatever may not pass.
const CANARY: &str = "canary-7d1f";

/// What the model answers: thoughts would be in the way of dialects that have none.
pub(crate) const SCRIPT: &str = "

rules:
  - {when: {model: next}, answer: {blocks: [{text: Done.}]}}
  - when: {has_tool_result: true}
    answer:
      chunk: 5
      blocks:
        - text: 'Another way.'
        - tool_call: {name: get_time, args: {city: Rome}}
  - answer:
      chunk: 5
      blocks:
        - text: 'The code name is FALCON, mind you.'
        - tool_call: {name: get_weather, args: {city: canary-7d1f}}
        - tool_call: {name: get_time, args: {city: Oslo}}
";

/// A chain from YAML-like JSON.
pub(crate) fn chain(policies: Value) -> Chain {
    let policies: Policies = serde_json::from_value(policies).unwrap();
    let manner = Manner {
        approvals: Approvals::default(),
        budget: Duration::from_secs(10),
        link: policies.link.clone(),
        local_model: policies.local_model.clone(),
        mask: Arc::new(str::to_owned),
        message: policies.message.clone(),
        now: Instant::now,
        resample: Resample::default(),
    };
    Chain::new(policies.entries().unwrap(), manner)
}

/// The providers that a dialect is tried before: its own, and others.
pub(crate) fn providers(front: Front) -> Vec<&'static str> {
    let mut ids = vec!["anthropic", "gemini", "ollama", "other"];
    if !ids.contains(&front.provider()) {
        ids.push(front.provider());
    }
    ids
}

struct Case {
    name: &'static str,
    chain: Value,
    /// Names of the calls that are left.
    calls: Words,
    /// What the text must hold, and must not.
    says: Words,
    says_not: Words,
    /// Whether the answer ends as one that wants tool results.
    waits: bool,
    /// Whether the canary may be in the answer.
    canary: bool,
}

fn rule(then: &str, more: &Value) -> Value {
    let mut rule = json!({"name": "r", "tools": ["get_weather"], "then": then, "reason": "no weather today"});
    rule.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    json!({"message": "REFUSED {tool} {policy}: {reason}", "chain": [{"name": "p", "rules": [rule]}]})
}

type Words = &'static [&'static str];

/// The calls that are left, what is said and what not; then whether results are waited for, and whether the canary may be there.
fn case(
    (name, chain): (&'static str, Value),
    calls: Words,
    (says, says_not): (Words, Words),
    (waits, canary): (bool, bool),
) -> Case {
    Case { name, chain, calls, says, says_not, waits, canary }
}

fn on_calls() -> Vec<Case> {
    let whole = &["FALCON"][..];
    let both = &["get_weather", "get_time"][..];
    vec![
        case(("allow", rule("allow", &json!({}))), both, (whole, &["REFUSED"]), (true, true)),
        case(
            ("refuse one", rule("refuse", &json!({}))),
            &["get_time"],
            (&["FALCON", "REFUSED get_weather p: no weather today"], &[]),
            (true, false),
        ),
        case(
            ("refuse all", rule("refuse", &json!({"tools": ["get_*"]}))),
            &[],
            (&["FALCON", "REFUSED get_time"], &[]),
            (false, false),
        ),
        case(
            ("ask where nobody can be asked", rule("ask", &json!({}))),
            &["get_time"],
            (&["FALCON", "REFUSED get_weather p: no weather today; nobody decided"], &[]),
            (true, false),
        ),
        case(
            ("remove", rule("remove", &json!({}))),
            &["get_time"],
            (whole, &["REFUSED", "weather"]),
            (true, false),
        ),
        case(
            ("replace", rule("replace", &json!({"with": "instead"}))),
            &["get_time"],
            (&["FALCON", "instead"], &[]),
            (true, false),
        ),
        case(
            ("rewrite", rule("rewrite", &json!({"with": "{\"city\":\"Rome\"}"}))),
            both,
            (whole, &["REFUSED"]),
            (true, false),
        ),
        case(
            ("resample", rule("resample", &json!({}))),
            &["get_time"],
            (&["FALCON", "Another way."], &["REFUSED", "weather"]),
            (true, false),
        ),
        case(
            ("resample in vain", rule("resample", &json!({"tools": ["get_*"]}))),
            &[],
            (&["FALCON", "Another way.", "REFUSED get_time p: no weather today"], &["get_weather"]),
            (false, false),
        ),
        case(
            ("stop", rule("stop", &json!({}))),
            &[],
            (&["FALCON", "REFUSED get_weather"], &[]),
            (false, false),
        ),
        case(
            ("warn", rule("warn", &json!({}))),
            both,
            (&["FALCON", "warns about the call of `get_weather`"], &[]),
            (true, true),
        ),
    ]
}

fn on_words() -> Vec<Case> {
    let whole = &["FALCON"][..];
    let both = &["get_weather", "get_time"][..];
    vec![
        case(
            ("words", json!({"chain": [{"replace": {"texts": {"FALCON": "******"}, "on": ["response"]}}]})),
            both,
            (&["The code name is ******, mind you."], &["FALCON"]),
            (true, true),
        ),
        case(
            (
                "the first words",
                json!({"chain": [{"replace": {"texts": {"The ": "Our "}, "on": ["response"]}}]}),
            ),
            both,
            (&["Our code name is FALCON, mind you."], &["The "]),
            (true, true),
        ),
        case(
            (
                "all words",
                json!({"chain": [{"replace": {"texts": {"The code name is FALCON, mind you.": ""}, "on": ["response"]}}]}),
            ),
            both,
            (&[], &["FALCON", "mind"]),
            (true, true),
        ),
        case(
            (
                "words that come late",
                json!({"chain": [{"replace": {"texts": {", mind you.": "!"}, "on": ["response"]}}]}),
            ),
            both,
            (&["The code name is FALCON!"], &["mind"]),
            (true, true),
        ),
        case(
            (
                "words as a whole",
                json!({"chain": [{"rules": [
                {"name": "w", "on": "text", "if": "text.contains('FALCON')", "then": "replace", "with": "It is a secret."}]}]}),
            ),
            both,
            (&["It is a secret."], &["FALCON"]),
            (true, true),
        ),
        case(
            (
                "words refused",
                json!({"message": "{what} - {policy} - {reason}{link}", "link": "https://gate/{id}", "chain": [{"name": "p", "rules": [
                {"name": "w", "on": "text", "if": "text.contains('FALCON')", "then": "refuse", "reason": "a code name"}]}]}),
            ),
            both,
            (&["A part of this answer - p - a code name\n\nRecord: https://gate/0"], &["FALCON", "{id}"]),
            (true, true),
        ),
        case(
            (
                "observe",
                json!({"chain": [
                {"mode": "observe", "name": "a", "rules": [{"name": "r", "tools": ["*"], "then": "refuse"}]},
                {"mode": "observe", "replace": {"texts": {"FALCON": "x"}}}]}),
            ),
            both,
            (whole, &[]),
            (true, true),
        ),
        case(
            ("notice", json!({"chain": [{"notice": {"text": "You are recorded."}}]})),
            both,
            (&["FALCON", "You are recorded."], &[]),
            (true, true),
        ),
    ]
}

/// Whether a stop reason says that tool results are waited for, where the dialect says so at all.
fn waits(front: Front, stop: &str) -> Option<bool> {
    match front {
        Front::Anthropic => Some(stop == "tool_use"),
        Front::Chat => Some(stop == "tool_calls"),
        Front::Gemini | Front::Ollama | Front::Responses => None,
    }
}

/// The question with both tools on offer.
pub(crate) fn call(front: Front, model: &str, layout: Layout, next: Option<&Value>) -> Call {
    call_of(front, front.body(model, layout), (model, layout), next)
}

/// The same with another question in which `get_weather` or `Bash` is offered.
pub(crate) fn call_of(
    front: Front,
    mut body: Value,
    (model, layout): (&str, Layout),
    next: Option<&Value>,
) -> Call {
    let second = |tools: &mut Vec<Value>| {
        let other = tools[0].to_string().replace("get_weather", "get_time").replace("Bash", "get_time");
        tools.push(serde_json::from_str(&other).unwrap());
    };
    match front {
        Front::Gemini => second(body["tools"][0]["functionDeclarations"].as_array_mut().unwrap()),
        _ => second(body["tools"].as_array_mut().unwrap()),
    }
    if let Some(answer) = next {
        follow(front, &mut body, answer);
    }
    let call = Call::post(&front.path(model, layout), &body);
    if front == Front::Anthropic { call.header("anthropic-version", "2023-06-01") } else { call }
}

/// Puts the model's answer, the results of its calls and the next words behind the question, as a client does.
fn follow(front: Front, body: &mut Value, answer: &Value) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    match front {
        Front::Anthropic => {
            let content = answer["content"].clone();
            let mut user: Vec<Value> = list(&content)
                .iter()
                .filter(|block| block["type"] == "tool_use")
                .map(|block| json!({"type": "tool_result", "tool_use_id": block["id"], "content": "ok"}))
                .collect();
            user.push(json!({"type": "text", "text": "go on"}));
            let messages = body["messages"].as_array_mut().unwrap();
            messages.extend([
                json!({"role": "assistant", "content": content}),
                json!({"role": "user", "content": user}),
            ]);
        }
        Front::Chat => {
            let message = answer["choices"][0]["message"].clone();
            let results: Vec<Value> = list(&message["tool_calls"])
                .iter()
                .map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "ok"}))
                .collect();
            let messages = body["messages"].as_array_mut().unwrap();
            messages.push(message);
            messages.extend(results);
            messages.push(json!({"role": "user", "content": "go on"}));
        }
        Front::Gemini => {
            let content = answer["candidates"][0]["content"].clone();
            let mut parts: Vec<Value> = list(&content["parts"])
                .iter()
                .filter_map(|part| part.get("functionCall"))
                .map(|call| json!({"functionResponse": {"name": call["name"], "response": {"ok": true}}}))
                .collect();
            parts.push(json!({"text": "go on"}));
            let contents = body["contents"].as_array_mut().unwrap();
            contents.extend([content, json!({"role": "user", "parts": parts})]);
        }
        Front::Ollama => {
            let message = answer["message"].clone();
            let results: Vec<Value> = list(&message["tool_calls"])
                .iter()
                .map(|call| json!({"role": "tool", "tool_name": call["function"]["name"], "content": "ok"}))
                .collect();
            let messages = body["messages"].as_array_mut().unwrap();
            messages.push(message);
            messages.extend(results);
            messages.push(json!({"role": "user", "content": "go on"}));
        }
        Front::Responses => {
            let mut input = vec![json!({"role": "user", "content": body["input"]})];
            for item in list(&answer["output"]) {
                let result = (item["type"] == "function_call").then(
                    || json!({"type": "function_call_output", "call_id": item["call_id"], "output": "ok"}),
                );
                input.push(item);
                input.extend(result);
            }
            input.push(json!({"role": "user", "content": "go on"}));
            body["input"] = input.into();
        }
    }
}

pub(crate) fn answer_of(place: &str, front: Front, layout: Layout, reply: &Reply) -> Answer {
    match judge(front, layout, reply) {
        Ok(Got::Answer(answer)) => answer,
        other => panic!("{place}: {other:?}\n{}", reply.text()),
    }
}

/// Requirements 000 behaviours 12, 22-24, 26, 27, 29; M2, I7: every dialect, every layout, every verdict.
#[tokio::test]
async fn what_is_forbidden_reaches_nobody_and_the_rest_stays_as_it_is() {
    let app = App::start(SCRIPT).await;
    for case in on_calls().into_iter().chain(on_words()) {
        for front in FRONTS {
            for provider in providers(front) {
                for layout in front.layouts() {
                    check(&app, &case, (front, provider, *layout)).await;
                }
            }
        }
    }
}

async fn check(app: &App, case: &Case, (front, provider, layout): (Front, &str, Layout)) {
    let place = format!("{} from {front:?} to {provider} as {layout:?}", case.name);
    let model = format!("{provider}:m");
    app.engine.set_policies(chain(case.chain.clone()));
    let reply = app.send(&call(front, &model, layout, None)).await;
    let answer = answer_of(&place, front, layout, &reply);
    let names: Vec<&str> = answer.calls.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, case.calls, "{place}\n{}", reply.text());
    for words in case.says {
        assert!(answer.text.contains(words), "{place}: {words:?} in {:?}", answer.text);
    }
    for words in case.says_not {
        assert!(!answer.text.contains(words), "{place}: {words:?} in {:?}", answer.text);
    }
    let arrived = answer.text.contains(CANARY)
        || answer.calls.iter().any(|(_, args)| args.to_string().contains(CANARY));
    assert_eq!(arrived, case.canary, "{place}\n{}", reply.text());
    // Not even a piece of it.
    let pieces = reply.text().contains("anary") || reply.text().contains("ry-7d");
    assert!(!pieces || case.canary, "{place}\n{}", reply.text());
    if let Some(waits) = waits(front, &answer.stop) {
        assert_eq!(waits, case.waits, "{place}: {}", answer.stop);
    }
    if case.name.starts_with("resample") {
        let seen = app.upstream.requests();
        let body = String::from_utf8_lossy(&seen.last().unwrap().body).into_owned();
        let told = "This tool call was not run: it was refused by the policy `p`: no weather today.";
        assert!(body.contains(told) && body.contains("FALCON"), "{place}: {body}");
        assert!(answer.calls.iter().all(|(_, args)| *args == json!({"city": "Rome"})), "{place}");
    }
    if case.name == "rewrite" {
        assert_eq!(answer.calls[0].1, json!({"city": "Rome"}), "{place}");
        assert_eq!(answer.calls[1].1, json!({"city": "Oslo"}), "{place}");
    }
    if layout == Layout::Whole {
        // Requirement 000 behaviour 27: the next turn, with what the client got, is accepted by a strict provider.
        app.engine.set_policies(chain(json!({})));
        let next = app.send(&call(front, &format!("{provider}:next"), layout, Some(&reply.json()))).await;
        assert_eq!(answer_of(&place, front, layout, &next).text, "Done.", "{place}");
    }
}

/// Recorded answers of all kinds of servers, as scripts that answer with just these bytes.
pub(crate) fn recorded(front: Front) -> Vec<(String, String)> {
    let folder = match front {
        Front::Anthropic => "anthropic",
        Front::Chat => "chat",
        Front::Gemini => "gemini",
        Front::Ollama => "ollama",
        Front::Responses => "responses",
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/streams").join(folder);
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    let script = |path: &PathBuf| {
        let kind = match path.extension().and_then(|end| end.to_str()) {
            Some("sse") => "text/event-stream",
            Some("ndjson") => "application/x-ndjson",
            _ => "application/json",
        };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let raw = json!({"headers": {"content-type": kind}, "file": path.canonicalize().unwrap()});
        (name, json!({"rules": [{"raw": raw}]}).to_string())
    };
    all.iter().map(script).collect()
}

/// Requirement 000 behaviours 1, 2 and 16: an answer that nobody changes is the provider's own bytes, whatever looks at it.
#[tokio::test]
async fn an_answer_that_nobody_changes_is_the_providers_own_bytes() {
    let watching = json!({"chain": [
        {"rules": [{"name": "r", "tools": ["other"], "then": "refuse"}]},
        {"replace": {"texts": {"Kittiwake": "x"}}},
    ]});
    let judging = json!({"chain": [
        {"rules": [{"name": "w", "on": "text", "if": "text.contains('Kittiwake')", "then": "remove"}]},
    ]});
    let observing =
        json!({"chain": [{"mode": "observe", "rules": [{"name": "r", "tools": ["*"], "then": "refuse"}]}]});
    let mut same = 0;
    for front in FRONTS {
        for (name, script) in recorded(front) {
            let layout = if name.ends_with(".array.json") {
                Layout::Array
            } else if Path::new(&name).extension().is_some_and(|end| end == "json") {
                Layout::Whole
            } else {
                Layout::Stream
            };
            let app = App::with(&script, |setup| setup.each(|settings| settings.retry.attempts = 0)).await;
            let call = call(front, &format!("{}:m", front.provider()), layout, None);
            app.engine.set_policies(chain(json!({})));
            let plain = app.send(&call).await;
            for policies in [&watching, &judging, &observing] {
                app.engine.set_policies(chain(policies.clone()));
                let watched = app.send(&call).await;
                // Errors of ours have an id of their own.
                if plain.status == 200 && !plain.text().contains("could not be read") {
                    assert_eq!(watched.text(), plain.text(), "{front:?} {name} {policies}");
                    same += 1;
                }
            }
        }
    }
    assert!(same > 200, "{same}");
}

/// Requirements 000 behaviour 21, D1: the provider gets the new words, also in tool results; the client's own are untouched elsewhere.
#[tokio::test]
async fn a_request_is_changed_refused_or_answered_before_it_goes_anywhere() {
    let app = App::start("rules: [{answer: {blocks: [{text: Fine.}]}}]").await;
    for front in FRONTS {
        for provider in providers(front) {
            for layout in front.layouts() {
                let place = format!("{front:?} to {provider} as {layout:?}");
                let ask = front.call(&format!("{provider}:m"), *layout);
                let replaces =
                    json!({"chain": [{"replace": {"texts": {"Paris": "Gotham"}, "on": ["request"]}}]});
                app.engine.set_policies(chain(replaces));
                let before = app.upstream.requests().len();
                assert_eq!(answer_of(&place, front, *layout, &app.send(&ask).await).text, "Fine.", "{place}");
                let seen = app.upstream.requests();
                let body = String::from_utf8_lossy(&seen.last().unwrap().body).into_owned();
                assert!(
                    seen.len() == before + 1 && body.contains("Gotham") && !body.contains("Paris"),
                    "{place}: {body}"
                );

                app.engine.set_policies(chain(json!({"link": "https://gate/{id}", "chain": [
                    {"model_allow": {"deny": ["*:m"], "reason": "too dear"}}]})));
                let reply = app.send(&ask).await;
                let refused = judge(front, *layout, &reply);
                let Ok(Got::Refused { message, status: 403 }) = refused else {
                    panic!("{place}: {refused:?}")
                };
                let why = format!("the model `{provider}:m` may not be called: too dear");
                let told = format!("[Lockgate] This request was refused by the policy `model_allow`: {why}.");
                let id = reply.header("x-task-id").unwrap();
                assert_eq!(message, format!("{told}\n\nRecord: https://gate/{id}"), "{place}");

                let answers = json!({"chain": [{"rules": [
                    {"name": "a", "on": "call", "if": "call.model.endsWith(':m')", "then": "answer", "with": "Closed today."}]}]});
                app.engine.set_policies(chain(answers));
                let answer = answer_of(&place, front, *layout, &app.send(&ask).await);
                assert_eq!(answer.text, "Closed today.", "{place}");
                assert_eq!(app.upstream.requests().len(), before + 1, "{place}: nobody was asked");
            }
        }
    }
}

/// Issue's verdict "keep local": a request goes to a local model, to the one that is set for this, or nowhere, in every dialect.
#[tokio::test]
async fn a_request_that_is_kept_local_goes_to_a_local_model_or_nowhere() {
    let app = App::with("rules: [{answer: {blocks: [{text: Fine.}]}}]", |setup| {
        setup.each(|settings| settings.local = Some(false));
        setup.provider("ollama").local = None;
    })
    .await;
    let keeps = |mode: &str, model: Value| {
        let rule =
            json!({"name": "k", "on": "call", "if": "true", "then": "keep_local", "reason": "it is ours"});
        chain(json!({"local_model": model, "chain": [{"name": "p", "mode": mode, "rules": [rule]}]}))
    };
    for front in FRONTS {
        for layout in front.layouts() {
            let place = format!("{front:?} as {layout:?}");
            let to = |model: &str| front.call(model, *layout);
            let seen = || app.upstream.requests().len();

            app.engine.set_policies(keeps("block", Value::Null));
            let before = seen();
            for model in ["anthropic:m", "ollama:m-cloud"] {
                let refused = judge(front, *layout, &app.send(&to(model)).await);
                let Ok(Got::Refused { message, status: 403 }) = refused else {
                    panic!("{place}: {refused:?}")
                };
                let why = "the policy `p` keeps it local: it is ours;";
                assert!(message.contains(why) && message.contains("is not local"), "{place}: {message}");
            }
            assert_eq!(seen(), before, "{place}: nobody was asked");
            let own = app.send(&to("ollama:m")).await;
            assert_eq!(answer_of(&place, front, *layout, &own).text, "Fine.", "{place}");

            app.engine.set_policies(keeps("block", json!("ollama:own")));
            let moved = app.send(&to("anthropic:m")).await;
            assert_eq!(answer_of(&place, front, *layout, &moved).text, "Fine.", "{place}");
            assert_eq!((moved.header("x-provider"), moved.header("x-model")), (Some("ollama"), Some("own")));
            let last = app.upstream.requests().pop().unwrap();
            let body = String::from_utf8_lossy(&last.body);
            assert!(last.path().starts_with("/api/chat") && body.contains("\"own\""), "{place}: {last:?}");

            // Also what the model is asked again.
            let twice = json!({"local_model": "ollama:own", "chain": [
                {"name": "p", "rules": [{"name": "k", "on": "call", "if": "true", "then": "keep_local"}]},
                {"name": "q", "rules": [{"name": "t", "on": "text", "if": "text == 'Fine.'", "then": "resample"}]}]});
            app.engine.set_policies(chain(twice));
            let before = seen();
            let again = app.send(&to("anthropic:m")).await;
            assert!(answer_of(&place, front, *layout, &again).text.contains("was refused"), "{place}");
            let asked = app.upstream.requests();
            let local = |one: &lockgate_testkit::Recorded| one.path().starts_with("/api/chat");
            assert_eq!(asked.len(), before + 2, "{place}");
            assert!(asked[before..].iter().all(local), "{place}: {asked:?}");

            app.engine.set_policies(keeps("block", json!("gemini:x")));
            let refused = judge(front, *layout, &app.send(&to("anthropic:m")).await);
            let Ok(Got::Refused { message, .. }) = refused else { panic!("{place}: {refused:?}") };
            assert!(message.contains("neither is `gemini:x`"), "{message}");

            app.engine.set_policies(keeps("warn", json!("ollama:own")));
            let warned = app.send(&to("anthropic:m")).await;
            assert_eq!(warned.header("x-provider"), Some("anthropic"), "{place}");
        }
    }
}

/// What is kept local is kept so also where its tokens are counted, and where nobody knows what it is for.
#[tokio::test]
async fn what_is_kept_local_is_not_counted_elsewhere() {
    let app = App::with("rules: [{answer: {blocks: [{text: Fine.}]}}]", |setup| {
        setup.each(|settings| settings.local = Some(false));
        setup.provider("ollama").local = None;
    })
    .await;
    let rule = json!({"name": "k", "on": "call", "if": "true", "then": "keep_local", "reason": "it is ours"});
    app.engine
        .set_policies(chain(json!({"local_model": "ollama:own", "chain": [{"name": "p", "rules": [rule]}]})));
    let ask = |path: &str, model: &str| {
        let body = json!({"model": model, "input": "x", "messages": [{"role": "user", "content": "hello"}]});
        Call::post(path, &body).header("anthropic-version", "2023-06-01")
    };
    for (path, model, status) in [
        // Counted by the model that would answer.
        ("/v1/messages/count_tokens", "anthropic:m", 200),
        ("/v1/messages/count_tokens", "ollama:m", 200),
        ("/v1/embeddings", "openai:m", 403),
        ("/v1/messages/batches", "ollama:m", 403),
    ] {
        let reply = app.send(&ask(path, model)).await;
        assert_eq!(reply.status, status, "{path} {model}: {}", reply.text());
    }
    let asked = app.upstream.requests();
    assert!(asked.iter().all(|one| one.path().starts_with("/api/")), "{asked:?}");
}

/// Requirement 001-4: a word in the header that means nothing is an error, not a default.
#[tokio::test]
async fn a_caller_says_how_strictly_it_takes_quality_in_words_that_are_known() {
    let app = App::start("rules: [{answer: {blocks: [{text: Fine.}]}}]").await;
    app.engine.set_policies(chain(json!({"chain": [{"pr_scope": {"team": "strict"}}]})));
    for (word, status) in [("pragmatic", 200), ("off", 200), ("lax", 400)] {
        let call = call(Front::Anthropic, "anthropic:m", Layout::Whole, None).header("x-lockgate-team", word);
        let reply = app.send(&call).await;
        assert_eq!(reply.status, status, "{word}: {}", reply.text());
        let explained = reply.text().contains("`off`, `pragmatic` and `strict`");
        assert_eq!(explained, status == 400, "{}", reply.text());
    }
}

/// Only the first of several answers could be looked at, so several are not asked for.
#[tokio::test]
async fn several_answers_at_once_do_not_slip_past_policies() {
    let app = App::start(SCRIPT).await;
    let two = |front: Front| {
        let mut body = front.body("anthropic:m", Layout::Whole);
        match front {
            Front::Chat => body["n"] = 2.into(),
            _ => body["generationConfig"] = json!({"candidateCount": 2}),
        }
        Call::post(&front.path("anthropic:m", Layout::Whole), &body)
    };
    for front in [Front::Chat, Front::Gemini] {
        app.engine.set_policies(chain(rule("refuse", &json!({}))));
        let refused = judge(front, Layout::Whole, &app.send(&two(front)).await);
        let Ok(Got::Refused { message, status: 400 }) = refused else { panic!("{refused:?}") };
        assert!(message.contains("one at a time"), "{message}");
        let observing =
            json!({"mode": "observe", "rules": [{"name": "r", "tools": ["*"], "then": "refuse"}]});
        app.engine.set_policies(chain(json!({"chain": [{"model_allow": {"deny": ["other"]}}, observing]})));
        assert_eq!(app.send(&two(front)).await.status, 200, "nobody acts on the answer");
    }
    assert_eq!(app.upstream.requests().len(), 2);
}

/// More than can be held is an error of the client's own dialect, whole or streamed, and nothing of it passes unlooked at.
#[tokio::test]
async fn an_answer_that_is_too_large_to_be_held_fails_and_does_not_slip_past_policies() {
    let large = "x".repeat(lockgate_policy::HELD_MAX + 1_000);
    let script = format!(
        "rules: [{{answer: {{chunk: 4000000, blocks: [{{tool_call: {{name: get_weather, args: {{city: {CANARY}{large}}}}}}}]}}}}]"
    );
    let app = App::start(&script).await;
    app.engine.set_policies(chain(rule("refuse", &json!({"tools": ["other"]}))));
    for provider in ["anthropic:m", "other:m"] {
        for layout in [Layout::Whole, Layout::Stream] {
            let reply = app.send(&call(Front::Anthropic, provider, layout, None)).await;
            let text = reply.text();
            assert!(
                text.contains("to be judged by policies"),
                "{provider} {layout:?} {}",
                &text[..text.len().min(600)]
            );
            assert!(!text.contains(CANARY), "{provider} {layout:?}");
            assert_eq!(
                reply.status == 403,
                layout == Layout::Whole,
                "{provider} {layout:?} {}",
                reply.status
            );
        }
    }
}

/// Requirement 000 behaviour 30: a notice is for people, once, and not for calls that nobody reads.
#[tokio::test]
async fn a_notice_comes_once_and_not_where_nobody_reads_it() {
    let app = App::start("rules: [{answer: {blocks: [{text: Fine.}]}}]").await;
    app.engine.set_policies(chain(json!({"chain": [{"notice": {"text": "You are recorded."}}]})));
    let text = |body: Value| {
        let call = Call::post("/v1/messages", &body).header("anthropic-version", "2023-06-01");
        let app = &app;
        async move { app.send(&call).await.text() }
    };
    let first =
        json!({"model": "anthropic:m", "max_tokens": 99, "messages": [{"role": "user", "content": "hello"}]});
    assert!(text(first.clone()).await.contains("You are recorded."));
    let mut second = first.clone();
    second["messages"] = json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Fine."}, {"role": "user", "content": "more"}]);
    assert!(!text(second).await.contains("recorded"));
    let mut probe = first.clone();
    probe["max_tokens"] = 1.into();
    assert!(!text(probe).await.contains("recorded"), "a probe");
    let mut form = first;
    form["output_config"] = json!({"format": {"type": "json_schema", "schema": {"type": "object"}}});
    assert!(!text(form).await.contains("recorded"), "an answer in a form");
}

/// Requirement 000 behaviour 31: a call keeps the policies that it began with, and swaps disturb nobody.
#[tokio::test]
async fn swaps_under_load_fail_no_call_and_each_call_meets_one_version() {
    let app = Arc::new(App::start(SCRIPT).await);
    let refuses = || chain(rule("refuse", &json!({"tools": ["get_*"]})));
    let allows =
        || chain(json!({"chain": [{"rules": [{"name": "r", "tools": ["other"], "then": "refuse"}]}]}));
    let mut callers = Vec::new();
    for number in 0..40 {
        let caller = app.clone();
        let front = FRONTS[number % FRONTS.len()];
        callers.push(tokio::spawn(async move {
            let layout = front.layouts()[number % 2];
            let reply = caller.send(&call(front, "anthropic:m", layout, None)).await;
            let answer = answer_of("under load", front, layout, &reply);
            // Both calls or none: never one version for one and another for the other.
            assert!([0, 2].contains(&answer.calls.len()), "{answer:?}");
        }));
        app.engine.set_policies(if number % 2 == 0 { refuses() } else { allows() });
    }
    for caller in callers {
        caller.await.unwrap();
    }
}

/// A client that has OpenAI keep the conversation goes on from an answer whose tool calls it never got, or got others in their place: its
/// provider waits for results of them, and gets them.
#[tokio::test]
async fn a_kept_conversation_goes_on_after_calls_that_the_client_never_got() {
    let app = App::start(SCRIPT).await;
    let model = format!("{}:m", Front::Responses.provider());
    for (then, left) in [("refuse", 1), ("remove", 1), ("stop", 0), ("resample", 1), ("allow", 2)] {
        for layout in [Layout::Whole, Layout::Stream] {
            let place = format!("{then} as {layout:?}");
            if (then, layout) == ("stop", Layout::Stream) {
                // The provider's stream is cut off there, and what it keeps of that is its own affair.
                continue;
            }
            app.engine.set_policies(chain(rule(then, &json!({}))));
            let asks = |model: &str| {
                let mut body = Front::Responses.body(model, layout);
                let second = body["tools"][0].to_string().replace("get_weather", "get_time");
                body["tools"].as_array_mut().unwrap().push(serde_json::from_str(&second).unwrap());
                body["store"] = true.into();
                body
            };
            let reply = app.send(&Call::post("/v1/responses", &asks(&model))).await;
            let answer = answer_of(&place, Front::Responses, layout, &reply);
            assert_eq!(answer.calls.len(), left, "{place}");
            let text = reply.text();
            let id = text.split("\"id\":\"resp_").nth(1).unwrap().split('"').next().unwrap();
            let mut calls: Vec<&str> =
                text.split("\"call_id\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
            calls.sort_unstable();
            calls.dedup();
            assert_eq!(calls.len(), left, "{place}: {text}");
            let mut input: Vec<Value> = calls
                .iter()
                .map(|id| json!({"type": "function_call_output", "call_id": id, "output": "ok"}))
                .collect();
            input.push(json!({"role": "user", "content": "go on"}));
            let mut body = asks(&format!("{}:next", Front::Responses.provider()));
            body["previous_response_id"] = format!("resp_{id}").into();
            body["input"] = input.into();
            app.engine.set_policies(chain(json!({})));
            let next = app.send(&Call::post("/v1/responses", &body)).await;
            assert_eq!(answer_of(&place, Front::Responses, layout, &next).text, "Done.", "{place}");
        }
    }
}
