//! Secrets do not leave through anything that is printed.

use crate::support::{Case, HASH};
use lockgate_config::{
    reference, render_json, render_sarif, render_settings_json, render_settings_text, render_text, schema,
};

const MARK: &str = "PRIVATE-7f3a";

#[test]
fn no_secret_shows_in_debug_show_schema_or_findings() {
    let yaml = format!(
        "keys: [{{name: a, hash: '{HASH}', credentials: {{openai: '{MARK}'}}}}]\nproviders:\n  groq: {{api_key: {MARK}, \
         headers: {{x-a: '{MARK}'}}, query: {{b: '{MARK}'}}}}\n  xai: {{api_key: ${{KEY}}}}\n"
    );
    let list = format!(r#"[{{"name": "c", "baseUrl": "https://c/v1", "apiKey": "{MARK}"}}]"#);
    let case = Case::new(
        &yaml,
        &[
            ("KEY", MARK),
            ("OPENAI_API_KEY", MARK),
            ("CUSTOM_PROVIDERS", &list),
            ("LOCKGATE__PROVIDERS__MISTRAL__API_KEY", MARK),
        ],
    );
    let snapshot = case.load();
    assert_eq!(snapshot.provider("mistral").unwrap().settings.api_key.as_ref().unwrap().expose(), MARK);
    let all = [
        format!("{snapshot:#?}{:?}", case.inputs),
        render_settings_text(snapshot.settings()),
        render_settings_json(snapshot.settings()),
        render_text(snapshot.warnings()),
        render_json(snapshot.warnings()),
        schema(),
        reference(),
    ];
    for text in all {
        assert!(!text.contains(MARK), "{text}");
    }
    assert_eq!(render_settings_text(snapshot.settings()).matches("«set»").count(), 8);
}

/// Wherever a secret stands, those who mask secrets are told of it; an address without a login is none.
#[test]
fn every_secret_of_a_configuration_is_told_to_those_who_mask_it_and_no_other_value() {
    let yaml = format!(
        "keys: [{{name: a, hash: '{HASH}', credentials: {{openai: 's-1'}}}}]\n\
         providers:\n  groq: {{api_key: s-2, headers: {{x-a: 's-3'}}, query: {{b: 's-4'}}, proxy: 'http://me:s-5@proxy.example:3128'}}\n  \
         xai: {{api_key: s-6, proxy: none}}\n  mistral: {{api_key: s-7, proxy: 'http://proxy.example:3128'}}\n\
         record: {{database: 'postgres://me:s-8@db.example/x'}}\n\
         telemetry: {{otlp: {{endpoint: 'https://c.example', headers: {{x-token: 's-9'}}}}}}\n\
         webhooks: [{{url: 'https://h.example/x', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'}}]\n\
         admin:\n  oidc: {{issuer: 'https://i.example', client_id: c, client_secret: s-10, redirect_url: 'https://g.example/api/login/oidc/callback', roles: [{{role: self}}]}}\n\
         policies:\n  chain:\n    - name: p\n      webhook: {{url: 'https://p.example', secret: 'whsec_Tm90aGluZyB0byBzZWUgaGVyZSwgZ28gb24h'}}\n"
    );
    let snapshot = Case::new(&yaml, &[]).load();
    let told: Vec<&str> = snapshot.settings().iter().filter_map(|one| Some(one.secret()?.expose())).collect();
    let mut left = told.clone();
    for secret in
        ["s-1", "s-2", "s-3", "s-4", "s-5", "s-6", "s-7", "s-8", "s-9", "s-10", "whsec_MfK", "whsec_Tm9"]
    {
        let at = left
            .iter()
            .position(|one| one.contains(secret))
            .unwrap_or_else(|| panic!("{secret} in {told:?}"));
        left.remove(at);
    }
    assert!(left.is_empty(), "{left:?}");
    let shown = render_settings_text(snapshot.settings());
    assert!(shown.contains("record.database = «set»") && !shown.contains("s-8"), "{shown}");
    let file = Case::new("record: {database: 'calls.db'}\n", &[]).load();
    assert!(render_settings_text(file.settings()).contains("record.database = \"calls.db\""));
}

/// Requirement 004-27: an operator sees which proxy is in force, and never its login.
#[test]
fn a_proxy_is_shown_without_its_login() {
    let yaml = "providers:\n  groq: {proxy: '${P}'}\n  xai: {proxy: none}\n  mistral: {proxy: '${Q:-}'}\n";
    let case = Case::new(yaml, &[("P", &format!("http://me:{MARK}@proxy.example:3128"))]);
    let snapshot = case.load();
    let shown = render_settings_text(snapshot.settings());
    assert!(shown.contains("providers.groq.proxy = \"http://proxy.example:3128\"   ("), "{shown}");
    assert!(shown.contains("providers.xai.proxy = \"none\"   ("), "{shown}");
    assert!(!shown.contains("providers.mistral.proxy"), "{shown}");
    let json = render_settings_json(snapshot.settings());
    let broken = Case::new("providers: {groq: {proxy: '${P}'}}\n", &[("P", &format!("ftp://me:{MARK}@h"))]);
    for text in [shown, json, format!("{snapshot:#?}"), render_text(&broken.inputs.check())] {
        assert!(!text.contains(MARK), "{text}");
    }
}

#[test]
fn a_secret_at_the_wrong_place_is_not_quoted_by_the_complaint() {
    let yaml = format!(
        "server: {{keepalive_ms: ${{KEY}}, listen: ${{KEY}}}}\nlog: {{level: sk-{MARK}-000000, format: ${{KEY}}}}\n\
         keys: [{{name: a, hash: {MARK}}}]\nproviders:\n  groq: {{enabled: ${{KEY}}, base_url: 'https://u:{MARK}@h/', api_key: [{MARK}]}}\n"
    );
    let case =
        Case::new(&yaml, &[("KEY", MARK), ("CUSTOM_PROVIDERS", MARK), ("LOCKGATE__SERVER__DRAIN_MS", MARK)]);
    let found = case.inputs.check();
    assert!(found.len() >= 10, "{}", render_text(&found));
    for text in [render_text(&found), render_json(&found), render_sarif(&found), format!("{found:?}")] {
        assert!(!text.contains(MARK), "{text}");
    }
}

#[test]
fn the_hash_ignores_secrets_and_order_and_sees_everything_else() {
    let hash = |yaml: &str, key: &str| Case::new(yaml, &[("KEY", key)]).load().hash().to_owned();
    let base = hash("providers:\n  groq: {api_key: '${KEY}', retry: {attempts: 2}}\n", "one");
    assert_eq!(base, hash("providers:\n  groq: {retry: {attempts: 2}, api_key: '${KEY}'}\n", "two"));
    assert_ne!(base, hash("providers:\n  groq: {api_key: '${KEY}', retry: {attempts: 3}}\n", "one"));
}
