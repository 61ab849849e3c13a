//! Settings of claude-code-router that Lockgate has no place for, each with the reason.
//!
//! Classic (v2) settings first, then preset manifests, then what the desktop app (v3) adds, then a few from forks. What is mapped is in `import`.

/// Top-level settings that are never mapped.
pub(super) const TOP: &[(&str, &str)] = &[
    ("CLAUDE_PATH", "Lockgate finds the client on PATH: `lockgate run claude`"),
    ("CUSTOM_ROUTER_PATH", "a JavaScript router; Lockgate runs no foreign code: use slots and aliases"),
    ("HOT_RELOAD", "Lockgate always reloads its configuration when the file changes"),
    ("LOG", "Lockgate always logs, to its standard error; log.level says how much"),
    ("LOG_FILE", "Lockgate logs to its standard error; redirect that"),
    ("NON_INTERACTIVE_MODE", "`lockgate run` hands the terminal to the client as it is"),
    ("REWRITE_SYSTEM_PROMPT", "Lockgate does not rewrite prompts"),
    ("StatusLine", "display of claude-code-router's own status line"),
    (
        "fallback",
        "Lockgate has no fallback chains in its configuration; it retries a failed call once where that is safe",
    ),
    (
        "forceUseImageAgent",
        "Lockgate has no image agent; models.slots.image is a name to call, no call is moved to it yet",
    ),
    ("plugins", "claude-code-router's plug-ins; Lockgate runs no foreign code"),
    ("tokenizer", "Lockgate chooses how it counts by itself"),
    ("transformers", "JavaScript transformers; Lockgate runs no foreign code"),
    // Preset manifests.
    ("author", "description of the preset"),
    ("ccrVersion", "description of the preset"),
    ("checksum", "description of the preset"),
    ("claudeCodeSettings", "settings of Claude Code: put them into its own settings.json"),
    ("configMappings", "questions of the preset's installer; answers are taken from userValues"),
    ("description", "description of the preset"),
    ("homepage", "description of the preset"),
    ("keywords", "description of the preset"),
    ("license", "description of the preset"),
    ("name", "description of the preset"),
    ("noServer", "how claude-code-router starts; Lockgate is the server"),
    ("repository", "description of the preset"),
    ("schema", "questions of the preset's installer; answers are taken from userValues"),
    ("source", "description of the preset"),
    ("sourceType", "description of the preset"),
    ("userValues", "answers to the preset's questions; used where the preset refers to them"),
    ("version", "description of the preset"),
    // The desktop app.
    ("agent", DESKTOP),
    ("autoStart", DESKTOP),
    ("botConfigs", DESKTOP),
    ("botGateway", DESKTOP),
    ("contextArchive", DESKTOP),
    ("launchAtLogin", DESKTOP),
    ("mediaTools", DESKTOP),
    ("observability", "what the desktop app records; Lockgate has its own log settings"),
    ("overviewWidgets", DESKTOP),
    ("preferredProvider", "a preselection of the desktop app; routing follows models.slots"),
    ("profile", "which agents the desktop app sets up: use `lockgate connect`"),
    ("providerPlugins", "plug-ins of the desktop app; Lockgate runs no foreign code"),
    ("proxy", "the desktop app's intercepting proxy; Lockgate does not intercept"),
    ("routerEndpoint", "the desktop app's address of itself; follows from server.listen"),
    ("theme", DESKTOP),
    ("toolHub", DESKTOP),
    ("trayComponentVariants", DESKTOP),
    ("trayIcon", DESKTOP),
    ("trayProgressTargetTokens", DESKTOP),
    ("trayShowTokenRate", DESKTOP),
    ("trayWidgets", DESKTOP),
    ("trayWindowModules", DESKTOP),
    ("virtualModelProfiles", "combined models of the desktop app; models.aliases names single ones"),
];

const DESKTOP: &str = "a feature of the desktop app that Lockgate does not have";

/// Settings of a provider that are never mapped.
pub(super) const PROVIDER: &[(&str, &str)] = &[
    ("account", "balance meters of the desktop app"),
    ("auth", "a login of another program; set api_key"),
    ("billing", "prices of the desktop app; Lockgate has its own"),
    ("capabilities", "Lockgate knows the protocol from the provider's kind"),
    ("extraBody", "Lockgate adds nothing to a request's body"),
    ("icon", "display in the desktop app"),
    ("modelDescriptions", "display in the desktop app"),
    ("modelDisplayNames", "display in the desktop app"),
    ("modelMetadata", "model data of the desktop app; Lockgate has its own"),
    ("provider", "the desktop app's name of its preset; follows from base_url"),
    ("tokenizer", "Lockgate chooses how it counts by itself"),
];

/// Settings of the router that are never mapped.
pub(super) const ROUTER: &[(&str, &str)] = &[
    ("builtInRules", "rules of the desktop app; Lockgate moves no call by what it contains yet"),
    (
        "fallback",
        "Lockgate has no fallback chains in its configuration; it retries a failed call once where that is safe",
    ),
    ("rules", "conditions of the desktop app; Lockgate moves no call by what it contains yet"),
];

/// The slots, named alike in both programs.
pub(super) const SLOTS: [&str; 6] = ["default", "background", "think", "longContext", "webSearch", "image"];

/// The reason why a setting is not mapped, if it is one of these.
pub(super) fn reason(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, why)| *why)
}

/// The known name that a wrong one was probably meant to be.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let score =
        |candidate: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase());
    let limit = (name.chars().count() / 4).clamp(1, 3);
    // Some settings have a second spelling in capitals; whoever writes small letters means the other.
    known
        .map(|candidate| (score(candidate), strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, ..)| *distance <= limit)
        .min()
        .map(|(.., candidate)| candidate)
}
