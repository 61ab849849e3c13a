//! Spans, as a collector gets them; read with the protocol's published types.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use lockgate_core::Secret;
use lockgate_engine::{Courier, TraceContext};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::receiver::{Receiver, nobody, status};
use super::{begin, scraped, telemetry, until};
use crate::{Otlp, Propagation, Telemetry, Traces};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn tracing_to(endpoint: &str, propagation: Propagation) -> Telemetry {
    let telemetry = telemetry();
    telemetry.count(true);
    let headers = vec![("x-collector-key".to_owned(), Secret::new("k-1"))];
    let traces = Traces::start(&Otlp { endpoint: endpoint.to_owned(), headers }, Courier::default()).unwrap();
    telemetry.trace(Some(traces), 1.0, propagation);
    telemetry
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    Some(match value {
        Value::ArrayValue(list) => {
            format!("{:?}", list.values.into_iter().map(|value| value.value).collect::<Vec<_>>())
        }
        Value::BoolValue(flag) => flag.to_string(),
        Value::IntValue(number) => number.to_string(),
        Value::StringValue(text) => text,
        other => panic!("{other:?}"),
    })
}

fn spans(receiver: &Receiver) -> Vec<Span> {
    let read = |got: super::receiver::Got| ExportTraceServiceRequest::decode(got.body).unwrap();
    let resources = receiver.got().into_iter().flat_map(|got| read(got).resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

#[tokio::test]
async fn a_call_is_a_span_below_the_clients_with_one_below_it_for_each_attempt() {
    let collector = Receiver::start(|_| Some(status(200))).await;
    let telemetry = tracing_to(&collector.address, Propagation::Own);
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", HeaderValue::from_static(PARENT));
    headers.insert("tracestate", HeaderValue::from_static("vendor=1"));
    headers.insert("x-claude-code-session-id", HeaderValue::from_static("s-1"));
    let told = begin(&telemetry, "claude-sonnet-4-6", &headers);
    let id = told.report.id.clone();
    told.fails(1);
    let TraceContext::Set(sent) = told.follower.as_ref().unwrap().trace_context() else {
        panic!("the provider gets a context of ours")
    };
    told.answers();
    telemetry.finish(Duration::from_secs(10)).await;
    let spans = spans(&collector);
    assert_eq!(spans.len(), 3, "{spans:#?}");
    let trace = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes();
    assert!(spans.iter().all(|span| span.trace_id == trace && span.trace_state == "vendor=1"));
    let [call, first, second] = spans.as_slice() else { panic!() };
    assert_eq!(call.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert!([first, second].iter().all(|attempt| attempt.parent_span_id == call.span_id));
    assert_eq!((call.kind, first.kind, second.kind), (2, 3, 3));
    assert_eq!(call.name, "chat claude-sonnet-4-6");
    assert_eq!(call.end_time_unix_nano - call.start_time_unix_nano, 1_500_000_000);
    assert!(first.status.as_ref().unwrap().code == 2 && second.status.is_none() && call.status.is_none());
    for (span, key, value) in [
        (call, "lockgate.call.id", id.as_str()),
        (call, "gen_ai.conversation.id", "s-1"),
        (call, "lockgate.key", "alice"),
        (call, "lockgate.cost.nanousd", "4650000"),
        (call, "http.response.status_code", "200"),
        (first, "error.type", "overloaded"),
        (first, "http.response.status_code", "529"),
        (second, "gen_ai.operation.name", "chat"),
        (second, "gen_ai.provider.name", "anthropic"),
        (second, "gen_ai.request.model", "claude-sonnet-4-6"),
        (second, "gen_ai.response.model", "claude-sonnet-4-6"),
        (second, "gen_ai.usage.input_tokens", "1500"),
        (second, "gen_ai.usage.cache_read.input_tokens", "500"),
        (second, "gen_ai.usage.output_tokens", "100"),
        (second, "gen_ai.response.finish_reasons", r#"[Some(StringValue("end_turn"))]"#),
    ] {
        assert_eq!(attribute(span, key).as_deref(), Some(value), "{key} of {span:#?}");
    }
    let of_attempt = u64::from_be_bytes(first.span_id.clone().try_into().unwrap());
    assert_eq!(sent, format!("00-0af7651916cd43dd8448eb211c80319c-{of_attempt:016x}-01"));
    let got = &collector.got()[0];
    assert_eq!((got.path.as_str(), got.header("x-collector-key")), ("/v1/traces", "k-1"));
    assert_eq!(got.header("content-type"), "application/x-protobuf");
}

/// Issue's "one span per call, attempt, policy": with what it took, what it waited for, and what it said.
#[tokio::test]
async fn a_policy_that_looked_at_a_call_has_a_span_below_it() {
    let collector = Receiver::start(|_| Some(status(200))).await;
    let telemetry = tracing_to(&collector.address, Propagation::Untouched);
    let came = std::time::Instant::now();
    let mut told = begin(&telemetry, "claude-sonnet-4-6", &HeaderMap::new());
    let at = |ms| came + Duration::from_millis(ms);
    told.report.worked = vec![lockgate_engine::Worked {
        busy: Duration::from_micros(40),
        first: at(10),
        kind: "rules",
        last: at(250),
        looks: 3,
        mode: "block",
        policy: "git".into(),
    }];
    told.answers();
    telemetry.finish(Duration::from_secs(10)).await;
    let spans = spans(&collector);
    let policy = spans.iter().find(|span| span.name == "policy git").unwrap();
    assert_eq!((policy.kind, &policy.parent_span_id), (1, &spans[0].span_id));
    let (from, to) = (policy.start_time_unix_nano, policy.end_time_unix_nano);
    assert_eq!(to - from, 240_000_000);
    assert!(from >= spans[0].start_time_unix_nano && to <= spans[0].end_time_unix_nano, "{spans:#?}");
    for (key, value) in [
        ("lockgate.policy", "git"),
        ("lockgate.policy.kind", "rules"),
        ("lockgate.policy.mode", "block"),
        ("lockgate.policy.looks", "3"),
        ("lockgate.policy.busy.us", "40"),
    ] {
        assert_eq!(attribute(policy, key).as_deref(), Some(value), "{key} of {policy:#?}");
    }
}

/// I2: also of a stream whose client left.
#[tokio::test]
async fn a_client_that_leaves_has_its_span_and_a_call_without_a_trace_has_its_own() {
    let collector = Receiver::start(|_| Some(status(200))).await;
    let telemetry = tracing_to(&collector.address, Propagation::Untouched);
    let told = begin(&telemetry, "claude-sonnet-4-6", &HeaderMap::new());
    let id: uuid::Uuid = told.report.id.parse().unwrap();
    let follower = told.follower.clone().unwrap();
    follower.trying(1);
    assert_eq!(follower.trace_context(), TraceContext::Keep);
    drop((follower, told));
    telemetry.finish(Duration::from_secs(10)).await;
    let spans = spans(&collector);
    assert_eq!(spans.len(), 2, "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace_id == id.as_bytes()) && spans[0].parent_span_id.is_empty());
    assert_eq!(attribute(&spans[0], "lockgate.outcome").as_deref(), Some("aborted"));
}

#[tokio::test]
async fn a_client_that_does_not_want_its_trace_kept_is_heeded() {
    let collector = Receiver::start(|_| Some(status(200))).await;
    let telemetry = tracing_to(&collector.address, Propagation::Drop);
    let mut headers = HeaderMap::new();
    let unsampled = PARENT.replace("-01", "-00");
    headers.insert("traceparent", HeaderValue::from_str(&unsampled).unwrap());
    let told = begin(&telemetry, "claude-sonnet-4-6", &headers);
    assert_eq!(told.follower.as_ref().unwrap().trace_context(), TraceContext::Drop);
    told.answers();
    telemetry.finish(Duration::from_secs(10)).await;
    assert!(collector.got().is_empty());
}

/// L7, I9.
#[tokio::test]
async fn spans_that_the_collector_refuses_are_counted_and_the_next_ones_are_sent() {
    let collector = Receiver::start(|number| Some(status(if number == 1 { 400 } else { 200 }))).await;
    let telemetry = tracing_to(&collector.address, Propagation::Untouched);
    begin(&telemetry, "m", &HeaderMap::new()).answers();
    until("the first is refused", || scraped(&telemetry)[r#"lockgate_spans_total{result="failed"}"#] == "2")
        .await;
    begin(&telemetry, "m", &HeaderMap::new()).answers();
    until("the second is sent", || scraped(&telemetry)[r#"lockgate_spans_total{result="sent"}"#] == "2")
        .await;
}

#[tokio::test]
async fn a_collector_that_is_busy_is_asked_again_for_the_same_spans() {
    let collector = Receiver::start(|number| Some(status(if number == 1 { 503 } else { 200 }))).await;
    let telemetry = tracing_to(&collector.address, Propagation::Untouched);
    begin(&telemetry, "m", &HeaderMap::new()).answers();
    until("it is sent", || scraped(&telemetry)[r#"lockgate_spans_total{result="sent"}"#] == "2").await;
    let got = collector.got();
    assert!(got.len() == 2 && got[0].body == got[1].body);
}

/// I9: the bound is a count, not the collector's patience.
#[tokio::test]
async fn a_collector_that_hangs_or_is_away_costs_its_spans_and_neither_calls_nor_the_end() {
    let hanging = Receiver::start(|_| None).await;
    for endpoint in [hanging.address.clone(), nobody()] {
        let telemetry = tracing_to(&endpoint, Propagation::Untouched);
        for _ in 0..10_000 {
            begin(&telemetry, "m", &HeaderMap::new()).answers();
        }
        let after = scraped(&telemetry);
        let dropped: u64 = after[r#"lockgate_spans_total{result="dropped"}"#].parse().unwrap();
        assert!(dropped >= 20_000 - 8_192 - 2 * 512, "{dropped}");
        let calls: u64 = after
            .iter()
            .filter(|(name, _)| name.starts_with("lockgate_calls_total"))
            .map(|(_, n)| n.parse::<u64>().unwrap())
            .sum();
        assert_eq!(calls, 10_000);
        let asked = Instant::now();
        telemetry.finish(Duration::from_millis(300)).await;
        assert!(asked.elapsed() < Duration::from_secs(5), "the end waits for nobody");
    }
}
