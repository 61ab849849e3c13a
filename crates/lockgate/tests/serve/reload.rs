//! Changes of the configuration while it runs.

use std::fs;

use crate::held::{Held, Hold};
use crate::http;
use crate::support::{Gateway, Home, Scripted, until};

fn write(home: &Home, text: &str) {
    // As editors do: a new file over the old one.
    fs::rename(home.write("next.yaml", text), home.path("lockgate.yaml")).unwrap();
}

/// Requirements 004-4, 004-27 and 004-34: providers and aliases come without a restart and without a broken stream.
#[test]
fn a_new_provider_and_alias_work_at_once_and_the_stream_in_flight_is_complete() {
    let (held, other) = (Held::start(Hold::Midway), Scripted::start(""));
    let home = Home::new();
    write(&home, &format!("providers:\n{}", held.entry("slow", "")));
    let gateway = Gateway::start(&home);
    let mut stream = gateway.stream("slow:m");
    stream.until("first ");
    let both = format!("providers:\n{}{}", held.entry("slow", ""), other.entry("new", ""));
    write(&home, &format!("{both}models: {{aliases: {{fast: 'new:m2'}}}}\n"));
    until("it is taken over", || gateway.log().contains("the new configuration is in force"));
    assert_eq!(gateway.ask("fast").status, 200);
    // The new provider is asked for its models at the same time.
    let call = other.seen.requests().into_iter().find(|request| request.method == "POST").unwrap();
    assert_eq!(call.json()["model"], "m2");
    held.go_on();
    let answer = stream.end().unwrap();
    assert!(answer.text.contains("second") && answer.text.contains("[DONE]"), "{answer:?}");
}

/// Requirement 004-40 (without UI): who is taken out of service finishes what it has begun; each of five answers at once
/// is complete and none is another's, and who comes next goes elsewhere.
#[test]
fn a_disabled_provider_finishes_its_five_streams_and_new_calls_go_elsewhere() {
    let (held, other) = (Held::start(Hold::Midway), Scripted::start("models: [{id: m}]"));
    let home = Home::new();
    let config = |slow: &str, fast: &str| {
        let providers = format!("{}{}", held.entry("slow", slow), other.entry("other", ""));
        format!("providers:\n{providers}models: {{aliases: {{fast: '{fast}'}}}}\n")
    };
    write(&home, &config("", "slow:m"));
    let gateway = Gateway::start(&home);
    let mut streams: Vec<_> = (0..5).map(|number| gateway.stream(&format!("slow:m{number}"))).collect();
    for stream in &mut streams {
        stream.until("first ");
    }
    write(&home, &config(", enabled: false", "other:m"));
    until("it is taken over", || gateway.log().contains("the new configuration is in force"));
    let calls = held.heads().len();
    let refused = gateway.ask("slow:m");
    assert!(refused.status == 404 && refused.text.contains("`slow` is disabled"), "{refused:?}");
    for name in ["fast", "m"] {
        let answer = gateway.ask(name);
        assert!(answer.status == 200 && answer.text.contains("x-provider: other"), "{name} {answer:?}");
    }
    assert_eq!(held.heads().len(), calls, "no further call reaches it");
    held.go_on();
    for (number, stream) in streams.into_iter().enumerate() {
        let answer = stream.end().unwrap();
        let own = answer.text.contains(&format!("second of m{number}.")) && answer.text.contains("[DONE]");
        assert!(own && answer.text.matches("second of ").count() == 1, "{number} {answer:?}");
    }
}

#[test]
fn a_file_that_is_gone_is_logged_and_the_last_good_configuration_stays() {
    let upstream = Scripted::start("");
    let home = Home::new();
    write(&home, &format!("providers:\n{}", upstream.entry("work", "")));
    let gateway = Gateway::start(&home);
    fs::remove_file(home.path("lockgate.yaml")).unwrap();
    until("it is noticed", || gateway.log().contains("the configuration file is gone"));
    assert_eq!(gateway.ask("work:m").status, 200);
}

/// Requirement L2: a mistake in the file harms nobody and is easy to find.
#[test]
fn a_broken_file_keeps_the_last_good_configuration_and_the_log_names_the_place() {
    let upstream = Scripted::start("");
    let home = Home::new();
    let good = format!("providers:\n{}models: {{aliases: {{fast: 'work:m'}}}}\n", upstream.entry("work", ""));
    write(&home, &good);
    let gateway = Gateway::start(&home);
    write(&home, &format!("{good}servr: {{}}\n"));
    until("it is refused", || gateway.log().contains("the last good one stays"));
    let log = gateway.log();
    assert!(log.contains("lockgate.yaml:4:1") && log.contains("did you mean `server`?"), "{log}");
    assert_eq!(gateway.ask("fast").status, 200);
    write(&home, &good.replace("fast", "quick"));
    until("the next good one is taken over", || gateway.ask("quick").status == 200);
}

#[test]
fn sighup_reads_the_configuration_again() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    gateway.signal("HUP");
    until("it was read", || gateway.log().contains("the configuration has not changed"));
}

/// Requirement 004-40 (without UI).
#[test]
fn after_a_key_is_rotated_the_next_call_carries_the_new_one() {
    let upstream = Scripted::start("");
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}", upstream.entry("work", ", api_key: sk-before-1")));
    let gateway = Gateway::start(&home);
    assert_eq!(gateway.ask("work:m").status, 200);
    let sent = |key: &str| {
        let newest = upstream.seen.requests().into_iter().rfind(|request| request.method == "POST");
        newest.unwrap().header("authorization") == Some(&format!("Bearer {key}"))
    };
    assert!(sent("sk-before-1"));
    // Written in place this time.
    home.write("lockgate.yaml", &format!("providers:\n{}", upstream.entry("work", ", api_key: sk-after-22")));
    until("it is taken over", || gateway.log().contains("the new configuration is in force"));
    assert_eq!(gateway.ask("work:m").status, 200);
    assert!(sent("sk-after-22"));
}

/// Requirement L2: whoever deletes a key's entry need not wait for anything else.
#[test]
fn a_key_whose_entry_is_deleted_is_refused_at_once_and_its_stream_in_flight_is_complete() {
    let held = Held::start(Hold::Midway);
    let home = Home::new();
    let entry =
        |name: &str, key: &str| format!("  - {{name: {name}, hash: '{}'}}\n", lockgate::key::hash(key));
    let keys: Vec<String> = [1, 2].map(|seed| lockgate::key::from_seed(&[seed; 32])).to_vec();
    let (one, two) = (entry("one", &keys[0]), entry("two", &keys[1]));
    let providers = format!("providers:\n{}", held.entry("slow", ""));
    write(&home, &format!("keys:\n{one}{two}{providers}"));
    let gateway = Gateway::start(&home);
    let models = |key: &str| http::get(gateway.address, &format!("/v1/models?key={key}")).unwrap().status;
    assert_eq!((models(&keys[0]), models(&keys[1])), (200, 200));
    let body = serde_json::json!({"model": "slow:m", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let mut stream =
        http::Stream::post(gateway.address, &format!("/v1/chat/completions?key={}", keys[0]), &body).unwrap();
    stream.until("first ");
    write(&home, &format!("keys:\n{two}{providers}"));
    until("it is taken over", || gateway.log().contains("the new configuration is in force"));
    assert_eq!((models(&keys[0]), models(&keys[1])), (401, 200));
    held.go_on();
    let answer = stream.end().unwrap();
    assert!(answer.text.contains("second") && answer.text.contains("[DONE]"), "{answer:?}");
    // Without the last entry this machine needs no key, as before the first one.
    assert_eq!(http::get(gateway.address, "/v1/models").unwrap().status, 401);
    write(&home, &providers);
    until("it is taken over", || http::get(gateway.address, "/v1/models").unwrap().status == 200);
}
