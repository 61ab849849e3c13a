//! Planted secrets: one in each place where one can be, and none of them in anything that is kept or shown.
//!
//! What is looked for is a piece of the beginning and of the end of each, so that half a secret is found too. Kinds that are not
//! masked, such as encoded secrets that nobody knows, are listed in `docs/redaction.md`.

mod places;

use std::fs;
use std::path::Path;
use std::thread::JoinHandle;

use lockgate_store::{Calls as _, Part};
use lockgate_store_sql::Place;
use serde_json::{Value, json};

use super::is_well;
use crate::http;
use crate::record::{all, database, reading_at};
use crate::support::{Gateway, Home, Scripted, until};
use crate::telemetry::Sink;

/// What secrets are made of here.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// How much of a secret is looked for at each end.
const PIECE: usize = 12;

/// The secrets that were planted, each with its place.
#[derive(Default)]
struct Planted {
    secrets: Vec<(String, String)>,
}

impl Planted {
    /// A new secret: so many random letters in a shape, where they stand for `*`.
    fn plant(&mut self, place: &str, shape: &str, length: usize) -> String {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().update(place.as_bytes()).finalize_xof().fill(&mut bytes);
        let core: String = bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % 62])).collect();
        assert!(self.secrets.iter().all(|(_, known)| *known != core), "{place} has one already");
        self.secrets.push((place.to_owned(), core.clone()));
        shape.replace('*', &core)
    }

    /// A token of GitHub.
    fn github(&mut self, place: &str) -> String {
        self.plant(place, "ghp_*", 36)
    }

    /// A key of Anthropic.
    fn anthropic(&mut self, place: &str) -> String {
        self.plant(place, "sk-ant-api03-*AA", 93)
    }

    /// A password without a shape.
    fn password(&mut self, place: &str) -> String {
        self.plant(place, "*", 20)
    }

    /// The places whose secrets can be seen in these bytes.
    fn seen_in(&self, bytes: &[u8]) -> Vec<&str> {
        let seen = |core: &str| {
            let ends = [&core[..PIECE], &core[core.len() - PIECE..]];
            ends.into_iter().any(|piece| memchr::memmem::find(bytes, piece.as_bytes()).is_some())
        };
        self.secrets.iter().filter(|(_, core)| seen(core)).map(|(place, _)| place.as_str()).collect()
    }
}

/// Everything that can be seen, by name.
#[derive(Default)]
struct Sinks(Vec<(String, Vec<u8>)>);

impl Sinks {
    fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((name.into(), bytes.into()));
    }

    /// All files below a folder.
    fn files(&mut self, when: &str, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.files(when, &path);
            } else if let Ok(bytes) = fs::read(&path) {
                // A file that is done with may be deleted meanwhile.
                self.add(format!("{when}: {}", path.display()), bytes);
            }
        }
    }

    /// What a command prints.
    fn command(&mut self, home: &Home, args: &[&str]) -> String {
        let ran = home.lockgate(args).env("UP_KEY", "another").output().unwrap();
        assert!(ran.status.success(), "{args:?}: {ran:?}");
        let out = String::from_utf8_lossy(&ran.stdout).into_owned();
        self.add(args.join(" "), [ran.stdout, ran.stderr].concat());
        out
    }
}

/// Every answer of the admin API that shows what is recorded, and some of the commands that show it to people.
fn ask_all(scene: &Scene, sinks: &mut Sinks) {
    let parts = ["calls", "sessions"].map(|what| {
        let list = scene.api(sinks, &format!("/api/{what}?limit=500"));
        let items = list["items"].as_array().unwrap().clone();
        assert!(!items.is_empty(), "{list}");
        items.into_iter().map(|item| encoded(item["id"].as_str().unwrap())).collect::<Vec<_>>()
    });
    let [calls, sessions] = parts;
    for id in calls {
        let call = scene.api(sinks, &format!("/api/calls/{id}"));
        scene.api(sinks, &format!("/api/calls/{id}/exchange"));
        for body in call["bodies"].as_array().unwrap() {
            scene.api(sinks, &format!("/api/calls/{id}/bodies/{}", body["part"].as_str().unwrap()));
        }
    }
    for id in sessions {
        for rest in [
            "",
            "/conversation",
            "/cost",
            "/cache",
            "/export?format=markdown",
            "/export?format=json",
            "/export?format=jsonl",
        ] {
            scene.api(sinks, &format!("/api/sessions/{id}{rest}"));
        }
    }
    for path in [
        "keys",
        "users",
        "audit",
        "me",
        "log",
        "stats?metric=summary&by=key,model",
        "stats/metrics",
        "openapi.json",
    ] {
        scene.api(sinks, &format!("/api/{path}"));
    }
    for args in
        [&["call", "list"][..], &["session", "list"], &["session", "resume", "agent"], &["config", "show"]]
    {
        sinks.command(&scene.home, args);
    }
    sinks.files("transcripts", &scene.home.path(".claude"));
}

/// A word as a segment of a path.
fn encoded(word: &str) -> String {
    word.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

/// A login of the first user.
fn token(home: &Home, gateway: &Gateway) -> String {
    let file = home.path(".local/share/lockgate/admin-secret");
    let mut token = None;
    until("the first user can log in", || {
        let Ok(secret) = fs::read_to_string(&file) else { return false };
        let body = json!({"name": "admin", "password": secret.trim(), "token": true}).to_string();
        let answer = http::ask(gateway.address, "POST", "/api/login", &[], &body);
        token = (answer.status == 200).then(|| answer.json()["token"].as_str().unwrap().to_owned());
        token.is_some()
    });
    token.unwrap()
}

/// A gateway that was told all secrets.
struct Scene {
    asked: usize,
    collector: Sink,
    gateway: Gateway,
    home: Home,
    /// Live activity, until the gateway ends.
    live: Option<JoinHandle<String>>,
    planted: Planted,
    receiver: Sink,
    /// A login.
    token: String,
    upstream: Scripted,
}

impl Scene {
    /// `mode`: how much is recorded.
    fn play(mode: &str) -> Self {
        let mut planted = Planted::default();
        let upstream = Scripted::start(&places::script(&mut planted));
        let (collector, receiver) = (Sink::start(|_| 200), Sink::start(|_| 204));
        let home = Home::new();
        let outside = [upstream.seen.url(), collector.address.to_string(), receiver.address.to_string()];
        let settings = places::configure(&mut planted, &home, mode, &outside);
        let variables: Vec<_> =
            settings.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let gateway = Gateway::start_with(&home, &variables);
        let token = token(&home, &gateway);
        planted.secrets.push(("token of a login".to_owned(), token.clone()));
        let live = format!(
            "GET /api/live HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n",
            gateway.address
        );
        let mut live = http::Stream::send(gateway.address, live).unwrap();
        live.until("\r\n\r\n");
        let live = Some(std::thread::spawn(move || live.end().unwrap().text));
        let asked = places::ask(&mut planted, &gateway, &settings);
        assert!(planted.secrets.len() >= 60, "{} are planted", planted.secrets.len());
        Self { asked, collector, gateway, home, live, planted, receiver, token, upstream }
    }

    /// An answer of the admin API, which is a sink.
    fn api(&self, sinks: &mut Sinks, path: &str) -> Value {
        let bearer = format!("Bearer {}", self.token);
        let answer = http::ask(self.gateway.address, "GET", path, &[("authorization", bearer.as_str())], "");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let body = answer.body().unwrap_or_default();
        sinks.add(path, answer.text);
        serde_json::from_str(&body).unwrap_or_default()
    }

    fn place(&self) -> Place {
        Place::File(database(&self.home))
    }

    fn until_stored(&self) {
        until("all is stored", || is_well(&self.gateway) && all(&self.place()).len() >= self.asked);
    }

    /// What clients sent and what they got, as it is recorded.
    fn bodies(&self) -> Vec<u8> {
        let calls = all(&self.place());
        reading_at(&self.place(), async |database| {
            let mut bodies = Vec::new();
            for call in &calls {
                for part in Part::ALL {
                    bodies.extend(database.body(call.id, *part).await.unwrap().unwrap_or_default());
                }
            }
            bodies
        })
    }
}

/// 003-5: no planted secret is in the database, the log of calls, the log of the gateway at its most talkative, metrics, traces,
/// webhooks, `/health`, an answer of the admin API or an export, while the upstream gets what it was sent; numbers stay.
#[test]
fn sixty_planted_secrets_are_in_nothing_that_is_kept_or_shown() {
    let mut scene = Scene::play("redacted");
    let mut sinks = Sinks::default();
    let folder = scene.home.path(".local/share/lockgate");
    sinks.files("at once", &folder);
    scene.until_stored();
    sinks.add("health", scene.gateway.health().to_string());
    sinks.add("metrics", http::get(scene.gateway.address, "/metrics").unwrap().text);
    until("much is told", || scene.receiver.got().len() > 40);
    sinks.files("behind the calls", &folder);
    ask_all(&scene, &mut sinks);
    scene.gateway.signal("TERM");
    assert_eq!(scene.gateway.ended(), 0);
    sinks.files("at rest", &folder);
    let live = scene.live.take().unwrap().join().unwrap();
    assert!(live.matches("\ndata: ").count() > 60, "{live}");
    sinks.add("live activity", live);
    sinks.add("traces", scene.collector.got().concat());
    sinks.add("webhooks", scene.receiver.got().concat());
    sinks.add("standard output", scene.gateway.out());
    sinks.add("standard error", scene.gateway.log());

    let mut found: Vec<String> = Vec::new();
    for (name, bytes) in &sinks.0 {
        found.extend(scene.planted.seen_in(bytes).into_iter().map(|place| format!("{place} in {name}")));
    }
    assert!(found.is_empty(), "{} hits in {} sinks:\n{}", found.len(), sinks.0.len(), found.join("\n"));

    assert!(scene.gateway.log().contains("TRACE"), "the log is talkative");
    let sent: Vec<u8> = scene.upstream.seen.requests().into_iter().flat_map(|seen| seen.body).collect();
    assert!(scene.planted.seen_in(&sent).len() > 25, "calls themselves keep their secrets");
    assert_numbers(&scene);
}

/// What the test above would find if nothing were masked; the log and what is told are masked all the same.
#[test]
fn planted_secrets_are_found_where_all_is_kept_as_it_was_and_only_there() {
    let mut scene = Scene::play("full");
    scene.until_stored();
    scene.gateway.signal("TERM");
    assert_eq!(scene.gateway.ended(), 0);
    let found = scene.planted.seen_in(&scene.bodies()).len();
    assert!(found > 50, "{found} of {}", scene.planted.secrets.len());
    let told =
        [scene.collector.got().concat(), scene.receiver.got().concat(), scene.gateway.log().into_bytes()];
    assert_eq!(scene.planted.seen_in(&told.concat()), Vec::<&str>::new());
}

/// Numbers and counts of tokens are as they were sent, and what is around a secret is kept.
fn assert_numbers(scene: &Scene) {
    let calls = all(&scene.place());
    let counts = calls.iter().map(|call| (call.usage.input_uncached, call.usage.output));
    let counted = counts.filter(|counts| *counts == (Some(1_234), Some(5_678))).count();
    assert!(counted > 3, "{calls:#?}");
    let kept = String::from_utf8_lossy(&scene.bodies()).into_owned();
    for words in
        ["\"seed\":1234567890123456789", "\"max_tokens\":65536", "the token is «redacted:github-token:"]
    {
        assert!(kept.contains(words), "{words} in {kept}");
    }
}
