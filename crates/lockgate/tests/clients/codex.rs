//! Codex, headless, through Lockgate: on OpenAI's Responses, and on upstreams that speak something else.
//!
//! 004-8, 004-26, 004-30, T1, behaviours 17, 18, 19; for Gemini also 003-22.

use std::path::Path;

use tokio::process::Command;

use crate::agents::{Job, PATIENCE, PROMPT, Work};
use crate::installed::{bounded, clients};
use crate::sdk::model_of;
use crate::upstream::{Way, World};

fn start(home: &Path, world: &World, model: &str) -> Command {
    let settings = home.join(".codex");
    std::fs::create_dir(&settings).expect("a folder");
    let config = format!(
        "model = \"{model}\"\n\
         model_provider = \"tested\"\n\
         check_for_update_on_startup = false\n\
         [model_providers.tested]\n\
         name = \"tested\"\n\
         base_url = \"{}/v1\"\n\
         env_key = \"TESTED_KEY\"\n\
         wire_api = \"responses\"\n\
         [analytics]\n\
         enabled = false\n",
        world.base
    );
    std::fs::write(settings.join("config.toml"), config).expect("the settings are written");
    let mut command = bounded(PATIENCE, home, Path::new("node"));
    command.arg(clients().join("node_modules/@openai/codex/bin/codex.js"));
    command.args([
        "exec",
        "--json",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
        PROMPT,
    ]);
    command.env("TESTED_KEY", &world.key);
    command
}

async fn works(way: Way, script: &'static str) -> Work {
    Job { start, way, provider: "openai", model: model_of("openai"), script }.work().await
}

async fn through(script: &'static str) -> Work {
    works(Way::ThroughLockgate, script).await
}

/// On a provider of another dialect; the model is named `provider:model`.
async fn on(provider: &'static str, model: &'static str, script: &'static str) -> Work {
    let work = Job { start, way: Way::ThroughLockgate, provider, model, script }.work().await;
    assert!(work.world.calls().iter().all(|call| call.dialect != Some("responses")), "{}", work.told());
    work
}

/// The measure for the others.
#[tokio::test]
async fn without_lockgate_codex_completes_the_same_tasks() {
    works(Way::Direct, "loop").await.assert_calls(2);
    works(Way::Direct, "thinking").await.assert_both_files();
    works(Way::Direct, "parallel").await.assert_both_files();
    works(Way::Direct, "image").await.assert_picture_arrived();
    works(Way::Direct, "cut").await.assert_calls(3);
}

#[tokio::test]
async fn codex_writes_a_file() {
    through("loop").await.assert_calls(2);
}

#[tokio::test]
async fn codex_sends_its_encrypted_reasoning_back_as_it_came() {
    let work = through("thinking").await;
    work.assert_both_files();
    let last = work.bodies().pop().unwrap_or_default();
    assert_eq!(last.matches("\"encrypted_content\"").count(), 2, "{}", work.told());
}

#[tokio::test]
async fn codex_makes_two_calls_at_once() {
    through("parallel").await.assert_both_files();
}

#[tokio::test]
async fn codex_shows_a_picture_to_the_model() {
    through("image").await.assert_picture_arrived();
}

#[tokio::test]
async fn codex_gets_over_an_overloaded_provider() {
    through("overloaded").await.assert_calls(4);
}

#[tokio::test]
async fn codex_gets_over_a_rate_limit() {
    through("limited").await.assert_calls(4);
}

#[tokio::test]
async fn codex_notices_a_cut_stream_and_asks_again() {
    through("cut").await.assert_calls(3);
}

#[tokio::test]
async fn codex_notices_an_error_inside_the_answer_and_asks_again() {
    through("error-inside").await.assert_calls(3);
}

macro_rules! on_other_providers {
    ($($name:ident: $provider:literal $model:literal,)+) => {$(
        mod $name {
            use super::on;

            #[tokio::test]
            async fn codex_writes_a_file() {
                on($provider, $model, "loop").await.assert_calls(2);
            }

            #[tokio::test]
            async fn codex_thinks_over_several_steps() {
                on($provider, $model, "thinking").await.assert_both_files();
            }

            #[tokio::test]
            async fn codex_makes_two_calls_at_once() {
                on($provider, $model, "parallel").await.assert_both_files();
            }

            #[tokio::test]
            async fn codex_shows_a_picture_to_the_model() {
                on($provider, $model, "image").await.assert_picture_arrived();
            }

            #[tokio::test]
            async fn codex_notices_a_cut_stream_and_asks_again() {
                on($provider, $model, "cut").await.assert_calls(3);
            }
        }
    )+};
}

on_other_providers! {
    on_anthropic: "anthropic" "anthropic:claude-sonnet-5",
    on_gemini: "gemini" "gemini:gemini-3-pro",
}
