//! Claude Code, headless, through Lockgate: on Anthropic, and on upstreams that speak something else.
//!
//! 004-8, 004-26, 004-29, T1, behaviours 17, 18, 19; for Gemini also 003-22.

use std::path::Path;

use tokio::process::Command;

use crate::agents::{Job, PATIENCE, PROMPT, Work};
use crate::installed::{bounded, clients};
use crate::sdk::model_of;
use crate::upstream::{Way, World};

fn start(home: &Path, world: &World, model: &str) -> Command {
    let mut command = bounded(PATIENCE, home, Path::new("node"));
    command.arg(clients().join("node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs"));
    command.args([
        "-p",
        PROMPT,
        "--model",
        model,
        "--dangerously-skip-permissions",
        "--output-format",
        "json",
    ]);
    environment(&mut command, world);
    command
}

/// Points the client at the world, and lets it do nothing else.
pub(crate) fn environment(command: &mut Command, world: &World) {
    command.env("ANTHROPIC_BASE_URL", &world.base).env("ANTHROPIC_API_KEY", &world.key);
    // It refuses to skip permissions as root outside a sandbox.
    command.env("IS_SANDBOX", "1");
    for off in [
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
        "DISABLE_AUTOUPDATER",
        "DISABLE_ERROR_REPORTING",
        "DISABLE_TELEMETRY",
    ] {
        command.env(off, "1");
    }
}

async fn works(way: Way, script: &'static str) -> Work {
    Job { start, way, provider: "anthropic", model: model_of("anthropic"), script }.work().await
}

async fn through(script: &'static str) -> Work {
    works(Way::ThroughLockgate, script).await
}

/// On a provider of another dialect; the model is named `provider:model`.
async fn on(provider: &'static str, model: &'static str, script: &'static str) -> Work {
    let work = Job { start, way: Way::ThroughLockgate, provider, model, script }.work().await;
    assert!(work.world.calls().iter().all(|call| call.dialect != Some("anthropic")), "{}", work.told());
    work
}

/// The measure for the others.
#[tokio::test]
async fn without_lockgate_claude_code_completes_the_same_tasks() {
    works(Way::Direct, "loop").await.assert_calls(2);
    works(Way::Direct, "thinking").await.assert_both_files();
    works(Way::Direct, "parallel").await.assert_both_files();
    works(Way::Direct, "image").await.assert_picture_arrived();
    works(Way::Direct, "cut").await.assert_calls(3);
}

#[tokio::test]
async fn claude_code_writes_a_file() {
    through("loop").await.assert_calls(2);
}

#[tokio::test]
async fn claude_code_sends_its_thinking_back_with_the_signature_that_came() {
    let work = through("thinking").await;
    work.assert_both_files();
    let last = work.bodies().pop().unwrap_or_default();
    assert_eq!(last.matches("\"signature\"").count(), 2, "{}", work.told());
}

#[tokio::test]
async fn claude_code_makes_two_calls_at_once() {
    through("parallel").await.assert_both_files();
}

#[tokio::test]
async fn claude_code_shows_a_picture_to_the_model() {
    through("image").await.assert_picture_arrived();
}

#[tokio::test]
async fn claude_code_gets_over_an_overloaded_provider() {
    through("overloaded").await.assert_calls(4);
}

#[tokio::test]
async fn claude_code_gets_over_a_rate_limit() {
    through("limited").await.assert_calls(4);
}

#[tokio::test]
async fn claude_code_notices_a_cut_stream_and_asks_again() {
    through("cut").await.assert_calls(3);
}

#[tokio::test]
async fn claude_code_notices_an_error_inside_the_answer_and_asks_again() {
    through("error-inside").await.assert_calls(3);
}

macro_rules! on_other_providers {
    ($($name:ident: $provider:literal $model:literal,)+) => {$(
        mod $name {
            use super::on;

            #[tokio::test]
            async fn claude_code_writes_a_file() {
                on($provider, $model, "loop").await.assert_calls(2);
            }

            #[tokio::test]
            async fn claude_code_thinks_over_several_steps() {
                on($provider, $model, "thinking").await.assert_both_files();
            }

            #[tokio::test]
            async fn claude_code_makes_two_calls_at_once() {
                on($provider, $model, "parallel").await.assert_both_files();
            }

            #[tokio::test]
            async fn claude_code_shows_a_picture_to_the_model() {
                on($provider, $model, "image").await.assert_picture_arrived();
            }

            #[tokio::test]
            async fn claude_code_notices_a_cut_stream_and_asks_again() {
                on($provider, $model, "cut").await.assert_calls(3);
            }

            #[tokio::test]
            async fn claude_code_gets_over_an_overloaded_provider() {
                on($provider, $model, "overloaded").await.assert_calls(4);
            }
        }
    )+};
}

on_other_providers! {
    on_gemini: "gemini" "gemini:gemini-3-pro",
    on_ollama: "ollama" "ollama:qwen3:8b",
    on_openai: "openai" "openai:gpt-5.5",
}
