//! Lists of models and embeddings.

use lockgate_core::{EmbeddingCall, EmbeddingInput, Embeddings, ModelCard};
use serde_json::Value;

use super::FORMAT;
use crate::{Loss, ModelsPage};

fn card(body: &str) -> ModelCard {
    FORMAT.models.unwrap().parse(body.as_bytes()).unwrap().remove(0)
}

#[test]
fn what_servers_add_to_a_models_card_is_read() {
    let openai = card(
        r#"{"object":"list","data":[{"id":"gpt-5.4","object":"model","created":1760000000,"owned_by":"openai"}]}"#,
    );
    let expected = ModelCard {
        created: Some(1_760_000_000),
        id: "gpt-5.4".into(),
        owner: Some("openai".into()),
        ..ModelCard::default()
    };
    assert_eq!(openai, expected);
    let llamacpp = card(
        r#"{"models":[{"name":"x"}],"object":"list","data":[{"id":"q","object":"model","owned_by":"llamacpp","architecture":{"input_modalities":["text","image"]},"meta":{"n_ctx":8192,"n_ctx_train":131072}}]}"#,
    );
    assert_eq!((llamacpp.context, llamacpp.vision, llamacpp.tools), (Some(8192), Some(true), None));
    // What the model was trained with is not what the server has room for.
    assert_eq!(card(r#"{"data":[{"id":"q","meta":{"n_ctx_train":131072}}]}"#).context, None);
    assert_eq!(card(r#"{"data":[{"id":"toy","max_model_len":2048,"parent":null}]}"#).context, Some(2048));
    let openrouter = card(
        r#"{"data":[{"id":"a/b","name":"B","context_length":200000,"architecture":{"input_modalities":["text"]},"supported_parameters":["temperature","tools"],"top_provider":{"context_length":200000,"max_completion_tokens":64000}}]}"#,
    );
    assert_eq!(
        (openrouter.context, openrouter.max_output, openrouter.tools, openrouter.vision),
        (Some(200_000), Some(64_000), Some(true), Some(false))
    );
    assert_eq!(openrouter.display_name.as_deref(), Some("B"));
    let mistral = card(
        r#"{"data":[{"id":"m","max_context_length":32768,"capabilities":{"function_calling":true,"vision":false}}]}"#,
    );
    assert_eq!((mistral.context, mistral.tools, mistral.vision), (Some(32_768), Some(true), Some(false)));
    assert_eq!(
        card(r#"[{"id":"t","organization":"Meta","context_length":4096}]"#).owner.as_deref(),
        Some("Meta")
    );
}

#[test]
fn a_card_of_a_strange_form_does_not_spoil_the_list() {
    let models = FORMAT.models.unwrap();
    let found = models.parse(br#"{"data":[{"id":null},7,{"id":"ok","meta":"x","created":"soon"}]}"#).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, "ok");
    assert!(models.parse(b"<html>").is_err());
    assert!(models.parse(b"{\"object\":\"list\"}").is_err());
}

#[test]
fn a_list_is_written_as_openai_does_and_paged_for_those_who_ask() {
    let models = FORMAT.models.unwrap();
    let cards: Vec<_> =
        ["a", "b", "c"].map(|id| ModelCard { id: id.into(), ..ModelCard::default() }).into_iter().collect();
    let ids = |page: &ModelsPage| -> Vec<String> {
        let body: Value = serde_json::from_slice(&models.write(&cards, page)).unwrap();
        body["data"].as_array().unwrap().iter().map(|card| card["id"].as_str().unwrap().into()).collect()
    };
    assert_eq!(ids(&ModelsPage::default()), ["a", "b", "c"]);
    let page = ModelsPage { after: Some("a".into()), before: None, limit: Some(1) };
    assert_eq!(ids(&page), ["b"]);
    let page = ModelsPage { before: Some("c".into()), ..ModelsPage::default() };
    assert_eq!(ids(&page), ["a", "b"]);
    let rich = ModelCard {
        context: Some(1000),
        created: Some(5),
        display_name: Some("A".into()),
        max_output: Some(10),
        owner: Some("o".into()),
        thinking: Some(true),
        ..cards[0].clone()
    };
    let one = String::from_utf8(models.write_one(&rich)).unwrap();
    assert_eq!(
        one,
        r#"{"id":"a","object":"model","created":5,"owned_by":"o","name":"A","context_length":1000,"max_completion_tokens":10,"lockgate":{"context_tokens":1000,"max_output_tokens":10,"thinking":true}}"#
    );
    // Another gateway reads what this one says.
    let read = models.parse(format!(r#"{{"data":[{one}]}}"#).as_bytes()).unwrap();
    assert_eq!(read, [rich]);
}

fn parse(body: &str) -> Result<EmbeddingCall, lockgate_core::Failure> {
    FORMAT.embeddings.unwrap().parse("/v1/embeddings", body.as_bytes())
}

fn write(call: &EmbeddingCall) -> (String, Vec<String>) {
    let mut loss = Loss::default();
    let body = FORMAT.embeddings.unwrap().write(call, "e", &mut loss).unwrap();
    (String::from_utf8(body).unwrap(), loss.names().to_vec())
}

#[test]
fn embeddings_are_asked_for_in_all_four_forms_of_input() {
    for (input, expected) in [
        (r#""a""#, vec![EmbeddingInput::Text("a".into())]),
        (r#"["a","b"]"#, vec![EmbeddingInput::Text("a".into()), EmbeddingInput::Text("b".into())]),
        ("[1,2]", vec![EmbeddingInput::Tokens(vec![1, 2])]),
        ("[[1],[2]]", vec![EmbeddingInput::Tokens(vec![1]), EmbeddingInput::Tokens(vec![2])]),
    ] {
        let call = parse(&format!(
            r#"{{"model":"e","input":{input},"dimensions":8,"encoding_format":"base64","user":"u"}}"#
        ))
        .unwrap();
        assert_eq!(call.inputs, expected);
        let (written, loss) = write(&call);
        let written = parse(&written).unwrap();
        assert_eq!((written.inputs, written.dimensions, written.base64), (expected, Some(8), true));
        assert_eq!(written.user.as_deref(), Some("u"));
        assert!(loss.is_empty());
    }
}

/// Requirement I3.
#[test]
fn a_bad_embedding_call_is_refused_by_the_name_of_the_field() {
    for (body, param) in [
        (r#"{"model":"e"}"#, "input"),
        (r#"{"model":"e","input":{}}"#, "input"),
        (r#"{"model":"e","input":[]}"#, "input"),
        (r#"{"model":"e","input":"a","encoding_format":"hex"}"#, "encoding_format"),
        (r#"{"model":"e","input":"a","dimensions":"x"}"#, "dimensions"),
    ] {
        assert_eq!(parse(body).unwrap_err().param.as_deref(), Some(param), "{body}");
    }
}

#[test]
fn what_an_embedding_call_cannot_say_is_declared() {
    let mut call = parse(r#"{"model":"e","input":"a","truncate":true}"#).unwrap();
    call.task = Some("RETRIEVAL_QUERY".into());
    let (written, loss) = write(&call);
    assert_eq!(written, r#"{"model":"e","input":"a","encoding_format":"float"}"#);
    assert_eq!(loss, ["taskType", "truncate"]);
}

#[test]
fn vectors_come_as_numbers_or_as_base64_and_go_as_the_client_asked() {
    let embeddings = FORMAT.embeddings.unwrap();
    let numbers = r#"{"object":"list","model":"e","data":[{"index":1,"embedding":[0.25,-2]},{"index":0,"embedding":[1,0.5]}],"usage":{"prompt_tokens":4,"total_tokens":4}}"#;
    let read = embeddings.parse_answer(numbers.as_bytes()).unwrap();
    assert_eq!(read.vectors, [[1.0, 0.5], [0.25, -2.0]]);
    assert_eq!((read.model.as_deref(), read.tokens), (Some("e"), Some(4)));

    let call = |base64| EmbeddingCall { base64, ..EmbeddingCall::default() };
    let body = String::from_utf8(embeddings.write_answer(&read, &call(true), "x")).unwrap();
    // 1.0 and 0.5 as little-endian bytes: 00 00 80 3f 00 00 00 3f.
    assert!(body.contains(r#"{"object":"embedding","index":0,"embedding":"AACAPwAAAD8="}"#), "{body}");
    assert_eq!(embeddings.parse_answer(body.as_bytes()).unwrap().vectors, read.vectors);
    let body = String::from_utf8(embeddings.write_answer(&read, &call(false), "x")).unwrap();
    assert_eq!(
        body,
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,0.5]},{"object":"embedding","index":1,"embedding":[0.25,-2.0]}],"model":"e","usage":{"prompt_tokens":4,"total_tokens":4}}"#
    );
    let unnamed = Embeddings { vectors: vec![vec![1.0]], ..Embeddings::default() };
    let body = String::from_utf8(embeddings.write_answer(&unnamed, &call(false), "x")).unwrap();
    assert!(body.contains(r#""model":"x""#));
}

#[test]
fn vectors_that_are_not_readable_are_an_error() {
    let embeddings = FORMAT.embeddings.unwrap();
    for body in [
        r#"{"data":[{"index":0,"embedding":"AAA="}]}"#,
        r#"{"data":[{"index":0,"embedding":"!"}]}"#,
        r#"{"data":[{"index":0}]}"#,
        "{}",
    ] {
        assert!(embeddings.parse_answer(body.as_bytes()).is_err(), "{body}");
    }
}
