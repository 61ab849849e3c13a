//! Each SDK on a provider of its own dialect: what it sees through Lockgate is what it sees without, and what it sends
//! arrives as it sent it.
//!
//! 004-8, 004-29, 004-30, 003-22, T1 (thinking streamed and whole, one turn and several, with and without tools),
//! behaviours 9 (a crowd), 17 (tools), 18 (images), 19 (thinking comes back unchanged: the upstream checks signatures).

use lockgate_testkit::Recorded;

use crate::expect::problems;
use crate::sdk::{self, Saw, Sdk, model_of};
use crate::upstream::{Way, World, assert_none};

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
async fn seen(sdk: Sdk, way: Way) -> (World, Vec<Saw>) {
    let scenarios = [&ANSWERS[..], sdk.extras, &TOOLS, &REFUSALS, &BREAKS].concat();
    let world = World::of_sdks(way, sdk.dialect.provider()).await;
    let saw = sdk.run(&world, model_of(sdk.dialect.provider()), &scenarios).await;
    (world, saw)
}

/// Both ways: each as expected, and the same. Only breaks may differ, as some SDKs alone take them for an end.
async fn the_same(sdk: Sdk) {
    let ((directly, direct), (gateway, through)) =
        tokio::join!(seen(sdk, Way::Direct), seen(sdk, Way::ThroughLockgate));
    let unbroken = direct.len() - BREAKS.len();
    let mut found: Vec<String> = [directly.violations(), problems(sdk, &direct[..=unbroken], true)].concat();
    assert!(found.is_empty(), "even without the gateway: {found:#?}");
    found = [gateway.violations(), problems(sdk, &through, true), changed(&directly, &gateway)].concat();
    for (direct, through) in direct[..unbroken].iter().zip(&through) {
        let (left, right) = (direct.lasting(direct), through.lasting(direct));
        if left != right {
            found.push(format!("differs through the gateway:\n  {left}\n  {right}"));
        }
    }
    for scenario in BREAKS {
        let asked = calls_of(&gateway, scenario).len();
        if asked != 1 {
            found.push(format!("{scenario}: asked {asked} times, though the answer had begun"));
        }
    }
    assert_none(&found, &gateway);
}

/// Headers of the message, the connection and the credential; all others are the client's.
const OURS: [&str; 9] = [
    "accept-encoding",
    "api-key",
    "authorization",
    "connection",
    "content-length",
    "host",
    "transfer-encoding",
    "x-api-key",
    "x-goog-api-key",
];

/// What arrived otherwise than it was sent, of the requests that hold nothing an upstream made up.
fn changed(directly: &World, gateway: &World) -> Vec<String> {
    let marks = ["text", "image", "structured"];
    let fixed = |world: &World| -> Vec<Recorded> {
        let mut found: Vec<_> = marks.iter().flat_map(|mark| calls_of(world, mark)).collect();
        let counted = |call: &Recorded| ["count", "embed"].iter().any(|word| call.path().contains(word));
        found.extend(world.calls().into_iter().filter(counted));
        found
    };
    let (direct, through) = (fixed(directly), fixed(gateway));
    if direct.len() != through.len() || direct.len() < 4 {
        return vec![format!("{} calls were sent, {} arrived", direct.len(), through.len())];
    }
    let mut found = Vec::new();
    for (sent, arrived) in direct.iter().zip(&through) {
        let (was, is) = (whole(sent), whole(arrived));
        if was != is {
            found.push(format!("does not arrive as it was sent:\n  {was}\n  {is}"));
        }
    }
    found
}

/// Target, headers and body.
fn whole(request: &Recorded) -> String {
    let lower = request.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
    let mut theirs: Vec<_> = lower.filter(|(name, _)| !OURS.contains(&name.as_str())).collect();
    theirs.sort();
    format!("{} {theirs:?}\n    {}", request.target, String::from_utf8_lossy(&request.body))
}

fn calls_of(world: &World, mark: &str) -> Vec<Recorded> {
    let asks = |call: &Recorded| String::from_utf8_lossy(&call.body).contains(&format!("[{mark}]"));
    world.calls().into_iter().filter(asks).collect()
}

macro_rules! on_its_own_dialect {
    ($($name:ident: $sdk:ident,)+) => {$(
        #[tokio::test]
        async fn $name() {
            the_same(sdk::$sdk).await;
        }
    )+};
}

on_its_own_dialect! {
    the_ai_sdk_sees_the_same_of_anthropic_through_lockgate_as_without: AI_SDK_ANTHROPIC,
    the_ai_sdk_sees_the_same_of_google_through_lockgate_as_without: AI_SDK_GOOGLE,
    the_ai_sdk_sees_the_same_of_openai_responses_through_lockgate_as_without: AI_SDK_OPENAI,
    the_ai_sdk_sees_the_same_of_openai_compatible_servers_through_lockgate_as_without: AI_SDK_COMPATIBLE,
    anthropic_for_node_sees_the_same_through_lockgate_as_without: ANTHROPIC_NODE,
    anthropic_for_python_sees_the_same_through_lockgate_as_without: ANTHROPIC_PYTHON,
    google_genai_for_node_sees_the_same_through_lockgate_as_without: GOOGLE_NODE,
    google_genai_for_python_sees_the_same_through_lockgate_as_without: GOOGLE_PYTHON,
    langchain_sees_the_same_of_anthropic_through_lockgate_as_without: LANGCHAIN_ANTHROPIC,
    langchain_sees_the_same_of_openai_through_lockgate_as_without: LANGCHAIN_OPENAI,
    ollama_for_node_sees_the_same_through_lockgate_as_without: OLLAMA_NODE,
    ollama_for_python_sees_the_same_through_lockgate_as_without: OLLAMA_PYTHON,
    openai_for_node_sees_the_same_through_lockgate_as_without: OPENAI_NODE,
    openai_for_node_sees_the_same_of_responses_through_lockgate_as_without: OPENAI_NODE_RESPONSES,
    openai_for_python_sees_the_same_through_lockgate_as_without: OPENAI_PYTHON,
    openai_for_python_sees_the_same_of_responses_through_lockgate_as_without: OPENAI_PYTHON_RESPONSES,
}
