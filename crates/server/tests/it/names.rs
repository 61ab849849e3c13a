//! What the names of models mean, and what answers say about who answered.

use serde_json::json;

use crate::app::App;
use crate::client::Call;
use crate::front::{FRONTS, Front, Layout};
use crate::shapes::{Got, judge};

/// Calls a model by a name and says where it went: path and model upstream.
async fn goes(app: &App, front: Front, name: &str) -> (String, String) {
    app.upstream.clear();
    let reply = app.send(&front.call(name, Layout::Whole)).await;
    assert_eq!(reply.status, 200, "{name}: {reply:?}");
    let seen = app.seen();
    let model = seen.json()["model"].as_str().map(str::to_owned);
    let path = seen.path().to_owned();
    (path.clone(), model.unwrap_or(path))
}

/// Requirements 004-9, 004-31 and 004-35, 004-M9 (`openai:gpt-4o`).
#[tokio::test]
async fn every_way_to_write_a_name_reaches_the_exact_id_at_its_provider() {
    let app = App::with("rules: []", |setup| {
        for (alias, target) in [("fast", "openai:gpt-mini"), ("quick", "fast"), ("loop", "loop")] {
            setup.options.aliases.insert(alias.into(), target.into());
        }
        setup.provider("other").models = vec!["house-model".into()];
    })
    .await;
    for (name, path, model) in [
        ("openai:gpt-4o", "/v1/chat/completions", "gpt-4o"),
        ("openai:gpt-x", "/v1/chat/completions", "gpt-x"),
        ("openai/gpt-x", "/v1/chat/completions", "gpt-x"),
        ("openai,gpt-x", "/v1/chat/completions", "gpt-x"),
        ("anthropic/claude-x", "/v1/messages", "claude-x"),
        ("claude-sonnet-4-5", "/v1/messages", "claude-sonnet-4-5"),
        ("gpt-5-mini", "/v1/chat/completions", "gpt-5-mini"),
        ("house-model", "/v1/chat/completions", "house-model"),
        ("fast", "/v1/chat/completions", "gpt-mini"),
        ("quick", "/v1/chat/completions", "gpt-mini"),
        ("ollama:qwen2.5-coder:7b", "/api/chat", "qwen2.5-coder:7b"),
        ("ollama/hf.co/org/model:Q4_K_M", "/api/chat", "hf.co/org/model:Q4_K_M"),
        ("openrouter:anthropic/claude-x:beta", "/api/v1/chat/completions", "anthropic/claude-x:beta"),
        ("openrouter/openai/gpt-x", "/api/v1/chat/completions", "openai/gpt-x"),
    ] {
        let went = goes(&app, Front::Chat, name).await;
        assert_eq!(went, (path.to_owned(), model.to_owned()), "{name}");
    }
    let (path, _) = goes(&app, Front::Chat, "gemini:gemini-2.5-flash").await;
    assert_eq!(path, "/v1beta/models/gemini-2.5-flash:generateContent");
    // Names that hold a slash or a colon also fit into Gemini's path.
    for name in ["ollama:qwen2.5-coder:7b", "ollama%2Fqwen2.5-coder:7b", "ollama/qwen2.5-coder:7b"] {
        assert_eq!(goes(&app, Front::Gemini, name).await.1, "qwen2.5-coder:7b", "{name}");
    }
}

/// Requirement 004-35.
#[tokio::test]
async fn an_ambiguous_name_is_400_with_the_choices_and_an_unknown_one_404_with_the_way_to_add_it() {
    let app = App::with("rules: []", |setup| {
        setup.only(&["other", "openrouter", "ollama"]);
        setup.provider("other").models = vec!["shared".into()];
        setup.provider("openrouter").models = vec!["shared".into()];
    })
    .await;
    for front in FRONTS {
        let reply = app.send(&front.call("shared", Layout::Whole)).await;
        let got = judge(front, Layout::Whole, &reply);
        let Ok(Got::Refused { message, status: 400 }) = got else { panic!("{front:?} {got:?}") };
        assert!(message.contains("other:shared") && message.contains("openrouter:shared"), "{message}");
        let reply = app.send(&front.call("claude-none", Layout::Stream)).await;
        let got = judge(front, Layout::Stream, &reply);
        let Ok(Got::Refused { message, status: 404 }) = got else { panic!("{front:?} {got:?}") };
        assert!(message.contains("claude-none") && message.contains("ANTHROPIC_API_KEY"), "{message}");
    }
    assert!(app.upstream.requests().is_empty());
}

/// Providers as a start without any configuration has them: offered, with a key only where the environment had one.
fn detected(setup: &mut crate::app::Setup, with_key: &[&str]) {
    let ids: Vec<String> = setup.options.providers.keys().cloned().collect();
    for id in ids {
        if !with_key.contains(&id.as_str()) {
            setup.provider(&id).api_key = None;
        }
        setup.options.detected.insert(id);
    }
}

/// Requirements 004-M9 (`auto`), design section 4: `auto` and slots that nobody filled.
#[tokio::test]
async fn auto_is_the_usual_model_of_the_first_provider_that_is_ready() {
    for (key, path, model) in [
        ("anthropic", "/v1/messages", "claude-sonnet-4-5"),
        ("openai", "/v1/chat/completions", "gpt-5"),
        ("openrouter", "/api/v1/chat/completions", "openrouter/auto"),
    ] {
        let app = App::with("rules: []", |setup| detected(setup, &[key])).await;
        for name in ["auto", "auto:economy", "default", "background", "think"] {
            for front in [Front::Anthropic, Front::Chat] {
                assert_eq!(
                    goes(&app, front, name).await,
                    (path.to_owned(), model.to_owned()),
                    "{key} {name}"
                );
            }
        }
        let list = app.send(&Call::get("/v1/models")).await.text();
        assert!(list.contains("\"auto\""), "{list}");
    }
    let app = App::with("rules: []", |setup| {
        setup.options.aliases.insert("default".into(), "openai:gpt-mini".into());
    })
    .await;
    for name in ["auto", "auto:economy", "default", "think"] {
        assert_eq!(goes(&app, Front::Chat, name).await.1, "gpt-mini", "{name}");
    }
    // Nobody is ready: an error that helps, and that no client repeats.
    let app = App::with("rules: []", |setup| detected(setup, &[])).await;
    for front in FRONTS {
        let reply = app.send(&front.call("auto", Layout::Whole)).await;
        let got = judge(front, Layout::Whole, &reply);
        let Ok(Got::Refused { message, status: 400 }) = got else { panic!("{front:?} {got:?}") };
        assert!(message.contains("ANTHROPIC_API_KEY") && message.contains("slots.default"), "{message}");
    }
    assert!(app.upstream.requests().is_empty());
}

/// A provider that is only offered does not keep a name from the one that has it and a key.
#[tokio::test]
async fn a_listed_vendor_slash_model_goes_to_its_ready_holder_unless_the_vendor_is_ready() {
    let list = ["openai/gpt-4o", "anthropic/claude-sonnet-4.5"];
    let setup = |keys: &'static [&'static str]| {
        move |setup: &mut crate::app::Setup| {
            detected(setup, keys);
            setup.provider("openrouter").models = list.map(str::to_owned).to_vec();
        }
    };
    let app = App::with("rules: []", setup(&["openrouter"])).await;
    for name in list {
        let went = goes(&app, Front::Chat, name).await;
        assert_eq!(went, ("/api/v1/chat/completions".to_owned(), name.to_owned()));
    }
    let both = App::with("rules: []", setup(&["openrouter", "openai"])).await;
    assert_eq!(goes(&both, Front::Chat, list[0]).await, ("/v1/chat/completions".into(), "gpt-4o".into()));
    // The caller's own key makes the vendor ready.
    app.upstream.clear();
    let own = Front::Chat.call(list[0], Layout::Whole).header("authorization", "Bearer sk-own");
    assert_eq!(app.send(&own).await.status, 200);
    assert_eq!(app.seen().path(), "/v1/chat/completions");
}

/// An imported claude-code-router configuration: Claude Code asks for Claude, the slots answer.
#[tokio::test]
async fn models_of_claude_that_nobody_has_go_to_the_slots() {
    let app = App::with("rules: []", |setup| {
        detected(setup, &["openrouter"]);
        for (slot, target) in [("default", "openrouter:big"), ("background", "openrouter:small")] {
            setup.options.aliases.insert(slot.into(), target.into());
        }
    })
    .await;
    for (name, model) in
        [("claude-sonnet-4-5", "big"), ("claude-opus-4-8", "big"), ("claude-haiku-4-5-20251001", "small")]
    {
        assert_eq!(goes(&app, Front::Anthropic, name).await.1, model, "{name}");
    }
    // With a key of the caller's own, Claude itself answers.
    app.upstream.clear();
    let own = Front::Anthropic.call("claude-sonnet-4-5", Layout::Whole).header("x-api-key", "sk-ant-own");
    assert_eq!(app.send(&own).await.status, 200);
    assert_eq!(app.seen().path(), "/v1/messages");
}

#[tokio::test]
async fn a_name_without_its_tag_is_answered_with_the_models_it_may_mean() {
    let app = App::with("rules: []", |setup| {
        detected(setup, &[]);
        setup.provider("ollama").models = vec!["deepseek-r1:8b".into()];
    })
    .await;
    let reply = app.send(&Front::Chat.call("deepseek-r1", Layout::Whole)).await;
    let message = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(reply.status == 404 && message.contains("did you mean ollama:deepseek-r1:8b"), "{reply:?}");
}

/// The gateway lacks a credential: not the caller's 401, and no error that clients repeat for minutes.
#[tokio::test]
async fn a_provider_without_a_credential_is_400_with_the_way_to_add_one() {
    let app = App::with("rules: []", |setup| detected(setup, &[])).await;
    for front in FRONTS {
        for layout in front.layouts() {
            let reply = app.send(&front.call("anthropic:claude-x", *layout)).await;
            let got = judge(front, *layout, &reply);
            let Ok(Got::Refused { message, status: 400 }) = got else { panic!("{front:?} {got:?}") };
            assert!(message.contains("not configured") && message.contains("ANTHROPIC_API_KEY"), "{message}");
        }
    }
    assert!(app.upstream.requests().is_empty());
}

/// Requirements 004-4 and 004-34: `model` in an answer is the one that answered, as the provider says.
#[tokio::test]
async fn the_model_of_an_answer_is_the_truth_in_every_dialect() {
    let app = App::start("rules: [{answer: {model: really-this-one, blocks: [{text: hi}]}}]").await;
    for front in FRONTS {
        for upstream in FRONTS {
            for layout in front.layouts() {
                let reply = app.send(&front.call(&format!("{}:asked", upstream.provider()), *layout)).await;
                assert!(
                    reply.text().contains("really-this-one"),
                    "{front:?} {upstream:?} {layout:?} {reply:?}"
                );
                assert!(
                    !reply.text().contains("\"asked\""),
                    "{front:?} {upstream:?} {layout:?} {}",
                    reply.text()
                );
            }
        }
    }
}

/// Requirement 004-42.
#[tokio::test]
async fn what_a_dialect_cannot_carry_is_declared_or_refused_in_strict_mode() {
    let body = json!({
        "model": "anthropic:m", "messages": [{"role": "user", "content": "x"}],
        "logit_bias": {"50256": -100}, "seed": 7,
    });
    let call = Call::post("/v1/chat/completions", &body);
    let app = App::start("rules: []").await;
    let reply = app.send(&call).await;
    let lossy = reply.header("x-lockgate-lossy").unwrap_or_default().to_owned();
    assert!(lossy.contains("logit_bias") && lossy.contains("seed"), "{lossy}");
    app.upstream.clear();
    let reply = app.send(&call.clone().header("x-lockgate-strict", "1")).await;
    assert_eq!(reply.status, 400);
    let error = &reply.json()["error"];
    assert!(["logit_bias", "seed"].contains(&error["param"].as_str().unwrap()), "{error}");
    let strict = App::with("rules: []", |setup| setup.options.strict = true).await;
    assert_eq!(strict.send(&call).await.status, 400);
    assert!(app.upstream.requests().is_empty() && strict.upstream.requests().is_empty());
    // The same dialect carries everything.
    let mut same = body.clone();
    same["model"] = json!("openai:m");
    let reply = strict.send(&Call::post("/v1/chat/completions", &same)).await;
    assert_eq!((reply.status, reply.header("x-lockgate-lossy")), (200, None));
}

/// Requirement I4: what a client refers to and does not send can only be known to the provider that stored it.
#[tokio::test]
async fn references_to_what_a_provider_stored_are_400_by_name_elsewhere_and_pass_to_their_owner() {
    let app = App::start("validate: false").await;
    let history = json!([{"role": "user", "content": "hi"}, {"type": "item_reference", "id": "msg_1"}]);
    for (field, value, named) in [
        ("previous_response_id", json!("resp_1"), "previous_response_id"),
        ("conversation", json!("conv_1"), "conversation"),
        ("input", history, "item_reference"),
        ("input", json!([{"id": "msg_1"}]), "item_reference"),
    ] {
        for provider in ["anthropic", "gemini", "ollama", "other"] {
            let mut body = Front::Responses.body(&format!("{provider}:m"), Layout::Whole);
            body[field] = value.clone();
            let reply = app.send(&Call::post("/v1/responses", &body)).await;
            let error = &reply.json()["error"];
            assert_eq!((reply.status, &error["param"]), (400, &json!(field)), "{provider} {error}");
            assert!(error["message"].as_str().unwrap().contains(named), "{provider} {error}");
        }
        assert!(app.upstream.requests().is_empty());
        let mut body = Front::Responses.body("openai:m", Layout::Whole);
        body[field] = value.clone();
        app.send(&Call::post("/v1/responses", &body)).await;
        assert_eq!(app.seen().json()[field], value);
        app.upstream.clear();
    }
}

/// Requirement B1: tools pass as they are; where the repair is switched on, only identical duplicates go.
#[tokio::test]
async fn tools_offered_twice_pass_untouched_or_are_repaired_where_that_is_switched_on() {
    let mut body = Front::Anthropic.body("anthropic:claude-sonnet-4-5", Layout::Whole);
    let tool = json!({"name": "twice", "description": "d", "input_schema": {"type": "object"}});
    body["tools"] = json!([tool, {"name": "other", "input_schema": {"type": "object"}}, tool]);
    let call = Call::post("/v1/messages", &body);
    let as_is = App::start("rules: []").await;
    assert_eq!(as_is.send(&call).await.status, 400, "the provider judges what the client sent");
    assert_eq!(as_is.upstream.last().unwrap().json()["tools"].as_array().unwrap().len(), 3);
    let repairing = App::with("rules: []", |setup| setup.options.repair_duplicate_tools = true).await;
    assert_eq!(repairing.send(&call).await.status, 200);
    let sent = repairing.upstream.last().unwrap().json();
    assert_eq!(sent["tools"].as_array().unwrap().len(), 2);
    body["tools"][2]["description"] = json!("another");
    assert_eq!(repairing.send(&Call::post("/v1/messages", &body)).await.status, 400);
}

/// The same where no answer is generated.
#[tokio::test]
async fn a_misspelt_model_is_refused_with_names_that_were_meant_beside_generation_too() {
    let app = App::start("only_listed_models: true\nmodels: [{id: embed-mini}, {id: claude-opus}]").await;
    app.engine.discover(std::time::Duration::from_secs(10)).await;
    let embed = |model: &str| json!({"model": model, "input": "x"});
    let count = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "x"}]});
    for (path, body, meant) in [
        ("/v1/embeddings", embed("openai:embed-mni"), "openai:embed-mini"),
        ("/v1/embeddings", embed("ollama:embed-mni"), "ollama:embed-mini"),
        ("/api/embed", embed("openai:embed-mni"), "openai:embed-mini"),
        ("/v1/messages/count_tokens", count("anthropic:claude-opsu"), "anthropic:claude-opus"),
        ("/v1/messages/count_tokens", count("gemini:claude-opsu"), "gemini:claude-opus"),
    ] {
        let reply = app.send(&Call::post(path, &body).header("anthropic-version", "2023-06-01")).await;
        let words = format!("[Lockgate: did you mean {meant}?]");
        assert!(reply.status == 404 && reply.text().contains(&words), "{path} {body} {reply:?}");
    }
}

/// A misspelt model goes out, since lists are often incomplete; the provider's refusal then says what it has.
#[tokio::test]
async fn a_misspelt_model_of_a_provider_with_a_list_is_refused_with_names_that_were_meant() {
    let script = "only_listed_models: true\nmodels: [{id: gpt-mini}, {id: gpt-mega}, {id: claude-opus}, {id: gemini-flash}, {id: qwen3}]";
    let app = App::start(script).await;
    let calls = [
        (Front::Chat, "openai:gpt-mni", "openai:gpt-mini"),
        (Front::Responses, "openai:gpt-mni", "openai:gpt-mini"),
        (Front::Anthropic, "anthropic:claude-opsu", "anthropic:claude-opus"),
        (Front::Anthropic, "openai:gpt-mni", "openai:gpt-mini"),
        (Front::Gemini, "gemini:gemini-flahs", "gemini:gemini-flash"),
        (Front::Ollama, "ollama:qwen33", "ollama:qwen3"),
        (Front::Chat, "anthropic:claude-opsu", "anthropic:claude-opus"),
    ];
    let mut bare = Vec::new();
    for (front, name, _) in calls {
        let reply = app.send(&front.call(name, Layout::Whole)).await;
        assert!(reply.status == 404 && !reply.text().contains("did you mean"), "{}", reply.text());
        bare.push(without_id(reply.json()));
    }
    app.engine.discover(std::time::Duration::from_secs(10)).await;
    for ((front, name, meant), bare) in calls.into_iter().zip(bare) {
        for layout in [Layout::Whole, Layout::Stream] {
            let reply = app.send(&front.call(name, layout)).await;
            let got = judge(front, layout, &reply);
            let Ok(Got::Refused { message, status: 404 }) = got else { panic!("{front:?} {name} {got:?}") };
            let at =
                message.find(" [Lockgate: did you mean ").unwrap_or_else(|| panic!("{front:?}: {message}"));
            assert!(message[at..].contains(meant), "{front:?}: {message}");
            // Everything else is as the provider said it.
            let told = reply.text().replace(&message[at..], "");
            if layout == Layout::Whole {
                assert_eq!(without_id(serde_json::from_str(&told).unwrap()), bare, "{front:?}");
            }
        }
    }
    // A model that looks like nothing in the list is refused in the provider's words alone.
    let reply = app.send(&Front::Chat.call("openai:zzz", Layout::Whole)).await;
    assert!(reply.status == 404 && !reply.text().contains("did you mean"), "{}", reply.text());
}

/// Who may call only some models is not told of the others; a stranger is told of none.
#[tokio::test]
async fn names_that_a_caller_may_not_use_are_not_offered() {
    let script = "only_listed_models: true\nmodels: [{id: gpt-mini}, {id: gpt-mine}]";
    let app = App::with(script, |setup| {
        let models = ["gpt-mine", "gpt-mni"].map(lockgate_providers::ModelGlob::new).to_vec();
        setup.access =
            crate::access::keyed("lg-key", lockgate_engine::Grant { models, ..Default::default() });
    })
    .await;
    app.engine.discover(std::time::Duration::from_secs(10)).await;
    let call = Front::Chat.call("openai:gpt-mni", Layout::Whole);
    let text = app.send(&call.clone().header("x-lockgate-key", "lg-key")).await.text();
    assert!(text.contains("did you mean openai:gpt-mine?") && !text.contains("gpt-mini"), "{text}");
    let stranger = app.send(&call.header("authorization", "Bearer sk-own-key-of-somebody")).await;
    assert!(stranger.status != 200 && !stranger.text().contains("gpt-mini"), "{}", stranger.text());
}

fn without_id(mut error: serde_json::Value) -> serde_json::Value {
    if let Some(error) = error.as_object_mut() {
        error.remove("request_id");
    }
    error
}

/// Requirement 004-3: a name that was meant for a provider which is not here goes to no other one.
#[tokio::test]
async fn a_provider_that_nobody_knows_is_said_and_its_words_go_nowhere() {
    let app = App::start("rules: []").await;
    for model in ["nope:model", "olama:qwen3:8b", "Ollama:qwen3:8b", "openai:"] {
        for front in [Front::Chat, Front::Anthropic] {
            let reply = app.send(&front.call(model, Layout::Whole)).await;
            assert_eq!(reply.status, 404, "{model} {front:?}: {}", reply.text());
            assert!(reply.text().contains("name the provider, as in `provider:model`"), "{}", reply.text());
        }
    }
    assert!(app.upstream.requests().is_empty());
    assert_eq!(app.send(&Front::Chat.call("ft:gpt-4o:org::id", Layout::Whole)).await.status, 200);
}
