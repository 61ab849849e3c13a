//! Each SDK on providers of other dialects, the model named `provider:model`: the same answers, calls and errors.
//!
//! 004-8, 003-22 (a six-step loop with thinking on a Gemini upstream that checks thought signatures), 003-26 (breaks).
//! Thinking itself is not expected everywhere, as not every dialect can show it; that the loop goes on is.

use crate::expect::problems;
use crate::sdk::{self, Dialect, Sdk, model_of};
use crate::upstream::{Way, World, assert_none};

const SCENARIOS: [&str; 23] = [
    "text",
    "stream",
    "unicode-stream",
    "separators-stream",
    "nextline-stream",
    "image",
    "structured",
    "tools",
    "tools-stream",
    "parallel",
    "parallel-stream",
    "think",
    "think-stream",
    "think-tools",
    "think-tools-stream",
    "six",
    "six-stream",
    "error-400",
    "error-429",
    "error-529",
    "error-529-stream",
    "error-inside",
    "cut",
];

async fn on(sdk: Sdk, provider: &str) {
    let world = World::of_sdks(Way::ThroughLockgate, provider).await;
    let saws = sdk.run(&world, &format!("{provider}:{}", model_of(provider)), &SCENARIOS).await;
    let mut found = [world.violations(), problems(sdk, &saws, false)].concat();
    let own = match sdk.dialect {
        Dialect::Anthropic => "anthropic",
        Dialect::Chat => "chat",
        Dialect::Gemini => "gemini",
        Dialect::Ollama => "ollama",
        Dialect::Responses => "responses",
    };
    if world.calls().iter().any(|call| call.dialect == Some(own)) {
        found.push("the upstream got the client's own dialect".into());
    }
    assert_none(&found, &world);
}

macro_rules! across {
    ($($name:ident: $sdk:ident on $provider:literal,)+) => {$(
        #[tokio::test]
        async fn $name() {
            on(sdk::$sdk, $provider).await;
        }
    )+};
}

across! {
    ai_sdk_anthropic_works_on_openai: AI_SDK_ANTHROPIC on "openai",
    ai_sdk_google_works_on_anthropic: AI_SDK_GOOGLE on "anthropic",
    ai_sdk_openai_works_on_gemini: AI_SDK_OPENAI on "gemini",
    anthropic_node_works_on_gemini: ANTHROPIC_NODE on "gemini",
    anthropic_python_works_on_gemini: ANTHROPIC_PYTHON on "gemini",
    anthropic_python_works_on_ollama: ANTHROPIC_PYTHON on "ollama",
    anthropic_python_works_on_openai: ANTHROPIC_PYTHON on "openai",
    google_genai_node_works_on_openai: GOOGLE_NODE on "openai",
    google_genai_python_works_on_anthropic: GOOGLE_PYTHON on "anthropic",
    google_genai_python_works_on_openai: GOOGLE_PYTHON on "openai",
    langchain_openai_works_on_anthropic: LANGCHAIN_OPENAI on "anthropic",
    ollama_node_works_on_openai: OLLAMA_NODE on "openai",
    ollama_python_works_on_anthropic: OLLAMA_PYTHON on "anthropic",
    ollama_python_works_on_openai: OLLAMA_PYTHON on "openai",
    openai_node_works_on_anthropic: OPENAI_NODE on "anthropic",
    openai_python_works_on_anthropic: OPENAI_PYTHON on "anthropic",
    openai_python_works_on_gemini: OPENAI_PYTHON on "gemini",
    openai_python_works_on_ollama: OPENAI_PYTHON on "ollama",
    openai_python_responses_works_on_anthropic: OPENAI_PYTHON_RESPONSES on "anthropic",
    openai_python_responses_works_on_gemini: OPENAI_PYTHON_RESPONSES on "gemini",
    openai_python_responses_works_on_ollama: OPENAI_PYTHON_RESPONSES on "ollama",
}
