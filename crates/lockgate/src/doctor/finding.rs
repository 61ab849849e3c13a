//! One thing that was looked at, and how it is. Knows nothing of how it is shown.

/// Part of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    Configuration,
    Listen,
    Machine,
    Providers,
}

impl Area {
    /// Every area, in the order of the report.
    pub(super) const ALL: [Self; 4] = [Self::Configuration, Self::Listen, Self::Providers, Self::Machine];

    /// The name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Listen => "listen",
            Self::Machine => "machine",
            Self::Providers => "providers",
        }
    }

    /// The heading for people.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::Listen => "Listening",
            Self::Machine => "This machine",
            Self::Providers => "Providers",
        }
    }
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// It does not work.
    Error,
    /// As it should be.
    Good,
    /// Worth knowing; nothing to do.
    Note,
    /// It works, but not well or not for long.
    Warning,
}

impl Level {
    /// Whether somebody should do something.
    pub(super) fn is_finding(self) -> bool {
        match self {
            Self::Error | Self::Warning => true,
            Self::Good | Self::Note => false,
        }
    }

    /// The name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Good => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) advice: Option<String>,
    pub(super) area: Area,
    pub(super) level: Level,
    pub(super) message: String,
    pub(super) name: String,
}

impl Check {
    pub(super) fn new(area: Area, name: &str, level: Level, message: impl Into<String>) -> Self {
        Self { advice: None, area, level, message: message.into(), name: name.to_owned() }
    }

    /// The same with what to do about it.
    pub(super) fn advice(mut self, words: impl Into<String>) -> Self {
        self.advice = Some(words.into());
        self
    }
}
