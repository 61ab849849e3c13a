//! The scripted upstream of a test, and the ways to reach it: directly, or with the gateway in front.

use lockgate_testkit::{Recorded, Running, Script, Upstream};

use crate::gateway::{Gateway, client_key};
use crate::installed::repository;

/// The only credential that the upstream accepts: through the gateway it must come from the gateway.
pub(crate) const UPSTREAM_KEY: &str = "upstream-key";

/// How a client reaches the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    ThroughLockgate,
}

/// An upstream and the address that a client is given for it.
pub(crate) struct World {
    pub(crate) upstream: Running,
    pub(crate) base: String,
    pub(crate) key: String,
    // Held so that it lives as long as the test.
    gateway: Option<Gateway>,
}

impl World {
    /// The SDK scenarios' upstream; `provider` is how the gateway's configuration calls it.
    pub(crate) async fn of_sdks(way: Way, provider: &str) -> Self {
        let script = Script::load(&repository().join("tests/clients/upstream.yaml")).expect("a good script");
        Self::new(way, provider, script).await
    }

    pub(crate) async fn new(way: Way, provider: &str, script: Script) -> Self {
        Self::with(way, (provider, ""), script).await
    }

    /// With more sections of the gateway's configuration.
    pub(crate) async fn with(way: Way, (provider, sections): (&str, &str), mut script: Script) -> Self {
        script.keys = vec![UPSTREAM_KEY.into()];
        let upstream = Upstream::start(script).await.expect("a free port");
        match way {
            Way::Direct => {
                let base = upstream.url();
                Self { upstream, base, key: UPSTREAM_KEY.into(), gateway: None }
            }
            Way::ThroughLockgate => {
                let config = configuration(provider, &upstream.url()) + sections;
                let gateway = Gateway::start(&config).await;
                Self { upstream, base: gateway.url(), key: client_key(), gateway: Some(gateway) }
            }
        }
    }

    /// The calls that reached the upstream, in order; lists of models and other questions of the gateway's own left out.
    pub(crate) fn calls(&self) -> Vec<Recorded> {
        self.upstream
            .requests()
            .into_iter()
            .filter(|r| r.method == "POST" && r.path() != "/api/show")
            .collect()
    }

    /// Where the gateway's record is, if there is one.
    pub(crate) fn database(&self) -> Option<std::path::PathBuf> {
        self.gateway.as_ref().map(Gateway::database)
    }

    /// What the gateway printed, if there is one.
    pub(crate) fn log(&self) -> String {
        self.gateway.as_ref().map(Gateway::log).unwrap_or_default()
    }

    /// What reached the upstream and must not have: anything that a provider would refuse, and the client's key.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for request in &self.upstream.requests() {
            if !request.violations.is_empty() {
                let body: String = String::from_utf8_lossy(&request.body).chars().take(4000).collect();
                let (method, target, why) = (&request.method, &request.target, &request.violations);
                found.push(format!("{method} {target} must not have been sent: {why:?}\n    {body}"));
            }
            let leaked = request.headers.iter().find(|(_, value)| value.contains(&client_key()));
            if let Some((name, _)) = leaked {
                found.push(format!("the client's key for the gateway reached the upstream in {name}"));
            }
        }
        found
    }
}

/// Fails with all that was found.
pub(crate) fn assert_none(problems: &[String], world: &World) {
    assert!(
        problems.is_empty(),
        "{} problems:\n\n{}\n{}",
        problems.len(),
        problems.join("\n\n"),
        world.log()
    );
}

/// A gateway with this one provider and one key.
fn configuration(provider: &str, upstream: &str) -> String {
    let base = match provider {
        "openai" | "openai-compatible" => format!("{upstream}/v1"),
        _ => upstream.to_owned(),
    };
    format!(
        "providers:\n  {provider}:\n    base_url: {base}\n    api_key: {UPSTREAM_KEY}\n    credentials: gateway\n"
    )
}
