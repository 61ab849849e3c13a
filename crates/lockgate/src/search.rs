//! The conditions of `session list` and `call list`, as arguments, and as the query string that the admin API takes.

use clap::Args;
use url::form_urlencoded::Serializer;

/// Conditions; all must hold.
#[derive(Debug, Clone, Default, Args)]
pub struct SearchArgs {
    /// Words to look for: in prompts, answers, tool inputs and results, titles.
    #[arg(value_name = "WORDS")]
    pub words: Vec<String>,
    /// From when: 2026-11-21, 2026-11-21T08:00:00Z, or how long ago (90m, 24h, 7d).
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Until when, not included.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// The model: as asked for, as resolved, or as answered.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// The provider.
    #[arg(long, value_name = "ID")]
    pub provider: Option<String>,
    /// The name of the key.
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// The user.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The project of the key.
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// The repository that was worked in.
    #[arg(long, value_name = "NAME")]
    pub repo: Option<String>,
    /// The branch that was worked on.
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// The status: 429, 4xx, 400-499.
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// What became of the call: complete, failed, aborted, interrupted.
    #[arg(long, value_name = "WORD")]
    pub outcome: Option<String>,
    /// Only calls in which a policy intervened.
    #[arg(long)]
    pub intervened: bool,
    /// How many entries: 1 to 500.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,
    /// Where the list before ended: its `next`.
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

impl SearchArgs {
    /// The path with these conditions, and more.
    pub(crate) fn path(&self, path: &str, more: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("limit", &self.limit.to_string());
        let words = Some(self.words.join(" ")).filter(|words| !words.trim().is_empty());
        for (name, value) in [
            ("branch", &self.branch),
            ("cursor", &self.cursor),
            ("from", &self.from),
            ("key", &self.key),
            ("model", &self.model),
            ("outcome", &self.outcome),
            ("project", &self.project),
            ("provider", &self.provider),
            ("q", &words),
            ("repo", &self.repo),
            ("status", &self.status),
            ("to", &self.to),
            ("user", &self.user),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        if self.intervened {
            query.append_pair("intervened", "true");
        }
        query.extend_pairs(more);
        format!("{path}?{}", query.finish())
    }
}
