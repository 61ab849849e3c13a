//! Requests that a policy keeps local: they go to a local model, or nowhere.
//!
//! Local is what the settings of a provider say, or an address on this machine; a model that a local runtime only passes on is not.

use lockgate_core::{ErrorKind, Failure};
use lockgate_policy::KeptLocal;
use lockgate_providers::{Kind, is_remote_name};

use crate::engine::Engine;
use crate::request::CallRequest;
use crate::resolve::Target;
use crate::state::State;

/// So many local models are named to a caller who is refused.
const NAMED: usize = 5;

impl Engine {
    /// A local model for a request that may go to no other: the one that it names, or the one that is set for this.
    pub(crate) fn kept_local(
        &self,
        (state, request): (&State, &CallRequest),
        target: Target,
        KeptLocal { instead, link, why }: &KeptLocal,
    ) -> Result<Target, Failure> {
        if self.is_local(&target) {
            return Ok(target);
        }
        let refused = |more: String| {
            let record = link.as_ref().map(|link| format!("\n\nRecord: {link}")).unwrap_or_default();
            let (model, id) = (&target.model, &target.upstream.id);
            let words = format!("{why}; `{model}` of `{id}` is not local: {more}{record}");
            Failure { param: Some("model".into()), ..Failure::new(ErrorKind::PolicyRefused, words) }
        };
        let Some(name) = instead else {
            let known = self.local_models(state);
            let more = match known.as_slice() {
                [] => "there is no local model to call instead (`providers.ID.local: true` says that one is)"
                    .into(),
                names => format!("call {}", names.join(" or ")),
            };
            return Err(refused(more));
        };
        match self.named(state, request, name) {
            Ok(instead) if self.is_local(&instead) => Ok(instead),
            Ok(_) => Err(refused(format!("and neither is `{name}` (policies.local_model)"))),
            Err(failure) => {
                Err(refused(format!("`{name}` (policies.local_model) cannot be called: {}", failure.message)))
            }
        }
    }

    /// Whether a model runs in the hands of whoever runs the gateway.
    pub(crate) fn is_local(&self, target: &Target) -> bool {
        let upstream = &target.upstream;
        let catalogue = self.catalogue.load();
        let elsewhere = upstream.kind == Kind::Ollama && is_remote_name(&target.model)
            || catalogue.card(&upstream.id, &target.model).is_some_and(|card| card.remote);
        upstream.is_local() && !elsewhere
    }

    /// Names of local models, some of them.
    fn local_models(&self, state: &State) -> Vec<String> {
        let catalogue = self.catalogue.load();
        let local = state.upstreams.values().filter(|upstream| upstream.is_local());
        let cards = local.flat_map(|upstream| {
            let here = catalogue.of(&upstream.id).iter().filter(|card| !card.remote);
            here.map(|card| format!("`{}:{}`", upstream.id, card.id)).collect::<Vec<_>>()
        });
        cards.take(NAMED).collect()
    }
}
