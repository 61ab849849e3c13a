//! What a client sends arrives as it sent it: same path, same body byte for byte, and its own headers (004-29, 004-30).
//!
//! The image that is sent in it must arrive as well (behaviour 18).

use lockgate_testkit::Recorded;

use crate::sdk::{self, Sdk, model_of};
use crate::upstream::{Way, World};

/// Scenarios whose requests hold nothing that an upstream made up.
const ASKED: [&str; 4] = ["text", "stream", "image", "structured"];
const RED_DOT: &str = "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4";
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

async fn sent(sdk: Sdk, way: Way) -> Vec<Recorded> {
    let world = World::of_sdks(way, sdk.dialect.provider()).await;
    let optional = sdk.extras.iter().filter(|name| ["embed", "count"].contains(*name));
    let scenarios: Vec<&str> = ASKED.iter().chain(optional).copied().collect();
    sdk.run(&world, model_of(sdk.dialect.provider()), &scenarios).await;
    world.assert_clean();
    world.calls()
}

fn headers(request: &Recorded) -> Vec<(String, String)> {
    let lower = request.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
    let mut theirs: Vec<_> = lower.filter(|(name, _)| !OURS.contains(&name.as_str())).collect();
    theirs.sort();
    theirs
}

async fn arrives_as_sent(sdk: Sdk) {
    let (direct, through) = (sent(sdk, Way::Direct).await, sent(sdk, Way::ThroughLockgate).await);
    assert_eq!(direct.len(), through.len());
    for (direct, through) in direct.iter().zip(&through) {
        assert_eq!(direct.target, through.target);
        assert_eq!(direct.body, through.body, "the body of {} was changed", direct.target);
        assert_eq!(headers(direct), headers(through), "the headers of {} were changed", direct.target);
    }
    let image = through.iter().filter(|r| String::from_utf8_lossy(&r.body).contains(RED_DOT)).count();
    assert_eq!(image, 1, "the image arrives once");
}

macro_rules! arrives_as_sent {
    ($($name:ident: $sdk:ident,)+) => {$(
        #[tokio::test]
        async fn $name() {
            arrives_as_sent(sdk::$sdk).await;
        }
    )+};
}

arrives_as_sent! {
    what_anthropic_python_sends_arrives_byte_for_byte: ANTHROPIC_PYTHON,
    what_google_genai_node_sends_arrives_byte_for_byte: GOOGLE_NODE,
    what_google_genai_python_sends_arrives_byte_for_byte: GOOGLE_PYTHON,
    what_ollama_python_sends_arrives_byte_for_byte: OLLAMA_PYTHON,
    what_openai_node_sends_on_responses_arrives_byte_for_byte: OPENAI_NODE_RESPONSES,
    what_openai_python_sends_arrives_byte_for_byte: OPENAI_PYTHON,
}
