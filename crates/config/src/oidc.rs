//! The section `admin.oidc`: logging in with an account elsewhere.

use lockgate_core::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// Where people log in instead of with a password, by OpenID Connect.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The provider, as it calls itself: `https://login.example.org/realms/main`, without what it publishes itself under.
    #[schemars(length(min = 1))]
    pub issuer: String,
    /// The name of this gateway at the provider.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// Its secret, if it has one.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub client_secret: Option<Secret>,
    /// Where the provider sends people back to: the address that they reach this gateway by, and `/api/login/oidc/callback`. Its host belongs
    /// into `admin.hosts`.
    #[schemars(with = "String", extend("format" = "uri"))]
    pub redirect_url: Url,
    /// Who has which role. The highest that fits holds; who has none is not let in.
    #[schemars(length(min = 1))]
    pub roles: Vec<OidcRole>,
    /// Only people with a verified address in one of these domains; empty: any.
    #[serde(default)]
    pub allowed_domains: Vec<String>,
    /// Only people in one of these groups; empty: any.
    #[serde(default)]
    pub allowed_groups: Vec<String>,
    /// The claim with the groups that `allowed_groups` is about.
    #[serde(default = "groups")]
    pub groups_claim: String,
    /// The claim that is somebody's name here: the address, if it is verified, or another such as `preferred_username`.
    #[serde(default = "email")]
    pub name_claim: String,
    /// What is asked for beside `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// The provider's name on the button. Default: its host.
    #[serde(default)]
    pub title: Option<String>,
}

fn groups() -> String {
    "groups".to_owned()
}

fn email() -> String {
    "email".to_owned()
}

fn scopes() -> Vec<String> {
    ["email", "profile"].map(str::to_owned).into()
}

/// Who has a role.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct OidcRole {
    /// The claim of the ID token; dots lead into claims that hold others, as in `realm_access.roles`. Without one the role is everybody's who is
    /// let in.
    #[serde(default)]
    pub claim: Option<String>,
    /// The value that the claim has, or has among others.
    #[serde(default)]
    pub value: Option<String>,
    /// The role.
    pub role: UserRole,
}

/// What a user may do, the least first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UserRole {
    /// See what belongs to the same name.
    #[serde(rename = "self")]
    Own,
    /// See everything.
    Viewer,
    /// Make and change keys and titles, decide about held calls.
    Operator,
    /// Everything.
    Admin,
}
