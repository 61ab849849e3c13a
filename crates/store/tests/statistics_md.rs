//! docs/statistics.md: its tables are made from the code, and the page fails the build where it is not true.
#![cfg(test)]

use std::fmt::Write as _;

use lockgate_store::stats::{Bucket, Dimension, Figure, Metric};

const BEGINNING: &str = "# Statistics

Numbers over recorded calls: `GET /api/stats?metric=cost&bucket=day&zone=Europe/Berlin&days=30`, or `lockgate stats cost --bucket day --days 30`.
The tables of this page are made by a test from the code.

- **One way to ask.** A metric, what splits its calls (`by`), how time is divided (`bucket`, in `zone`), and of which calls (a range of
  time, or the last `days` of the zone with today; a value for any dimension, where an empty one means calls that say nothing of it). Any metric takes any
  split. An unknown word is answered with 400 and the list of those there are. `format=csv` gives the rows as CSV.
- **Every number leads to its calls.** Each row has the address of its calls (`calls`), and a column that counts only some of them
  says what to add to it (`narrows`).
- **What adds up.** Sums of rows are the total, whatever the split; that holds for columns that say so. A session has calls in several rows, and a
  percentile of a total is computed from all of its calls, not from the percentiles of its rows.
- **What is exact.** Everything but percentiles of times, which are within 1 %. Days and hours are those of the zone, also on days of 23 or 25 hours and
  where the offset is no whole hour. A range may begin and end at any microsecond.
- **What is not known is not invented.** A call without a known price counts as 0 cost and is counted in `unpriced`; one without known tokens in `unmetered`.
  What caches saved is told in tokens: what a call would have cost without them is not recorded.
- **How fresh.** Always up to date. What calls add up to is counted beforehand for each quarter of an hour; where calls came or went since, the calls
  themselves are read.
- **How quick.** A question about a million calls is some tens of milliseconds of work, whatever it asks ([figures](PERFORMANCE.md)). Not so where
  it has as many rows as there are sessions (`by=session`), and while calls of an older version are not counted yet.

";

/// Every figure that a metric shows, once.
fn figures() -> Vec<Figure> {
    let mut figures: Vec<Figure> = Vec::new();
    for figure in Metric::ALL.iter().flat_map(|metric| metric.figures()) {
        if !figures.contains(&figure) {
            figures.push(figure);
        }
    }
    figures.sort_by_key(|figure| figure.name());
    figures
}

fn page() -> String {
    let mut page = BEGINNING.to_owned();
    page.push_str("## Metrics\n\n| metric | what it tells | usual split | columns |\n|---|---|---|---|\n");
    for metric in Metric::ALL {
        let split: Vec<_> =
            metric.split().iter().map(|dimension| format!("`{}`", dimension.as_str())).collect();
        let columns: Vec<_> = metric.figures().iter().map(|figure| format!("`{}`", figure.name())).collect();
        let (name, doc) = (metric.as_str(), metric.doc());
        let _ = writeln!(page, "| `{name}` | {doc} | {} | {} |", split.join(", "), columns.join(", "));
    }
    page.push_str(
        "\n## Columns\n\n| column | unit | adds up | only calls with | meaning |\n|---|---|---|---|---|\n",
    );
    for figure in figures() {
        let adds = if figure.measure().is_some() { "yes" } else { "no" };
        let narrows = figure.narrows().map(|(dimension, value)| format!("`{}={value}`", dimension.as_str()));
        let (name, unit, narrows) = (figure.name(), figure.unit().as_str(), narrows.unwrap_or_default());
        let _ = writeln!(page, "| `{name}` | {unit} | {adds} | {narrows} | {} |", figure.doc());
    }
    page.push_str("\n## Dimensions\n\n| dimension | meaning |\n|---|---|\n");
    for dimension in Dimension::ALL {
        let _ = writeln!(page, "| `{}` | {} |", dimension.as_str(), dimension.doc());
    }
    page.push_str("\n## Buckets\n\n| bucket | meaning |\n|---|---|\n");
    for bucket in Bucket::ALL {
        let _ = writeln!(page, "| `{}` | {} |", bucket.as_str(), bucket.doc());
    }
    page
}

#[test]
fn the_page_of_statistics_lists_what_can_be_asked() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/statistics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(stored, page(), "run this test once with UPDATE_DOCS=1");
}
