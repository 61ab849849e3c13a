//! All prices that are known: those that come with Lockgate, those of the configuration, those of an imported list.
//!
//! Finds the one of a provider's model at a time. Multiplies nothing, guesses nothing: what it does not find has no
//! known price.

use std::collections::HashMap;

use crate::moment::{Date, Moment};
use crate::names::{self, Names};
use crate::openrouter::Models;
use crate::overrides::{Override, OverrideError};
use crate::price::{Model, Price, Provider};

/// Prices by provider and model.
#[derive(Clone, Debug)]
pub struct Catalogue {
    books: HashMap<String, Book>,
    /// What the configuration says; goes before `books`.
    overrides: HashMap<String, Book>,
    read: Date,
    hash: blake3::Hash,
}

/// What is known about a model beside its price. `None` = not known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// Tokens that fit into it.
    pub context: Option<u64>,
    /// The longest answer in tokens.
    pub max_output: Option<u64>,
    /// Whether it can think before it answers.
    pub thinking: Option<bool>,
    /// Whether it calls tools.
    pub tools: Option<bool>,
    /// Whether it sees pictures.
    pub vision: Option<bool>,
}

impl Facts {
    fn learn(&mut self, model: &Model) {
        self.context = self.context.or(model.context);
        self.max_output = self.max_output.or(model.max_output);
        self.thinking = self.thinking.or(model.thinking);
        self.tools = self.tools.or(model.function_calling);
        self.vision = self.vision.or(model.vision);
    }
}

/// What a call costs by, found for a provider, a model and a time.
#[derive(Clone, Copy, Debug)]
pub enum Quote<'a> {
    /// The model runs on machines of the operator: nobody sends a bill.
    Local {
        /// Whether the configuration says so.
        configured: bool,
    },
    /// A price.
    Price {
        /// When the call was.
        at: Moment,
        /// Whether the price is the configuration's.
        configured: bool,
        /// The model.
        model: &'a Model,
        /// Its price then.
        price: &'a Price,
    },
}

/// A file of the catalogue that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Two entries say something about the same model.
    #[error("{file}: `{name}` is there twice")]
    Duplicate {
        /// The file.
        file: &'static str,
        /// The name or pattern.
        name: String,
    },
    /// Nobody could look it up.
    #[error("{file}: `{said}` is no address of a page that states prices")]
    Source {
        /// The file.
        file: &'static str,
        /// What it says instead.
        said: String,
    },
    /// It is not of the form of a price file.
    #[error("{file}: {source}")]
    Form {
        /// The file.
        file: &'static str,
        /// What is wrong where.
        source: Box<serde_saphyr::Error>,
    },
}

#[derive(Clone, Debug, Default)]
struct Book {
    local: bool,
    unpriced: Vec<String>,
    names: Names,
    models: Vec<Model>,
}

impl Catalogue {
    /// The prices that come with Lockgate.
    pub fn embedded() -> Result<Self, DataError> {
        let mut catalogue = Self {
            books: HashMap::new(),
            overrides: HashMap::new(),
            read: Date::EPOCH,
            hash: blake3::hash(b"prices"),
        };
        for (file, text) in FILES {
            catalogue.add(file, text)?;
        }
        Ok(catalogue)
    }

    /// With what the configuration says in place of what is known otherwise.
    pub fn with(mut self, overrides: &[Override]) -> Result<Self, OverrideError> {
        for (index, entry) in overrides.iter().enumerate() {
            entry.check(index)?;
            let book = self.overrides.entry(entry.provider.to_ascii_lowercase()).or_default();
            entry.apply(index, &mut book.names, &mut book.models)?;
        }
        if !overrides.is_empty() {
            self.mix(&serde_json::to_vec(overrides).unwrap_or_default());
        }
        Ok(self)
    }

    /// With the prices that OpenRouter lists, under its name, in place of an earlier list of it.
    #[must_use]
    pub fn with_openrouter(mut self, models: &Models) -> Self {
        let book = self.books.entry(String::from("openrouter")).or_default();
        book.names = Names::default();
        book.models = models.priced().collect();
        for (at, id) in
            book.models.iter().enumerate().flat_map(|(at, model)| model.ids.iter().map(move |id| (at, id)))
        {
            book.names.insert(id, at);
        }
        let entries = serde_json::to_vec(&book.models).unwrap_or_default();
        self.read = book
            .models
            .iter()
            .flat_map(|model| &model.prices)
            .map(|price| price.read)
            .fold(self.read, Date::max);
        self.mix(&entries);
        self
    }

    /// What a model costs by at a time; nothing where the price is not known.
    pub fn price(&self, provider: &str, model: &str, at: Moment) -> Option<Quote<'_>> {
        self.first(&[provider], model, at)
    }

    /// The same, for a provider that goes by several names: its configured id first, then its kind. What the
    /// configuration says about any of them goes before what is known otherwise.
    pub fn first(&self, providers: &[&str], model: &str, at: Moment) -> Option<Quote<'_>> {
        for provider in providers {
            let configured = book(&self.overrides, provider).and_then(|book| book.model(provider, model));
            if let Some(model) = configured.filter(|model| model.local || model.price(at.date).is_some()) {
                return quote(model, at, true);
            }
        }
        let (provider, book) =
            providers.iter().find_map(|provider| Some((provider, book(&self.books, provider)?)))?;
        let name = model.trim().to_ascii_lowercase();
        if book.unpriced.iter().any(|pattern| names::matches(pattern, &name)) {
            return None;
        }
        match book.model(provider, model) {
            Some(model) => quote(model, at, false),
            None => book.local.then_some(Quote::Local { configured: false }),
        }
    }

    /// What is known about a model beside its price: window, longest answer, tools.
    pub fn model(&self, provider: &str, model: &str) -> Option<&Model> {
        let of = |books| book(books, provider)?.model(provider, model);
        of(&self.overrides).or_else(|| of(&self.books))
    }

    /// What is known about a model beside its price, for a provider that goes by several names. Each fact that the configuration tells goes before
    /// the same one that is known otherwise.
    pub fn facts(&self, providers: &[&str], model: &str) -> Facts {
        let mut facts = Facts::default();
        let books = [&self.overrides, &self.books];
        for books in books {
            for provider in providers {
                if let Some(known) = book(books, provider).and_then(|book| book.model(provider, model)) {
                    facts.learn(known);
                }
            }
        }
        facts
    }

    /// Every model that comes with Lockgate or was imported, with its provider, in no particular order.
    pub fn models(&self) -> impl Iterator<Item = (&str, &Model)> {
        self.books
            .iter()
            .flat_map(|(provider, book)| book.models.iter().map(move |model| (provider.as_str(), model)))
    }

    /// Changes whenever a price does: the day the newest price was looked up, and a hash of them all.
    pub fn version(&self) -> String {
        format!("{}+{}", self.read, &self.hash.to_hex()[..12])
    }

    /// What is kept with a cost: the version, and whether the price was the configuration's.
    pub fn version_of(&self, quote: Option<&Quote<'_>>) -> String {
        let configured =
            matches!(quote, Some(Quote::Local { configured: true } | Quote::Price { configured: true, .. }));
        let mark = if configured { "+configured" } else { "" };
        format!("{}{mark}", self.version())
    }

    fn add(&mut self, file: &'static str, text: &'static str) -> Result<(), DataError> {
        let parsed: Provider = serde_saphyr::from_str(text)
            .map_err(|source| DataError::Form { file, source: Box::new(source) })?;
        let prices = parsed.models.iter().flat_map(|model| &model.prices).map(|price| &price.source);
        let tools = parsed.tools.iter().map(|tools| &tools.source);
        if let Some(said) = prices.chain(tools).find(|source| !is_page(source)) {
            return Err(DataError::Source { file, said: said.clone() });
        }
        let mut book = Book {
            local: parsed.local,
            unpriced: parsed.unpriced,
            models: parsed.models,
            names: Names::default(),
        };
        for price in book.models.iter_mut().flat_map(|model| &mut model.prices) {
            self.read = self.read.max(price.read);
            for (tool, tool_price) in parsed.tools.iter().flat_map(|tools| &tools.prices) {
                price.tools.entry(tool.clone()).or_insert(*tool_price);
            }
        }
        if let Some(tools) = &parsed.tools {
            self.read = self.read.max(tools.read);
        }
        for (at, model) in book.models.iter().enumerate() {
            for name in &model.ids {
                if !book.names.insert(name, at) {
                    return Err(DataError::Duplicate { file, name: name.clone() });
                }
            }
        }
        for provider in std::iter::once(&parsed.id).chain(&parsed.also) {
            if self.books.insert(provider.clone(), book.clone()).is_some() {
                return Err(DataError::Duplicate { file, name: provider.clone() });
            }
        }
        self.mix(text.as_bytes());
        Ok(())
    }

    fn mix(&mut self, data: &[u8]) {
        self.hash = blake3::Hasher::new().update(self.hash.as_bytes()).update(data).finalize();
    }
}

impl Book {
    fn model(&self, provider: &str, model: &str) -> Option<&Model> {
        self.models.get(self.names.find(provider, model)?)
    }
}

fn is_page(source: &str) -> bool {
    source
        .strip_prefix("https://")
        .is_some_and(|rest| rest.contains('.') && !rest.contains(char::is_whitespace))
}

fn book<'a>(books: &'a HashMap<String, Book>, provider: &str) -> Option<&'a Book> {
    books.get(&provider.to_ascii_lowercase())
}

fn quote(model: &Model, at: Moment, configured: bool) -> Option<Quote<'_>> {
    if model.local {
        return Some(Quote::Local { configured });
    }
    let price = model.price(at.date).filter(|price| !price.rates.is_empty())?;
    Some(Quote::Price { at, configured, model, price })
}

/// `prices/`, sorted.
const FILES: [(&str, &str); 14] = [
    ("anthropic.yaml", include_str!("../prices/anthropic.yaml")),
    ("cerebras.yaml", include_str!("../prices/cerebras.yaml")),
    ("deepseek.yaml", include_str!("../prices/deepseek.yaml")),
    ("fireworks.yaml", include_str!("../prices/fireworks.yaml")),
    ("gemini.yaml", include_str!("../prices/gemini.yaml")),
    ("groq.yaml", include_str!("../prices/groq.yaml")),
    ("local.yaml", include_str!("../prices/local.yaml")),
    ("mistral.yaml", include_str!("../prices/mistral.yaml")),
    ("ollama.yaml", include_str!("../prices/ollama.yaml")),
    ("openai.yaml", include_str!("../prices/openai.yaml")),
    ("openrouter.yaml", include_str!("../prices/openrouter.yaml")),
    ("together.yaml", include_str!("../prices/together.yaml")),
    ("vertex.yaml", include_str!("../prices/vertex.yaml")),
    ("xai.yaml", include_str!("../prices/xai.yaml")),
];
