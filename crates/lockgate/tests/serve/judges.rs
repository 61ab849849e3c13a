//! What policies ask models: cheap, bounded, and told with whose question it was and what it took.

use std::time::Instant;

use serde_json::{Value, json};

use crate::http::{self, Stream};
use crate::support::{Gateway, Home, Scripted, until};

const SCRIPT: &str = "rules:
  - {when: {model: slow}, chaos: {first_byte_delay_ms: 1500}, answer: {blocks: [{text: '{\"probability\": 0.9, \"explanation\": \"it pushes\"}'}], usage: {input: 100, output: 10}}}
  - {when: {model: gone}, error: {status: 400, message: no such judge}}
  - {when: {model: strict}, answer: {blocks: [{text: '{\"probability\": 0.9, \"explanation\": \"it pushes\"}'}], usage: {input: 100, output: 10}}}
  - answer: {blocks: [{text: Hm.}, {tool_call: {name: Bash, args: {command: git push}}}]}";

/// A cent for a thousand tokens of the question, two for a thousand of the answer.
const PRICES: &str =
    "prices: [{provider: up, models: [slow, strict], rates: {standard: {input: 10, output: 20}}}]\n";

fn home(upstream: &Scripted, prices: &str, policies: &str) -> Home {
    let home = Home::new();
    let chain = format!("policies: {{chain: [{policies}]}}\n");
    home.write("lockgate.yaml", &format!("providers:\n{}{prices}{chain}", upstream.entry("up", "")));
    home
}

fn asks(words: &str, stream: bool) -> Value {
    json!({
        "model": "up:m", "stream": stream, "messages": [{"role": "user", "content": words}],
        "tools": [{"type": "function", "function": {"name": "Bash", "parameters": {"type": "object"}}}],
    })
}

fn answer(gateway: &Gateway, words: &str, stream: bool) -> String {
    let stream = Stream::post(gateway.address, "/v1/chat/completions", &asks(words, stream)).unwrap();
    stream.end().unwrap().text
}

/// The latest calls of clients with all that is known of them, once there are so many and none of them is open.
fn calls(home: &Home, number: usize) -> Vec<Value> {
    let listed = || -> Vec<Value> {
        let listed = home.run(&["call", "list", "--json"]);
        let all = if listed.code == 0 { listed.json()["items"].take() } else { Value::Null };
        let all = all.as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|call| call["session"] != "lockgate-judges").collect()
    };
    until("the calls are stored", || listed().len() == number);
    let shown = |call: &Value| home.run(&["call", "show", call["id"].as_str().unwrap(), "--json"]).json();
    listed().iter().map(shown).collect()
}

/// Issue "observation": would-have verdicts with evidence, cost and latency are recorded, though nobody waits for them.
#[test]
fn an_observing_judge_slows_nobody_and_its_verdict_is_recorded_with_what_it_took() {
    let upstream = Scripted::start(SCRIPT);
    let judge = "{name: second look, mode: observe, tool_judge: {model: 'up:slow'}}";
    let home = home(&upstream, PRICES, judge);
    let mut gateway = Gateway::start(&home);
    for (words, stream) in [("one", true), ("two", false)] {
        let began = Instant::now();
        let told = answer(&gateway, words, stream);
        assert!(told.contains("\"tool_calls\"") && !told.contains("it pushes"), "{told}");
        assert!(began.elapsed().as_millis() < 1_500, "the judge takes longer than that");
    }
    for call in calls(&home, 2) {
        let said = &call["decisions"][0]["record"];
        assert_eq!(
            (&said["policy"], &said["said"], &said["applied"], &said["reason"]),
            (&json!("second look"), &json!("refuse"), &json!(false), &json!("it pushes")),
            "{call}"
        );
        let asked = &said["asked"][0];
        assert_eq!((&asked["cost_nano"], &asked["model"]), (&json!(1_200_000), &json!("up:slow")), "{call}");
        assert_eq!((&asked["input_tokens"], &asked["output_tokens"]), (&json!(100), &json!(10)), "{call}");
        assert!(asked["took_us"].as_u64().unwrap() > 1_000_000, "{call}");
        assert!(call["total_us"].as_u64().unwrap() < 1_500_000, "its end is that of its answer: {call}");
        assert_eq!(call["outcome"], "complete", "{call}");
        let question = home.run(&["call", "show", asked["call"].as_str().unwrap(), "--json"]).json();
        assert_eq!(
            (&question["session"], &question["cost_nano"]),
            (&json!("lockgate-judges"), &json!(1_200_000))
        );
        let table = home.run(&["call", "show", call["id"].as_str().unwrap()]).out;
        assert!(table.contains("asked up:slow: $0.00120"), "{table}");
    }
    let stats = home.run(&["policy", "stats", "--json"]).json();
    let policy = &stats["policies"][0];
    assert_eq!((&policy["policy"], &policy["would_have"]), (&json!("second look"), &json!(2)), "{stats}");
    let asked = &policy["questions"];
    assert_eq!((&asked["calls"], &asked["cost_nano"]), (&json!(2), &json!(2_400_000)), "{stats}");
    assert!(asked["mean_us"].as_u64().unwrap() > 1_000_000, "{stats}");
    let table = home.run(&["policy", "stats"]).out;
    assert!(table.contains("second look: 2 questions to models, $0.00240 in all"), "{table}");

    // What is open when the gateway ends keeps the call and its end.
    assert!(answer(&gateway, "three", true).contains("\"tool_calls\""));
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    let last = calls(&home, 3).remove(0);
    assert_eq!(last["outcome"], "complete", "{last}");
}

/// Issue section 2, `judge`: a cost cap. Beyond it, and where no price is known, the failure mode holds and says why.
#[test]
fn a_judge_asks_no_more_than_it_may_spend() {
    let upstream = Scripted::start(SCRIPT);
    let judge = |usd: &str| {
        format!("{{name: look, tool_judge: {{model: 'up:strict', max_cost: {{usd: {usd}, per: day}}}}}}")
    };
    // Some 300 tokens and 256 of an answer are about 0.8 cents at most, and cost 0.12 in the end.
    let bounded = home(&upstream, PRICES, &judge("0.0095"));
    let gateway = Gateway::start(&bounded);
    let mut told = Vec::new();
    until("the bound is reached", || {
        told.push(answer(&gateway, &format!("number {}", told.len()), true));
        told.last().unwrap().contains("could not judge it")
    });
    assert!(told.len() > 1 && told[0].contains("it pushes"), "{told:?}");
    let last = told.last().unwrap();
    assert!(last.contains("`max_cost` is $0.00950") && last.contains("in this day"), "{last}");
    assert!(!last.contains("call_"), "what nobody judged is refused: {last}");
    let again = answer(&gateway, "number 0", true);
    assert!(again.contains("it pushes"), "what was answered before costs nothing: {again}");

    let unpriced = home(&upstream, "", &judge("5"));
    let gateway = Gateway::start(&unpriced);
    let told = answer(&gateway, "it", true);
    assert!(
        told.contains("is not known, so `max_cost` cannot be held to") && !told.contains("call_"),
        "{told}"
    );
}

/// A model that fails over and over is not asked for a while.
#[test]
fn a_judge_that_fails_over_and_over_is_left_alone() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "", "{name: look, tool_judge: {model: 'up:gone'}}");
    let gateway = Gateway::start(&home);
    let told: Vec<String> =
        (0..7).map(|number| answer(&gateway, &format!("number {number}"), number % 2 == 0)).collect();
    for (number, told) in told.iter().enumerate() {
        let words = if number < 5 { "no such judge" } else { "it failed 5 times in a row and is left alone" };
        assert!(told.contains(words) && !told.contains("call_"), "{number}: {told}");
    }
    let requests = upstream.seen.requests();
    let asked = requests.iter().filter(|request| String::from_utf8_lossy(&request.body).contains("\"gone\""));
    assert_eq!(asked.count(), 5);
    assert_eq!(http::get(gateway.address, "/health").unwrap().status, 200);
}
