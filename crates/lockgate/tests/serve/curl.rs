//! The plainest client there is: `curl` against the real binary, whole and streamed, byte for byte.

use std::process::Command;

use serde_json::json;

use crate::support::{Gateway, Home, Scripted};

const WHOLE: &str = "{\"id\":\"chatcmpl-1\", \"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Gr\\u00fc\\u00dfe\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9},\"new\": 1.0}";

const FRAMES: [&str; 4] = [
    "data: {\"id\":\"c\", \"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Gr\"},\"finish_reason\":null}]}\n\n",
    ": a comment\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
];

/// What the same words look like to a client of another dialect.
const TRANSLATED: &str = "{\"id\":\"ID\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"Gr\u{fc}\u{df}e\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":7,\"output_tokens\":2}}";

/// Runs `curl` as the README shows it; standard output is the body, then the status.
fn curl(gateway: &Gateway, path: &str, body: &str) -> (String, String) {
    let url = format!("http://{}{path}", gateway.address);
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--no-buffer",
        "--max-time",
        "60",
        "--write-out",
        "\nstatus %{http_code} %{content_type}",
    ]);
    command.args(["-H", "content-type: application/json", "-d", body, &url]);
    let ran = command.output().unwrap_or_else(|error| panic!("curl: {error}"));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8(ran.stdout).unwrap();
    let (body, status) = text.rsplit_once("\nstatus ").unwrap();
    (body.to_owned(), status.to_owned())
}

/// Requirement 004-M1.
#[test]
fn curl_gets_whole_and_streamed_answers_byte_for_byte() {
    let script = json!({"rules": [
        {"when": {"stream": true}, "raw": {"headers": {"content-type": "text/event-stream"}, "frames": FRAMES}},
        {"raw": {"headers": {"content-type": "application/json"}, "body": WHOLE}},
    ]});
    let upstream = Scripted::start(&script.to_string());
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}", upstream.entry("work", "")));
    let gateway = Gateway::start(&home);
    let ask = |stream: bool| {
        format!(
            "{{\"model\": \"work:m\", \"stream\": {stream}, \"max_tokens\": 9, \"messages\": [{{\"role\": \"user\", \"content\": \"Say hello.\"}}]}}"
        )
    };
    let (body, status) = curl(&gateway, "/v1/chat/completions", &ask(false));
    assert_eq!((body.as_str(), status.as_str()), (WHOLE, "200 application/json"));
    let (body, status) = curl(&gateway, "/v1/chat/completions", &ask(true));
    assert_eq!((body, status.starts_with("200 text/event-stream")), (FRAMES.concat(), true), "{status}");
    // Another dialect at the same provider.
    let (body, status) = curl(&gateway, "/v1/messages", &ask(false));
    let id = body.split('"').nth(3).unwrap().to_owned();
    assert_eq!((body.replace(&id, "ID").as_str(), status.as_str()), (TRANSLATED, "200 application/json"));
    let (body, status) = curl(&gateway, "/v1/chat/completions", "{\"model\": ");
    assert!(status.starts_with("400 application/json") && body.contains("\"error\""), "{status} {body}");
    assert_eq!(upstream.seen.violations(), Vec::<String>::new());
}
