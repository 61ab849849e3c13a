//! Logging in with an account elsewhere, as the configuration wants it, and the requests that it takes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full, Limited};
use lockgate_admin::{Fetch, Fetching, Oidc, OidcOptions, Role, RoleRule};
use lockgate_config::{OidcRole, Snapshot, UserRole};
use lockgate_engine::Courier;

/// How long a provider has for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes.
const ANSWER: usize = 1024 * 1024;

/// What the configuration says of it.
pub(super) fn oidc(snapshot: &Snapshot) -> Option<Arc<Oidc>> {
    let wanted = snapshot.config().admin.oidc.clone()?;
    let host = || url::Url::parse(&wanted.issuer).ok()?.host_str().map(str::to_owned);
    let title = wanted.title.clone().or_else(host).unwrap_or_else(|| wanted.issuer.clone());
    let others = wanted.scopes.into_iter().filter(|scope| scope != "openid");
    let options = OidcOptions {
        allowed_domains: wanted.allowed_domains,
        allowed_groups: wanted.allowed_groups,
        client_id: wanted.client_id,
        client_secret: wanted.client_secret,
        groups_claim: wanted.groups_claim,
        issuer: wanted.issuer,
        name_claim: wanted.name_claim,
        redirect_url: wanted.redirect_url.to_string(),
        roles: wanted.roles.into_iter().map(rule).collect(),
        scopes: std::iter::once("openid".to_owned()).chain(others).collect(),
        title,
    };
    let courier = Courier::through(snapshot.proxies());
    Some(Arc::new(Oidc::new(options, Arc::new(Fetcher(courier)))))
}

fn rule(OidcRole { claim, value, role }: OidcRole) -> RoleRule {
    let role = match role {
        UserRole::Own => Role::Own,
        UserRole::Viewer => Role::Viewer,
        UserRole::Operator => Role::Operator,
        UserRole::Admin => Role::Admin,
    };
    RoleRule { claim, role, value: value.unwrap_or_default() }
}

/// Sends requests to the provider, through the environment's proxy.
struct Fetcher(Courier);

impl Fetch for Fetcher {
    fn fetch(&self, request: Request<Bytes>) -> Fetching<'_> {
        Box::pin(async move {
            let exchange = async {
                let answer = self.0.send(request.map(Full::new)).await?;
                let status = answer.status();
                let body = Limited::new(answer.into_body(), ANSWER).collect().await;
                let body = body.map_err(|_| "its answer broke off or is too long".to_owned())?;
                Ok((status, body.to_bytes()))
            };
            let late = |_| Err("it does not answer in time".to_owned());
            tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(late)
        })
    }
}
