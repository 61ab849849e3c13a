//! Logging in with an account elsewhere: the real binary, a provider of OpenID Connect over HTTP, and a browser as far as it is needed.

mod provider;

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::http::{self, Answer};
use crate::support::{Gateway, Home, until};
use provider::{CLIENT, CLIENT_SECRET, Minted, Provider};

/// A gateway that sends people to a provider. `more` are lines of `admin.oidc`.
fn started(provider: &Provider, more: &str) -> (Home, Gateway) {
    let home = Home::new();
    let text = format!(
        "admin:\n  oidc:\n    issuer: {}\n    client_id: {CLIENT}\n    client_secret: ${{CLIENT_SECRET}}\n    title: Example\n    \
         redirect_url: http://localhost:8484/api/login/oidc/callback\n    roles:\n      - {{claim: groups, value: staff, role: viewer}}\n      \
         - {{claim: groups, value: bosses, role: admin}}\n{more}",
        provider.issuer
    );
    home.write("lockgate.yaml", &text);
    let gateway = Gateway::start_with(&home, &[("CLIENT_SECRET", CLIENT_SECRET)]);
    until("the first user is there", || home.path(".local/share/lockgate/admin-secret").exists());
    (home, gateway)
}

fn get(address: SocketAddr, path: &str, cookies: &str) -> Answer {
    http::ask(address, "GET", path, &[("cookie", cookies)], "")
}

/// The cookies that an answer sets, as a browser would send them.
fn cookies(answer: &Answer) -> String {
    let lines = answer.text.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    lines.map(|line| line.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

/// Begins a login: the cookie, and where the provider sent the browser back to.
fn to_the_provider_and_back(gateway: &Gateway) -> (String, String) {
    let begun = get(gateway.address, "/api/login/oidc", "");
    assert_eq!(begun.status, 303, "{begun:?}");
    let set = begun.header("set-cookie").unwrap();
    for flag in ["HttpOnly", "SameSite=Lax", "Path=/api/login/oidc", "Max-Age=600"] {
        assert!(set.contains(flag), "{flag}: {set}");
    }
    let to = begun.header("location").unwrap();
    let (provider, path) = to.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let sent = get(provider.parse().unwrap(), &format!("/{path}"), "");
    let back = sent.header("location").unwrap();
    (cookies(&begun), back.strip_prefix("http://localhost:8484").unwrap().to_owned())
}

/// The whole way; what the browser sees at the end.
fn log_in(gateway: &Gateway) -> Answer {
    let (browser, back) = to_the_provider_and_back(gateway);
    get(gateway.address, &back, &browser)
}

fn me(gateway: &Gateway, answer: &Answer) -> Value {
    get(gateway.address, "/api/me", &cookies(answer)).json()
}

/// The audit, to whoever has the first password.
fn audit(home: &Home, gateway: &Gateway) -> Vec<Value> {
    let secret = std::fs::read_to_string(home.path(".local/share/lockgate/admin-secret")).unwrap();
    let body = json!({"name": "admin", "password": secret.trim(), "token": true}).to_string();
    let token = http::ask(gateway.address, "POST", "/api/login", &[], &body).json()["token"].clone();
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let told =
        http::ask(gateway.address, "GET", "/api/audit?limit=500", &[("authorization", &bearer)], "").json();
    told["items"].as_array().unwrap().clone()
}

/// N1: a login as the one with a password, with the role that the provider's groups give, which follows them.
#[test]
fn somebody_logs_in_at_the_provider_and_has_the_role_that_the_groups_give() {
    let provider = Provider::start();
    let (home, gateway) = started(&provider, "");
    let page = http::get(gateway.address, "/login").unwrap();
    assert!(page.text.contains("href=\"/api/login/oidc\"") && page.text.contains("Example"), "{}", page.text);
    let entered = log_in(&gateway);
    assert_eq!(entered.status, 200, "{entered:?}");
    let session = entered.text.lines().find(|line| line.contains("lockgate_session=lgs-")).unwrap();
    assert!(session.contains("HttpOnly") && session.contains("SameSite=Strict"), "{session}");
    assert!(entered.text.contains("lockgate_oidc=;") && entered.text.contains("url=/login"), "{entered:?}");
    let ann = me(&gateway, &entered);
    assert_eq!((&ann["name"], &ann["role"]), (&json!("ann@example.org"), &json!("viewer")));
    assert_eq!(get(gateway.address, "/api/calls", &cookies(&entered)).status, 200);
    assert_eq!(get(gateway.address, "/api/users", &cookies(&entered)).status, 403);

    provider.person(
        json!({"sub": "ann-1", "email": "ann@example.org", "email_verified": true, "groups": ["staff", "bosses"]}),
    );
    let promoted = log_in(&gateway);
    assert_eq!(me(&gateway, &promoted)["role"], "admin");
    let old = get(gateway.address, "/api/me", &cookies(&entered));
    assert_eq!(old.status, 401, "a login with the role of before is over: {old:?}");
    let body = json!({"name": "ann@example.org", "password": ""}).to_string();
    assert_eq!(
        http::ask(gateway.address, "POST", "/api/login", &[], &body).status,
        401,
        "there is no password"
    );
    let verbs: Vec<_> = audit(&home, &gateway)
        .into_iter()
        .filter(|entry| entry["object"] == "user:ann@example.org")
        .map(|entry| entry["verb"].clone())
        .collect();
    assert_eq!(verbs, ["login_failed", "login", "change", "login", "create"]);
    assert_eq!(provider.asked("/keys"), 1, "keys are remembered");
    let log = format!("{}{}", gateway.log(), gateway.out());
    assert!(!log.contains("s3cr") && !log.contains("code-"), "{log}");
}

/// Each of these would let somebody in who has no right to it.
#[test]
fn tokens_that_are_not_for_this_login_are_refused() {
    let provider = Provider::start();
    let (home, gateway) = started(&provider, "");
    let claim = |name: &'static str, value: Value| -> Box<dyn Fn(&mut Minted) + Send> {
        Box::new(move |minted| drop(minted.claims.insert(name.to_owned(), value.clone())))
    };
    let header = |name: &'static str, value: &'static str| -> Box<dyn Fn(&mut Minted) + Send> {
        Box::new(move |minted| drop(minted.header.insert(name.to_owned(), value.into())))
    };
    for (bend, words) in [
        (claim("nonce", json!("another")), "nonce"),
        (claim("aud", json!("another")), "aud"),
        (claim("aud", json!([CLIENT, "another"])), "aud"),
        (claim("iss", json!("https://another.example")), "issuer"),
        (claim("exp", json!(1_700_000_000)), "expired"),
        (claim("sub", json!("")), "names nobody"),
        (header("kid", "unknown"), "does not publish"),
        (header("alg", "none"), "`none`"),
        (header("alg", "HS256"), "`HS256`"),
    ] {
        provider.bend(Some(bend));
        let refused = log_in(&gateway);
        assert_eq!(refused.status, 502, "{words}: {refused:?}");
        assert!(refused.text.contains(words) && !refused.text.contains("lgs-"), "{words}: {}", refused.text);
    }
    provider.bend(None);
    assert_eq!(log_in(&gateway).status, 200);
    let made: Vec<_> = audit(&home, &gateway).into_iter().filter(|entry| entry["verb"] == "create").collect();
    assert_eq!(made.iter().filter(|entry| entry["object"] == "user:ann@example.org").count(), 1, "{made:#?}");
}

#[test]
fn a_provider_may_change_its_keys_at_any_time() {
    let provider = Provider::start();
    let (_home, gateway) = started(&provider, "");
    assert_eq!(log_in(&gateway).status, 200);
    for name in ["second", "second", "third"] {
        // Also another key under the same name.
        provider.rotate(name);
        assert_eq!(log_in(&gateway).status, 200, "{name}");
    }
    assert_eq!((provider.asked("/keys"), provider.asked("/.well-known/openid-configuration")), (4, 1));
}

/// A login is of the browser that began it, and good once.
#[test]
fn an_answer_of_the_provider_is_good_once_and_in_the_browser_that_asked_for_it() {
    let provider = Provider::start();
    let (_home, gateway) = started(&provider, "");
    let (browser, back) = to_the_provider_and_back(&gateway);
    assert_eq!(get(gateway.address, &back, &browser).status, 200);
    let replayed = get(gateway.address, &back, &browser);
    assert!(replayed.status == 400 && replayed.text.contains("used before"), "{replayed:?}");
    let (_, back) = to_the_provider_and_back(&gateway);
    let elsewhere = get(gateway.address, &back, "");
    assert!(elsewhere.status == 400 && cookies(&elsewhere) == "lockgate_oidc=", "{elsewhere:?}");
    let (_, back) = to_the_provider_and_back(&gateway);
    assert_eq!(get(gateway.address, &back, &browser).status, 400, "the cookie is of another login");
    let (browser, back) = to_the_provider_and_back(&gateway);
    let foreign = back.replace("state=", "state=x");
    assert_eq!(get(gateway.address, &foreign, &browser).status, 400);
    let (browser, back) = to_the_provider_and_back(&gateway);
    let invented = back.replace("code=", "code=x");
    let refused = get(gateway.address, &invented, &browser);
    assert!(refused.status == 502 && refused.text.contains("invalid_grant"), "{refused:?}");
    let (browser, back) = to_the_provider_and_back(&gateway);
    let denied = back.replace("code=", "error=access_denied%3Cb%3E&was=");
    let refused = get(gateway.address, &denied, &browser);
    assert!(
        refused.status == 403 && refused.text.contains("access_denied") && !refused.text.contains("denied<")
    );
}

#[test]
fn somebody_without_a_role_or_whose_name_is_taken_is_not_let_in_and_the_audit_says_so() {
    let provider = Provider::start();
    let (home, gateway) = started(&provider, "    allowed_domains: [example.org]\n");
    let secret = std::fs::read_to_string(home.path(".local/share/lockgate/admin-secret")).unwrap();
    let run = |args: &[&str]| {
        let ran = home.lockgate(args).env("CLIENT_SECRET", CLIENT_SECRET).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    };
    run(&["user", "add", "bob@example.org", "--role", "viewer"]);
    let person = |sub: &str, mail: &str, groups: Value| json!({"sub": sub, "email": mail, "email_verified": true, "groups": groups});
    for (who, words) in [
        (person("eve-1", "eve@example.org", json!(["guests"])), "no role"),
        (person("eve-1", "eve@example.org", json!(null)), "no role"),
        (person("eve-1", "eve@evil.example", json!(["bosses"])), "no domain"),
        (person("eve-1", "bob@example.org", json!(["bosses"])), "belongs to somebody else"),
    ] {
        provider.person(who);
        let refused = log_in(&gateway);
        assert!(refused.status == 403 && refused.text.contains(words), "{words}: {refused:?}");
        assert!(!refused.text.contains("lgs-"), "{words}");
    }
    provider.person(person("ann-1", "ann@example.org", json!(["staff"])));
    assert_eq!(log_in(&gateway).status, 200);
    provider.person(person("ann-2", "ann@example.org", json!(["bosses"])));
    let other = log_in(&gateway);
    assert!(other.status == 403, "an account stays with the one it was made for: {other:?}");
    provider.person(person("ann-1", "ann@example.org", json!(["staff"])));
    run(&["user", "set", "ann@example.org", "--disable"]);
    let closed = log_in(&gateway);
    assert!(closed.status == 403 && closed.text.contains("closed"), "{closed:?}");
    let failed = audit(&home, &gateway).into_iter().filter(|entry| entry["verb"] == "login_failed");
    assert_eq!(failed.count(), 6);
    assert!(!gateway.log().contains(secret.trim()));
}

#[test]
fn without_a_provider_there_is_no_button_and_a_provider_that_is_away_is_said() {
    let home = Home::new();
    let plain = Gateway::start(&home);
    assert_eq!(get(plain.address, "/api/login/oidc", "").status, 404);
    assert!(!http::get(plain.address, "/login").unwrap().text.contains("oidc"));
    drop(plain);
    let mut provider = Provider::start();
    provider.issuer = "http://127.0.0.1:1".to_owned();
    let (_home, gateway) = started(&provider, "");
    let away = get(gateway.address, "/api/login/oidc", "");
    assert!(
        away.status == 502 && away.text.contains("cannot connect") && away.text.contains("<form"),
        "{away:?}"
    );
}
