//! Requirement 004-27: providers behind a proxy, as most companies have one.
//!
//! The names (`provider.test`) lead nowhere but through the proxy of `gate`, which proves that nothing goes around it.

use crate::gate::{Gate, Manner};
use crate::http::Answer;
use crate::support::{Gateway, Home, Ran, Scripted};

const SCRIPT: &str = "keys: [sk-work]\nmodels: [{id: m}]\n";

/// A gateway for provider `work` at `base_url`, with `more` settings, and these variables.
fn gateway(home: &Home, base_url: &str, more: &str, variables: &[(&str, &str)]) -> Gateway {
    home.write(
        "lockgate.yaml",
        &format!(
            "providers:\n  work: {{kind: openai-compatible, base_url: '{base_url}', api_key: sk-work{more}}}\n"
        ),
    );
    Gateway::start_with(home, variables)
}

fn good(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn start_screen(gateway: &Gateway) -> String {
    gateway.screen().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_encrypted_provider_is_reached_through_a_tunnel_and_the_proxy_learns_its_name_only() {
    let (home, upstream) = (Home::new(), Scripted::start(SCRIPT));
    let gate = Gate::open(&home, &upstream, Manner::Open);
    let proxy = format!("http://me:s%40fe-word@{}", gate.address);
    let variables = [("HTTPS_PROXY", proxy.as_str()), ("SSL_CERT_FILE", gate.authority())];
    let gateway = gateway(&home, "https://provider.test/v1", "", &variables);
    good(&gateway.ask("work:m"));
    let mut stream = gateway.stream("work:m");
    stream.until("[DONE]");
    // Base64 of `me:s@fe-word`.
    let head = "CONNECT provider.test:443 HTTP/1.1\r\nHost: provider.test:443\r\n\
                Proxy-Authorization: Basic bWU6c0BmZS13b3Jk\r\n\r\n";
    let seen = gate.seen();
    assert!(!seen.is_empty() && seen.iter().all(|one| one == head), "{seen:#?}");
    assert!(upstream.seen.requests().iter().all(|one| !one.headers.iter().any(|h| h.0.contains("proxy"))));
    let screen = start_screen(&gateway);
    let words = format!("https://provider.test through the proxy http://{} (HTTPS_PROXY)", gate.address);
    assert!(screen.contains(&words), "{screen}");
    assert!(!format!("{screen}{}", gateway.log()).contains("fe-word"), "{screen}{}", gateway.log());
}

#[test]
fn a_plain_provider_is_reached_by_whole_addresses_that_any_proxy_passes_on() {
    let (home, upstream) = (Home::new(), Scripted::start(SCRIPT));
    let gate = Gate::open(&home, &upstream, Manner::Open);
    let proxy = format!("http://me:secret@{}", gate.address);
    let gateway = gateway(&home, "http://provider.test:8000/v1", "", &[("http_proxy", &proxy)]);
    good(&gateway.ask("work:m"));
    start_screen(&gateway);
    let seen = gate.seen().concat();
    assert!(seen.contains("http://provider.test:8000/v1/models HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("host: provider.test:8000\r\n"), "{seen}");
    assert!(seen.contains("proxy-authorization: Basic bWU6c2VjcmV0\r\n"), "{seen}");
    assert!(!seen.contains("CONNECT"), "{seen}");
}

#[test]
fn this_machine_and_what_no_proxy_lists_are_reached_directly() {
    let (home, upstream) = (Home::new(), Scripted::start(SCRIPT));
    let gate = Gate::open(&home, &upstream, Manner::Open);
    let proxy = format!("http://{}", gate.address);
    let variables = [("ALL_PROXY", proxy.as_str()), ("NO_PROXY", "localhost,.provider.test")];
    let here = gateway(&home, &format!("{}/v1", upstream.seen.url()), "", &variables);
    good(&here.ask("work:m"));
    assert!(!start_screen(&here).contains("· http://127.0.0.1:11434 through"), "local runtimes as well");
    drop(here);
    let listed = gateway(&home, "https://provider.test/v1", "", &variables);
    let answer = listed.ask("work:m");
    assert!(answer.text.contains("cannot connect") && !answer.text.contains("proxy"), "{}", answer.text);
    start_screen(&listed);
    let asked =
        gate.seen().into_iter().filter(|head| head.contains("provider.test") || head.contains("127.0.0.1"));
    assert_eq!(asked.count(), 0, "{:#?}", gate.seen());
}

#[test]
fn a_providers_own_proxy_wins_over_the_environment_and_none_means_directly() {
    let (home, upstream) = (Home::new(), Scripted::start(SCRIPT));
    let gate = Gate::open(&home, &upstream, Manner::Open);
    let nowhere = [
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("SSL_CERT_FILE", gate.authority()),
    ];
    let own = format!(", proxy: 'http://{}'", gate.address);
    let through = gateway(&home, "https://provider.test/v1", &own, &nowhere);
    good(&through.ask("work:m"));
    assert!(start_screen(&through).contains("(providers.work.proxy)"));
    drop(through);
    let before = gate.seen().len();
    assert!(before > 0);
    // Also for an address of this machine, which the environment would leave out.
    let near = gateway(&home, &format!("{}/v1", upstream.seen.url()), &own, &nowhere);
    good(&near.ask("work:m"));
    assert!(gate.seen().len() > before);
    drop(near);
    let directly = gateway(&home, "http://provider.test/v1", ", proxy: none", &nowhere);
    let answer = directly.ask("work:m");
    assert!(answer.text.contains("cannot connect") && !answer.text.contains("proxy"), "{}", answer.text);
}

#[test]
fn a_proxy_that_does_not_help_is_named_without_its_password_and_asked_once_more() {
    let (home, upstream) = (Home::new(), Scripted::start(SCRIPT));
    for (manner, base_url, words) in [
        (
            Manner::Says(407),
            "https://provider.test/v1",
            "does not accept the user and password that it was sent (407)",
        ),
        (
            Manner::Says(407),
            "http://provider.test/v1",
            "does not accept the user and password that it was sent (407)",
        ),
        (
            Manner::Says(403),
            "https://provider.test/v1",
            "opened no connection to the provider: it answered with status 403",
        ),
        (
            Manner::Silent,
            "https://provider.test/v1",
            "opened no connection to the provider: it closed the connection",
        ),
    ] {
        let gate = Gate::open(&home, &upstream, manner);
        let proxy = format!("http://me:secret-word@{}", gate.address);
        let gateway =
            gateway(&home, base_url, "", &[("ALL_PROXY", &proxy), ("SSL_CERT_FILE", gate.authority())]);
        start_screen(&gateway);
        let before = gate.seen().len();
        let answer = gateway.ask("work:m");
        assert_eq!(answer.status, 502, "{manner:?}: {}", answer.text);
        let whole = format!("cannot connect: the proxy http://{} (ALL_PROXY) {words}", gate.address);
        assert!(answer.text.contains(&whole), "{manner:?}: {}", answer.text);
        assert!(!format!("{}{}{}", answer.text, gateway.out(), gateway.log()).contains("secret-word"));
        // As for every connection that fails: one try more.
        assert_eq!(gate.seen().len() - before, 2, "{manner:?}: {:#?}", gate.seen());
    }
    let gateway = gateway(&home, "https://provider.test/v1", "", &[("HTTPS_PROXY", "http://127.0.0.1:1")]);
    let answer = gateway.ask("work:m");
    assert_eq!(answer.status, 502, "{}", answer.text);
    let words = "the proxy http://127.0.0.1:1 (HTTPS_PROXY) cannot be reached: Connection refused";
    assert!(answer.text.contains(words), "{}", answer.text);
}

#[test]
fn a_proxy_that_never_answers_is_named_when_the_time_for_connecting_is_over() {
    let (home, upstream) = (Home::new(), Scripted::start(SCRIPT));
    let gate = Gate::open(&home, &upstream, Manner::Mute);
    let more = format!(", proxy: 'http://{}', timeouts: {{connect_ms: 100}}", gate.address);
    let gateway = gateway(&home, "https://provider.test/v1", &more, &[("SSL_CERT_FILE", gate.authority())]);
    let answer = gateway.ask("work:m");
    assert_eq!(answer.status, 502, "{}", answer.text);
    let words =
        format!("no connection in time through the proxy http://{} (providers.work.proxy)", gate.address);
    assert!(answer.text.contains(&words), "{}", answer.text);
}

#[test]
fn a_socks_proxy_gets_the_name_and_a_wrong_login_is_told() {
    let (home, upstream) = (Home::new(), Scripted::start(SCRIPT));
    let gate = Gate::open(&home, &upstream, Manner::Socks);
    let proxy = format!("socks5://me:secret@{}", gate.address);
    let variables = [("ALL_PROXY", proxy.as_str()), ("SSL_CERT_FILE", gate.authority())];
    let encrypted = gateway(&home, "https://provider.test/v1", "", &variables);
    good(&encrypted.ask("work:m"));
    drop(encrypted);
    let plain = gateway(&home, "http://provider.test:8000/v1", "", &variables);
    good(&plain.ask("work:m"));
    let seen = gate.seen();
    assert!(seen.contains(&"provider.test:443".to_owned()), "{seen:?}");
    assert!(seen.contains(&"provider.test:8000".to_owned()), "{seen:?}");
    drop(plain);
    let proxy = format!("socks5://me:wrong-word@{}", gate.address);
    let refused = gateway(&home, "https://provider.test/v1", "", &[("ALL_PROXY", &proxy)]);
    let answer = refused.ask("work:m");
    assert_eq!(answer.status, 502, "{}", answer.text);
    assert!(
        answer.text.contains("opened no connection to the provider: SOCKS error: credentials not accepted"),
        "{}",
        answer.text
    );
    assert!(!format!("{}{}{}", answer.text, refused.out(), refused.log()).contains("wrong-word"));
}

#[test]
fn google_is_asked_for_access_tokens_through_the_proxy_too() {
    let upstream = Scripted::start("vertex: {check_tokens: true}\n");
    let home = Home::new();
    let gate = Gate::open(&home, &upstream, Manner::Open);
    home.write(
        "adc.json",
        r#"{"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c",
            "token_uri": "https://oauth.test/token"}"#,
    );
    home.write(
        "lockgate.yaml",
        "providers: {vertex: {base_url: 'https://provider.test', vertex: {project: p, credentials_file: adc.json}}}\n",
    );
    let proxy = format!("http://{}", gate.address);
    let gateway = Gateway::start_with(&home, &[("HTTPS_PROXY", &proxy), ("SSL_CERT_FILE", gate.authority())]);
    good(&gateway.ask("vertex:gemini-3-pro"));
    let seen = gate.seen().concat();
    assert!(
        seen.contains("CONNECT oauth.test:443 ") && seen.contains("CONNECT provider.test:443 "),
        "{seen}"
    );
}

#[test]
fn the_doctor_says_that_a_proxy_is_on_the_way_and_what_to_do_if_it_fails() {
    let (home, upstream) = (Home::new(), Scripted::start(SCRIPT));
    let gate = Gate::open(&home, &upstream, Manner::Says(407));
    let proxy = format!("http://me:secret-word@{}", gate.address);
    home.write(
        "lockgate.yaml",
        "providers: {work: {kind: openai-compatible, base_url: 'https://provider.test/v1', api_key: '${KEY}'}}\n",
    );
    let mut command = home.lockgate(&["doctor", "--json"]);
    let ran = Ran::from(command.env("KEY", "sk-work").env("https_proxy", &proxy).output().unwrap());
    let report = ran.json();
    let checks = report["checks"].as_array().unwrap();
    let work = checks.iter().find(|check| check["name"] == "work").unwrap_or_else(|| panic!("{report:#}"));
    let name = format!("the proxy http://{} (https_proxy)", gate.address);
    assert!(work["message"].as_str().unwrap().contains(&format!("through {name}")), "{work}");
    assert!(work["advice"].as_str().unwrap().contains(&format!("check {name}")), "{work}");
    assert!(!format!("{ran:?}").contains("secret-word"), "{ran:#?}");
}

#[test]
fn a_variable_that_names_no_usable_proxy_stops_the_start_instead_of_being_ignored() {
    let home = Home::new();
    let mut command = home.lockgate(&["--listen", "127.0.0.1:0"]);
    let ran = Ran::from(command.env("HTTPS_PROXY", "https://me:secret-word@proxy.test").output().unwrap());
    assert_eq!(ran.code, 2, "{ran:#?}");
    assert!(ran.err.contains("HTTPS_PROXY: TLS on the way to the proxy is not supported"), "{}", ran.err);
    assert!(!ran.err.contains("secret-word"), "{}", ran.err);
}
