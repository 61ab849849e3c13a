//! Who may ask: roles, what an operation declares, and the check in front of it.
//!
//! Who somebody is, is found out before (`Principal` in the request's extensions); here is only what that one may do.

use axum::extract::{FromRequestParts, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use lockgate_store::{Call, Filter, access};
use serde::{Deserialize, Serialize};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::app::App;
use crate::problem::Problem;

/// What somebody may do, the least first. Each may do what those before it may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees what belongs to the same user.
    #[serde(rename = "self")]
    Own,
    /// Sees everything.
    Viewer,
    /// Changes keys and titles, decides about held calls.
    Operator,
    /// Changes users, deletes.
    Admin,
}

impl Role {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "self",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl From<access::Role> for Role {
    fn from(role: access::Role) -> Self {
        match role {
            access::Role::Own => Self::Own,
            access::Role::Viewer => Self::Viewer,
            access::Role::Operator => Self::Operator,
            access::Role::Admin => Self::Admin,
        }
    }
}

impl From<Role> for access::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Own => Self::Own,
            Role::Viewer => Self::Viewer,
            Role::Operator => Self::Operator,
            Role::Admin => Self::Admin,
        }
    }
}

/// Who may ask for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Whoever reaches the gateway.
    Anyone,
    /// Whoever has this role or a higher one.
    From(Role),
}

impl Guard {
    /// The word in the description.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::From(role) => role.as_str(),
        }
    }

    fn check(self, principal: Option<&Principal>) -> Result<(), Problem> {
        match (self, principal) {
            (Self::From(_), None) => Err(Problem::unauthenticated(
                "who are you? Log in at /login, or send a key of this gateway as `Authorization: Bearer`",
            )),
            (Self::From(role), Some(principal)) if principal.role < role => Err(Problem::forbidden(format!(
                "this takes the role `{}`, and {} has `{}`",
                role.as_str(),
                principal.name,
                principal.role.as_str()
            ))),
            (Self::Anyone, _) | (Self::From(_), Some(_)) => Ok(()),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What is written into the audit: a user's name, a key's, or `command line`.
    pub name: String,
    /// What that one may do.
    pub role: Role,
    /// The user whose calls one with the role [`Role::Own`] sees.
    pub user: Option<String>,
}

impl Principal {
    /// Whoever can open the database without us.
    pub fn command_line() -> Self {
        Self { name: "command line".to_owned(), role: Role::Admin, user: None }
    }

    /// Restricts what is listed to what this one may see.
    pub(crate) fn restrict(&self, filter: &mut Filter) {
        if self.role == Role::Own {
            // Without a user nothing is one's own: no call has an empty one.
            filter.user = Some(self.user.clone().unwrap_or_default());
            filter.alone = true;
        }
    }

    /// Whether this one may see a call.
    pub(crate) fn sees(&self, call: &Call) -> bool {
        self.role > Role::Own || (self.user.is_some() && call.principal.user == self.user)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Problem::unauthenticated("nobody is logged in"))
    }
}

/// Routes that are answered for those whom the guard lets pass, and described so.
pub(crate) fn guarded(guard: Guard, routes: UtoipaMethodRouter<App>) -> OpenApiRouter<App> {
    let (schemas, mut paths, router) = routes;
    for operation in paths.paths.values_mut().flat_map(operations) {
        describe(guard, operation);
    }
    let router = router.layer(from_fn(move |request: Request, next: Next| pass(guard, request, next)));
    OpenApiRouter::new().routes((schemas, paths, router))
}

async fn pass(guard: Guard, request: Request, next: Next) -> Response {
    match guard.check(request.extensions().get::<Principal>()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn describe(guard: Guard, operation: &mut Operation) {
    let own = Extensions::builder().add("x-lockgate-guard", guard.as_str()).build();
    operation.extensions.get_or_insert_default().merge(own);
    if guard != Guard::Anyone {
        let none: [&str; 0] = [];
        operation.security =
            Some(vec![SecurityRequirement::new("session", none), SecurityRequirement::new("bearer", none)]);
    }
}
