//! Which calls a number is made of: a range of time, and values of dimensions. Every row of statistics carries its slice, with which the calls
//! themselves are found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::call::words;

words! {
    /// By what calls are told apart.
    Dimension {
        /// The client program.
        Client = "client",
        /// How confidential the data of the key is: `public`, `internal`, `confidential`, `secret`.
        DataClass = "data_class",
        /// The kind of the error.
        Error = "error",
        /// The name of the key.
        Key = "key",
        /// The model that the requested name stands for.
        Model = "model",
        /// What became of the call.
        Outcome = "outcome",
        /// Whether the cost is known: `yes` or `no`.
        Priced = "priced",
        /// The project of the key.
        Project = "project",
        /// The provider that answered, or was tried last.
        Provider = "provider",
        /// The session.
        Session = "session",
        /// The class of the status: `2xx`, `4xx`, `5xx` …
        Status = "status",
        /// Why the model stopped.
        Stop = "stop",
        /// The user.
        User = "user",
    }
}

/// Conditions on calls; all of them hold. The default is every call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Slice {
    /// The beginning of the range of time, µs since 1970, included.
    pub from_us: Option<i64>,
    /// The end of the range of time, µs since 1970, not included.
    pub to_us: Option<i64>,
    /// What a dimension is. `None` = the call says nothing of it.
    pub values: BTreeMap<Dimension, Option<String>>,
}

impl Slice {
    /// The slice with a condition more.
    #[must_use]
    pub fn with(mut self, dimension: Dimension, value: Option<&str>) -> Self {
        self.values.insert(dimension, value.map(str::to_owned));
        self
    }

    /// The slice within a range of time.
    #[must_use]
    pub fn within(mut self, from_us: i64, to_us: i64) -> Self {
        self.from_us = Some(self.from_us.map_or(from_us, |from| from.max(from_us)));
        self.to_us = Some(self.to_us.map_or(to_us, |to| to.min(to_us)));
        self
    }
}
