//! What calls are told apart by when they are counted beforehand, and where that stands in their row.

use lockgate_store::stats::Dimension;

/// Something that all calls of a group say alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The model that the answer names.
    Answering,
    /// How confidential the data of the key is.
    Class,
    /// The client program.
    Client,
    /// The kind of the error.
    Error,
    /// The name of the key.
    Key,
    /// The model that the requested name stands for.
    Model,
    /// What became of the call.
    Outcome,
    /// Whether the cost is known.
    Priced,
    /// The project of the key.
    Project,
    /// The provider.
    Provider,
    /// The model that the client named.
    Requested,
    /// The status.
    Status,
    /// The class of the status.
    StatusClass,
    /// Why the model stopped.
    Stop,
    /// The user.
    User,
}

impl Fact {
    /// Every one, in the order in which a pack has them.
    pub(crate) const ALL: [Self; 15] = [
        Self::Answering,
        Self::Class,
        Self::Client,
        Self::Error,
        Self::Key,
        Self::Model,
        Self::Outcome,
        Self::Priced,
        Self::Project,
        Self::Provider,
        Self::Requested,
        Self::Status,
        Self::StatusClass,
        Self::Stop,
        Self::User,
    ];

    /// The fact that a dimension is of. A session is none: it has a column of its own.
    pub(crate) const fn of(dimension: Dimension) -> Option<Self> {
        Some(match dimension {
            Dimension::Client => Self::Client,
            Dimension::DataClass => Self::Class,
            Dimension::Error => Self::Error,
            Dimension::Key => Self::Key,
            Dimension::Model => Self::Model,
            Dimension::Outcome => Self::Outcome,
            Dimension::Priced => Self::Priced,
            Dimension::Project => Self::Project,
            Dimension::Provider => Self::Provider,
            Dimension::Session => return None,
            Dimension::Status => Self::StatusClass,
            Dimension::Stop => Self::Stop,
            Dimension::User => Self::User,
        })
    }

    /// The fact of a call (`c`), as text.
    pub(crate) const fn sql(self) -> &'static str {
        match self {
            Self::Answering => "c.answering_model",
            Self::Class => "c.data_class",
            Self::Client => "c.client_name",
            Self::Error => "c.error_kind",
            Self::Key => "c.key_name",
            Self::Model => "c.resolved_model",
            Self::Outcome => "c.outcome",
            Self::Priced => "CASE WHEN c.cost_nano IS NULL THEN 'no' ELSE 'yes' END",
            Self::Project => "c.project",
            Self::Provider => "c.provider",
            Self::Requested => "c.requested_model",
            Self::Status => "CAST(c.status AS TEXT)",
            Self::StatusClass => "CAST(c.status / 100 AS TEXT) || 'xx'",
            Self::Stop => "c.stop_reason",
            Self::User => "c.user_name",
        }
    }
}
