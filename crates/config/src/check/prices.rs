//! Prices of the configuration: each entry makes sense and belongs to a provider that there can be.

use lockgate_ledger::{Override, OverrideError};
use lockgate_providers::known_ids;

use super::Checker;
use crate::{Code, Path, suggest, tree::Node};

impl Checker<'_> {
    pub(super) fn prices(&mut self) {
        let root = Path::of(["prices"]);
        // Entries that could not be read are left out, and the numbers of the others would be wrong.
        if self.is_malformed(&root) {
            return;
        }
        for problem in Override::problems(&self.config.prices) {
            let code = match problem {
                OverrideError::Nothing { .. } => Code::MissingKey,
                OverrideError::Duplicate { .. }
                | OverrideError::LocalWithRates { .. }
                | OverrideError::LongOrder { .. }
                | OverrideError::NoStandard { .. } => Code::BadValue,
            };
            self.report(code, &root.index(problem.index()), problem.to_string());
        }
        let entries = self.tree.child("prices").map_or(&[][..], Node::items);
        for (index, entry) in entries.iter().enumerate() {
            let Some(id) = entry.child("provider").and_then(Node::text).filter(|id| !id.trim().is_empty())
            else {
                continue;
            };
            if self.provider_ids().contains(&id) || known_ids().any(|known| known == id) {
                continue;
            }
            let suggestion = suggest::nearest(id, self.provider_ids()).map(str::to_owned);
            let message = format!("there is no provider `{id}`");
            self.report(Code::AbsentProvider, &root.index(index).key("provider"), message).suggestion =
                suggestion;
        }
    }
}
