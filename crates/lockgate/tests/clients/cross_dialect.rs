//! Each SDK on providers of other dialects, the model named `provider:model`: the same answers, calls and errors.
//!
//! 004-8, 003-22 (a six-step loop with thinking on a Gemini upstream that checks thought signatures), 003-26 (breaks).
//! Thinking itself is not expected everywhere, as not every dialect can show it; that the loop goes on is.

use crate::expect::check;
use crate::sdk::{self, Dialect, Sdk, model_of};
use crate::upstream::{Way, World};

const TALK: [&str; 11] = [
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
];
const THINK: [&str; 6] = ["think", "think-stream", "think-tools", "think-tools-stream", "six", "six-stream"];
const FAIL: [&str; 6] = ["error-400", "error-429", "error-529", "error-529-stream", "error-inside", "cut"];

async fn on(sdk: Sdk, provider: &str, scenarios: &[&str]) {
    let world = World::of_sdks(Way::ThroughLockgate, provider).await;
    let saws = sdk.run(&world, &format!("{provider}:{}", model_of(provider)), scenarios).await;
    for saw in &saws {
        check(sdk, saw, false);
    }
    world.assert_clean();
    let own = sdk.dialect.provider() == provider;
    let wire = |dialect| match dialect {
        Dialect::Anthropic => "anthropic",
        Dialect::Chat => "chat",
        Dialect::Gemini => "gemini",
        Dialect::Ollama => "ollama",
        Dialect::Responses => "responses",
    };
    let untranslated = world.calls().iter().any(|call| call.dialect == Some(wire(sdk.dialect)));
    assert!(own || !untranslated, "the upstream got the client's own dialect");
}

macro_rules! across {
    ($($name:ident: $sdk:ident on $provider:literal,)+) => {$(
        mod $name {
            use super::{FAIL, TALK, THINK, on, sdk};

            #[tokio::test]
            async fn gets_answers_and_uses_tools() {
                on(sdk::$sdk, $provider, &TALK).await;
            }

            #[tokio::test]
            async fn thinks_over_several_turns() {
                on(sdk::$sdk, $provider, &THINK).await;
            }

            #[tokio::test]
            async fn reads_errors_of_its_own_dialect() {
                on(sdk::$sdk, $provider, &FAIL).await;
            }
        }
    )+};
}

across! {
    ai_sdk_anthropic_on_openai: AI_SDK_ANTHROPIC on "openai",
    ai_sdk_google_on_anthropic: AI_SDK_GOOGLE on "anthropic",
    ai_sdk_openai_on_gemini: AI_SDK_OPENAI on "gemini",
    anthropic_node_on_gemini: ANTHROPIC_NODE on "gemini",
    anthropic_python_on_gemini: ANTHROPIC_PYTHON on "gemini",
    anthropic_python_on_ollama: ANTHROPIC_PYTHON on "ollama",
    anthropic_python_on_openai: ANTHROPIC_PYTHON on "openai",
    google_genai_node_on_openai: GOOGLE_NODE on "openai",
    google_genai_python_on_anthropic: GOOGLE_PYTHON on "anthropic",
    google_genai_python_on_openai: GOOGLE_PYTHON on "openai",
    langchain_openai_on_anthropic: LANGCHAIN_OPENAI on "anthropic",
    ollama_node_on_openai: OLLAMA_NODE on "openai",
    ollama_python_on_anthropic: OLLAMA_PYTHON on "anthropic",
    ollama_python_on_openai: OLLAMA_PYTHON on "openai",
    openai_node_on_anthropic: OPENAI_NODE on "anthropic",
    openai_python_on_anthropic: OPENAI_PYTHON on "anthropic",
    openai_python_on_gemini: OPENAI_PYTHON on "gemini",
    openai_python_on_ollama: OPENAI_PYTHON on "ollama",
    openai_python_responses_on_anthropic: OPENAI_PYTHON_RESPONSES on "anthropic",
    openai_python_responses_on_gemini: OPENAI_PYTHON_RESPONSES on "gemini",
    openai_python_responses_on_ollama: OPENAI_PYTHON_RESPONSES on "ollama",
}
