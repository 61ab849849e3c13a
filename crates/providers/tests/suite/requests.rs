//! What each provider is sent, as `fixtures/providers/<kind>/requests.json` says: address, credential, edited body.
//!
//! `UPDATE_GENERATED=1` writes what is sent now into the fixtures; read the difference before committing it.

use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, Method};
use lockgate_core::{Dialect, Secret};
use lockgate_providers::{Ask, Credential, Endpoint, KINDS, Operation, Provider, Settings, open};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The credential in every fixture.
const KEY: &str = "the-very-private-key";

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What the user gets, in a sentence.
    it: String,
    /// The provider's id, where it is not its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default)]
    settings: Map<String, Value>,
    /// `bearer`, `key` or `none`.
    credential: String,
    dialect: Dialect,
    #[serde(default)]
    model: String,
    /// `count`, `embed`, `embed-one`, `generate`, `models`, `stream`, or a method and a path.
    ask: String,
    /// The client's body, where the provider edits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// What is sent, or why nothing is.
    #[serde(default)]
    sent: Sent,
}

#[derive(Default, Deserialize, PartialEq, Serialize, Debug)]
#[serde(default)]
struct Sent {
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

fn folder(kind: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/providers")).join(kind)
}

fn cases(kind: &str) -> Vec<Case> {
    let path = folder(kind).join("requests.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn provider(kind: &str, case: &Case) -> Result<Box<dyn Provider>, String> {
    let settings = serde_json::to_string(&case.settings).unwrap();
    let settings = settings.replace("$FOLDER", folder(kind).to_str().unwrap());
    let settings: Settings = serde_json::from_str(&settings).unwrap();
    open(case.id.as_deref().unwrap_or(kind), &settings).map_err(|error| error.to_string())
}

fn sent(kind: &str, case: &Case) -> Result<Sent, String> {
    let provider = provider(kind, case)?;
    assert!(provider.dialects().contains(&case.dialect), "{}: no such dialect", case.it);
    let method;
    let (operation, stream) = match case.ask.as_str() {
        "count" => (Operation::CountTokens, false),
        "embed" => (Operation::Embed { single: false }, false),
        "embed-one" => (Operation::Embed { single: true }, false),
        "generate" => (Operation::Generate, false),
        "models" => (Operation::Models, false),
        "stream" => (Operation::Generate, true),
        raw => {
            let (verb, path_and_query) = raw.split_once(' ').unwrap();
            method = verb.parse::<Method>().unwrap();
            (Operation::Raw { method: &method, path_and_query }, false)
        }
    };
    let ask = Ask { dialect: case.dialect, model: &case.model, operation, stream };
    let credential = match case.credential.as_str() {
        "bearer" => Credential::Bearer(Secret::new(KEY)),
        "key" => Credential::Key(Secret::new(KEY)),
        "none" => Credential::None,
        other => panic!("{other}"),
    };
    let endpoint = provider.endpoint(&ask).map_err(|failure| failure.to_string())?;
    let mut headers = HeaderMap::new();
    provider.sign(&credential, &ask, &mut headers).map_err(|failure| failure.to_string())?;
    let mut sent = Sent::default();
    match endpoint {
        Endpoint::Http { method, uri } => {
            assert!(!uri.to_string().contains(KEY), "{}: the credential is in the address", case.it);
            sent.to = Some(format!("{method} {uri}"));
        }
        Endpoint::Process(command) => {
            assert!(!format!("{command:?}").contains(KEY), "{}: the credential is in the arguments", case.it);
            sent.run = Some([vec![command.program], command.args].concat());
        }
    }
    for (name, value) in &headers {
        let text = value.to_str().unwrap();
        assert_eq!(value.is_sensitive(), text.contains(KEY), "{}: {name} may be logged", case.it);
        sent.headers.insert(name.to_string(), text.into());
    }
    if let Some(body) = &case.body {
        let body = provider
            .adapt(&ask, Bytes::copy_from_slice(body.as_bytes()))
            .map_err(|failure| failure.to_string())?;
        sent.body = Some(String::from_utf8(body.to_vec()).unwrap());
    }
    Ok(sent)
}

/// Requirements 003-22 (addresses of both endpoints, no key in an address), 004-30 to 004-33, 004-35.
#[test]
fn every_provider_is_sent_what_its_fixtures_say() {
    for info in &KINDS {
        let mut cases = cases(info.name);
        assert!(!cases.is_empty(), "{}", info.name);
        for case in &mut cases {
            let now =
                sent(info.name, case).unwrap_or_else(|why| Sent { refused: Some(why), ..Sent::default() });
            if std::env::var_os("UPDATE_GENERATED").is_some() {
                case.sent = now;
            } else {
                assert_eq!(now, case.sent, "{}: {}", info.name, case.it);
            }
        }
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            let text = serde_json::to_string_pretty(&cases).unwrap() + "\n";
            std::fs::write(folder(info.name).join("requests.json"), text).unwrap();
        }
    }
}

/// The rule for adding a provider (requirement 004-27): the first fixture of a kind is what it needs at least.
#[test]
fn every_kind_opens_with_what_its_first_fixture_shows() {
    for info in &KINDS {
        let first = &cases(info.name)[0];
        let provider = provider(info.name, first).unwrap_or_else(|why| panic!("{}: {why}", info.name));
        assert!(!provider.dialects().is_empty(), "{}", info.name);
        let quirks = provider.quirks("a-model", 1000);
        assert_eq!(quirks, provider.quirks("a-model", 1000), "{}", info.name);
    }
}

/// Requirement 004-35, 003-22: what a model is called decides nothing but one segment of the path.
#[test]
fn no_model_name_leads_to_another_endpoint() {
    let names = [
        "../../../admin",
        "..",
        "a/../../b",
        "m:deleteEverything",
        "m?alt=json",
        "m#x",
        "m%2f..%2fx",
        "models/../x",
        "a\\..\\b",
        "",
    ];
    for info in &KINDS {
        for case in cases(info.name) {
            let Ok(provider) = provider(info.name, &case) else { continue };
            for dialect in provider.dialects() {
                let at = |model| {
                    let ask = Ask { dialect: *dialect, model, operation: Operation::Generate, stream: false };
                    provider.endpoint(&ask).ok()
                };
                let Some(Endpoint::Http { uri: usual, .. }) = at("zzz") else { continue };
                let (before, after) = usual.path().split_once("zzz").unwrap_or((usual.path(), ""));
                for name in names {
                    let Some(Endpoint::Http { uri, .. }) = at(name) else { continue };
                    let place = uri.path().strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                    let inside =
                        place.is_some_and(|id| !id.contains(['/', '\\', ':']) && !matches!(id, "." | ".."));
                    assert!(inside, "{}: {name} -> {uri}", info.name);
                    assert_eq!(
                        (uri.authority(), uri.query()),
                        (usual.authority(), usual.query()),
                        "{}: {name}",
                        info.name
                    );
                }
            }
        }
    }
}

/// Requirement I4: a provider that lacks an operation says so, and nothing else happens.
#[test]
fn paths_that_leave_the_base_are_refused_by_every_provider() {
    let get = Method::GET;
    for info in &KINDS {
        let case = &cases(info.name)[0];
        let provider = provider(info.name, case).unwrap();
        for path in [
            "/../admin",
            "/v1/../../admin",
            "/v1/%2e%2e/admin",
            "/v1/..%2fadmin",
            "/v1beta/..\\admin",
            "/./x",
        ] {
            let operation = Operation::Raw { method: &get, path_and_query: path };
            let ask = Ask { dialect: case.dialect, model: "", operation, stream: false };
            assert!(provider.endpoint(&ask).is_err(), "{}: {path}", info.name);
        }
    }
}
