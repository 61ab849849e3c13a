//! What is said of calls, by what they have in common: few rows, read as they are. Nothing is counted beforehand.

use lockgate_store::stats::{Dimension, Slice};

use super::calls::{conditions, grouped, within};
use super::fact::Fact;
use crate::driver::Sql;

/// The statement: a row for each group, with the number of opinions, of calls, of good and of bad opinions, and the sum of the scores. The most
/// opinions first.
pub(crate) fn opinions_about(slice: &Slice, by: &[Dimension]) -> Sql {
    let mut columns: Vec<String> = by
        .iter()
        .map(|dimension| {
            let session = "(SELECT s.id FROM sessions s WHERE s.seq = c.session)";
            Fact::of(*dimension).map_or(session, Fact::sql).to_owned()
        })
        .collect();
    columns.extend(
        [
            "count(*)",
            "count(DISTINCT f.call)",
            "CAST(COALESCE(sum(CASE WHEN f.score_milli > 0 THEN 1 ELSE 0 END), 0) AS BIGINT)",
            "CAST(COALESCE(sum(CASE WHEN f.score_milli < 0 THEN 1 ELSE 0 END), 0) AS BIGINT)",
            "CAST(COALESCE(sum(f.score_milli), 0) AS BIGINT)",
        ]
        .map(str::to_owned),
    );
    let mut sql = Sql::new("SELECT ");
    sql.add(&columns.join(", ")).add(" FROM feedback f CROSS JOIN calls c");
    within(&mut sql, &(slice.from_us.unwrap_or(0)..slice.to_us.unwrap_or(i64::MAX)));
    // The few opinions lead, and not the many calls: SQLite takes the order of a cross join for an order.
    sql.add(" AND c.seq = f.call");
    conditions(&mut sql, slice);
    grouped(&mut sql, by.len());
    let place = (by.len() + 1).to_string();
    sql.add(" ORDER BY ").add(&place).add(" DESC");
    for nth in 1..=by.len() {
        sql.add(", ").add(&nth.to_string());
    }
    sql
}
