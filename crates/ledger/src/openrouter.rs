//! OpenRouter's list of models: its prices as entries of the catalogue, and a check of configured ids against it.
//!
//! Takes the bytes of `/api/v1/models` and gives values; fetching and keeping them is another's business. A price that
//! our form cannot express is left out (unknown), never simplified.

mod check;
mod listed;

pub use check::{Finding, Limits, Problem, Severity, Wanted, check};
pub use listed::{Listed, Models, ParseError};
