//! What is wrong with a configuration: a stable code, the place, a sentence, often a suggestion; and how a list of them
//! is shown to people and machines. Never quotes a value that may be secret; whoever makes the problem sees to that.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use crate::{Path, Source};

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Nothing starts with it.
    Error,
    /// It works, but probably not as meant.
    Warning,
}

macro_rules! codes {
    ($($variant:ident = $code:literal, $severity:ident, $title:literal;)*) => {
        /// The kinds of problem. Codes are stable: one that is no longer used is not given to another check.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Code { $(#[doc = $title] $variant,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The stable name, such as `LG002`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// What it stands for, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }

            /// How bad a problem with this code is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }
        }
    };
}

// The order is that of the codes: 0xx the text, 1xx callers and secrets, 2xx providers, 3xx models, 4xx policies.
codes! {
    Syntax = "LG001", Error, "the text is not YAML";
    UnknownKey = "LG002", Error, "unknown key";
    WrongType = "LG003", Error, "a value of another type is expected";
    BadValue = "LG004", Error, "the value is not allowed";
    DuplicateKey = "LG005", Error, "the key occurs twice";
    MissingKey = "LG006", Error, "a required key is missing";
    Variable = "LG007", Error, "an environment variable cannot be inserted";
    Unreadable = "LG008", Error, "the source cannot be read";
    PublicBind = "LG101", Error, "public address without any key";
    InlineSecret = "LG102", Warning, "a secret is written into the file";
    KeyHash = "LG103", Error, "malformed key hash";
    DuplicateCaller = "LG104", Error, "two keys share a name or a hash";
    KeyCredential = "LG105", Error, "credentials for a provider that does not exist";
    PlainHttp = "LG106", Warning, "a credential would travel unencrypted";
    UnknownKind = "LG201", Error, "provider without a kind";
    MisplacedSection = "LG202", Error, "section of another kind";
    MissingAddress = "LG203", Error, "provider without an address";
    MissingCredential = "LG204", Error, "provider without a credential";
    Timeouts = "LG205", Error, "timeouts contradict each other";
    Shadowed = "LG206", Warning, "entry that can never apply";
    ReservedHeader = "LG207", Error, "header that the gateway sets itself";
    AliasCycle = "LG301", Error, "alias that leads back to itself";
    AbsentProvider = "LG302", Error, "reference to a provider that does not exist";
    DisabledProvider = "LG303", Error, "reference to a provider that is disabled";
    AmbiguousAlias = "LG304", Error, "alias that hides something else";
    UselessThreshold = "LG305", Warning, "threshold without an effect";
    ThresholdAboveContext = "LG306", Error, "threshold above the model's context";
    UnfitSlot = "LG307", Warning, "slot whose model cannot do what the slot is for";
    Policy = "LG401", Error, "a policy cannot work";
}

/// One finding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Which kind of problem.
    pub code: Code,
    /// Which layer holds it, and where there.
    pub source: Source,
    /// The value it is about.
    pub path: Path,
    /// A sentence without a full stop.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Problem {
    pub(crate) fn new(code: Code, source: &Source, path: &Path, message: impl Into<String>) -> Self {
        Self { code, source: source.clone(), path: path.clone(), message: message.into(), suggestion: None }
    }

    pub(crate) fn suggesting(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Whether it keeps the configuration from being used.
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }

    fn sentence(&self) -> String {
        match &self.suggestion {
            Some(suggestion) => format!("{} (did you mean `{suggestion}`?)", self.message),
            None => self.message.clone(),
        }
    }

    fn json(&self) -> Value {
        json!({
            "code": self.code.id(),
            "severity": self.severity().name(),
            "path": self.path.to_string(),
            "source": self.source,
            "message": self.message,
            "suggestion": self.suggestion,
        })
    }

    fn sarif(&self) -> Value {
        let mut result = json!({
            "ruleId": self.code.id(),
            "level": self.severity().name(),
            "message": {"text": self.sentence()},
        });
        let logical = json!([{"fullyQualifiedName": self.path.to_string()}]);
        result["locations"] = match &self.source {
            Source::File { file, line, column } => json!([{
                "physicalLocation": {
                    "artifactLocation": {"uri": file.replace('\\', "/")},
                    "region": {"startLine": (*line).max(1), "startColumn": (*column).max(1)},
                },
                "logicalLocations": logical,
            }]),
            Source::Default
            | Source::Detected { .. }
            | Source::Enacted { .. }
            | Source::Environment { .. }
            | Source::Flag { .. } => {
                json!([{"logicalLocations": logical}])
            }
        };
        result
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = match self.severity() {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        write!(f, "{}: {label}{} [{}]", self.source.place(), self.sentence(), self.code.id())
    }
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A non-empty list of problems as an error value.
#[derive(Debug, thiserror::Error)]
#[error("{}", render_text(.0).trim_end())]
pub struct Problems(pub Vec<Problem>);

/// One line per problem: `file:line:column: message (did you mean …?) [code]`.
pub fn render_text(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |mut text, problem| {
        let _ = writeln!(text, "{problem}");
        text
    })
}

/// A JSON list of objects with `code`, `severity`, `path`, `source`, `message`, `suggestion`.
pub fn render_json(problems: &[Problem]) -> String {
    format!("{:#}\n", problems.iter().map(Problem::json).collect::<Value>())
}

/// A SARIF 2.1.0 log, for code scanning.
pub fn render_sarif(problems: &[Problem]) -> String {
    let rules = Code::ALL.iter().map(|code| {
        json!({
            "id": code.id(),
            "shortDescription": {"text": code.title()},
            "defaultConfiguration": {"level": code.severity().name()},
        })
    });
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "lockgate",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Value>(),
            }},
            "results": problems.iter().map(Problem::sarif).collect::<Value>(),
        }],
    });
    format!("{log:#}\n")
}
