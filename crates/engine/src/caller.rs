//! Who calls, and whose credential goes upstream.
//!
//! The server finds out who calls (`Caller`); here is only the choice of the credential for one provider. Reads no
//! header and stores nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockgate_core::{DataClass, ErrorKind, Failure, Secret};
use lockgate_providers::{AuthScheme, Credential, Credentials, Kind, ModelGlob};

use crate::meter::{Meter, Permit};
use crate::upstream::Upstream;

/// The code of an error that only whoever runs the gateway can mend. Its status is 400: every client shows the words of
/// a 400 at once, while they try again for minutes on a 401 and on any 5xx.
pub(crate) const NOT_CONFIGURED: &str = "provider_not_configured";

/// What a key of this gateway allows.
#[derive(Debug, Default)]
pub struct Grant {
    /// Credentials used instead of a provider's own, by provider id.
    pub credentials: BTreeMap<String, Secret>,
    /// How confidential the data may be that the key is used for. Its calls go to providers that are for such data, and are recorded with it.
    pub data_class: Option<DataClass>,
    /// Counts what the key uses; `None` = it has no limits.
    pub meter: Option<Arc<Meter>>,
    /// The only models allowed; empty = all.
    pub models: Vec<ModelGlob>,
    /// The key's name.
    pub name: String,
    /// What the key is used for.
    pub project: Option<String>,
    /// The only providers allowed, by id; empty = all.
    pub providers: Vec<String>,
    /// How much of its calls is recorded; `None` = as of everybody's.
    pub recording: Option<lockgate_recorder::Mode>,
    /// Who the key belongs to.
    pub user: Option<String>,
}

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// What the caller's key of this gateway allows, if it showed one.
    pub grant: Option<Arc<Grant>>,
    /// Whether the caller needs no key of this gateway (nobody has one, and the caller is on this machine).
    pub keyless: bool,
    /// A credential that the caller brought along, for the vendor of the dialect it calls in.
    pub own: Option<Credential>,
    /// A credential that the caller brought along for Anthropic and nobody else.
    pub own_anthropic: Option<Credential>,
}

impl Caller {
    /// Whether the caller may use what belongs to the gateway: its credentials, local models, programs.
    pub fn is_trusted(&self) -> bool {
        self.keyless || self.grant.is_some()
    }

    /// Whether the caller brought a credential for some provider.
    pub fn has_own(&self) -> bool {
        self.own.is_some() || self.own_anthropic.is_some()
    }

    /// Begins a call within the limits of the caller's key.
    pub(crate) fn admit(&self) -> Result<Option<Permit>, Failure> {
        self.grant.as_ref().and_then(|grant| grant.meter.as_ref()).map(Meter::admit).transpose()
    }

    /// Whether the caller's key names this provider, or none.
    pub(crate) fn may_reach(&self, provider: &str) -> bool {
        self.grant.as_ref().is_none_or(|grant| {
            grant.providers.is_empty() || grant.providers.iter().any(|allowed| allowed == provider)
        })
    }

    /// Refuses a provider that the caller may not call, or that is not for data as confidential as the caller's. `local`: whether the model runs
    /// in our hands.
    pub(crate) fn reach(&self, upstream: &Upstream, local: bool) -> Result<(), Failure> {
        let id = &upstream.id;
        let most = upstream.takes(local);
        let words = if !self.may_reach(id) {
            format!("this key may not use the provider `{id}`")
        } else if self.data_class() > most {
            let class = self.data_class();
            format!(
                "the data of this key is {class}, and `{id}` is for {most} data at most: call a local model, or one of a provider whose `data_class` says that it is for such data"
            )
        } else {
            return Ok(());
        };
        Err(Failure { param: Some("model".into()), ..Failure::new(ErrorKind::Forbidden, words) })
    }

    /// How confidential the data of the caller may be.
    fn data_class(&self) -> DataClass {
        let known = self.grant.as_ref().and_then(|grant| grant.data_class);
        known.unwrap_or(DataClass::Internal)
    }

    /// Whether the caller may call some models only.
    pub(crate) fn is_held_to_models(&self) -> bool {
        self.grant.as_ref().is_some_and(|grant| !grant.models.is_empty())
    }

    /// Whether the caller may call this model.
    pub fn may_use(&self, model: &str) -> bool {
        self.grant.as_ref().is_none_or(|grant| {
            grant.models.is_empty() || grant.models.iter().any(|pattern| pattern.matches(model))
        })
    }

    /// The credential for a provider. `native`: the call came in a dialect of this provider's vendor, so that a
    /// credential the client brought is meant for it.
    pub fn credential_for(&self, upstream: &Upstream, native: bool) -> Result<Credential, Failure> {
        self.reach(upstream, upstream.is_local())?;
        let key = |secret: &Secret| match upstream.settings.auth_scheme {
            AuthScheme::Bearer => Credential::Bearer(secret.clone()),
            AuthScheme::Native => Credential::Key(secret.clone()),
        };
        let own = self.own_for(upstream, native);
        if let Some(own) = own.filter(|_| self.own_anthropic.is_some() && upstream.kind == Kind::Anthropic) {
            return Ok(own.clone());
        }
        if let Some(secret) = self.grant.as_ref().and_then(|grant| grant.credentials.get(&upstream.id)) {
            return Ok(key(secret));
        }
        let gateway = upstream
            .settings
            .api_key
            .as_ref()
            .filter(|secret| !secret.is_empty())
            .filter(|_| self.is_trusted());
        let chosen = match upstream.settings.credentials {
            Credentials::Both => own.cloned().or_else(|| gateway.map(key)),
            Credentials::Client => own.cloned(),
            Credentials::Gateway => gateway.map(key),
        };
        match chosen {
            Some(credential) => Ok(credential),
            None if !self.is_trusted() => Err(unauthenticated()),
            None if !upstream.needs_key() || upstream.provider.tokens().is_some() => Ok(Credential::None),
            None => Err(missing(upstream)),
        }
    }

    /// The credential that the caller brought for this provider. A stranger's opens nothing where none is asked for:
    /// a local runtime would take any word for a key.
    pub(crate) fn own_for(&self, upstream: &Upstream, native: bool) -> Option<&Credential> {
        if upstream.settings.credentials == Credentials::Gateway
            || !(self.is_trusted() || upstream.needs_key())
        {
            return None;
        }
        let explicit = self.own_anthropic.as_ref().filter(|_| upstream.kind == Kind::Anthropic);
        explicit.or_else(|| self.own.as_ref().filter(|_| native))
    }
}

pub(crate) fn unauthenticated() -> Failure {
    Failure::new(
        ErrorKind::Unauthenticated,
        "this gateway needs a key: send one made by `lockgate key new` as `x-api-key` or `Authorization: Bearer`",
    )
}

fn missing(upstream: &Upstream) -> Failure {
    let id = &upstream.id;
    let variables = upstream.key_variables();
    let how = match (upstream.settings.credentials, variables.first()) {
        (Credentials::Client, _) => {
            let words = format!("provider `{id}` has no credential: send the provider's key with the call");
            return Failure::new(ErrorKind::Unauthenticated, words);
        }
        (Credentials::Both | Credentials::Gateway, Some(variable)) => {
            format!(
                "set {variable} and restart, or set providers.{id}.api_key in lockgate.yaml, or send the provider's own key with the call"
            )
        }
        (Credentials::Both | Credentials::Gateway, None) => {
            format!(
                "set providers.{id}.api_key in lockgate.yaml, or send the provider's own key with the call"
            )
        }
    };
    let words = format!("provider `{id}` is not configured, it has no credential: {how}");
    Failure { code: Some(NOT_CONFIGURED.into()), ..Failure::invalid("model", words) }
}
