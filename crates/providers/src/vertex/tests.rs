//! Finding credentials and trading them for tokens; addresses are in `fixtures/providers/vertex`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/providers/vertex");

fn open(settings: &str, environment: &[(&str, &str)]) -> Result<Vertex, OpenError> {
    let settings: Settings = serde_json::from_str(&settings.replace("$FOLDER", FOLDER)).unwrap();
    let environment: BTreeMap<_, _> =
        environment.iter().map(|(name, value)| (*name, value.replace("$FOLDER", FOLDER))).collect();
    Vertex::open_in("vertex", &settings, &|name| environment.get(name).cloned())
}

fn form(request: &http::Request<Bytes>) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(request.body()).into_owned().collect()
}

/// The public half of the test key, as the DER that ring checks with (PKCS#1).
fn public_key() -> Vec<u8> {
    let pem = std::fs::read_to_string(format!("{FOLDER}/test-only-public-key.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).unwrap()
}

/// Requirement 003-22: tokens of a service account.
#[test]
fn a_service_account_signs_a_statement_that_its_public_key_verifies() {
    let vertex = open(r#"{"vertex": {"credentials_file": "$FOLDER/service-account.json"}}"#, &[]).unwrap();
    let request = vertex.tokens().unwrap().request(1_800_000_000).unwrap();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), "http://127.0.0.1:9/token");
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    let form = form(&request);
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (signed, signature) = form["assertion"].rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key());
    key.verify(signed.as_bytes(), &signature).unwrap();
    key.verify(b"something else", &signature).unwrap_err();
    let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    assert_eq!(part(head), serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": "test-only"}));
    let expected = serde_json::json!({
        "iss": "gateway@my-project.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "http://127.0.0.1:9/token",
        "iat": 1_800_000_000_u64,
        "exp": 1_800_003_600_u64,
    });
    assert_eq!(part(claims), expected);
}

/// Requirement 003-22: refresh of application default credentials.
#[test]
fn a_login_of_gcloud_is_found_in_its_folder_and_refreshed() {
    for (name, value) in [("CLOUDSDK_CONFIG", "$FOLDER/gcloud"), ("HOME", "$FOLDER/home")] {
        let vertex = open("{}", &[(name, value)]).unwrap();
        let request = vertex.tokens().unwrap().request(1).unwrap();
        let form = form(&request);
        assert_eq!(form["grant_type"], "refresh_token");
        assert_eq!(
            (form["client_id"].as_str(), form["client_secret"].as_str()),
            ("test-client", "test-client-secret")
        );
        assert_eq!(form["refresh_token"], "test-refresh-token");
        assert_eq!(vertex.place, "/projects/my-quota-project/locations/global");
    }
}

#[test]
fn the_setting_wins_over_the_environment_and_the_environment_over_gcloud() {
    let place = |settings, environment: &[_]| open(settings, environment).unwrap().place;
    let account = ("GOOGLE_APPLICATION_CREDENTIALS", "$FOLDER/service-account.json");
    let gcloud = ("CLOUDSDK_CONFIG", "$FOLDER/gcloud");
    assert_eq!(place("{}", &[account, gcloud]), "/projects/my-project/locations/global");
    let login = r#"{"vertex": {"credentials_file": "$FOLDER/gcloud/application_default_credentials.json"}}"#;
    assert_eq!(place(login, &[account]), "/projects/my-quota-project/locations/global");
    assert_eq!(place(login, &[("GOOGLE_CLOUD_PROJECT", "other")]), "/projects/other/locations/global");
    assert_eq!(place(r#"{"vertex": {"project": "mine"}}"#, &[account]), "/projects/mine/locations/global");
}

#[test]
fn what_is_missing_or_unusable_is_said_with_its_setting() {
    for (settings, environment, words) in [
        ("{}", vec![], "vertex.credentials_file: no credentials found"),
        ("{}", vec![("HOME", "/nowhere")], "gcloud auth application-default login"),
        ("{}", vec![("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/x.json")], "/nowhere/x.json cannot be read"),
        (r#"{"vertex": {"location": "evil.example/"}}"#, vec![], "vertex.location"),
        (r#"{"api_key": "k", "vertex": {"project": "a/../b"}}"#, vec![], "vertex.project"),
        (r#"{"credentials": "client"}"#, vec![], "vertex.project: is needed"),
        (r#"{"vertex": {"credentials_file": "$FOLDER/requests.json"}}"#, vec![], "is no credentials file"),
    ] {
        let error = open(settings, &environment).err().unwrap().to_string();
        assert!(error.contains(words), "{settings}: {error}");
    }
}

#[test]
fn a_file_of_an_unknown_type_or_with_a_foreign_token_address_is_refused() {
    let parse = |json: &str| GoogleCredentials::parse(json).err().unwrap();
    assert!(parse(r#"{"type": "external_account"}"#).contains("service_account and authorized_user"));
    assert!(parse(r#"{"type": "service_account", "client_email": "a"}"#).contains("`private_key`"));
    let key = r#"{"type": "service_account", "client_email": "a", "private_key": "very-private"}"#;
    assert_eq!(parse(key), "holds a `private_key` that is no PEM");
    let foreign = r#"{"type": "authorized_user", "token_uri": "http://evil.example/"}"#;
    assert!(parse(foreign).contains("not https"));
    assert!(!parse(r#"{"type": 7, "private_key": "very-private"}"#).contains("private"));
}

#[test]
fn a_token_is_read_and_a_refusal_keeps_googles_words() {
    let vertex = open("{}", &[("CLOUDSDK_CONFIG", "$FOLDER/gcloud")]).unwrap();
    let source = vertex.tokens().unwrap();
    let token = source
        .read(200, br#"{"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"}"#)
        .unwrap();
    assert_eq!((token.token.expose(), token.expires_in), ("ya29.x", 3599));
    let refused =
        source.read(400, br#"{"error": "invalid_grant", "error_description": "Token has been revoked."}"#);
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::UpstreamAuth);
    assert!(refused.message.ends_with("Token has been revoked."));
    for (status, body) in [(200, "{}"), (502, "<html>"), (200, r#"{"access_token": ""}"#)] {
        assert!(source.read(status, body.as_bytes()).is_err(), "{body}");
    }
}
