//! One whole configuration, immutable: the typed sections, the providers ready for use, the source of every value, a hash.
//!
//! `Inputs` says where it comes from; reading it again gives a new snapshot. Nothing here watches or swaps.

use std::{path::PathBuf, sync::Arc};

use lockgate_providers::{EnvironmentProxies, Kind, Preset, Settings, implied_base_url, implied_kind};
use url::Url;

use crate::{
    Code, Config, Environment, Path, Problem, Problems, Source,
    check::Checker,
    definition, detect, environment, expand, outgoing, runtime,
    schema::Schema,
    shape,
    show::{self, Setting},
    tree::{Node, Style},
    yaml,
};

/// A configuration file larger than this is not one.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Where a configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The file, if there is one; it must exist then.
    pub file: Option<PathBuf>,
    /// The environment variables.
    pub environment: Environment,
    /// Configuration path and value of each flag, such as `server.listen`. The last layer.
    pub flags: Vec<(String, String)>,
    /// Whether the environment is searched for providers.
    pub detect: bool,
}

/// Why a provider is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presence {
    /// Always there, so that callers can use their own credential.
    Assumed,
    /// A runtime that may be on this machine; nothing is known until somebody asks it.
    Candidate,
    /// Named by the file, a variable of ours or a flag.
    Configured,
    /// Found in the environment: a well-known variable, `claude` on PATH.
    Found,
}

/// A provider with what its kind implies filled in.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The word before the colon in `provider:model`.
    pub id: String,
    /// How it is spoken to.
    pub kind: Kind,
    /// Where it is; none for kinds that have no address or derive it.
    pub base_url: Option<Url>,
    /// Further addresses to probe if `base_url` does not answer; only for candidates.
    pub other_base_urls: &'static [&'static str],
    /// Why it is there.
    pub presence: Presence,
    /// Everything else.
    pub settings: Arc<Settings>,
}

impl Provider {
    /// Whether calls without any credential cannot succeed.
    pub fn needs_key(&self) -> bool {
        self.kind.info().needs_key || Preset::named(&self.id).is_some_and(|preset| !preset.local)
    }
}

/// A configuration in force.
#[derive(Debug)]
pub struct Snapshot {
    blank: bool,
    config: Config,
    providers: Vec<Provider>,
    proxies: EnvironmentProxies,
    settings: Vec<Setting>,
    warnings: Vec<Problem>,
    hash: String,
}

impl Snapshot {
    /// The typed sections.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Every enabled provider, by id.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// The enabled provider called `id`.
    pub fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.id == id)
    }

    /// The proxies that the environment names.
    pub fn proxies(&self) -> &EnvironmentProxies {
        &self.proxies
    }

    /// Every effective value with its source, in the order of the reference.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Each policy as it is defined, in order: a hash of everything but its mode.
    pub fn definitions(&self) -> Vec<String> {
        definition::definitions(&self.settings, &self.config.policies)
    }

    /// A hash of all that is said of policies, and one of what is said of them beside the policies themselves.
    pub fn policy_hashes(&self) -> (String, String) {
        (definition::section(&self.settings), definition::manner(&self.settings))
    }

    /// Whether the file is there and says nothing at all.
    pub fn is_blank(&self) -> bool {
        self.blank
    }

    /// What is odd but does not keep the configuration from being used.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// BLAKE3 over every effective value but secrets: equal hashes decide equally.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

impl Inputs {
    /// Reads all layers, checks them, and gives either a snapshot or every problem, warnings included.
    pub fn load(&self) -> Result<Snapshot, Problems> {
        self.load_with(None)
    }

    /// The same with settings that are made while gateways run: a document that lies over the file and below variables and flags.
    pub fn load_with(&self, settings: Option<&str>) -> Result<Snapshot, Problems> {
        let (snapshot, problems) = self.read(settings);
        if problems.iter().any(Problem::is_error) { Err(Problems(problems)) } else { Ok(snapshot) }
    }

    /// Every problem of all layers; empty for a flawless configuration.
    pub fn check(&self) -> Vec<Problem> {
        self.read(None).1
    }

    fn read(&self, settings: Option<&str>) -> (Snapshot, Vec<Problem>) {
        let mut problems = Vec::new();
        let (tree, blank) = self.tree(settings, &mut problems);
        let (schema, root) = (Schema::root(), Path::default());
        let value = shape::read(&tree, schema, &root, &mut problems).unwrap_or_default();
        let config: Config = match serde_json::from_value(value) {
            Ok(config) => config,
            Err(_) if problems.iter().any(Problem::is_error) => Config::default(),
            // The error is not quoted: it may contain a value.
            Err(_) => {
                let message = "the configuration fits its schema but not its types; please report this";
                problems.push(Problem::new(Code::WrongType, &tree.source, &root, message));
                Config::default()
            }
        };
        let all = providers(&config, &tree);
        let proxies = outgoing::proxies(&self.environment, &mut problems);
        let malformed = problems.iter().map(|problem| problem.path.clone()).collect();
        let checker =
            Checker { tree: &tree, config: &config, providers: &all, malformed, problems: Vec::new() };
        problems.extend(checker.run());
        problems.sort_by_key(|problem| order(&problem.source));
        let settings = show::settings(&tree);
        let hash = show::hash(&settings);
        let warnings = problems.iter().filter(|problem| !problem.is_error()).cloned().collect();
        let providers = all.into_iter().filter(|provider| provider.settings.enabled).collect();
        (Snapshot { blank, config, providers, proxies, settings, warnings, hash }, problems)
    }

    /// The merged layers, lowest first, and whether there is a file that says nothing.
    fn tree(&self, settings: Option<&str>, problems: &mut Vec<Problem>) -> (Node, bool) {
        let mut tree = Node::map(&Source::Default);
        if self.detect {
            tree.merge(detect::detect(&self.environment));
        }
        overlay(&mut tree, detect::custom_providers(&self.environment, problems));
        let mut blank = false;
        if let Some(file) = self.file_layer(problems) {
            blank = file.content.is_empty();
            overlay(&mut tree, file);
        }
        if let Some(document) = settings {
            overlay(&mut tree, runtime::layer(document, &self.environment, problems));
        }
        let mut top = tree.clone();
        environment::overlay(&mut top, &self.environment, problems);
        environment::overlay_flags(&mut top, &self.flags, problems);
        forget_foreign_keys(&mut top, &tree);
        imply(&mut top);
        (top, blank)
    }

    fn file_layer(&self, problems: &mut Vec<Problem>) -> Option<Node> {
        let path = self.file.as_ref()?;
        let name: Arc<str> = path.to_string_lossy().into();
        let source = Source::File { file: name.clone(), line: 1, column: 1 };
        let mut unreadable = |message: String| {
            problems.push(Problem::new(Code::Unreadable, &source, &Path::default(), message));
            None
        };
        let size = std::fs::metadata(path).map(|metadata| metadata.len());
        if matches!(size, Ok(size) if size > MAX_FILE_BYTES) {
            return unreadable(format!("larger than {MAX_FILE_BYTES} bytes"));
        }
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => return unreadable(format!("cannot read the file: {error}")),
        };
        let Ok(text) = String::from_utf8(bytes) else { return unreadable("the file is not UTF-8".into()) };
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut node = yaml::parse(text, &yaml::Origin::File(name), problems);
        expand::expand(&mut node, &Path::default(), &self.environment, problems);
        if !node.is_section() && !node.is_broken() {
            let message = "expected a mapping of sections such as `server:` and `providers:`";
            problems.push(Problem::new(Code::WrongType, &node.source, &Path::default(), message));
            return None;
        }
        Some(node)
    }
}

/// Merges a layer. Whoever says where a provider is says its key as well: an entry with an address or kind of its own
/// replaces what was detected under that id, so that a key from the environment goes only where it belongs.
fn overlay(tree: &mut Node, layer: Node) {
    for entry in layer.child("providers").map_or(&[][..], Node::entries) {
        let moved = entry.node.child("base_url").or_else(|| entry.node.child("kind"));
        let providers = tree.child_map("providers", &Source::Default);
        if moved.is_some() && providers.child(&entry.key).is_some() {
            providers.set(&entry.key, Node::map(&entry.source));
        }
    }
    tree.merge(layer);
}

/// The same for single values from variables and flags.
fn forget_foreign_keys(top: &mut Node, below: &Node) {
    let ids: Vec<String> =
        top.child("providers").map_or(&[][..], Node::entries).iter().map(|entry| entry.key.clone()).collect();
    for id in ids {
        let at = |tree: &Node, field: &str| {
            tree.at(&Path::of(["providers", &id, field]))
                .map(|node| (node.source.clone(), node.text().map(str::to_owned)))
        };
        let moved = ["base_url", "kind"].iter().any(|field| at(top, field) != at(below, field));
        let detected = matches!(at(top, "api_key"), Some((Source::Detected { .. }, _)));
        if moved && detected {
            let source = top.source_at(&Path::of(["providers", &id])).clone();
            let provider = top.child_map("providers", &source).child_map(&id, &source);
            provider.remove("api_key");
            provider.remove("auth_scheme");
        }
    }
}

/// The defaults that depend on the id and kind of a provider, as values whose source is the default.
fn imply(tree: &mut Node) {
    let ids: Vec<String> = tree
        .child("providers")
        .map_or(&[][..], Node::entries)
        .iter()
        .map(|entry| entry.key.clone())
        .collect();
    for id in ids {
        let source = tree.source_at(&Path::of(["providers", &id])).clone();
        let providers = tree.child_map("providers", &source);
        let Some(provider) = providers.child(&id) else { continue };
        if !provider.is_section() {
            continue;
        }
        let kind = match provider.child("kind") {
            Some(kind) => kind.text().and_then(Kind::named),
            None => implied_kind(&id),
        };
        let (no_kind, no_url) = (provider.child("kind").is_none(), provider.child("base_url").is_none());
        let Some(kind) = kind else { continue };
        let provider = providers.child_map(&id, &source);
        if no_kind {
            provider.set("kind", Node::scalar(&Source::Default, kind.name(), Style::Plain));
        }
        if let (true, Some(url)) = (no_url, implied_base_url(&id, kind)) {
            provider.set("base_url", Node::scalar(&Source::Default, url, Style::Plain));
        }
    }
}

fn providers(config: &Config, tree: &Node) -> Vec<Provider> {
    let resolve = |(id, settings): (&String, &Settings)| {
        let kind = settings.kind?;
        let source = tree.source_at(&Path::of(["providers", id]));
        let url_is_default = matches!(tree.at(&Path::of(["providers", id, "base_url"])), Some(url) if url.source == Source::Default);
        let local = kind.info().local || Preset::named(id).is_some_and(|preset| preset.local);
        let presence = match source {
            Source::Detected { variable: Some(_) } => Presence::Found,
            Source::Detected { variable: None } if local => Presence::Candidate,
            Source::Detected { variable: None } => Presence::Assumed,
            Source::Default
            | Source::Enacted { .. }
            | Source::Environment { .. }
            | Source::File { .. }
            | Source::Flag { .. } => Presence::Configured,
        };
        let probe = presence == Presence::Candidate && url_is_default;
        Some(Provider {
            id: id.clone(),
            kind,
            base_url: settings.base_url.clone(),
            other_base_urls: if probe { kind.info().other_base_urls } else { &[] },
            presence,
            settings: Arc::new(settings.clone()),
        })
    };
    config.providers.iter().filter_map(resolve).collect()
}

/// By layer, then by place in the file.
fn order(source: &Source) -> (u8, usize, usize) {
    match source {
        Source::File { line, column, .. } => (0, *line, *column),
        Source::Enacted { line, column } => (1, *line, *column),
        Source::Environment { .. } => (2, 0, 0),
        Source::Flag { .. } => (3, 0, 0),
        Source::Detected { .. } => (4, 0, 0),
        Source::Default => (5, 0, 0),
    }
}
