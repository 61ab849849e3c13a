//! Where secrets are planted: the configuration, the environment, what clients send, what the upstream answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Planted;
use crate::http;
use crate::support::{Gateway, Home};

/// What the gateway was started with.
pub(super) struct Settings {
    /// The key that clients show.
    key: String,
    /// A secret of the configuration.
    known: String,
    /// Others, which somebody says to a model.
    said: Vec<String>,
    pub(super) variables: Vec<(&'static str, String)>,
}

/// What the upstream answers to which model.
pub(super) fn script(planted: &mut Planted) -> String {
    let usage = json!({"input": 1_234, "output": 5_678});
    let plain = |text: String| json!({"blocks": [{"text": text}], "usage": usage});
    let tool = planted.github("arguments of a tool call, streamed in pieces");
    let thought = planted.anthropic("thinking, streamed in pieces");
    let event = |delta: &Value, finish: &Value| {
        let chunk = json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        format!("data: {chunk}\n\n")
    };
    let reason = planted.github("stop reason");
    let broken = planted.github("malformed event of a stream");
    let half = planted.anthropic("malformed answer");
    let html = planted.github("page of HTML in place of an answer");
    let rules = json!([
        {"when": {"model": "echo"}, "answer": {"blocks": [{"text": "You said ${last_user}"}], "usage": usage, "chunk": 5}},
        {"when": {"model": "whole"}, "answer": plain(planted.anthropic("answer")) },
        {"when": {"model": "pieces"}, "answer": {"blocks": [{"thinking": format!("It is {thought}.")},
            {"tool_call": {"name": "save", "args": {"file_path": "a.txt", "content": tool}}}], "usage": usage, "chunk": 7},
            "quirks": {"reasoning_field": "reasoning_content"}},
        {"when": {"model": "refuses"}, "error": {"status": 400, "message": format!("no: {}", planted.anthropic("error text of the upstream"))}},
        {"when": {"model": "tired"}, "error": {"status": 503, "message": format!("no: {}", planted.github("error text that is tried again"))}},
        {"when": {"model": "proxy"}, "raw": {"status": 502, "headers": {"content-type": "text/html"}, "body": format!("<html>token {html}</html>")}},
        {"when": {"model": "named"}, "answer": {"blocks": [{"text": "named"}], "model": planted.github("model that answers")}},
        {"when": {"model": "ids"}, "raw": {"headers": {"x-request-id": planted.github("request id of the upstream"),
            "set-cookie": format!("session={}", planted.password("cookie of the upstream"))},
            "json": {"id": "c2", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0,
                "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]}}},
        {"when": {"model": "reason"}, "raw": {"headers": {"content-type": "text/event-stream"}, "frames": [
            event(&json!({"role": "assistant", "content": "x"}), &Value::Null), event(&json!({}), &json!(reason)), "data: [DONE]\n\n"]}},
        {"when": {"model": "broken"}, "raw": {"headers": {"content-type": "text/event-stream"}, "frames": [
            event(&json!({"role": "assistant", "content": "x"}), &Value::Null), format!("data: {{\"token {broken}\n\n")]}},
        {"when": {"model": "half"}, "raw": {"headers": {"content-type": "application/json"}, "body": format!("{{\"choices\": [\"{half}")}},
    ]);
    json!({ "rules": rules }).to_string()
}

/// Writes the configuration.
pub(super) fn configure(
    planted: &mut Planted,
    home: &Home,
    mode: &str,
    [upstream, collector, receiver]: &[String; 3],
) -> Settings {
    let made = home.run(&["key", "new", "--name", "me", "--json"]).json();
    let key = made["key"].as_str().unwrap().to_owned();
    planted.secrets.push(("key of the gateway".to_owned(), key.clone()));
    let known = planted.password("credential of a provider, from the environment");
    let provider = json!({
        "kind": "openai-compatible",
        "base_url": format!("{upstream}/v1"),
        "api_key": "${UP_KEY}",
        "headers": {"x-tenant": planted.password("header of a provider")},
        "query": {"team": planted.password("query of a provider")},
    });
    let own = planted.password("credential of a key");
    let mine = json!({"name": "me", "hash": made["hash"], "credentials": {"up": own}});
    let hook = planted.plant("secret of a webhook", "whsec_*", 32);
    let policy = planted.plant("secret of a policy that asks a service", "whsec_*", 32);
    let login = planted.password("secret of the login elsewhere");
    let oidc = json!({"issuer": "https://login.example.org", "client_id": "lockgate", "client_secret": login,
        "redirect_url": "https://gate.example.org/api/login/oidc/callback", "roles": [{"role": "self"}]});
    // Asked about no call: what it is asked holds secrets as they are.
    let asks = json!({"name": "asks", "webhook": {"url": "http://127.0.0.1:9", "secret": policy, "tools": ["Nothing"]}});
    let config = json!({
        "admin": {"oidc": oidc},
        "policies": {"chain": [asks]},
        "providers": {"up": provider},
        "keys": [mine],
        "record": {"mode": mode},
        "telemetry": {"otlp": {"endpoint": format!("http://{collector}")}},
        "webhooks": [{"url": format!("http://{receiver}/in"), "secret": hook}],
    });
    home.write("lockgate.yaml", &config.to_string());
    let variables = vec![
        ("LOCKGATE_LOG", "trace".to_owned()),
        ("UP_KEY", known.clone()),
        ("UNUSED_PASSWORD", planted.password("environment that nothing refers to")),
    ];
    let bare = hook.trim_start_matches("whsec_").to_owned();
    Settings { key, known, said: vec![bare, policy, login], variables }
}

/// A client.
struct Client<'g> {
    asked: usize,
    gateway: &'g Gateway,
    key: &'g str,
}

impl Client<'_> {
    /// Sends bytes to a path; any answer will do.
    fn send(&mut self, path: &str, headers: &str, body: &[u8]) -> http::Answer {
        let (address, key, length) = (self.gateway.address, self.key, body.len());
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\
             content-length: {length}\r\n{headers}\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.asked += 1;
        http::Stream::send(address, &request).unwrap().end().unwrap()
    }

    fn chat(&mut self, model: &str, headers: &str, more: &Value, messages: &Value) -> http::Answer {
        let mut body = json!({"model": format!("up:{model}"), "messages": messages});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let headers = format!("content-type: application/json\r\n{headers}");
        self.send("/v1/chat/completions", &headers, body.to_string().as_bytes())
    }

    /// Says something and hears the same.
    fn say(&mut self, words: &str) {
        let answer = self.chat("echo", "", &json!({}), &user(words));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

fn user(words: &str) -> Value {
    json!([{"role": "user", "content": words}])
}

/// Plants the rest by asking; how many calls that were.
pub(super) fn ask(planted: &mut Planted, gateway: &Gateway, settings: &Settings) -> usize {
    let mut client = Client { asked: 0, gateway, key: &settings.key };
    texts(planted, &mut client, &settings.known);
    for secret in &settings.said {
        client.say(&format!("try it with {secret} if you can"));
    }
    agent(planted, &mut client);
    heads(planted, &mut client);
    for model in ["echo", "pieces", "reason", "broken"] {
        let words = planted.github(&format!("text that is heard in pieces: {model}"));
        let answer =
            client.chat(model, "", &json!({"stream": true}), &user(&format!("the token is {words}.")));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for model in ["whole", "refuses", "tired", "proxy", "named", "ids", "half"] {
        client.chat(model, "", &json!({}), &user("go on"));
    }
    // The same as another dialect wants it, whole and in pieces.
    for stream in [false, true] {
        let words = planted.anthropic(&format!("text in another dialect, streamed: {stream}"));
        let body = json!({"model": "up:echo", "max_tokens": 65_536, "stream": stream, "system": planted.github(&format!("system of another dialect: {stream}")),
            "messages": user(&format!("use {words}"))});
        let answer =
            client.send("/v1/messages", "content-type: application/json\r\n", body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    odd(planted, &mut client);
    client.asked
}

/// Kinds of secrets in what people say.
fn texts(planted: &mut Planted, client: &mut Client<'_>, known: &str) {
    // Where the title of a session is cut.
    client.say(&format!(
        "please remember this for me: {} and all else",
        planted.anthropic("title of a session")
    ));
    client.say(&planted.anthropic("title of one word"));
    client.say(&format!(
        "GITHUB_TOKEN={}\nDB_PASSWORD={}\n",
        planted.github(".env"),
        planted.password(".env, a name only")
    ));
    client.say(&format!(
        "it is in postgres://app:{}@db.example.org/app",
        planted.password("userinfo of a URL")
    ));
    client.say(&format!(
        "get https://example.org/x?access_token={}&page=2",
        planted.password("query of a URL")
    ));
    client.say(&format!("Server=db;User Id=sa;Password={};", planted.password("connection string")));
    client.say(&format!("curl -u me:{} https://example.org", planted.password("flag of a command")));
    client.say(&format!(
        "curl -H 'Authorization: Bearer {}' https://example.org",
        planted.password("header in a command")
    ));
    client.say(&format!("machine: x\npassword: {}\n", planted.password("YAML")));
    client.say(&planted.plant("JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.*", 43));
    client.say(&planted.plant("Slack", "the hook is xoxb-123456789012-1234567890123-*", 24));
    client.say(&planted.plant("OpenAI", "sk-proj-*T3BlbkFJabcdefghijklmnopqrst", 40));
    client.say(&planted.plant("Google", "key AIza*", 35));
    client.say(&planted.plant("GitLab", "glpat-*", 20));
    client.say(&planted.plant("Hugging Face", "hf_*", 34));
    client.say(&planted.plant("npm", "//registry.npmjs.org/:_authToken=npm_*", 36));
    client.say(&planted.plant("Stripe", "sk_live_*", 24));
    client.say(&planted.plant("AWS", "aws_secret_access_key = *", 40));
    client.say(&planted.plant(
        "private key",
        "-----BEGIN RSA PRIVATE KEY-----\n*\n-----END RSA PRIVATE KEY-----\n",
        256,
    ));
    client.say(&format!("a file called /tmp/{}.txt", planted.github("name of a file")));
    // Known secrets are found without shape and name, and encoded.
    client.say(&format!("bare {known} in a text"));
    let encoded = STANDARD.encode(format!("user:{known}"));
    planted.secrets.push(("Basic credentials of a known secret".to_owned(), encoded.clone()));
    client.say(&format!("send Authorization: Basic {encoded}"));
    let middle = STANDARD.encode(format!("a file that holds {known} and more"));
    let middle = middle[24..48].to_owned();
    planted.secrets.push(("base64 of a text that holds a known secret".to_owned(), middle));
    client.say(&format!("decode {}", STANDARD.encode(format!("a file that holds {known} and more"))));
}

/// What an agent sends: tools, their arguments and results, and what is beside the conversation.
fn agent(planted: &mut Planted, client: &mut Client<'_>) {
    let arguments = json!({"file_path": format!("/etc/{}", planted.github("path in arguments of a tool")),
        "content": format!("password = \"{}\"", planted.password("content in arguments of a tool"))});
    let nested =
        json!({"inner": json!({"token": planted.github("JSON in JSON in JSON")}).to_string()}).to_string();
    let escaped = planted.github("text with escapes").replace('g', "\\u0067");
    let messages = json!([
        {"role": "system", "content": format!("the token is {}", planted.github("system"))},
        {"role": "user", "content": [{"type": "text", "text": format!("use {}", planted.anthropic("part of a message"))}]},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function",
            "function": {"name": "write", "arguments": arguments.to_string()}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": format!("wrote {}", planted.anthropic("result of a tool"))},
        {"role": "user", "content": nested},
        {"role": "user", "content": "ESCAPED"},
    ]);
    let member = planted.github("name of a member");
    let more = json!({
        "seed": 1_234_567_890_123_456_789_u64,
        "user": planted.github("user"),
        "metadata": {"note": planted.github("metadata"), member: "x"},
        "tools": [{"type": "function", "function": {"name": "write", "parameters": {"type": "object"},
            "description": format!("writes; log in with {}", planted.github("description of a tool"))}}],
    });
    let mut body = json!({"model": "up:echo", "messages": messages});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let body = body.to_string().replace("ESCAPED", &escaped);
    let headers = "content-type: application/json\r\nx-session-id: agent\r\n";
    let answer = client.send("/v1/chat/completions", headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Headers, paths and models.
fn heads(planted: &mut Planted, client: &mut Client<'_>) {
    let headers = [
        ("x-api-key", planted.anthropic("header x-api-key")),
        ("cookie", format!("session={}", planted.password("cookie"))),
        ("x-forwarded-authorization", format!("Bearer {}", planted.password("header with a credential"))),
        ("user-agent", format!("agent/1.0 ({})", planted.github("user agent"))),
        ("referer", format!("https://example.org/?token={}", planted.password("referer"))),
    ];
    for (name, value) in headers {
        client.chat("echo", &format!("{name}: {value}\r\n"), &json!({}), &user("go on"));
    }
    for name in ["x-session-id", "x-claude-code-session-id", "x-claude-code-agent-id"] {
        let id = planted.github(&format!("id of a session or agent: {name}"));
        client.chat("echo", &format!("{name}: {id}\r\n"), &json!({}), &user("go on"));
    }
    let model = planted.github("model that is asked for");
    client.chat(&model, "", &json!({}), &user("go on"));
    let body = json!({"model": format!("nobody:{}", planted.github("model that nobody has")), "messages": user("go on")});
    client.send("/v1/chat/completions", "", body.to_string().as_bytes());
    let query = planted.password("query of a call");
    let path = format!("/v1/chat/completions?api_key={query}");
    let body = json!({"model": "up:echo", "messages": user("go on")});
    client.send(&path, "", body.to_string().as_bytes());
    let path = format!("/v1/models/{}/files", planted.github("path of a call"));
    client.send(&path, "content-type: application/json\r\n", b"{}");
    // Whether that is a call is not what is asked here.
    client.asked -= 1;
}

/// Bodies that are no conversation, or nothing at all. Not each of them is a call that is recorded.
fn odd(planted: &mut Planted, client: &mut Client<'_>) {
    let recorded = client.asked;
    let broken = format!(
        "{{\"model\": \"up:echo\", \"messages\": [{{\"content\": \"{}",
        planted.anthropic("malformed body")
    );
    client.send("/v1/chat/completions", "content-type: application/json\r\n", broken.as_bytes());
    let mut bytes = b"{\"model\": \"up:echo\", \xff\xfe ".to_vec();
    bytes.extend_from_slice(planted.github("body that is no text").as_bytes());
    client.send("/v1/chat/completions", "content-type: application/json\r\n", &bytes);
    let words =
        json!({"model": "up:embed", "input": [format!("token {}", planted.github("input of an embedding"))]});
    client.send("/v1/embeddings", "content-type: application/json\r\n", words.to_string().as_bytes());
    let count = json!({"model": "up:echo", "messages": user(&planted.github("count of tokens"))});
    client.send(
        "/v1/messages/count_tokens",
        "content-type: application/json\r\n",
        count.to_string().as_bytes(),
    );
    let upload = format!(
        "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nup:echo\r\n--b\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"{}.txt\"\r\n\r\nkey {}\r\n--b--\r\n",
        planted.github("name of an upload"),
        planted.anthropic("upload")
    );
    client.send("/v1/files", "content-type: multipart/form-data; boundary=b\r\n", upload.as_bytes());
    client.asked = recorded;
}
