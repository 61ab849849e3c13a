//! An upstream that says nothing for nine seconds: clients that wait at most eight get their answer through Lockgate, since
//! it lets nobody wait in silence for more than five.
//!
//! Slow by nature, so all clients wait at the same time.

use std::future::Future;
use std::pin::Pin;

use crate::expect::problems;
use crate::sdk::{self, Sdk, model_of};
use crate::upstream::{Way, World, assert_none};

/// SDKs whose limit is for silence. Google's is for the whole call, and the AI SDK has none.
const IMPATIENT: [Sdk; 4] =
    [sdk::ANTHROPIC_PYTHON, sdk::LANGCHAIN_ANTHROPIC, sdk::OPENAI_PYTHON, sdk::OPENAI_PYTHON_RESPONSES];
/// SDKs that wait, and must not stumble over whatever they are sent meanwhile.
const PATIENT: [Sdk; 6] = [
    sdk::AI_SDK_ANTHROPIC,
    sdk::ANTHROPIC_NODE,
    sdk::GOOGLE_NODE,
    sdk::GOOGLE_PYTHON,
    sdk::OLLAMA_NODE,
    sdk::OPENAI_NODE_RESPONSES,
];

async fn waits(sdk: Sdk, scenario: &'static str) {
    let world = World::of_sdks(Way::ThroughLockgate, sdk.dialect.provider()).await;
    let saws = sdk.run(&world, model_of(sdk.dialect.provider()), &[scenario]).await;
    assert_none(&[world.violations(), problems(sdk, &saws, false)].concat(), &world);
}

async fn at_once(tests: impl IntoIterator<Item = Pin<Box<dyn Future<Output = ()> + Send>>>) {
    let running: Vec<_> = tests.into_iter().map(tokio::spawn).collect();
    for test in running {
        if let Err(error) = test.await {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_eight_seconds_survives_nine_of_silence_before_the_answer() {
    let all = IMPATIENT.into_iter().chain(PATIENT);
    at_once(all.map(|sdk| Box::pin(waits(sdk, "silence")) as _)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_eight_seconds_survives_nine_of_silence_inside_the_answer() {
    let all = IMPATIENT.into_iter().chain(PATIENT);
    at_once(all.map(|sdk| Box::pin(waits(sdk, "pause")) as _)).await;
}

/// The measure for the two above: without the gateway the same clients give up.
#[tokio::test(flavor = "multi_thread")]
async fn without_lockgate_the_impatient_clients_give_up() {
    at_once(IMPATIENT.map(|sdk| Box::pin(gives_up(sdk)) as _)).await;
}

async fn gives_up(sdk: Sdk) {
    let world = World::of_sdks(Way::Direct, sdk.dialect.provider()).await;
    for saw in sdk.run(&world, model_of(sdk.dialect.provider()), &["silence"]).await {
        let class = saw.error().map(|error| error["class"].as_str().unwrap_or_default().to_owned());
        assert!(class.is_some_and(|class| class.contains("Timeout")), "it had the patience: {}", saw.0);
    }
}
