//! Questions to people in their table. An answer is written only where none is, so that of two the first one holds.

use async_trait::async_trait;
use lockgate_store::access::AuditEntry;
use lockgate_store::{
    Answer, Approval, ApprovalFilter, Approvals, Cursor, Error, Holds, Page, PageRequest, Verdict,
};

use crate::Database;
use crate::access::audit;
use crate::columns::{id_of, word};
use crate::driver::{Row, Sql, Value};
use crate::fault::Fault;

/// What a question is made of, in the order of [`values`] and [`approval_of`].
const COLUMNS: [&str; 20] = [
    "id",
    "call_id",
    "asked_us",
    "until_us",
    "policy",
    "rule",
    "tool",
    "arguments",
    "reason",
    "model",
    "session",
    "client",
    "key_name",
    "user_name",
    "verdict",
    "holds",
    "answered_us",
    "answered_by",
    "words",
    "revoked_us",
];

/// Standing answers that are looked through at most.
const STANDING: usize = 1_000;

#[async_trait]
impl Approvals for Database {
    async fn ask(&self, question: &Approval) -> Result<(), Error> {
        self.insert_approval(question).await.map_err(Fault::plain)
    }

    async fn approval(&self, id: &str) -> Result<Option<Approval>, Error> {
        let mut sql = select();
        sql.add(" WHERE id = ").arg(id);
        let found = self.approvals_of(sql).await.map_err(Fault::plain)?;
        Ok(found.into_iter().next().map(|(_, approval)| approval))
    }

    async fn approvals(&self, filter: &ApprovalFilter, page: &PageRequest) -> Result<Page<Approval>, Error> {
        self.page_of_approvals(filter, page).await.map_err(Fault::plain)
    }

    async fn standing(
        &self,
        policy: &str,
        key: Option<&str>,
        session: Option<&str>,
    ) -> Result<Vec<Approval>, Error> {
        let mut sql = select();
        sql.add(" WHERE policy = ").arg(policy).add(" AND revoked_us IS NULL AND verdict = 'approved'");
        match key {
            Some(key) => sql.add(" AND key_name = ").arg(key),
            None => sql.add(" AND key_name IS NULL"),
        };
        sql.add(" AND (holds = 'always'");
        if let Some(session) = session {
            sql.add(" OR (holds = 'session' AND session = ").arg(session).add(")");
        }
        // The condition of the index, in its words.
        sql.add(") AND holds <> 'once' ORDER BY seq DESC LIMIT ").arg(STANDING);
        let found = self.approvals_of(sql).await.map_err(Fault::plain)?;
        Ok(found.into_iter().map(|(_, approval)| approval).collect())
    }

    async fn answer(&self, id: &str, answer: &Answer, entry: Option<&AuditEntry>) -> Result<bool, Error> {
        let mut sql = Sql::new("UPDATE approvals SET verdict = ");
        sql.arg(answer.verdict.as_str()).add(", holds = ").arg(answer.holds.as_str());
        sql.add(", answered_us = ").arg(answer.at_us).add(", answered_by = ").arg(answer.by.as_deref());
        sql.add(", words = ").arg(answer.words.as_deref());
        sql.add(" WHERE verdict IS NULL AND id = ").arg(id);
        self.change_approval(sql, entry).await.map_err(Fault::plain)
    }

    async fn revoke_approval(&self, id: &str, entry: &AuditEntry) -> Result<bool, Error> {
        let mut sql = Sql::new("UPDATE approvals SET revoked_us = ");
        sql.arg(entry.at_us)
            .add(" WHERE verdict = 'approved' AND holds <> 'once' AND revoked_us IS NULL AND id = ");
        sql.arg(id);
        self.change_approval(sql, Some(entry)).await.map_err(Fault::plain)
    }
}

impl Database {
    async fn insert_approval(&self, question: &Approval) -> Result<(), Fault> {
        let mut tx = self.writers.write().await?;
        let mut sql = Sql::new("INSERT INTO approvals (");
        sql.add(&COLUMNS.join(", ")).add(") VALUES (").args(values(question)).add(")");
        tx.run(sql).await?;
        tx.commit().await
    }

    async fn change_approval(&self, sql: Sql, entry: Option<&AuditEntry>) -> Result<bool, Fault> {
        let mut tx = self.writers.write().await?;
        if tx.run(sql).await? == 0 {
            return Ok(false);
        }
        if let Some(entry) = entry {
            audit::add(&mut tx, entry).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes questions; how many were there.
    pub(crate) async fn delete_questions(&self, ids: &[String]) -> Result<u64, Fault> {
        let mut gone = 0;
        for some in ids.chunks(STANDING) {
            let mut tx = self.deleting().await?;
            let mut sql = Sql::new("DELETE FROM approvals WHERE id IN (");
            sql.args(some.iter().map(|id| Value::from(id.as_str()))).add(")");
            gone += tx.run(sql).await?;
            tx.commit().await?;
        }
        Ok(gone)
    }

    async fn approvals_of(&self, sql: Sql) -> Result<Vec<(i64, Approval)>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let rows = tx.rows(sql).await?;
        tx.commit().await?;
        rows.iter().map(approval_of).collect()
    }

    async fn page_of_approvals(
        &self,
        filter: &ApprovalFilter,
        page: &PageRequest,
    ) -> Result<Page<Approval>, Fault> {
        let mut sql = select();
        sql.add(" WHERE 1 = 1");
        for (column, value) in
            [("policy", &filter.policy), ("session", &filter.session), ("user_name", &filter.user)]
        {
            if let Some(value) = value {
                sql.add(" AND ").add(column).add(" = ").arg(value.as_str());
            }
        }
        match filter.pending {
            Some(true) => sql.add(" AND verdict IS NULL"),
            Some(false) => sql.add(" AND verdict IS NOT NULL"),
            None => &mut sql,
        };
        if let Some(before) = filter.before_us {
            sql.add(" AND asked_us < ").arg(before);
        }
        if filter.standing {
            sql.add(" AND verdict = 'approved' AND holds <> 'once' AND revoked_us IS NULL");
        }
        if let Some(after) = &page.after {
            let seq: i64 = after.id.parse().unwrap_or(i64::MAX);
            sql.add(" AND (asked_us < ").arg(after.at_us).add(" OR (asked_us = ").arg(after.at_us);
            sql.add(" AND seq < ").arg(seq).add("))");
        }
        let wanted = page.limit.number();
        sql.add(" ORDER BY asked_us DESC, seq DESC LIMIT ").arg(wanted + 1);
        let mut found = self.approvals_of(sql).await?;
        let more = found.len() > wanted;
        found.truncate(wanted);
        let last = found.last().filter(|_| more);
        let next = last.map(|(seq, approval)| Cursor { at_us: approval.asked_us, id: seq.to_string() });
        Ok(Page { items: found.into_iter().map(|(_, approval)| approval).collect(), next })
    }
}

fn select() -> Sql {
    Sql::new(&format!("SELECT {}, seq FROM approvals", COLUMNS.join(", ")))
}

fn values(question: &Approval) -> [Value; 20] {
    let answer = question.answer.as_ref();
    [
        question.id.as_str().into(),
        question.call.to_string().as_str().into(),
        question.asked_us.into(),
        question.until_us.into(),
        question.policy.as_str().into(),
        (&question.rule).into(),
        (&question.tool).into(),
        (&question.arguments).into(),
        question.reason.as_str().into(),
        question.model.as_str().into(),
        (&question.session).into(),
        (&question.client).into(),
        (&question.key).into(),
        (&question.user).into(),
        answer.map(|answer| answer.verdict.as_str()).into(),
        answer.map(|answer| answer.holds.as_str()).into(),
        answer.map(|answer| answer.at_us).into(),
        answer.and_then(|answer| answer.by.as_deref()).into(),
        answer.and_then(|answer| answer.words.as_deref()).into(),
        question.revoked_us.into(),
    ]
}

fn approval_of(row: &Row) -> Result<(i64, Approval), Fault> {
    let mut from = row.reader();
    let mut approval = Approval {
        id: from.text()?,
        call: id_of(&from.text()?)?,
        asked_us: from.int()?,
        until_us: from.int()?,
        policy: from.text()?,
        rule: from.text_or_none()?,
        tool: from.text_or_none()?,
        arguments: from.text_or_none()?,
        reason: from.text()?,
        model: from.text()?,
        session: from.text_or_none()?,
        client: from.text_or_none()?,
        key: from.text_or_none()?,
        user: from.text_or_none()?,
        answer: None,
        revoked_us: None,
    };
    let verdict = from.text_or_none()?.map(|text| word(Verdict::of, &text)).transpose()?;
    let holds = from.text_or_none()?.map(|text| word(Holds::of, &text)).transpose()?.unwrap_or_default();
    let (at_us, by, words) = (from.int_or_none()?, from.text_or_none()?, from.text_or_none()?);
    approval.answer = verdict.map(|verdict| Answer { at_us: at_us.unwrap_or(0), by, holds, verdict, words });
    approval.revoked_us = from.int_or_none()?;
    Ok((from.int()?, approval))
}
