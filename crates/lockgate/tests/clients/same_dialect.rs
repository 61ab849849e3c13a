//! Each SDK on a provider of its own dialect: what it sees through Lockgate is what it sees without.
//!
//! 004-8, 004-29, 004-30, 003-22, T1 (thinking streamed and whole, one turn and several, with and without tools),
//! behaviours 9 (a crowd), 17 (tools), 18 (images), 19 (thinking comes back unchanged: the upstream checks signatures).

use crate::expect::check;
use crate::sdk::{self, Saw, Sdk, model_of};
use crate::upstream::{Way, World};

const ANSWERS: [&str; 9] = [
    "text",
    "stream",
    "unicode",
    "unicode-stream",
    "separators",
    "separators-stream",
    "image",
    "structured",
    "crowd",
];
const TOOLS: [&str; 10] = [
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
];
const REFUSALS: [&str; 7] =
    ["error-400", "error-401", "error-429", "error-500", "error-529", "error-429-stream", "error-529-stream"];
const BREAKS: [&str; 3] = ["error-inside", "cut", "reset"];

/// What it sees, one way.
async fn seen(sdk: Sdk, way: Way, scenarios: &[&str]) -> (World, Vec<Saw>) {
    let world = World::of_sdks(way, sdk.dialect.provider()).await;
    let saw = sdk.run(&world, model_of(sdk.dialect.provider()), scenarios).await;
    (world, saw)
}

/// Both ways; each as expected, and the same.
async fn the_same(sdk: Sdk, scenarios: &[&str]) {
    let (directly, direct) = seen(sdk, Way::Direct, scenarios).await;
    let (gateway, through) = seen(sdk, Way::ThroughLockgate, scenarios).await;
    for (world, saws) in [(&directly, &direct), (&gateway, &through)] {
        world.assert_clean();
        for saw in saws {
            check(sdk, saw, true);
        }
    }
    for (direct, through) in direct.iter().zip(&through) {
        assert_eq!(direct.lasting(), through.lasting(), "{} differs through the gateway", direct.scenario());
    }
}

async fn answers(sdk: Sdk) {
    the_same(sdk, &[&ANSWERS[..], sdk.extras].concat()).await;
}

/// An answer that breaks off is an error to the client, even where its SDK alone would not notice.
async fn breaks(sdk: Sdk) {
    let (directly, direct) = seen(sdk, Way::Direct, &BREAKS).await;
    directly.assert_clean();
    check(sdk, &direct[0], false);
    let (gateway, through) = seen(sdk, Way::ThroughLockgate, &BREAKS).await;
    gateway.assert_clean();
    for saw in &through {
        check(sdk, saw, false);
    }
    let asked = gateway.calls().len();
    assert_eq!(asked, BREAKS.len(), "a call was repeated after its answer had begun");
}

macro_rules! on_its_own_dialect {
    ($($name:ident: $sdk:ident,)+) => {$(
        mod $name {
            use super::{REFUSALS, TOOLS, answers, breaks, sdk, the_same};

            #[tokio::test]
            async fn gets_the_same_answers_through_lockgate() {
                answers(sdk::$sdk).await;
            }

            #[tokio::test]
            async fn uses_tools_and_thinks_through_lockgate_as_without() {
                the_same(sdk::$sdk, &TOOLS).await;
            }

            #[tokio::test]
            async fn reads_the_same_errors_through_lockgate() {
                the_same(sdk::$sdk, &REFUSALS).await;
            }

            #[tokio::test]
            async fn sees_an_error_when_the_answer_breaks_off() {
                breaks(sdk::$sdk).await;
            }
        }
    )+};
}

on_its_own_dialect! {
    ai_sdk_anthropic: AI_SDK_ANTHROPIC,
    ai_sdk_google: AI_SDK_GOOGLE,
    ai_sdk_openai: AI_SDK_OPENAI,
    ai_sdk_openai_compatible: AI_SDK_COMPATIBLE,
    anthropic_node: ANTHROPIC_NODE,
    anthropic_python: ANTHROPIC_PYTHON,
    google_genai_node: GOOGLE_NODE,
    google_genai_python: GOOGLE_PYTHON,
    langchain_anthropic: LANGCHAIN_ANTHROPIC,
    langchain_openai: LANGCHAIN_OPENAI,
    ollama_node: OLLAMA_NODE,
    ollama_python: OLLAMA_PYTHON,
    openai_node: OPENAI_NODE,
    openai_node_responses: OPENAI_NODE_RESPONSES,
    openai_python: OPENAI_PYTHON,
    openai_python_responses: OPENAI_PYTHON_RESPONSES,
}
