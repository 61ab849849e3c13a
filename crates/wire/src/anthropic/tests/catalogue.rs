//! Errors, lists of models and token counting.

use lockgate_core::{ErrorKind, Failure, ModelCard};

use super::super::{COUNT_ENVELOPE, ENVELOPE, FORMAT};
use crate::{Envelope, EnvelopeLimits, Loss, ModelsPage, Quirks, Target};

const LIMITS: EnvelopeLimits = EnvelopeLimits { messages: 10, nesting: 64, tools: 10 };

/// Behaviour 7, requirement I3.
#[test]
fn a_body_without_its_required_fields_is_refused_by_name() {
    for (body, field) in [
        (r#"{"messages":[],"max_tokens":1}"#, "model"),
        (r#"{"model":"m","max_tokens":1}"#, "messages"),
        (r#"{"model":"m","messages":"hi","max_tokens":1}"#, "messages"),
        (r#"{"model":"m","messages":[]}"#, "max_tokens"),
        (r#"{"model":"m","messages":[],"max_tokens":null}"#, "max_tokens"),
    ] {
        let failure = Envelope::read(body.as_bytes(), &ENVELOPE, &LIMITS).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some(field), "{body}");
    }
    let count = Envelope::read(br#"{"model":"m","messages":[]}"#, &COUNT_ENVELOPE, &LIMITS).unwrap();
    assert_eq!(count.stream, Some(false));
}

#[test]
fn every_kind_of_failure_has_an_error_type_that_clients_know() {
    let lines: Vec<String> = ErrorKind::ALL
        .iter()
        .map(|kind| {
            let body = FORMAT.messages.error(&Failure::new(*kind, "what is wrong"));
            format!("{kind}: {}", String::from_utf8(body).unwrap())
        })
        .collect();
    insta::assert_snapshot!("errors", lines.join("\n"));
    let told = |code: Option<&str>, status| {
        let failure =
            Failure { code: code.map(Into::into), status, ..Failure::new(ErrorKind::UpstreamRejected, "x") };
        String::from_utf8(FORMAT.messages.error(&failure)).unwrap()
    };
    assert!(told(Some("billing_error"), Some(400)).contains(r#""type":"billing_error""#));
    assert!(told(Some("model_not_found"), None).contains(r#""type":"invalid_request_error""#));
    assert!(told(None, Some(402)).contains(r#""type":"billing_error""#));
    assert!(told(None, Some(529)).contains(r#""type":"overloaded_error""#));
}

#[test]
fn a_providers_error_is_read_in_whatever_form_it_comes() {
    let official =
        br#"{"type":"error","error":{"type":"not_found_error","message":"model: x"},"request_id":"r"}"#;
    let failure = FORMAT.messages.fault(404, official);
    assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::NotFound, "model: x"));
    assert_eq!((failure.code.as_deref(), failure.status), (Some("not_found_error"), Some(404)));

    let llama = br#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#;
    let failure = FORMAT.messages.fault(503, llama);
    assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Overloaded, "Loading model"));

    let ollama = br#"{"error":"model 'x' not found"}"#;
    assert_eq!(FORMAT.messages.fault(404, ollama).message, "model 'x' not found");

    let html = FORMAT.messages.fault(502, b"<html>Bad Gateway</html>");
    assert_eq!((html.kind, html.status), (ErrorKind::UpstreamUnavailable, Some(502)));
    assert!(html.message.contains("502") && html.message.contains("Bad Gateway"), "{}", html.message);
    assert!(FORMAT.messages.fault(500, b"").message.ends_with("without a readable error"));
    let long = format!(r#"{{"error":{{"message":"{}"}}}}"#, "x".repeat(100_000));
    assert!(FORMAT.messages.fault(500, long.as_bytes()).message.len() < 3000);
}

fn cards() -> Vec<ModelCard> {
    let card = |n: u64| ModelCard {
        context: Some(200_000),
        created: Some(951_782_400 + n * 86_400),
        id: format!("m{n}"),
        max_output: (n == 1).then_some(64_000),
        ..ModelCard::default()
    };
    (0..5).map(card).collect()
}

fn page(page: &ModelsPage) -> serde_json::Value {
    serde_json::from_slice(&FORMAT.models.unwrap().write(&cards(), page)).unwrap()
}

#[test]
fn a_list_of_models_is_cut_into_pages_by_ids() {
    let first = page(&ModelsPage { limit: Some(2), ..ModelsPage::default() });
    assert_eq!(
        (&first["first_id"], &first["last_id"], &first["has_more"]),
        (&"m0".into(), &"m1".into(), &true.into())
    );
    // Leap days count: 29 February 2000, then 1 March.
    assert_eq!(first["data"][0]["created_at"], "2000-02-29T00:00:00Z");
    assert_eq!(first["data"][1]["created_at"], "2000-03-01T00:00:00Z");
    assert_eq!(first["data"][1]["max_tokens"], 64_000);
    let last = page(&ModelsPage { after: Some("m2".into()), limit: Some(2), ..ModelsPage::default() });
    assert_eq!(
        (&last["first_id"], &last["last_id"], &last["has_more"]),
        (&"m3".into(), &"m4".into(), &false.into())
    );
    let before = page(&ModelsPage { before: Some("m3".into()), limit: Some(2), ..ModelsPage::default() });
    assert_eq!(
        (&before["first_id"], &before["last_id"], &before["has_more"]),
        (&"m1".into(), &"m2".into(), &true.into())
    );
    let beyond = page(&ModelsPage { after: Some("m4".into()), ..ModelsPage::default() });
    assert_eq!((&beyond["first_id"], &beyond["has_more"]), (&serde_json::Value::Null, &false.into()));
}

#[test]
fn a_list_that_was_written_reads_as_it_was() {
    let models = FORMAT.models.unwrap();
    let read = models.parse(&models.write(&cards(), &ModelsPage::default())).unwrap();
    let named = |mut card: ModelCard| {
        card.display_name.get_or_insert(card.id.clone());
        card
    };
    assert_eq!(read, cards().into_iter().map(named).collect::<Vec<_>>());
    let official = br#"{"data":[{"type":"model","id":"claude-opus-5","display_name":"Claude Opus 5","created_at":"2026-07-24T00:00:00Z","lifecycle":"active","max_input_tokens":1000000,"max_tokens":128000,"capabilities":{"image_input":{"supported":true}}}],"has_more":false}"#;
    let card = models.parse(official).unwrap().remove(0);
    assert_eq!((card.created, card.vision, card.context), (Some(1_784_851_200), Some(true), Some(1_000_000)));
}

#[test]
fn tokens_are_counted_for_the_same_request_without_its_bounds() {
    let tokens = FORMAT.tokens.unwrap();
    let body = br#"{"model":"m","system":"S","messages":[{"role":"user","content":"Hi"}],"thinking":{"type":"adaptive"}}"#;
    let conversation = tokens.parse(body).unwrap();
    let mut loss = Loss::default();
    let quirks = Quirks::default();
    let target = Target { default_max_tokens: 9, model: "claude-opus-4-8", quirks: &quirks, stream: true };
    let out = tokens.write(&conversation, &target, &mut loss).unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&out).unwrap(),
        serde_json::json!({"model": "claude-opus-4-8", "system": "S", "thinking": {"type": "adaptive"},
            "messages": [{"role": "user", "content": "Hi"}]})
    );
    let llama = include_bytes!("../../../../../fixtures/streams/anthropic/llamacpp_count.json");
    assert_eq!(tokens.parse_answer(llama), Ok(10));
    assert_eq!(tokens.write_answer(10), br#"{"input_tokens":10}"#);
    assert!(tokens.parse_answer(b"{}").is_err());
}
