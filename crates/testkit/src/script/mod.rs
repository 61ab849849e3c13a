//! The script: what the upstream answers, to whom, and how badly. Plain data read from YAML; the README beside this
//! crate is its reference.
//!
//! Knows nothing of HTTP or of any provider's shapes: answers are neutral blocks that `render` turns into a dialect.

mod answer;
mod faults;
mod matching;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use self::answer::{
    Agent, Answer, Block, Cited, Failure, Image, Raw, ServerTool, Step, Stop, Tokens, ToolCall,
};
pub use self::faults::{Chaos, Quirks};
pub use self::matching::{DialectName, When};

/// A whole script. Everything has a default: the empty script echoes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// Accepted credentials, in whichever header the dialect uses; empty accepts everybody.
    pub keys: Vec<String>,
    /// Path prefixes accepted in front of the real paths, e.g. `/inference/v1` for `/inference/v1/chat/completions`.
    pub prefixes: Vec<String>,
    /// What the model lists show, and what single models can do.
    pub models: Vec<ModelCard>,
    /// Whether requests for models that `models` does not list are answered 404.
    pub only_listed_models: bool,
    /// Whether requests are checked as the real provider checks them.
    pub validate: bool,
    /// Whether prompt caches are simulated in the usage figures.
    pub cache: bool,
    /// Smallest prompt prefix, in tokens, that a simulated cache holds.
    pub cache_min_tokens: u64,
    /// How much of each request is remembered.
    pub record: Recording,
    /// Token checks on Vertex paths.
    pub vertex: Vertex,
    /// What models cost.
    pub prices: Vec<Price>,
    /// Characters per text delta, where an answer does not say.
    pub chunk: usize,
    /// Pause before each content delta, where an answer does not say.
    pub delay_ms: u64,
    /// Signatures (thinking, thought, encrypted reasoning) accepted though this upstream did not issue them.
    pub known_signatures: Vec<String>,
    /// The rules, first match wins.
    pub rules: Vec<Rule>,
    /// Folder that `file` entries are relative to; set by [`Script::load`].
    #[serde(skip)]
    pub base: PathBuf,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            prefixes: Vec::new(),
            models: Vec::new(),
            only_listed_models: false,
            validate: true,
            cache: true,
            cache_min_tokens: 1024,
            record: Recording::All,
            vertex: Vertex::default(),
            prices: Vec::new(),
            chunk: 20,
            delay_ms: 0,
            known_signatures: Vec::new(),
            rules: Vec::new(),
            base: PathBuf::new(),
        }
    }
}

/// How much of each request is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recording {
    /// Heads and bodies, the newest 10,000 requests and 256 MiB.
    All,
    /// Heads and times without bodies.
    Heads,
    /// Nothing, for benches.
    None,
}

/// One model of the lists.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// The name clients ask for.
    pub id: String,
    /// Context window in tokens.
    #[serde(default = "ModelCard::default_context")]
    pub context: u64,
    /// Longest answer in tokens.
    #[serde(default = "ModelCard::default_output")]
    pub max_output: u64,
    /// Ollama's words: completion, tools, thinking, vision, embedding.
    #[serde(default = "ModelCard::default_capabilities")]
    pub capabilities: Vec<String>,
    /// Host that really runs it, for Ollama's cloud models.
    #[serde(default)]
    pub remote_host: Option<String>,
    /// Whether `/api/ps` lists it as loaded.
    #[serde(default)]
    pub loaded: bool,
    /// The last day of it, in `OpenRouter`'s list.
    #[serde(default)]
    pub expires: Option<String>,
    /// Dollars for a token of prompt and of answer, in `OpenRouter`'s list.
    #[serde(default = "ModelCard::default_prices")]
    pub prices: (String, String),
}

impl ModelCard {
    fn default_context() -> u64 {
        200_000
    }
    fn default_output() -> u64 {
        64_000
    }
    fn default_capabilities() -> Vec<String> {
        ["completion", "tools", "thinking", "vision"].map(String::from).to_vec()
    }

    fn default_prices() -> (String, String) {
        ("0.000001".into(), "0.000005".into())
    }

    /// A card with the defaults.
    pub fn named(id: &str) -> Self {
        Self {
            id: id.into(),
            context: Self::default_context(),
            max_output: Self::default_output(),
            capabilities: Self::default_capabilities(),
            remote_host: None,
            loaded: false,
            expires: None,
            prices: Self::default_prices(),
        }
    }
}

/// Token checks on Vertex paths.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vertex {
    /// Accept only tokens that `/token` issued and that have not expired.
    pub check_tokens: bool,
    /// Lifetime of issued tokens.
    pub token_ttl_ms: u64,
}

impl Default for Vertex {
    fn default() -> Self {
        Self { check_tokens: false, token_ttl_ms: 3_600_000 }
    }
}

/// Prices of the models that `model` matches, in nano-USD per token.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Glob over model names.
    pub model: String,
    /// Uncached input.
    pub input: u64,
    /// Input read from the cache.
    #[serde(default)]
    pub cached: u64,
    /// Input written to the cache.
    #[serde(default)]
    pub cache_write: u64,
    /// Output, reasoning included.
    pub output: u64,
}

/// What to do when `when` fits. At most one of `answer`, `agent`, `error`, `raw`, `sequence`; none of them echoes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// Shown in the record of each request it answered.
    pub name: Option<String>,
    /// Which requests.
    pub when: When,
    /// How often it may be used; without it, always.
    pub times: Option<u64>,
    /// A neutral answer.
    pub answer: Option<Answer>,
    /// Plays the model of an agent loop.
    pub agent: Option<Agent>,
    /// An error in the dialect's shape.
    pub error: Option<Failure>,
    /// A verbatim response.
    pub raw: Option<Raw>,
    /// One reply per use, the last one for ever after.
    pub sequence: Vec<Reply>,
    /// Faults of transport and content.
    pub chaos: Chaos,
    /// Habits of servers that are merely compatible.
    pub quirks: Quirks,
}

/// One reply of a sequence.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reply {
    /// A neutral answer.
    pub answer: Option<Answer>,
    /// Plays the model of an agent loop.
    pub agent: Option<Agent>,
    /// An error in the dialect's shape.
    pub error: Option<Failure>,
    /// A verbatim response.
    pub raw: Option<Raw>,
    /// Faults of transport and content.
    pub chaos: Chaos,
    /// Habits of servers that are merely compatible.
    pub quirks: Quirks,
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// A rule says two things at once.
    #[error("rule {index}: give at most one of answer, agent, error, raw, sequence")]
    Ambiguous {
        /// Position in `rules`, from 1.
        index: usize,
    },
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not YAML of this form.
    #[error("{message}")]
    Syntax {
        /// With line and column.
        message: String,
    },
}

impl Script {
    /// Reads a script from YAML text.
    pub fn parse(yaml: &str) -> Result<Self, ScriptError> {
        let script: Self = if yaml.trim().is_empty() {
            Self::default()
        } else {
            serde_saphyr::from_str(yaml).map_err(|e| ScriptError::Syntax { message: e.to_string() })?
        };
        for (at, rule) in script.rules.iter().enumerate() {
            let replies = std::iter::once(rule.said()).chain(rule.sequence.iter().map(Reply::said));
            if replies.into_iter().any(|said| said > 1) {
                return Err(ScriptError::Ambiguous { index: at + 1 });
            }
        }
        Ok(script)
    }

    /// Reads a script file; `file` entries in it are relative to its folder.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScriptError::Read { path: path.to_path_buf(), source })?;
        let mut script = Self::parse(&text)?;
        script.base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(script)
    }

    /// A script whose only rule gives this text.
    pub fn text(text: &str) -> Self {
        let answer = Answer { blocks: vec![Block::Text(text.into())], ..Answer::default() };
        Self { rules: vec![Rule { answer: Some(answer), ..Rule::default() }], ..Self::default() }
    }

    /// The card of a model, if listed.
    pub fn card(&self, model: &str) -> Option<&ModelCard> {
        let bare = model.strip_suffix(":latest").unwrap_or(model);
        self.models.iter().find(|card| card.id == model || card.id == bare)
    }

    /// What the tokens cost, or `None` when no price matches.
    pub fn cost(&self, model: &str, tokens: &crate::turn::Usage) -> Option<u64> {
        let price = self.prices.iter().find(|p| matching::glob(&p.model, model))?;
        Some(
            tokens.input * price.input
                + tokens.cached * price.cached
                + tokens.cache_write() * price.cache_write
                + tokens.output * price.output,
        )
    }
}

impl Rule {
    fn said(&self) -> usize {
        usize::from(self.answer.is_some())
            + usize::from(self.agent.is_some())
            + usize::from(self.error.is_some())
            + usize::from(self.raw.is_some())
            + usize::from(!self.sequence.is_empty())
    }

    /// The reply of the `nth` use, counted from 0.
    pub fn reply(&self, nth: u64) -> Reply {
        let last = self.sequence.len().saturating_sub(1);
        let at = usize::try_from(nth).unwrap_or(usize::MAX).min(last);
        if let Some(reply) = self.sequence.get(at) {
            return reply.clone();
        }
        Reply {
            answer: self.answer.clone(),
            agent: self.agent.clone(),
            error: self.error.clone(),
            raw: self.raw.clone(),
            chaos: self.chaos.clone(),
            quirks: self.quirks.clone(),
        }
    }
}

impl Reply {
    fn said(&self) -> usize {
        usize::from(self.answer.is_some())
            + usize::from(self.agent.is_some())
            + usize::from(self.error.is_some())
            + usize::from(self.raw.is_some())
    }
}
