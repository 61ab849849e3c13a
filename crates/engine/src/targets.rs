//! Which model a call goes to: the name that it says, and whether its caller may use what that means.
//!
//! What names mean is in `resolve`; what has to stay local in `local`.

use lockgate_core::{Dialect, ErrorKind, Failure};

use crate::caller::Caller;
use crate::engine::Engine;
use crate::request::CallRequest;
use crate::resolve::Target;
use crate::state::State;

impl Engine {
    /// The provider, its kind and the model there that a name means to a caller.
    pub fn destination(
        &self,
        caller: &Caller,
        dialect: Dialect,
        name: &str,
    ) -> Option<(String, &'static str, String)> {
        let (state, catalogue, probes) = (self.state.load(), self.catalogue.load(), self.probes.load());
        let target = state.names(&catalogue, &probes, caller, dialect).resolve(name).ok()?;
        Some((target.upstream.id.clone(), target.upstream.kind.name(), target.model))
    }

    /// The model a call goes to, if the caller may use it: a local one, if policies keep it local.
    pub(crate) fn target(
        &self,
        state: &State,
        request: &CallRequest,
        in_body: Option<&str>,
    ) -> Result<Target, Failure> {
        let name = request.model.as_deref().or(in_body).unwrap_or_default();
        let target = self.named(state, request, name)?;
        match &request.local {
            Some(kept) => self.kept_local((state, request), target, kept),
            None => Ok(target),
        }
    }

    /// The model that a name means, if the caller may use it.
    pub(crate) fn named(&self, state: &State, request: &CallRequest, name: &str) -> Result<Target, Failure> {
        let (catalogue, probes, caller) = (self.catalogue.load(), self.probes.load(), &request.caller);
        let target = state.names(&catalogue, &probes, caller, request.format.dialect).resolve(name)?;
        caller.reach(&target.upstream, self.is_local(&target))?;
        let full = format!("{}:{}", target.upstream.id, target.model);
        // What the gateway asks by itself was allowed when the call was.
        if request.internal || caller.may_use(name) || caller.may_use(&target.model) || caller.may_use(&full)
        {
            return Ok(target);
        }
        let failure = Failure::new(ErrorKind::Forbidden, format!("this key may not use the model `{name}`"));
        Err(Failure { param: Some("model".into()), ..failure })
    }
}
