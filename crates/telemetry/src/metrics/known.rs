//! A bounded set of names that may be labels; whatever else comes is `other`.

use std::collections::HashSet;

/// What stands for everything that is no label of its own.
const OTHER: &str = "other";

/// The longest name that becomes a label, in bytes.
const LENGTH: usize = 200;

/// Names that are labels.
#[derive(Debug)]
pub(crate) struct Known {
    most: usize,
    names: HashSet<String>,
}

impl Known {
    /// None yet, and never more than `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, names: HashSet::new() }
    }

    /// The label for a name; `none` where there is none. `proven`: the name stands for something that is really there, so that it
    /// may become a label if it is none yet.
    pub(crate) fn name(&mut self, name: Option<&str>, proven: bool) -> String {
        let Some(name) = name else { return "none".to_owned() };
        if self.names.contains(name) {
            return name.to_owned();
        }
        if !proven || self.names.len() >= self.most || name.len() > LENGTH {
            return OTHER.to_owned();
        }
        self.names.insert(name.to_owned());
        name.to_owned()
    }
}
