//! Logging in: the first user, cookies, who is kept out.

use std::fs;

use serde_json::{Value, json};

use crate::http::{self, Answer};
use crate::support::{Gateway, Home, until};

fn started() -> (Home, Gateway) {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    until("the first user is there", || home.path(".local/share/lockgate/admin-secret").exists());
    until("it can log in", || log_in(&gateway, "admin", &secret(&home), &[]).status == 200);
    (home, gateway)
}

fn secret(home: &Home) -> String {
    fs::read_to_string(home.path(".local/share/lockgate/admin-secret")).unwrap().trim().to_owned()
}

fn log_in(gateway: &Gateway, name: &str, password: &str, lines: &[(&str, &str)]) -> Answer {
    let body = json!({"name": name, "password": password}).to_string();
    http::ask(gateway.address, "POST", "/api/login", lines, &body)
}

fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

fn get(gateway: &Gateway, path: &str, lines: &[(&str, &str)]) -> Answer {
    http::ask(gateway.address, "GET", path, lines, "")
}

/// No password exists before the first start; the one that is made then is in a file that only its owner can read.
#[test]
fn the_first_start_makes_an_admin_whose_password_is_in_a_private_file() {
    let (home, gateway) = started();
    let file = home.path(".local/share/lockgate/admin-secret");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o077, 0);
    assert!(!gateway.log().contains(&secret(&home)) && !gateway.out().contains(&secret(&home)));
    let page = http::get(gateway.address, "/login").unwrap();
    assert!(page.text.contains("admin-secret") && !page.text.contains(&secret(&home)), "{}", page.text);
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert!(!page.text.contains("<script"));
    let wrong = log_in(&gateway, "admin", "admin", &[]);
    assert!(wrong.status == 401 && wrong.text.contains("in the file `admin-secret`"), "{}", wrong.text);
    let nobody = log_in(&gateway, "somebody", "admin", &[]);
    assert_eq!(nobody.json(), wrong.json(), "nobody learns which names there are");

    let before = secret(&home);
    assert_eq!(home.run(&["admin", "reset-secret"]).code, 0);
    assert_ne!(secret(&home), before);
    assert_eq!(log_in(&gateway, "admin", &before, &[]).status, 401);
    // So many wrong ones may have to wait a second.
    until("the new one fits", || log_in(&gateway, "admin", &secret(&home), &[]).status == 200);
}

/// Cookies: `HttpOnly`, `SameSite`, `Secure` behind TLS; a new one with each login; worth nothing after logging out.
#[test]
fn a_login_is_a_cookie_that_pages_cannot_read_and_that_ends() {
    let (home, gateway) = started();
    let first = log_in(&gateway, "admin", &secret(&home), &[]);
    let flags = first.header("set-cookie").unwrap();
    for flag in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(flags.contains(flag), "{flag}: {flags}");
    }
    assert!(!flags.contains("Secure"), "on plain HTTP a browser would not send it back");
    let secure = log_in(&gateway, "admin", &secret(&home), &[("x-forwarded-proto", "https")]);
    assert!(secure.header("set-cookie").unwrap().contains("; Secure"));
    let (old, mark) = (cookie(&first), ("x-lockgate-csrf", "1"));
    let me = get(&gateway, "/api/me", &[("cookie", &old)]);
    assert_eq!((&me.json()["name"], &me.json()["role"]), (&json!("admin"), &json!("admin")));
    let again = cookie(&log_in(&gateway, "admin", &secret(&home), &[("cookie", &old)]));
    assert_ne!(old, again);
    assert_eq!(get(&gateway, "/api/me", &[("cookie", &old)]).status, 401, "the one before is over");
    assert_eq!(
        http::ask(gateway.address, "POST", "/api/logout", &[("cookie", &again), mark], "").status,
        204
    );
    assert_eq!(get(&gateway, "/api/me", &[("cookie", &again)]).status, 401);
    let form = format!("name=admin&password={}", secret(&home));
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let sent = http::ask(gateway.address, "POST", "/api/login", &[kind], &form);
    assert_eq!((sent.status, sent.header("location").as_deref()), (303, Some("/login")));
    let page = get(&gateway, "/login", &[("cookie", &cookie(&sent))]);
    assert!(page.text.contains("logged in as <b>admin</b>"), "{}", page.text);
}

/// CSRF and DNS rebinding.
#[test]
fn a_foreign_page_changes_nothing_and_a_foreign_name_gets_nothing() {
    let (home, gateway) = started();
    let cookie = cookie(&log_in(&gateway, "admin", &secret(&home), &[]));
    let own = format!("http://{}", gateway.address);
    let key = json!({"name": "k"}).to_string();
    let make = |lines: &[(&str, &str)]| {
        let lines: Vec<_> = [("cookie", cookie.as_str())].into_iter().chain(lines.iter().copied()).collect();
        http::ask(gateway.address, "POST", "/api/keys", &lines, &key)
    };
    let mark = ("x-lockgate-csrf", "1");
    for lines in [
        &[][..],
        &[("origin", "https://evil.example"), mark],
        &[("sec-fetch-site", "cross-site"), mark],
        &[("sec-fetch-site", "same-site"), mark],
        &[("origin", "null"), mark],
    ] {
        let refused = make(lines);
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &json!("csrf")), "{lines:?}");
    }
    for name in ["evil.example", "localhost.evil.example:8484"] {
        let refused = make(&[("host", name), mark]);
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &json!("foreign_host")));
        assert_eq!(get(&gateway, "/login", &[("host", name)]).status, 403);
    }
    let foreign = log_in(&gateway, "admin", &secret(&home), &[("origin", "https://evil.example")]);
    assert_eq!(foreign.status, 403, "nor does it log anybody in");
    assert_eq!(make(&[("origin", &own), ("sec-fetch-site", "same-origin"), mark]).status, 201);
    let list = get(&gateway, "/api/keys", &[("cookie", &cookie)]).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

/// Wrong passwords: each further try waits, for everybody at that address.
#[test]
fn after_some_wrong_passwords_even_the_right_one_has_to_wait() {
    let (home, gateway) = started();
    let mut last = log_in(&gateway, "admin", "wrong", &[]);
    for _ in 0..10 {
        if last.status == 429 {
            break;
        }
        assert_eq!(last.status, 401);
        last = log_in(&gateway, "admin", "wrong", &[]);
    }
    assert_eq!((last.status, last.header("retry-after").is_some()), (429, true), "{}", last.text);
    for _ in 0..3 {
        // Another try or two may have become free meanwhile.
        log_in(&gateway, "admin", "wrong", &[]);
    }
    let right = log_in(&gateway, "admin", &secret(&home), &[]);
    assert_eq!((right.status, &right.json()["error"]["code"]), (429, &json!("too_many")));
    let audit = home.run(&["key", "list", "--json"]);
    assert_eq!(audit.code, 0, "the command line needs no login");
}

/// Roles: nobody does more than they may, and nobody makes a key that does.
#[test]
fn everybody_does_what_the_role_allows_and_no_more() {
    let (home, gateway) = started();
    let token = |name: &str, password: &str| {
        let body = json!({"name": name, "password": password, "token": true}).to_string();
        let opened = http::ask(gateway.address, "POST", "/api/login", &[], &body);
        assert_eq!((opened.status, opened.header("set-cookie")), (200, None), "{}", opened.text);
        format!("Bearer {}", opened.json()["token"].as_str().unwrap())
    };
    let made = |name: &str, role: &str| {
        let user = home.run(&["user", "add", name, "--role", role, "--json"]).json();
        token(name, user["password"].as_str().unwrap())
    };
    let (admin, operator, viewer, own) = (
        token("admin", &secret(&home)),
        made("olga", "operator"),
        made("vera", "viewer"),
        made("sam", "self"),
    );
    let ask = |who: &str, method: &str, path: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http::ask(gateway.address, method, path, &[("authorization", who)], &body)
    };
    let none = Value::Null;
    for (path, allowed) in [
        ("/api/users", [200, 403, 403, 403]),
        ("/api/audit", [200, 200, 200, 403]),
        ("/api/keys", [200, 200, 200, 200]),
        ("/api/me", [200, 200, 200, 200]),
    ] {
        let told = [&admin, &operator, &viewer, &own].map(|who| ask(who, "GET", path, &none).status);
        assert_eq!(told, allowed, "{path}");
        assert_eq!(http::get(gateway.address, path).unwrap().status, 401, "{path}");
    }
    let key = |name: &str, owner: &str, role: &str| json!({"name": name, "owner": owner, "role": role});
    assert_eq!(ask(&viewer, "POST", "/api/keys", &key("v", "vera", "self")).status, 403);
    assert_eq!(
        ask(&operator, "POST", "/api/keys", &key("o", "olga", "admin")).status,
        403,
        "more than she may"
    );
    let sams = ask(&operator, "POST", "/api/keys", &key("sam", "sam", "self"));
    assert_eq!(sams.status, 201, "{}", sams.text);
    let powerful = ask(&admin, "POST", "/api/keys", &key("robot", "admin", "admin")).json();
    for path in ["/api/keys/robot/rotate", "/api/keys/robot/revoke"] {
        assert_eq!(ask(&operator, "POST", path, &json!({})).status, 403, "{path}");
    }
    let names = |who: &str| {
        let list = ask(who, "GET", "/api/keys", &none).json();
        let items = list["items"].as_array().unwrap().clone();
        items.into_iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((names(&own), names(&viewer).len()), (vec!["sam".to_owned()], 2));
    assert_eq!(ask(&own, "POST", "/api/keys/sam/rotate", &json!({})).status, 201, "one's own");
    assert_eq!(ask(&own, "GET", "/api/keys/robot", &none).status, 404);
    let robot = format!("Bearer {}", powerful["key"].as_str().unwrap());
    until("the key is known", || ask(&robot, "GET", "/api/me", &none).status == 200);
    assert_eq!(ask(&robot, "GET", "/api/users", &none).status, 200, "a key with a role");
    assert_eq!(ask("Bearer lg-nobodys", "GET", "/api/me", &none).status, 401);

    assert_eq!(
        ask(&admin, "PATCH", "/api/users/admin", &json!({"role": "viewer"})).status,
        409,
        "the only admin"
    );
    assert_eq!(ask(&admin, "DELETE", "/api/users/sam", &none).status, 204);
    assert_eq!(ask(&own, "GET", "/api/me", &none).status, 401, "the login went with the user");
    let verbs = ask(&viewer, "GET", "/api/audit?verb=remove", &none).json();
    assert_eq!(
        (&verbs["items"][0]["object"], &verbs["items"][0]["actor"]),
        (&json!("user:sam"), &json!("admin"))
    );
    let cli = ask(&viewer, "GET", "/api/audit?object=user:olga&verb=create", &none).json();
    assert_eq!(cli["items"][0]["actor_kind"], "cli");
    assert!(!ask(&viewer, "GET", "/api/audit", &none).text.contains("lg-"), "no secret in the audit");
}

/// A change of the password ends every login.
#[test]
fn a_new_password_ends_every_login_but_the_one_that_it_opens() {
    let (home, gateway) = started();
    let first = cookie(&log_in(&gateway, "admin", &secret(&home), &[]));
    let second = cookie(&log_in(&gateway, "admin", &secret(&home), &[]));
    let change = |current: &str, new: &str| {
        let body = json!({"current": current, "new": new}).to_string();
        let lines = [("cookie", second.as_str()), ("x-lockgate-csrf", "1")];
        http::ask(gateway.address, "POST", "/api/me/password", &lines, &body)
    };
    assert_eq!(change("wrong", "a better password").status, 403);
    assert_eq!(change(&secret(&home), "short").status, 400);
    let changed = change(&secret(&home), "a better password");
    assert_eq!(changed.status, 200, "{}", changed.text);
    let third = cookie(&changed);
    let told = [&first, &second, &third].map(|cookie| get(&gateway, "/api/me", &[("cookie", cookie)]).status);
    assert_eq!(told, [401, 401, 200]);
    assert_eq!(log_in(&gateway, "admin", &secret(&home), &[]).status, 401);
    assert_eq!(log_in(&gateway, "admin", "a better password", &[]).status, 200);
    let logins = get(&gateway, "/api/me/logins", &[("cookie", &third)]).json();
    assert_eq!(logins["items"].as_array().unwrap().len(), 2);
}

/// Behind a proxy everybody comes from one address: one who tries many names slows himself alone where the proxy is known as one, and only a proxy that is
/// known is believed.
#[test]
fn behind_a_known_proxy_one_guesser_slows_nobody_else() {
    for (config, slowed) in
        [("server: {trusted_proxies: [127.0.0.1]}\n", false), ("log: {level: info}\n", true)]
    {
        let home = Home::new();
        home.write("lockgate.yaml", config);
        let gateway = Gateway::start(&home);
        until("the first user is there", || home.path(".local/share/lockgate/admin-secret").exists());
        for number in 0..12 {
            let guess =
                log_in(&gateway, &format!("name-{number}"), "x", &[("x-forwarded-for", "203.0.113.66")]);
            assert_eq!(guess.status, 401, "{}", guess.text);
        }
        let from =
            |address: &str, name: &str| log_in(&gateway, name, "x", &[("x-forwarded-for", address)]).status;
        assert_eq!(from("203.0.113.66", "ann"), 429, "the guesser waits");
        assert_eq!(
            from("6.6.6.6, 203.0.113.66", "ann"),
            429,
            "what the guesser writes into the header counts nothing"
        );
        assert_eq!(from("198.51.100.7", "ben"), if slowed { 429 } else { 401 }, "{config}");
        let audit = home.run(&["audit", "--verb", "login_failed", "--json"]).json();
        let address = audit["items"][0]["address"].as_str().unwrap().to_owned();
        assert_eq!(address, if slowed { "127.0.0.1" } else { "198.51.100.7" });
    }
}
