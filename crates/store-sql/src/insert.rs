//! Statements with many rows: in few lengths, so that each is prepared once.

use crate::driver::{Row, Sql, Tx, Value};
use crate::fault::Fault;

/// The lengths of statements, the longest first. SQLite takes 32,766 arguments, PostgreSQL 65,535.
const LENGTHS: [usize; 5] = [256, 64, 16, 4, 1];

/// Where rows go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Into<'a> {
    /// The columns.
    pub(crate) columns: &'a [&'a str],
    /// What an argument becomes, by position; `?` is the argument. Empty = every one as it is.
    pub(crate) shapes: &'a [&'a str],
    /// The table.
    pub(crate) table: &'a str,
    /// What follows the rows.
    pub(crate) then: &'a str,
}

/// Inserts rows; what `RETURNING` returns.
pub(crate) async fn insert(tx: &mut Tx, into: &Into<'_>, rows: Vec<Vec<Value>>) -> Result<Vec<Row>, Fault> {
    let mut returned = Vec::new();
    let mut left = rows.len();
    let mut rows = rows.into_iter();
    while left > 0 {
        let length = LENGTHS.into_iter().find(|length| *length <= left).unwrap_or(1);
        left -= length;
        let sql = statement(into, rows.by_ref().take(length));
        if into.then.contains("RETURNING") {
            returned.extend(tx.rows(sql).await?);
        } else {
            tx.run(sql).await?;
        }
    }
    Ok(returned)
}

fn statement(into: &Into<'_>, rows: impl Iterator<Item = Vec<Value>>) -> Sql {
    let mut sql = Sql::new("INSERT INTO ");
    sql.add(into.table).add(" (").add(&into.columns.join(", ")).add(") VALUES ");
    for (nth, row) in rows.enumerate() {
        sql.add(if nth == 0 { "(" } else { ", (" });
        for (at, value) in row.into_iter().enumerate() {
            let shape = into.shapes.get(at).copied().unwrap_or("?");
            let (before, after) = shape.split_once('?').unwrap_or((shape, ""));
            sql.add(if at == 0 { "" } else { ", " }).add(before).arg(value).add(after);
        }
        sql.add(")");
    }
    sql.add(" ").add(into.then);
    sql
}
