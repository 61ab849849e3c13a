//! Verdicts of policies in rows of their own, and what people say of them. Rows come with their call and go with it; a label can come
//! later, and goes with the call too.

use std::collections::BTreeMap;

use async_trait::async_trait;
use lockgate_store::access::AuditEntry;
use lockgate_store::verdicts::{
    Label, NOTES, Opinion, Questions, Row as Said, Tallies, Tally, Verdict, VerdictFilter, Verdicts,
};
use lockgate_store::{Cursor, Decision, Error, Page, PageRequest};
use uuid::Uuid;

use crate::Database;
use crate::access::add_entry;
use crate::columns::{id_of, json, read_json, word};
use crate::driver::{Reader, Row, Sql, Tx, Value};
use crate::fault::Fault;

/// The columns of `verdicts`, in the order of [`verdict_row`].
pub(crate) const VERDICT: [&str; 10] =
    ["call", "number", "started_us", "policy", "rule", "hook", "said", "applied", "mode", "tool"];

/// A verdict of a call as values of [`VERDICT`].
pub(crate) fn verdict_row(call: i64, started_us: i64, said: &Said<'_>) -> Vec<Value> {
    vec![
        call.into(),
        i64::from(said.number).into(),
        started_us.into(),
        said.policy.into(),
        said.rule.into(),
        said.hook.into(),
        said.said.into(),
        said.applied.into(),
        said.mode.into(),
        said.tool.into(),
    ]
}

#[async_trait]
impl Verdicts for Database {
    async fn label(
        &self,
        call: Uuid,
        number: u32,
        label: Option<&Label>,
        entry: &AuditEntry,
    ) -> Result<bool, Error> {
        self.set_label(call, number, label, entry).await.map_err(Fault::plain)
    }

    async fn labels(&self, call: Uuid) -> Result<BTreeMap<u32, Label>, Error> {
        self.labels_of(call).await.map_err(Fault::plain)
    }

    async fn tallies(&self, filter: &VerdictFilter, judges: &str) -> Result<Tallies, Error> {
        self.count_verdicts(filter, judges).await.map_err(Fault::plain)
    }

    async fn verdicts(&self, filter: &VerdictFilter, page: &PageRequest) -> Result<Page<Verdict>, Error> {
        self.page_of_verdicts(filter, page).await.map_err(Fault::plain)
    }
}

impl Database {
    async fn set_label(
        &self,
        call: Uuid,
        number: u32,
        label: Option<&Label>,
        entry: &AuditEntry,
    ) -> Result<bool, Fault> {
        let mut tx = self.writers.write().await?;
        let mut sql = Sql::new("SELECT v.call FROM verdicts v JOIN calls c ON c.seq = v.call WHERE c.id = ");
        sql.arg(call.to_string().as_str()).add(" AND v.number = ").arg(i64::from(number));
        let Some(row) = tx.row(sql).await? else { return Ok(false) };
        let call = row.reader().int()?;
        let mut sql = Sql::new("DELETE FROM verdict_labels WHERE call = ");
        tx.run(sql.arg(call).add(" AND number = ").arg(i64::from(number)).take()).await?;
        if let Some(label) = label {
            let mut sql = Sql::new(
                "INSERT INTO verdict_labels (call, number, opinion, note, user_name, at_us) VALUES (",
            );
            let values: [Value; 6] = [
                call.into(),
                i64::from(number).into(),
                label.opinion.as_str().into(),
                (&label.note).into(),
                label.by.as_str().into(),
                label.at_us.into(),
            ];
            tx.run(sql.args(values).add(")").take()).await?;
        }
        add_entry(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn labels_of(&self, call: Uuid) -> Result<BTreeMap<u32, Label>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let mut sql = Sql::new(
            "SELECT l.number, l.opinion, l.note, l.user_name, l.at_us FROM verdict_labels l JOIN calls c ON c.seq = l.call WHERE c.id = ",
        );
        let rows = tx.rows(sql.arg(call.to_string().as_str()).take()).await?;
        tx.commit().await?;
        rows.iter()
            .filter_map(|row| {
                let mut from = row.reader();
                let number = from.int().map(|number| number as u32);
                match (number, label_of(&mut from)) {
                    (Ok(number), Ok(label)) => Some(Ok((number, label?))),
                    (Err(fault), _) | (_, Err(fault)) => Some(Err(fault)),
                }
            })
            .collect()
    }

    async fn count_verdicts(&self, filter: &VerdictFilter, judges: &str) -> Result<Tallies, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let mut tallies = Tallies { rules: by_rule(&mut tx, filter).await?, ..Tallies::default() };
        let mut sql =
            Sql::new("SELECT CAST(COALESCE(sum(tool_calls), 0) AS BIGINT) FROM tool_counts t WHERE 1 = 1");
        within(&mut sql, "t.started_us", filter);
        tallies.tool_calls = tx.row(sql).await?.map_or(Ok(0), |row| row.reader().count())?;
        let session = tx.row(Sql::new("SELECT seq FROM sessions WHERE id = ").arg(judges).take()).await?;
        let session = session.map(|row| row.reader().int()).transpose()?;
        let mut sql = Sql::new("SELECT count(*) FROM calls c WHERE 1 = 1");
        within(&mut sql, "c.started_us", filter);
        tallies.calls = tx.row(sql).await?.map_or(Ok(0), |row| row.reader().count())?;
        if let Some(session) = session {
            let mut sql = Sql::new(
                "SELECT c.agent, count(*), CAST(COALESCE(sum(c.cost_nano), 0) AS BIGINT), CAST(COALESCE(sum(c.total_us), 0) AS BIGINT), \
                 CAST(COALESCE(sum(CASE WHEN c.cost_nano IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT) FROM calls c WHERE c.session = ",
            );
            sql.arg(session);
            within(&mut sql, "c.started_us", filter);
            for row in tx.rows(sql.add(" GROUP BY c.agent").take()).await? {
                let mut from = row.reader();
                let agent = from.text_or_none()?;
                let (calls, cost_nano, total_us) = (from.count()?, from.int()?, from.int()?);
                let asked = Questions { calls, cost_nano, total_us, unpriced: from.count()? };
                tallies.questions.add(&asked);
                tallies.asked.extend(agent.map(|agent| (agent, asked)));
            }
            tallies.calls -= tallies.questions.calls;
        }
        tx.commit().await?;
        Ok(tallies)
    }

    async fn page_of_verdicts(
        &self,
        filter: &VerdictFilter,
        page: &PageRequest,
    ) -> Result<Page<Verdict>, Fault> {
        let mut sql = Sql::new(
            "SELECT v.call, v.number, c.id, s.id, v.started_us, v.policy, v.rule, v.hook, v.said, v.applied, v.mode, v.tool, \
             l.opinion, l.note, l.user_name, l.at_us FROM verdicts v JOIN calls c ON c.seq = v.call \
             LEFT JOIN sessions s ON s.seq = c.session \
             LEFT JOIN verdict_labels l ON l.call = v.call AND l.number = v.number WHERE 1 = 1",
        );
        conditions(&mut sql, filter);
        if let Some(after) = &page.after {
            let (call, number) = after.id.split_once('.').unwrap_or_default();
            let place = |text: &str| text.parse::<i64>().unwrap_or(i64::MIN);
            sql.add(" AND (v.started_us, v.call, v.number) < (").arg(after.at_us).add(", ");
            sql.arg(place(call)).add(", ").arg(place(number)).add(")");
        }
        let wanted = page.limit.number();
        sql.add(" ORDER BY v.started_us DESC, v.call DESC, v.number DESC LIMIT ").arg(wanted + 1);
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let rows = tx.rows(sql).await?;
        tx.commit().await?;
        let mut found = rows.iter().map(verdict_of).collect::<Result<Vec<_>, _>>()?;
        let more = found.len() > wanted;
        found.truncate(wanted);
        let last = found.last().filter(|_| more);
        let next = last.map(|(call, verdict)| Cursor {
            at_us: verdict.started_us,
            id: format!("{call}.{}", verdict.number),
        });
        Ok(Page { items: found.into_iter().map(|(_, verdict)| verdict).collect(), next })
    }
}

/// Calls whose verdicts one transaction deletes.
const CALLS: usize = 200;

impl Database {
    /// Deletes what policies said of calls; how many verdicts there were.
    pub(crate) async fn delete_verdicts(&self, calls: &[Uuid]) -> Result<u64, Fault> {
        let mut gone = 0;
        for ids in calls.chunks(CALLS) {
            let mut tx = self.deleting().await?;
            let mut sql = Sql::new(
                "SELECT c.seq, d.decisions FROM calls c LEFT JOIN call_details d ON d.call = c.seq WHERE c.id IN (",
            );
            sql.args(ids.iter().map(|id| Value::from(id.to_string().as_str()))).add(")");
            let rows = tx.rows(sql).await?;
            let mut found = Vec::with_capacity(rows.len());
            for row in &rows {
                let mut from = row.reader();
                found.push((from.int()?, from.text_or_none()?));
            }
            for table in ["verdict_labels", "verdicts"] {
                let mut sql = Sql::new("DELETE FROM ");
                sql.add(table).add(" WHERE call IN (").args(found.iter().map(|(seq, _)| *seq)).add(")");
                let deleted = tx.run(sql).await?;
                gone += if table == "verdicts" { deleted } else { 0 };
            }
            for (seq, decisions) in found {
                let Some(mut all) = read_json::<Vec<Decision>>(decisions.as_deref())? else { continue };
                all.retain(|decision| decision.kind != "policy");
                let left = (!all.is_empty()).then(|| json(&all)).transpose()?;
                let mut sql = Sql::new("UPDATE call_details SET decisions = ");
                tx.run(sql.arg(left.as_deref()).add(" WHERE call = ").arg(seq).take()).await?;
            }
            tx.commit().await?;
        }
        Ok(gone)
    }
}

async fn by_rule(
    tx: &mut Tx,
    filter: &VerdictFilter,
) -> Result<BTreeMap<(String, Option<String>), Tally>, Fault> {
    let mut sql = Sql::new(
        "SELECT v.policy, v.rule, count(*), CAST(sum(v.applied) AS BIGINT), sum(CASE WHEN v.said = 'failed' THEN 1 ELSE 0 END), \
         sum(CASE WHEN l.opinion = 'right' THEN 1 ELSE 0 END), sum(CASE WHEN l.opinion = 'wrong' THEN 1 ELSE 0 END) \
         FROM verdicts v LEFT JOIN verdict_labels l ON l.call = v.call AND l.number = v.number WHERE 1 = 1",
    );
    conditions(&mut sql, filter);
    let rows = tx.rows(sql.add(" GROUP BY v.policy, v.rule").take()).await?;
    let read = |row: &Row| {
        let mut from = row.reader();
        let named = (from.text()?, from.text_or_none()?);
        let (fired, applied, failed) = (from.count()?, from.count()?, from.count()?);
        let (right, wrong) = (from.count()?, from.count()?);
        Ok((named, Tally { applied, failed, fired, right, wrong }))
    };
    rows.iter().map(read).collect()
}

/// The conditions on verdicts (`v`) and their labels (`l`).
fn conditions(sql: &mut Sql, filter: &VerdictFilter) {
    if !filter.notes {
        sql.add(" AND v.said NOT IN (").args(NOTES.map(Value::from)).add(")");
    }
    within(sql, "v.started_us", filter);
    for (column, value) in [("v.policy", &filter.policy), ("v.rule", &filter.rule)] {
        if let Some(value) = value {
            sql.add(" AND ").add(column).add(" = ").arg(value.as_str());
        }
    }
    if let Some(applied) = filter.applied {
        sql.add(" AND v.applied = ").arg(i64::from(applied));
    }
    if let Some(labelled) = filter.labelled {
        sql.add(if labelled { " AND l.opinion IS NOT NULL" } else { " AND l.opinion IS NULL" });
    }
}

fn within(sql: &mut Sql, column: &str, filter: &VerdictFilter) {
    if let Some(from) = filter.from_us {
        sql.add(" AND ").add(column).add(" >= ").arg(from);
    }
    if let Some(to) = filter.to_us {
        sql.add(" AND ").add(column).add(" < ").arg(to);
    }
}

/// A verdict, and the `seq` of its call.
fn verdict_of(row: &Row) -> Result<(i64, Verdict), Fault> {
    let mut from = row.reader();
    let (seq, number) = (from.int()?, from.int()? as u32);
    let (call, session) = (id_of(&from.text()?)?, from.text_or_none()?);
    let started_us = from.int()?;
    let (policy, rule) = (from.text()?, from.text_or_none()?);
    let (hook, said, applied) = (from.text()?, from.text()?, from.is()?);
    let (mode, tool) = (from.text()?, from.text_or_none()?);
    let label = label_of(&mut from)?;
    let verdict =
        Verdict { applied, call, hook, label, mode, number, policy, rule, said, session, started_us, tool };
    Ok((seq, verdict))
}

/// `opinion`, `note`, `user_name`, `at_us`; all of them NULL where nobody has spoken.
fn label_of(from: &mut Reader<'_>) -> Result<Option<Label>, Fault> {
    let (opinion, note) = (from.text_or_none()?, from.text_or_none()?);
    let (by, at_us) = (from.text_or_none()?, from.int_or_none()?);
    let (Some(opinion), Some(by), Some(at_us)) = (opinion, by, at_us) else { return Ok(None) };
    Ok(Some(Label { at_us, by, note, opinion: word(Opinion::of, &opinion)? }))
}
