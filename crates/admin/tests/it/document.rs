//! The description of the API.

use std::path::Path;

use http::StatusCode;

use crate::support::Api;

/// O2: the document is made from the code and kept beside the configuration's schema; `UPDATE_GENERATED=1` writes it anew.
#[test]
fn the_published_description_is_that_of_the_code() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/openapi.json");
    let made = format!("{}\n", lockgate_admin::openapi().to_pretty_json().unwrap());
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(
        kept == made,
        "{} is stale: UPDATE_GENERATED=1 cargo nextest run -p lockgate-admin",
        file.display()
    );
}

#[tokio::test]
async fn the_description_and_its_page_are_served_to_anybody() {
    let api = Api::new(&[]).await;
    let told = api.ask(None, http::Method::GET, "/api/openapi.json", None).await;
    assert_eq!(told.json["openapi"].as_str().map(|version| version.starts_with("3.1")), Some(true));
    assert!(told.json["paths"]["/api/calls"]["get"]["parameters"].is_array());
    for (path, kind) in [
        ("/api/docs/index.html", "text/html"),
        ("/api/docs/swagger-ui.css", "text/css"),
        ("/api/docs/swagger-initializer.js", "javascript"),
    ] {
        let told = api.ask(None, http::Method::GET, path, None).await;
        assert_eq!(told.status, StatusCode::OK, "{path}");
        assert!(told.headers["content-type"].to_str().unwrap().contains(kind), "{path}");
    }
    assert_eq!(
        api.ask(None, http::Method::GET, "/api/docs/none.js", None).await.status,
        StatusCode::NOT_FOUND
    );
    let told = api.ask(None, http::Method::GET, "/api/docs", None).await;
    assert_eq!(told.headers["location"], "/api/docs/index.html");
}
