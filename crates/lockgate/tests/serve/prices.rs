//! Prices of the configuration: the record, metrics and limits count with them, at once when they change.

use serde_json::json;

use crate::http;
use crate::record::{all, database};
use crate::support::{Gateway, Home, Scripted, until};
use lockgate_store_sql::Place;

const KEY: &str = "lg-of-the-test";

const SCRIPT: &str = "rules: [{answer: {blocks: [{text: Yes}], usage: {input: 1000, output: 500}}}]";

fn config(upstream: &Scripted, prices: &str) -> String {
    let hash = lockgate::key::hash(KEY);
    let key = format!("keys: [{{name: k, hash: '{hash}', limits: {{cost_per_day_usd: 0.01}}}}]\n");
    format!("providers:\n{}{key}{prices}", upstream.entry("up", ""))
}

fn ask(gateway: &Gateway) -> http::Answer {
    let body = json!({"model": "up:m", "messages": [{"role": "user", "content": "hello"}]});
    http::post_as(KEY, gateway.address, "/v1/chat/completions", &body)
}

/// 004-4: a model that nobody has a price for costs what the configuration says, from the reload that says it on, in the record,
/// in metrics and for the limit of a key; and each cost says that its price was the configuration's.
#[test]
fn prices_of_the_configuration_count_everywhere_from_the_reload_on() {
    let upstream = Scripted::start(SCRIPT);
    let home = Home::new();
    home.write("lockgate.yaml", &config(&upstream, ""));
    let mut gateway = Gateway::start(&home);
    let reloaded = |gateway: &Gateway, times: usize| {
        until("it is taken over", || {
            gateway.log().matches("the new configuration is in force").count() == times
        });
    };
    assert_eq!(ask(&gateway).status, 200, "its price is not known");
    let first = "prices: [{provider: up, models: [m], rates: {standard: {input: 1, output: \"2\"}}}]\n";
    home.write("lockgate.yaml", &config(&upstream, first));
    reloaded(&gateway, 1);
    assert_eq!(ask(&gateway).status, 200);
    let second = "prices: [{provider: up, models: ['m*'], rates: {standard: {input: 10, output: 20}}}]\n";
    home.write("lockgate.yaml", &config(&upstream, second));
    reloaded(&gateway, 2);
    // 0.002 and 0.02 dollars: beyond the 0.01 of a day.
    assert_eq!(ask(&gateway).status, 200);
    until("the cost counts", || ask(&gateway).status == 429);
    let metrics = || http::get(gateway.address, "/metrics").unwrap().text;
    let counted = |name: &str, value: &str| {
        metrics().lines().any(|line| line.starts_with(name) && line.ends_with(&format!(" {value}")))
    };
    until("metrics have it", || counted("lockgate_cost_nanousd_total{", "22000000"));
    assert!(counted("lockgate_calls_without_cost_total{", "1"), "{}", metrics());

    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    let mut calls = all(&Place::File(database(&home)));
    calls.retain(|call| call.status == Some(200));
    calls.reverse();
    let costs: Vec<_> = calls.iter().map(|call| call.cost_nano).collect();
    assert_eq!(costs, [None, Some(2_000_000), Some(20_000_000)]);
    let versions: Vec<_> = calls.iter().filter_map(|call| call.price_version.as_deref()).collect();
    assert!(versions.len() == 2 && versions[0] != versions[1], "{versions:?}");
    assert!(versions.iter().all(|version| version.ends_with("+configured")), "{versions:?}");
}

#[test]
fn prices_that_make_no_sense_are_refused_with_their_place() {
    let home = Home::new();
    home.write("lockgate.yaml", "prices:\n  - {provider: openai, models: [m], rates: {batch: {input: 1}}}\n");
    let ran = home.run(&["config", "check"]);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(ran.code != 0 && said.contains("2:5") && said.contains("`rates` needs `standard`"), "{ran:?}");
}
