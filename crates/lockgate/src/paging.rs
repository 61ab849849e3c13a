//! What lists of the admin API are asked by beside what is listed: a span of time, and which page of it.

use clap::Args;
use url::form_urlencoded::Serializer;

/// A span of time and a page.
#[derive(Debug, Args)]
pub(crate) struct Paging {
    /// From when: 2026-11-21, 2026-11-21T08:00:00Z, or how long ago (90m, 24h, 7d).
    #[arg(long, visible_alias = "since", value_name = "TIME")]
    from: Option<String>,
    /// Until when, not included.
    #[arg(long, visible_alias = "until", value_name = "TIME")]
    to: Option<String>,
    /// How many entries: 1 to 500.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Where the list before ended: its `next`.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl Paging {
    /// The query of a list, with conditions of its own.
    pub(crate) fn query(&self, conditions: &[(&str, &Option<String>)]) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("limit", &self.limit.to_string());
        let own = [("cursor", &self.cursor), ("from", &self.from), ("to", &self.to)];
        for (name, value) in conditions.iter().chain(&own) {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}
