//! What a running gateway tells of its calls: metrics, traces, webhooks, its log; and that nobody there can harm a call.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::gate::{Gate, Manner};
use crate::http;
use crate::support::{Gateway, Home, Scripted, until};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A server that keeps what it is sent and answers with a status; 0: never.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Sink {
    pub(crate) fn start(status: impl Fn(usize) -> u16 + Send + 'static) -> Self {
        Self::answering(move |number, _| (status(number), String::new()))
    }

    /// The same with a body, made of the request.
    pub(crate) fn answering(answer: impl Fn(usize, &[u8]) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink = Self { address: listener.local_addr().unwrap(), got: Arc::default() };
        let got = sink.got.clone();
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&mut stream) else { continue };
                let number = {
                    let mut got = got.lock().unwrap();
                    got.push(request.clone());
                    got.len()
                };
                match answer(number, &request) {
                    (0, _) => silent.push(stream),
                    (status, body) => {
                        let length = body.len();
                        let head = format!(
                            "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                        );
                        stream.write_all(head.as_bytes()).unwrap();
                    }
                }
            }
        });
        sink
    }

    pub(crate) fn got(&self) -> Vec<Vec<u8>> {
        self.got.lock().unwrap().clone()
    }
}

/// A request, head and body.
fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = memchr::memmem::find(&read, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let length =
                head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            if read.len() >= end + 4 + length.unwrap_or(0) {
                return Some(read);
            }
        }
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&piece[..count]);
    }
}

fn metrics(gateway: &Gateway) -> String {
    http::get(gateway.address, "/metrics").unwrap().text
}

fn ask_with(gateway: &Gateway, model: &str, headers: &str) -> http::Answer {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    let path = "/v1/chat/completions";
    http::Stream::post_with(gateway.address, path, &body, headers).unwrap().end().unwrap()
}

#[test]
fn metrics_count_calls_and_the_record_and_are_not_told_through_a_proxy() {
    let upstream = Scripted::start("");
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}", upstream.entry("work", "")));
    let gateway = Gateway::start(&home);
    assert_eq!(gateway.ask("work:m").status, 200);
    assert_eq!(gateway.ask("anthropic:made-up").status, 400);
    let told = metrics(&gateway);
    let calls = r#"lockgate_calls_total{dialect="chat",operation="generate",provider="work",model="m",outcome="complete"} 1"#;
    assert!(told.contains(calls) && told.contains(r#"model="none",outcome="invalid_request"} 1"#), "{told}");
    assert!(told.contains("text/plain; version=0.0.4") && !told.contains("made-up"), "{told}");
    until("it is stored", || metrics(&gateway).contains("lockgate_record_stored_total 2"));
    let through = http::Stream::send(
        gateway.address,
        "GET /metrics HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 8.8.8.8\r\nconnection: close\r\n\r\n",
    );
    assert_eq!(through.unwrap().end().unwrap().status, 403);
}

/// A key that has ended asks for nothing any more, also not for metrics.
#[test]
fn metrics_are_told_to_a_valid_key_that_is_named_wherever_it_was_made() {
    let home = Home::new();
    home.write("lockgate.yaml", "metrics: {allow: [], keys: [scraper]}\n");
    let gateway = Gateway::start(&home);
    until("the first user is there", || home.path(".local/share/lockgate/admin-secret").exists());
    let made = |name: &str| {
        let made = home.run(&["key", "new", "--name", name, "--json"]).json();
        assert_eq!(made["state"], "active", "in the database: {made}");
        made["key"].as_str().unwrap().to_owned()
    };
    let (stored, other) = (made("scraper"), made("other"));
    let status = |key: &str| {
        let head = format!(
            "GET /metrics HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\nconnection: close\r\n\r\n"
        );
        http::Stream::send(gateway.address, &head).unwrap().end().unwrap().status
    };
    until("the key is known", || status(&stored) == 200);
    assert_eq!(status(&other), 403);
    assert_eq!(home.run(&["key", "revoke", "scraper"]).code, 0);
    until("it is known to be revoked", || status(&stored) == 403);
}

/// By default a client's trace context travels; with `own` it is the gateway's span, which is the collector's to see.
#[test]
fn traces_and_webhooks_of_a_call_arrive_and_the_provider_gets_the_trace_context_that_is_configured() {
    let (upstream, collector) = (Scripted::start(""), Sink::start(|_| 200));
    let receiver = Sink::start(|number| if number == 1 { 500 } else { 204 });
    let home = Home::new();
    let providers = format!("providers:\n{}", upstream.entry("work", ""));
    home.write("lockgate.yaml", &providers);
    let mut gateway = Gateway::start(&home);
    let header = format!("traceparent: {PARENT}\r\n");
    let sent = || {
        let newest = upstream.seen.requests().into_iter().rfind(|request| request.method == "POST");
        newest.unwrap().header("traceparent").map(str::to_owned)
    };
    assert_eq!(ask_with(&gateway, "work:m", &header).status, 200);
    assert_eq!(sent().as_deref(), Some(PARENT));
    let more = format!(
        "telemetry: {{otlp: {{endpoint: 'http://{}'}}, trace_context: own}}\n\
         webhooks: [{{url: 'http://{}/in', secret: {SECRET}}}]\n",
        collector.address, receiver.address
    );
    home.write("lockgate.yaml", &format!("{providers}{more}"));
    until("it is taken over", || gateway.log().contains("the new configuration is in force"));
    let answer = ask_with(&gateway, "work:m", &header);
    assert!(answer.status == 200 && answer.header("traceparent").is_none(), "{answer:?}");
    let own = sent().unwrap();
    assert!(own.starts_with(&PARENT[..36]) && own != PARENT, "{own}");
    until("the webhook is taken", || receiver.got().len() == 2);
    let body = String::from_utf8(receiver.got().remove(1)).unwrap();
    let body: Value = serde_json::from_str(body.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["data"]["id"], answer.header("x-task-id").unwrap());
    until("spans arrive", || !collector.got().is_empty());
    let spans = collector.got().remove(0);
    let span: Vec<u8> =
        (36..52).step_by(2).map(|at| u8::from_str_radix(&own[at..at + 2], 16).unwrap()).collect();
    assert!(spans.starts_with(b"POST /v1/traces ") && memchr::memmem::find(&spans, &span).is_some());
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
}

/// O1: metrics are pushed where nobody may ask for them, and a change of the file turns it on.
#[test]
fn metrics_are_sent_to_the_collector_on_an_interval_and_at_the_end() {
    let (upstream, collector) = (Scripted::start(""), Sink::start(|_| 200));
    let home = Home::new();
    let providers = format!("providers:\n{}", upstream.entry("work", ""));
    home.write("lockgate.yaml", &providers);
    let mut gateway = Gateway::start(&home);
    let more = format!(
        "metrics: {{enabled: false}}\ntelemetry: {{otlp: {{endpoint: 'http://{}', sample: 0, metrics: {{enabled: true, interval_seconds: 1}}}}}}\n",
        collector.address
    );
    home.write("lockgate.yaml", &format!("{providers}{more}"));
    until("it is taken over", || gateway.log().contains("the new configuration is in force"));
    assert_eq!(http::get(gateway.address, "/metrics").unwrap().status, 404);
    assert_eq!(gateway.ask("work:m").status, 200);
    let tells = |word: &[u8]| {
        collector
            .got()
            .iter()
            .any(|got| got.starts_with(b"POST /v1/metrics ") && memchr::memmem::find(got, word).is_some())
    };
    until("the call is told of", || {
        tells(b"lockgate_calls_total") && tells(b"gen_ai.server.request.duration")
    });
    let before = collector.got().len();
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    assert!(collector.got().len() > before, "once more at the end");
}

/// Requirement 004-27: what the gateway tells others goes the way of its calls.
#[test]
fn traces_metrics_and_webhooks_go_through_the_environments_proxy() {
    let (home, upstream) = (Home::new(), Scripted::start(""));
    let gate = Gate::open(&home, &upstream, Manner::Open);
    let proxy = format!("http://me:secret@{}", gate.address);
    let more = format!(
        "telemetry: {{otlp: {{endpoint: 'http://collector.test:4318', metrics: {{enabled: true, interval_seconds: 1}}}}}}\n\
         webhooks: [{{url: 'https://provider.test/hook', secret: {SECRET}}}]\n"
    );
    home.write("lockgate.yaml", &format!("providers:\n{}{more}", upstream.entry("work", "")));
    let variables =
        [("HTTP_PROXY", proxy.as_str()), ("HTTPS_PROXY", &proxy), ("SSL_CERT_FILE", gate.authority())];
    let gateway = Gateway::start_with(&home, &variables);
    assert_eq!(gateway.ask("work:m").status, 200);
    let came = |line: &str| {
        let login = "proxy-authorization: basic bwu6c2vjcmv0";
        gate.seen().iter().any(|head| head.starts_with(line) && head.to_lowercase().contains(login))
    };
    until("spans go through", || came("POST http://collector.test:4318/v1/traces HTTP/1.1\r\n"));
    until("metrics go through", || came("POST http://collector.test:4318/v1/metrics HTTP/1.1\r\n"));
    until("a webhook goes through a tunnel", || came("CONNECT provider.test:443 HTTP/1.1\r\n"));
    until("it arrives", || upstream.seen.requests().iter().any(|request| request.path() == "/hook"));
}

/// I9: who listens cannot harm a call, nor the end.
#[test]
fn a_collector_and_a_receiver_that_hang_or_are_away_change_no_call_and_do_not_hold_up_the_end() {
    let upstream = Scripted::start("");
    let hanging = Sink::start(|_| 0);
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [hanging.address, away] {
        let home = Home::new();
        let providers = format!("providers:\n{}", upstream.entry("work", ""));
        let more = format!(
            "telemetry: {{otlp: {{endpoint: 'http://{address}'}}}}\nwebhooks: [{{url: 'http://{address}', secret: {SECRET}}}]\n"
        );
        home.write("lockgate.yaml", &format!("{providers}{more}"));
        let mut gateway = Gateway::start(&home);
        for _ in 0..50 {
            assert_eq!(gateway.ask("work:m").status, 200);
            let stream = gateway.stream("work:m").end().unwrap();
            assert!(stream.status == 200 && stream.text.contains("[DONE]"), "{stream:?}");
        }
        assert!(metrics(&gateway).contains(r#"outcome="complete"} 100"#));
        gateway.signal("TERM");
        assert_eq!(gateway.ended(), 0);
    }
}

#[test]
fn a_new_log_level_is_in_force_without_a_restart_and_each_line_about_a_call_has_its_id() {
    let upstream = Scripted::start("rules: [{times: 1, error: {status: 503}}]");
    let home = Home::new();
    let providers = format!("providers:\n{}", upstream.entry("work", ""));
    home.write("lockgate.yaml", &providers);
    let gateway = Gateway::start(&home);
    let quiet = gateway.ask("work:m");
    let id = quiet.header("x-task-id").unwrap();
    let log = gateway.log();
    let again = log.lines().find(|line| line.contains("trying again")).unwrap_or_else(|| panic!("{log}"));
    assert!(again.contains(&id) && !log.contains("complete"), "{log}");
    fs::write(home.path("lockgate.yaml"), format!("{providers}log: {{level: debug}}\n")).unwrap();
    until("it is taken over", || gateway.log().contains("the new configuration is in force"));
    let answer = gateway.ask("work:m");
    let id = answer.header("x-task-id").unwrap();
    until("the call is in the log", || gateway.log().contains(&format!("call {id} complete")));
}
