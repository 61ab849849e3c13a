//! Metrics as text: OpenMetrics 1.0 as the library writes it, or the older format of Prometheus, which names families otherwise.

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// An answer to a scrape.
#[derive(Clone, Debug)]
pub struct Exposition {
    /// What it is.
    pub content_type: &'static str,
    /// The text.
    pub text: String,
}

pub(super) fn text(registry: &Registry, openmetrics: bool) -> Exposition {
    let mut text = String::with_capacity(16 * 1024);
    // Writing to a string does not fail.
    let _ = encode(&mut text, registry);
    if openmetrics {
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        return Exposition { content_type, text };
    }
    Exposition { content_type: "text/plain; version=0.0.4; charset=utf-8", text: plain(&text) }
}

/// In the older format the name of a family is the name of its samples, there is no `info`, and nothing marks the end.
fn plain(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
            continue;
        }
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            if let Some((_, words)) = help.take() {
                out.extend(["# HELP ", name, suffix, " ", words, "\n"]);
            }
            out.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
            continue;
        }
        out.extend([line, "\n"]);
    }
    out
}
