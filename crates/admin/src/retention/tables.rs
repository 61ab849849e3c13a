//! Rows that are deleted by age and are no calls: entries of the audit, questions to people, verdicts of policies. With an archive each is
//! a line of JSON in a file of its own before, and exactly what is in it is deleted.

use std::path::Path;

use lockgate_store::access::AuditFilter;
use lockgate_store::verdicts::{Verdict, VerdictFilter};
use lockgate_store::{Approval, ApprovalFilter, Cursor, Holds, Limit, PageRequest, Store};
use serde_json::{Value, json};

use super::{Forgotten, name};
use crate::approvals::ApprovalView;
use crate::archive::Archive;
use crate::audit::EntryView;
use crate::problem::Problem;
use crate::view::time;

/// Lines for the archive, if there is one.
struct Lines<'a> {
    archive: Option<Archive>,
    folder: Option<&'a Path>,
    table: &'static str,
}

impl<'a> Lines<'a> {
    fn new(table: &'static str, folder: Option<&'a Path>, dry_run: bool) -> Self {
        Self { archive: None, folder: folder.filter(|_| !dry_run), table }
    }

    /// Whether anything has to be made for it.
    const fn is_wanted(&self) -> bool {
        self.folder.is_some()
    }

    async fn add(&mut self, lines: &[Value]) -> Result<(), Problem> {
        let Some(folder) = self.folder.filter(|_| !lines.is_empty()) else { return Ok(()) };
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).map_err(|error| Problem::internal(error.to_string()))?;
            text.push(b'\n');
        }
        let open = match self.archive.take() {
            Some(open) => open,
            None => Archive::begin(folder, &format!("{}-{}", self.table, name()))?,
        };
        self.archive = Some(open.lines(text).await?);
        Ok(())
    }

    async fn end(self) -> Result<Option<String>, Problem> {
        match self.archive {
            Some(archive) => Ok(Some(archive.end().await?.display().to_string())),
            None => Ok(None),
        }
    }
}

fn shown<T: serde::Serialize>(view: T) -> Result<Value, Problem> {
    serde_json::to_value(view).map_err(|error| Problem::internal(error.to_string()))
}

fn page(after: Option<Cursor>) -> PageRequest {
    PageRequest { after, limit: Limit::of(Limit::MAX) }
}

/// Entries of the audit from before a time.
pub(super) async fn audit(
    store: &dyn Store,
    folder: Option<&Path>,
    before: i64,
    dry_run: bool,
) -> Result<Forgotten, Problem> {
    let filter = AuditFilter { to_us: Some(before), ..AuditFilter::default() };
    let (mut ids, mut lines, mut after) = (Vec::new(), Lines::new("audit", folder, dry_run), None);
    loop {
        let listed = store.audit(&filter, &page(after)).await?;
        ids.extend(listed.items.iter().map(|entry| entry.id));
        if lines.is_wanted() {
            let views = listed.items.into_iter().map(|entry| shown(EntryView::from(entry)));
            lines.add(&views.collect::<Result<Vec<_>, _>>()?).await?;
        }
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    if dry_run {
        return Ok(Forgotten { archive: None, entries: ids.len() as u64 });
    }
    let archive = lines.end().await?;
    Ok(Forgotten { archive, entries: store.forget(&ids).await? })
}

/// Questions from before a time, but for answers that stand for good.
pub(super) async fn approvals(
    store: &dyn Store,
    folder: Option<&Path>,
    before: i64,
    dry_run: bool,
) -> Result<Forgotten, Problem> {
    let filter = ApprovalFilter { before_us: Some(before), ..ApprovalFilter::default() };
    let (mut ids, mut lines, mut after) = (Vec::new(), Lines::new("approvals", folder, dry_run), None);
    loop {
        let listed = store.approvals(&filter, &page(after)).await?;
        let old: Vec<_> = listed.items.into_iter().filter(|one| !stands(one)).collect();
        ids.extend(old.iter().map(|one| one.id.clone()));
        if lines.is_wanted() {
            let views = old.into_iter().map(|one| shown(ApprovalView::from(one)));
            lines.add(&views.collect::<Result<Vec<_>, _>>()?).await?;
        }
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    if dry_run {
        return Ok(Forgotten { archive: None, entries: ids.len() as u64 });
    }
    let archive = lines.end().await?;
    Ok(Forgotten { archive, entries: store.forget_approvals(&ids).await? })
}

fn stands(approval: &Approval) -> bool {
    let for_good = approval.answer.as_ref().is_some_and(|answer| answer.holds == Holds::Always);
    for_good && approval.revoked_us.is_none()
}

/// What policies said of calls from before a time.
pub(super) async fn verdicts(
    store: &dyn Store,
    folder: Option<&Path>,
    before: i64,
    dry_run: bool,
) -> Result<Forgotten, Problem> {
    let filter = VerdictFilter { notes: true, to_us: Some(before), ..VerdictFilter::default() };
    let (mut calls, mut count, mut after) = (Vec::new(), 0, None);
    let mut lines = Lines::new("verdicts", folder, dry_run);
    loop {
        let listed = store.verdicts(&filter, &page(after)).await?;
        count += listed.items.len() as u64;
        if lines.is_wanted() {
            let mut views = Vec::with_capacity(listed.items.len());
            for verdict in &listed.items {
                views.push(with_reason(store, verdict).await?);
            }
            lines.add(&views).await?;
        }
        calls.extend(listed.items.iter().map(|verdict| verdict.call));
        // A call's verdicts follow each other.
        calls.dedup();
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    if dry_run {
        return Ok(Forgotten { archive: None, entries: count });
    }
    let archive = lines.end().await?;
    Ok(Forgotten { archive, entries: store.forget_verdicts(&calls).await? })
}

/// A verdict with the whole decision, which stands with the call.
async fn with_reason(store: &dyn Store, verdict: &Verdict) -> Result<Value, Problem> {
    let call = store.get(verdict.call).await?;
    let at = (verdict.number as usize).saturating_sub(1);
    let decision = call.and_then(|call| Some(call.details.decisions.get(at)?.json.clone()));
    let label = verdict.label.as_ref().map(|label| {
        json!({"at": time(label.at_us), "by": label.by, "note": label.note, "opinion": label.opinion.as_str()})
    });
    Ok(json!({
        "call": verdict.call, "number": verdict.number, "started": time(verdict.started_us), "session": verdict.session,
        "label": label, "decision": decision,
    }))
}
