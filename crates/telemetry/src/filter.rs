//! Which calls somebody wants to hear of.

use serde::{Deserialize, Serialize};

use crate::call::{Call, Outcome};

/// A filter; what is left out is not looked at, and what is there must all fit.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// The name of the key.
    pub key: Option<String>,
    /// The model as the provider was asked, or as it says itself; `*` stands for anything.
    pub model: Option<String>,
    /// How it ended. Calls that go on have no outcome yet and do not fit.
    pub outcome: Option<Outcome>,
    /// The provider's id.
    pub provider: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// The owner of the key.
    pub user: Option<String>,
}

impl Filter {
    /// Whether a call is one of these.
    pub fn admits(&self, call: &Call) -> bool {
        let is = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
        let model = |pattern: &String| {
            [&call.model, &call.answered_by].into_iter().flatten().any(|name| fits(pattern, name))
        };
        is(&self.key, &call.key)
            && self.model.as_ref().is_none_or(model)
            && self.outcome.is_none_or(|wanted| call.outcome == Some(wanted))
            && is(&self.provider, &call.provider)
            && is(&self.session, &call.session)
            && is(&self.user, &call.user)
    }
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fit) in [
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5.1", false),
            ("gpt-*", "gpt-5.1", true),
            ("*sonnet*", "claude-sonnet-4-6", true),
            ("*", "", true),
            ("a*b*a", "aba", true),
            ("a*a", "a", false),
            ("claude-*-4-6", "claude-sonnet-4-5", false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }
}
