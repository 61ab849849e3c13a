//! `lockgate catalog check`: OpenRouter's list against what is configured and what was called.

use std::fs;

use jiff::{ToSpan as _, Zoned};
use serde_json::{Value, json};

use crate::support::{Gateway, Home, Scripted};

fn home(upstream: &Scripted, models: &str) -> Home {
    let home = Home::new();
    let url = upstream.seen.url();
    home.write(
        "lockgate.yaml",
        &format!(
            "providers:\n  or: {{kind: openrouter, base_url: '{url}/api/v1', api_key: some-key, models: [{models}]}}\n"
        ),
    );
    home
}

fn script() -> String {
    let soon = Zoned::now().checked_add(10.days()).unwrap().strftime("%Y-%m-%d").to_string();
    format!(
        "models: [{{id: maker/good-1}}, {{id: maker/old-1, expires: '{soon}'}}, \
         {{id: maker/plain-1, capabilities: [completion]}}]"
    )
}

const FOUR: &str = "maker/good-1, maker/gud-1, maker/old-1, maker/plain-1";

/// 003-21: a list with one id missing, one expiring and one without tools gives three findings and exit 1; nearest ids are told; the list
/// is asked for again only if it has changed.
#[test]
fn one_missing_one_expiring_and_one_without_tools_are_three_findings() {
    let upstream = Scripted::start(&script());
    let home = home(&upstream, FOUR);
    let ran = home.run(&["catalog", "check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("4 ids checked, 3 findings"), "{}", ran.out);
    for words in [
        "maker/gud-1: OpenRouter lists no such model; the nearest are maker/good-1",
        "maker/old-1: can be gone after ",
        "maker/plain-1: takes no tools",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    let told = home.run(&["catalog", "check", "--json"]);
    assert_eq!(told.code, 1);
    let told = &told.json()["providers"][0];
    assert_eq!((&told["list"]["source"], &told["list"]["models"]), (&json!("provider"), &json!(3)));
    let kinds: Vec<_> = told["findings"].as_array().unwrap().iter().map(|found| &found["kind"]).collect();
    assert_eq!(kinds, ["missing", "expiring", "no_tools"]);
    assert_eq!(told["findings"][0]["nearest"][0], "maker/good-1");
    let asked = upstream.seen.requests();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].header("if-none-match").is_none() && asked[1].header("if-none-match").is_some());
}

/// 003-21: while nobody answers the list of the last time is used, and its age is told; without one that is exit 3.
#[test]
fn offline_the_kept_list_is_used_and_its_age_is_told() {
    let upstream = Scripted::start(&script());
    let home = home(&upstream, FOUR);
    assert_eq!(home.run(&["catalog", "check", "--offline"]).code, 3, "nothing is kept yet");
    assert_eq!(home.run(&["catalog", "check"]).code, 1);
    drop(upstream);
    let file = home.path(".local/share/lockgate/catalog/or.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let fetched = kept["fetched"].as_u64().unwrap();
    kept["fetched"] = (fetched - 3 * 86_400 - 60).into();
    fs::write(&file, kept.to_string()).unwrap();
    let ran = home.run(&["catalog", "check"]);
    assert!(ran.code == 1 && ran.out.contains("3 findings"), "{ran:?}");
    assert!(
        ran.out.contains("in the list of 3 days ago") && ran.out.contains("cannot connect"),
        "{}",
        ran.out
    );
    let told = home.run(&["catalog", "check", "--json"]).json();
    let list = &told["providers"][0]["list"];
    assert!(list["source"] == "cache" && list["age_seconds"].as_u64().unwrap() > 3 * 86_400, "{told}");

    fs::remove_file(&file).unwrap();
    let ran = home.run(&["catalog", "check"]);
    assert!(ran.code == 3 && ran.err.contains("no list of an earlier time"), "{ran:?}");
    assert!(home.run(&["catalog", "check", "--json"]).json()["error"]["message"].is_string());
}

/// 003-21: what is as assumed is exit 0, and what makes no sense exit 2.
#[test]
fn what_is_listed_as_assumed_is_no_finding() {
    let upstream = Scripted::start(&script());
    let ran = home(&upstream, "maker/good-1").run(&["catalog", "check"]);
    assert!(ran.code == 0 && ran.out.contains("1 id checked, 0 findings"), "{ran:?}");
    let later = home(&upstream, "maker/old-1").run(&["catalog", "check", "--expiring-days", "5"]);
    assert_eq!(later.code, 0, "{later:?}");
    assert_eq!(Home::new().run(&["catalog", "check", "--price-percent", "few"]).code, 2);
    let none = Home::new().run(&["catalog", "check"]);
    assert!(none.code == 0 && none.out.contains("no provider is OpenRouter"), "{none:?}");
}

/// 003-21: a price is compared with the configuration's, else with the one that was listed the last time.
#[test]
fn a_price_that_changed_is_found() {
    let upstream = Scripted::start(&script());
    let home = home(&upstream, "maker/good-1");
    assert_eq!(home.run(&["catalog", "check"]).code, 0, "nothing to compare with yet");
    let file = home.path(".local/share/lockgate/catalog/or.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let cheaper = kept["answer"].as_str().unwrap().replace("0.000001\"", "0.0000005\"");
    (kept["answer"], kept["etag"]) = (cheaper.into(), Value::Null);
    fs::write(&file, kept.to_string()).unwrap();
    let ran = home.run(&["catalog", "check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("input costs $1.00 for a million tokens, not $0.50"), "{}", ran.out);
    assert_eq!(home.run(&["catalog", "check"]).code, 0, "it is told once");

    let config = fs::read_to_string(home.path("lockgate.yaml")).unwrap();
    let priced = |input: &str| {
        let rates = format!("{{standard: {{input: {input}, output: 5}}}}");
        let prices = format!("{config}prices: [{{provider: or, models: [maker/good-1], rates: {rates}}}]\n");
        home.write("lockgate.yaml", &prices);
        home.run(&["catalog", "check", "--price-percent", "5", "--json"])
    };
    assert_eq!((priced("1").code, priced("1.04").code), (0, 0));
    let found = priced("2");
    assert_eq!(found.code, 1, "{found:?}");
    let found = &found.json()["providers"][0]["findings"][0];
    assert_eq!(
        (&found["kind"], &found["was"], &found["now"]),
        (&json!("price_changed"), &json!("2.00"), &json!("1.00"))
    );
}

/// 003-21: what is configured nowhere and was called is checked too.
#[test]
fn a_model_that_was_called_is_checked() {
    let upstream =
        Scripted::start(&format!("{}\nrules: [{{answer: {{blocks: [{{text: Yes}}]}}}}]", script()));
    let home = home(&upstream, "");
    let nothing = home.run(&["catalog", "check"]);
    assert!(nothing.code == 0 && nothing.out.contains("0 ids checked"), "{nothing:?}");
    let mut gateway = Gateway::start(&home);
    assert_eq!(gateway.ask("or:maker/plain-1").status, 200);
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    let ran = home.run(&["catalog", "check", "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let told = &ran.json()["providers"][0];
    assert_eq!(told["checked"], json!(["maker/plain-1"]));
    assert_eq!(told["findings"][0]["kind"], "no_tools");
}
