//! A call that waits for a person, as subscribers and receivers of webhooks hear of it: what asks, about which tool, and what came of
//! it. The arguments of the call are not told; whoever may see them asks the admin API by the id.

use schemars::JsonSchema;
use serde::Serialize;

/// A question to a person.
#[derive(Clone, Debug, Default, JsonSchema, PartialEq, Serialize)]
pub struct Approval {
    /// Its id, for the admin API and the command line.
    pub id: String,
    /// The policy that asks.
    pub policy: String,
    /// Why, secrets masked.
    pub reason: String,
    /// The rule inside the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The tool that the model wants to call; missing where it is about the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Until when an answer is waited for, RFC 3339.
    pub until: String,
    /// What came of it: `approved`, `denied`, `expired`, `withdrawn`; missing while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'static str>,
}
