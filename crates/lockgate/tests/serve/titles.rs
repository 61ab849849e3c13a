//! Titles of sessions by a model: asked once behind the calls, kept unless a person has named the session, and never in a call's way.

use lockgate_store::{Call, Sessions as _, Title, TitleSource};
use lockgate_store_sql::Place;
use serde_json::json;

use crate::http::Stream;
use crate::record::{all, database, reading_at};
use crate::support::{Gateway, Home, Scripted, until};

const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

fn script(title: &str) -> String {
    format!(
        "rules: [{{when: {{model: small}}, {title}}}, \
         {{answer: {{blocks: [{{text: A fine answer}}], usage: {{input: 12, output: 34}}}}}}]"
    )
}

fn made(words: &str) -> String {
    script(&format!("answer: {{blocks: [{{text: '{words}'}}], usage: {{input: 5, output: 6}}}}"))
}

const TITLES: &str = "record: {titles: {model: 'up:small'}}\n";

fn home(upstream: &Scripted, more: &str) -> Home {
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}{TITLES}{more}", upstream.entry("up", "")));
    home
}

/// Turns of a session.
fn turn(gateway: &Gateway, session: &str, said: &[&str], more: &str) {
    let mut messages = Vec::new();
    for words in said {
        if !messages.is_empty() {
            messages.push(json!({"role": "assistant", "content": "A fine answer"}));
        }
        messages.push(json!({"role": "user", "content": words}));
    }
    let body = json!({"model": "up:m", "messages": messages});
    let more = format!("{more}x-session-id: {session}\r\n");
    let answer = Stream::post_with(gateway.address, "/v1/chat/completions", &body, &more);
    assert_eq!(answer.unwrap().end().unwrap().status, 200);
}

fn title(home: &Home, session: &str) -> Option<Title> {
    reading_at(&Place::File(database(home)), async |database| {
        database.session(session).await.unwrap().and_then(|session| session.title)
    })
}

/// What the small model was asked.
fn asked(upstream: &Scripted) -> Vec<String> {
    let all = upstream.seen.requests().into_iter().filter(|request| request.method == "POST");
    all.filter(|request| request.json()["model"] == "small")
        .map(|request| request.json().to_string())
        .collect()
}

fn count(gateway: &Gateway, name: &str) -> u64 {
    let health = gateway.health().to_string();
    let (_, rest) = health.split_once(&format!("\"{name}\":")).unwrap_or_default();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn ended(mut gateway: Gateway) {
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
}

/// 000 M4: after the first turn the model is asked once, shown no secret; its title takes the place of the first words, the question is
/// recorded as housekeeping of no session.
#[test]
fn a_model_makes_the_title_of_a_session_once_behind_its_first_turn() {
    let upstream = Scripted::start(&made(&format!("\"Mend the red test {SECRET}\"")));
    let home = home(&upstream, "");
    let gateway = Gateway::start(&home);
    let first = format!("please mend it, the token is {SECRET}");
    turn(&gateway, "s-one", &[&first], "");
    until("the title is made", || count(&gateway, "titles_made") == 1);
    turn(&gateway, "s-one", &[&first, "and the blue one"], "");
    turn(&gateway, "s-two", &["another"], "");
    until("the other title is made", || count(&gateway, "titles_made") == 2);
    ended(gateway);

    let title = title(&home, "s-one").unwrap();
    assert_eq!(title.source, TitleSource::Generated);
    assert!(title.text.starts_with("Mend the red test «redacted:"), "{}", title.text);
    let asked = asked(&upstream);
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(
        asked[0].contains("You are a title generator") && asked[0].contains("please mend it"),
        "{}",
        asked[0]
    );
    assert!(asked[0].contains("A fine answer"), "{}", asked[0]);
    assert!(!asked.concat().contains(SECRET), "{asked:?}");
    let calls = all(&Place::File(database(&home)));
    let (questions, others): (Vec<Call>, Vec<Call>) =
        calls.into_iter().partition(|call| call.route.resolved_model.as_deref() == Some("small"));
    assert_eq!((questions.len(), others.len()), (2, 3));
    for question in questions {
        assert_eq!(question.lineage.turn_kind.as_deref(), Some("housekeeping:title"));
        assert!(question.lineage.session.is_none() && question.lineage.turn.is_none(), "{question:?}");
    }
    let shown = home.run(&["session", "show", "s-one", "--json"]).json();
    assert!(shown.to_string().contains("\"calls\":2"), "{shown}");
}

/// 000 M4: what a person wrote stays; nothing is asked for a session of which no contents are kept, or whose key may not go there; and by
/// default nobody is asked.
#[test]
fn nobody_is_asked_for_sessions_without_contents_or_of_keys_that_may_not_go_there() {
    let upstream = Scripted::start(&made("Mend the red test"));
    let other = Scripted::start("rules: [{answer: {blocks: [{text: Yes}]}}]");
    let key = |name: &str, more: &str| {
        format!("  - {{name: {name}, hash: '{}'{more}}}\n", lockgate::key::hash(name))
    };
    let keys =
        [key("quiet", ", record: metadata"), key("bound", ", providers: [other]"), key("open", "")].concat();
    let home = home(&upstream, &format!("keys:\n{keys}"));
    let config = std::fs::read_to_string(home.path("lockgate.yaml")).unwrap();
    let config = config.replace(TITLES, &format!("{}{TITLES}", other.entry("other", "")));
    home.write("lockgate.yaml", &config);
    let gateway = Gateway::start(&home);
    turn(&gateway, "s-quiet", &["words that nobody keeps"], "authorization: Bearer quiet\r\n");
    let body = json!({"model": "other:m", "messages": [{"role": "user", "content": "stay where you are"}]});
    let bound = "authorization: Bearer bound\r\nx-session-id: s-bound\r\n";
    let answer = Stream::post_with(gateway.address, "/v1/chat/completions", &body, bound);
    assert_eq!(answer.unwrap().end().unwrap().status, 200);
    until("that is refused", || count(&gateway, "titles_failed") == 1);
    turn(&gateway, "s-open", &["anything"], "authorization: Bearer open\r\n");
    until("the title is made", || count(&gateway, "titles_made") == 1);
    let log = gateway.log();
    assert!(log.contains("may not use the provider `up`"), "{log}");
    ended(gateway);
    let asked = asked(&upstream);
    assert!(asked.len() == 1 && asked[0].contains("anything"), "{asked:?}");
    assert_eq!(title(&home, "s-quiet"), None);
    assert_eq!(title(&home, "s-bound").unwrap().source, TitleSource::First);
    assert_eq!(title(&home, "s-open").unwrap().text, "Mend the red test");

    assert_eq!(home.run(&["session", "rename", "s-open", "Mine"]).code, 0);
    home.write("lockgate.yaml", &config);
    let gateway = Gateway::start(&home);
    turn(&gateway, "s-open", &["anything", "more"], "authorization: Bearer open\r\n");
    turn(&gateway, "s-next", &["next"], "authorization: Bearer open\r\n");
    until("the next title is made", || count(&gateway, "titles_made") == 1);
    ended(gateway);
    assert_eq!(title(&home, "s-open").unwrap().text, "Mine");

    home.write("lockgate.yaml", &config.replace(TITLES, ""));
    let gateway = Gateway::start(&home);
    turn(&gateway, "s-off", &["off"], "authorization: Bearer open\r\n");
    until("it is stored", || title(&home, "s-off").is_some());
    ended(gateway);
    assert!(!asked_about(&upstream, "off"));
}

fn asked_about(upstream: &Scripted, words: &str) -> bool {
    asked(upstream).iter().any(|asked| asked.contains(&format!("User: {words}")))
}

/// 000 M4: a model that fails costs a line in the log and nothing else.
#[test]
fn a_model_that_fails_leaves_the_first_words_and_harms_no_call() {
    let upstream = Scripted::start(&script("error: {status: 400, message: not today}"));
    let home = home(&upstream, "");
    let gateway = Gateway::start(&home);
    turn(&gateway, "s-one", &["please mend it"], "");
    until("it has failed", || count(&gateway, "titles_failed") == 1);
    turn(&gateway, "s-one", &["please mend it", "and this"], "");
    assert!(gateway.log().contains("a session keeps its first words as its title"), "{}", gateway.log());
    ended(gateway);
    assert_eq!(title(&home, "s-one").unwrap().text, "please mend it");
    assert_eq!(asked(&upstream).len(), 1, "it is asked once");
}
