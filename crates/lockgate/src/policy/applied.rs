//! The policies that were applied while gateways run, for commands that read the configuration: what is known of them, and that nothing is known.

use lockgate_config::with_document;
use lockgate_policy::Policies;

use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs, is_unused};
use crate::serve::ServeArgs;

/// The policies of the file, and behind them those that were applied; fails where that is not known.
pub(super) fn with_applied(serve: &ServeArgs, of_file: &Policies) -> Result<Policies, Failure> {
    match latest(serve)? {
        None => Ok(of_file.clone()),
        Some((version, document)) => with_document(of_file, &document).map_err(|why| {
            Failure::finding(format!("version {version} was applied and cannot be in force: {why}"))
                .hint("gateways enforce the policies of the file alone; apply others")
        }),
    }
}

/// The latest version and its document.
fn latest(serve: &ServeArgs) -> Result<Option<(i64, String)>, Failure> {
    let args = OfficeArgs { config: serve.config.clone(), ..OfficeArgs::default() };
    if is_unused(&args)? {
        return Ok(None);
    }
    let unknown = |failure: Failure| Failure {
        exit: Exit::Unavailable,
        message: format!("whether policies were applied is not known: {}", failure.message),
        hint: failure.hint,
    };
    let office = Office::open(&args).map_err(unknown)?;
    let listed = office.get("/api/policies/versions").map_err(unknown)?;
    let Some(latest) = listed["items"][0]["version"].as_i64() else { return Ok(None) };
    let told = office.get(&format!("/api/policies/versions/{latest}")).map_err(unknown)?;
    Ok(Some((latest, told["document"].as_str().unwrap_or_default().to_owned())))
}
