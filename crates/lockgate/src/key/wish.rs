//! What a key may do, as options of a command: as the admin API is told it, and as lines of the configuration.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::exit::Failure;

/// What a key may do.
#[derive(Debug, Clone, Default, Args)]
pub struct WishArgs {
    /// Who the key belongs to.
    #[arg(long, value_name = "USER")]
    pub owner: Option<String>,
    /// What the key is used for.
    #[arg(long)]
    pub project: Option<String>,
    /// A word to find it by. May be repeated.
    #[arg(long)]
    pub tag: Vec<String>,
    /// A model it may call, as a pattern such as `claude-*`. May be repeated; without any it may call all.
    #[arg(long = "model", value_name = "PATTERN")]
    pub models: Vec<String>,
    /// A provider it may call. May be repeated; without any it may call all.
    #[arg(long = "provider", value_name = "ID")]
    pub providers: Vec<String>,
    /// When it ceases: `2026-12-31`, `2026-12-31T18:00:00Z`, or in how long: `90d`.
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,
    /// Calls a minute.
    #[arg(long, value_name = "CALLS")]
    pub rpm: Option<String>,
    /// Tokens a minute.
    #[arg(long, value_name = "TOKENS")]
    pub tpm: Option<String>,
    /// Calls at the same time.
    #[arg(long, value_name = "CALLS")]
    pub concurrency: Option<String>,
    /// US dollars a day.
    #[arg(long, value_name = "USD")]
    pub cost_per_day: Option<String>,
    /// How much of its calls is kept: full, redacted, metadata, off.
    #[arg(long, value_name = "MODE")]
    pub recording: Option<String>,
    /// The most confidential data of its calls (public, internal, confidential, secret): they go only to providers that are for such data.
    #[arg(long, value_name = "CLASS")]
    pub data_class: Option<String>,
    /// What it may do beside calling models: self, viewer, operator, admin.
    #[arg(long, value_parser = crate::user::ROLES)]
    pub role: Option<String>,
}

/// What takes a value away.
const NONE: &str = "none";

impl WishArgs {
    /// As the API is told a new key.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        self.change(&Value::Null)
    }

    /// As the API is told a change of a key with these limits.
    pub(super) fn change(&self, limits: &Value) -> Result<Value, Failure> {
        let mut wish = Map::new();
        let texts = [
            ("owner", &self.owner),
            ("project", &self.project),
            ("expires", &self.expires),
            ("recording", &self.recording),
            ("data_class", &self.data_class),
            ("role", &self.role),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                let value = if text == NONE { Value::Null } else { text.clone().into() };
                wish.insert(name.to_owned(), value);
            }
        }
        for (name, list) in [("tags", &self.tag), ("models", &self.models), ("providers", &self.providers)] {
            if !list.is_empty() {
                let none = list.len() == 1 && list[0] == NONE;
                wish.insert(name.to_owned(), if none { json!([]) } else { json!(list) });
            }
        }
        let asked = self.limits()?;
        if !asked.is_empty() {
            let mut all = limits.as_object().cloned().unwrap_or_default();
            all.extend(asked);
            wish.insert("limits".to_owned(), all.into());
        }
        Ok(wish.into())
    }

    fn limits(&self) -> Result<Map<String, Value>, Failure> {
        let mut limits = Map::new();
        let counts = [
            ("requests_per_minute", "--rpm", &self.rpm),
            ("tokens_per_minute", "--tpm", &self.tpm),
            ("concurrency", "--concurrency", &self.concurrency),
        ];
        for (name, option, text) in counts {
            match text.as_deref() {
                None => {}
                Some(NONE) => {
                    limits.insert(name.to_owned(), Value::Null);
                }
                Some(text) => {
                    let number: u64 = text.parse().map_err(|_| wrong(option, text))?;
                    limits.insert(name.to_owned(), number.into());
                }
            }
        }
        match self.cost_per_day.as_deref() {
            None => {}
            Some(NONE) => {
                limits.insert("cost_per_day_nano".to_owned(), Value::Null);
            }
            Some(text) => {
                let dollars =
                    lockgate_ledger::Nano::from_dollars(text).ok_or_else(|| wrong("--cost-per-day", text))?;
                limits.insert("cost_per_day_nano".to_owned(), dollars.get().into());
            }
        }
        Ok(limits)
    }

    /// As lines of an entry of the configuration.
    pub(super) fn entry(&self) -> Result<String, Failure> {
        let mut lines = String::new();
        let mut line = |name: &str, value: Value| lines.extend(["\n    ", name, ": ", &value.to_string()]);
        for (name, list) in [("models", &self.models), ("providers", &self.providers)] {
            if !list.is_empty() {
                line(name, json!(list));
            }
        }
        let texts = [
            ("expires", &self.expires),
            ("user", &self.owner),
            ("project", &self.project),
            ("record", &self.recording),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                line(name, text.clone().into());
            }
        }
        let mut limits = self.limits()?;
        limits.remove("cost_per_day_nano");
        if let Some(dollars) = &self.cost_per_day {
            let dollars: f64 = dollars.parse().map_err(|_| wrong("--cost-per-day", dollars))?;
            limits.insert("cost_per_day_usd".to_owned(), dollars.into());
        }
        if !limits.is_empty() {
            line("limits", limits.into());
        }
        Ok(lines)
    }
}

fn wrong(option: &str, text: &str) -> Failure {
    Failure::usage(format!("{option} {text}: write a number, or `{NONE}` for no limit"))
}
