//! SQLite and PostgreSQL behind the traits of `store`. The only crate that knows SQL.
//!
//! [`Database::open`] connects, brings the schema up to date and gives an object that implements `Records`, `Calls`, `Sessions`,
//! `Purge`, `Stats`, `Feedbacks`, `Verdicts` and the traits of `store::access`. Statements are written once for both databases (`driver`); what differs stands
//! where it is used. Writers and readers have pools of their own, so that a long search never delays a batch.

mod access;
mod approvals;
mod calls;
mod columns;
mod conditions;
mod driver;
mod enacted;
mod fault;
mod feedback;
mod insert;
mod migrations;
mod open;
mod options;
mod purge;
mod recent;
mod sessions;
mod squeeze;
mod stats;
mod verdicts;
mod walk;
mod write;

use std::sync::Arc;
use std::time::Duration;

pub use options::{Options, Place};

use crate::driver::Pool;
use crate::recent::Recent;

/// A database that is open.
#[derive(Debug, Clone)]
pub struct Database {
    page_budget: Duration,
    readers: Pool,
    recent: Arc<Recent>,
    statement_timeout: Duration,
    writers: Pool,
}
