//! Every rule, in the order in which they win when two find a secret at the same place.
//!
//! Adding a rule is one entry in one of the lists and one row of examples in `rules/tests.rs`. Written from what the
//! services publish about their keys or show in their consoles; no list of another project was copied.

mod ai;
mod cloud;
mod code;
mod generic;
mod services;

#[cfg(test)]
mod tests;

use crate::rule::Rule;

/// The lists; within the same place, earlier wins.
static LISTS: [&[Rule]; 5] = [ai::RULES, code::RULES, cloud::RULES, services::RULES, generic::RULES];

/// Every rule.
pub(crate) fn all() -> impl Iterator<Item = &'static Rule> {
    LISTS.iter().flat_map(|list| list.iter())
}
