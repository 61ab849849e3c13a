//! How confidential data is: the classes, the least first. What follows from a class is not decided here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How confidential the data of a call may be, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataClass {
    /// For everybody.
    Public,
    /// For the organisation.
    Internal,
    /// For few.
    Confidential,
    /// For those who are named.
    Secret,
}

impl DataClass {
    /// Every one, the least first.
    pub const ALL: &[Self] = &[Self::Public, Self::Internal, Self::Confidential, Self::Secret];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Secret => "secret",
        }
    }

    /// The one that a word stands for.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.as_str() == word)
    }
}

impl fmt::Display for DataClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_known_by_its_word_and_secret_is_the_highest() {
        assert!(DataClass::ALL.is_sorted() && DataClass::Secret > DataClass::Public);
        for class in DataClass::ALL {
            assert_eq!(DataClass::of(class.as_str()), Some(*class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        assert_eq!(DataClass::of("top"), None);
    }
}
