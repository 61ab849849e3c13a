//! Models and embeddings, from servers and for clients.

use insta::assert_snapshot;
use lockgate_core::{EmbeddingInput, Embeddings, ModelCard};

use crate::ollama::{FORMAT, is_cloud_name, parse_ps, parse_show, parse_version, write_show, write_version};
use crate::{Loss, ModelsPage};

#[test]
fn a_servers_models_are_read_and_cloud_models_are_marked_remote() {
    let cards = FORMAT.models.unwrap().parse(br#"{"models":[
        {"name":"llama3.1:8b","model":"llama3.1:8b","modified_at":"2026-03-02T09:15:00.1+01:00","size":1,"digest":"d",
         "details":{"family":"llama","families":null,"context_length":131072},"capabilities":["completion","tools"]},
        {"name":"gpt-oss:120b-cloud","remote_model":"gpt-oss:120b","remote_host":"https://ollama.com:443"},
        {"name":"glm-5:cloud","model":"glm-5:cloud"}]}"#).unwrap();
    let llama = &cards[0];
    assert_eq!((llama.context, llama.created, llama.remote), (Some(131_072), Some(1_772_439_300), false));
    assert_eq!((llama.tools, llama.vision), (Some(true), Some(false)));
    assert!(cards[1].remote && cards[2].remote);
    assert_eq!(cards[2].tools, None);
    assert!(is_cloud_name("x:cloud") && !is_cloud_name("cloud:8b") && !is_cloud_name("cloud"));
}

#[test]
fn show_ps_and_version_tell_what_the_provider_must_know() {
    let shown = parse_show("qwen3:8b", br#"{"parameters":"stop \"x\"\nnum_ctx                        8192","parser":"qwen3",
        "model_info":{"general.architecture":"qwen3","qwen3.context_length":40960,"general.parameter_count":8190735360,"tokenizer.ggml.tokens":null},
        "capabilities":["completion","tools","thinking"],"modified_at":"2026-03-02T09:15:00Z","details":{}}"#).unwrap();
    assert_eq!(
        (shown.card.context, shown.num_ctx, shown.parser.as_deref()),
        (Some(40_960), Some(8192), Some("qwen3"))
    );
    assert_eq!(
        (shown.can("thinking"), shown.can("vision"), shown.card.remote),
        (Some(true), Some(false), false)
    );
    let cloud = parse_show("x:120b-cloud", br#"{"remote_host":"https://ollama.com"}"#).unwrap();
    assert_eq!(
        (cloud.remote_host.as_deref(), cloud.card.remote, cloud.can("tools")),
        (Some("https://ollama.com"), true, None)
    );
    let running = parse_ps(br#"{"models":[{"name":"a","model":"a:latest","size":10,"size_vram":6,"context_length":4096,"digest":"d","expires_at":"2026-03-02T09:20:00Z"}]}"#).unwrap();
    assert_eq!((running[0].context, running[0].size, running[0].size_vram), (Some(4096), Some(10), Some(6)));
    assert_eq!(parse_ps(br#"{"models":null}"#), Ok(vec![]));
    assert_eq!(parse_version(br#"{"version":"0.17.1"}"#), Ok("0.17.1".into()));
    assert!(parse_version(b"<html>").is_err());
}

#[test]
fn clients_get_models_without_invented_sizes() {
    let card = ModelCard {
        context: Some(200_000),
        created: Some(1_700_000_000),
        id: "claude-sonnet-4-5".into(),
        thinking: Some(false),
        tools: Some(true),
        vision: Some(true),
        ..ModelCard::default()
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let list = FORMAT
        .models
        .unwrap()
        .write(&[card.clone(), ModelCard { id: "x".into(), ..ModelCard::default() }], &ModelsPage::default());
    assert_snapshot!(text(list), @r#"{"models":[{"name":"claude-sonnet-4-5","model":"claude-sonnet-4-5","modified_at":"2023-11-14T22:13:20Z","details":{"context_length":200000},"capabilities":["completion","tools","vision"],"lockgate":{"context_tokens":200000,"thinking":false,"tools":true,"vision":true}},{"name":"x","model":"x","details":{},"capabilities":["completion"]}]}"#);
    assert_snapshot!(text(write_show(&card)), @r#"{"modified_at":"2023-11-14T22:13:20Z","details":{"context_length":200000},"model_info":{"general.architecture":"unknown","unknown.context_length":200000},"capabilities":["completion","tools","vision"],"lockgate":{"context_tokens":200000,"thinking":false,"tools":true,"vision":true}}"#);
    assert_eq!(text(write_version("0.1.0")), r#"{"version":"0.1.0"}"#);
    assert_eq!(parse_show("claude-sonnet-4-5", &write_show(&card)).unwrap().card, card);
}

#[test]
fn embeddings_pass_in_both_forms() {
    let format = FORMAT.embeddings.unwrap();
    let many = format
        .parse("/api/embed", br#"{"model":"m","input":["a","b"],"dimensions":2,"truncate":true}"#)
        .unwrap();
    assert_eq!((many.inputs.len(), many.single, many.dimensions), (2, false, Some(2)));
    let mut loss = Loss::default();
    assert_eq!(
        format.write(&many, "e", &mut loss).unwrap(),
        br#"{"model":"e","input":["a","b"],"dimensions":2}"#
    );
    assert_eq!(loss.names(), ["truncate"]);
    let single = format.parse("/api/embeddings", br#"{"model":"m","prompt":"a"}"#).unwrap();
    assert!(single.single);
    let answer = format
        .parse_answer(br#"{"model":"e","embeddings":[[0.5,-1]],"total_duration":1,"prompt_eval_count":3}"#)
        .unwrap();
    assert_eq!((answer.tokens, &answer.vectors), (Some(3), &vec![vec![0.5, -1.0]]));
    assert_eq!(
        format.write_answer(&answer, &many, "m"),
        br#"{"model":"e","embeddings":[[0.5,-1.0]],"prompt_eval_count":3}"#
    );
    assert_eq!(format.write_answer(&answer, &single, "m"), br#"{"embedding":[0.5,-1.0]}"#);
    assert_eq!(format.write_answer(&Embeddings::default(), &single, "m"), br#"{"embedding":[]}"#);
    assert_eq!(
        format.parse("/api/embed", br#"{"model":"m","prompt":"a"}"#).unwrap_err().param.as_deref(),
        Some("input")
    );
    let tokens = lockgate_core::EmbeddingCall { inputs: vec![EmbeddingInput::Tokens(vec![1])], ..many };
    assert_eq!(format.write(&tokens, "m", &mut loss).unwrap_err().param.as_deref(), Some("input"));
}
