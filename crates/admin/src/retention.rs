//! Deletes calls: those that somebody names, and those that are too old, as are old entries of the audit. What is to be archived is archived before, and exactly that
//! is deleted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lockgate_store::access::{Actor, AuditEntry, AuditFilter};
use lockgate_store::{Extent, Filter, Limit, Membership, PageRequest, Selection, Store};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::archive::Archive;
use crate::audit::EntryView;
use crate::auth::now_us;
use crate::problem::Problem;
use crate::reading;

/// What is deleted by age.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Where it is written before; `None` = nowhere.
    pub archive: Option<PathBuf>,
    /// Days after which entries of the audit are deleted.
    pub audit_days: Option<u32>,
    /// Days after which calls are deleted.
    pub calls_days: Option<u32>,
    /// Days after which their contents are deleted.
    pub contents_days: Option<u32>,
}

/// What was deleted, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Deleted {
    /// The file that it was written to before.
    pub archive: Option<String>,
    /// Calls that lost their contents, or all.
    pub calls: u64,
    /// Sessions that are gone.
    pub sessions: u64,
}

/// What of the audit was deleted, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Forgotten {
    /// The file that it was written to before.
    pub archive: Option<String>,
    /// Entries.
    pub entries: u64,
}

/// What a round of retention did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Retained {
    /// Entries of the audit that were deleted.
    pub audit: Forgotten,
    /// Calls that were deleted.
    pub calls: Deleted,
    /// Calls whose contents were deleted.
    pub contents: Deleted,
}

impl RetentionPolicy {
    /// Deletes what is too old, and writes that into the audit. With `dry_run` only counts.
    pub async fn apply(&self, store: &dyn Store, dry_run: bool) -> Result<Retained, Problem> {
        let mut done = Retained::default();
        for (days, extent) in [(self.calls_days, Extent::Everything), (self.contents_days, Extent::Contents)]
        {
            let Some(days) = days else { continue };
            let before = days_ago(days);
            let deletion = Deletion { archive: self.archive.as_deref(), dry_run, extent };
            let deleted = deletion.run(store, &Selection::OlderThan(before)).await?;
            if deleted.calls > 0 && !dry_run {
                let detail = json!({"days": days, "extent": word(extent), "deleted": &deleted});
                store.note(&entry("calls", detail)).await?;
            }
            match extent {
                Extent::Contents => done.contents = deleted,
                Extent::Everything => done.calls = deleted,
            }
        }
        if let Some(days) = self.audit_days {
            done.audit = self.forget(store, days_ago(days), dry_run).await?;
            if done.audit.entries > 0 && !dry_run {
                store.note(&entry("audit", json!({"days": days, "deleted": &done.audit}))).await?;
            }
        }
        Ok(done)
    }

    /// Deletes entries of the audit from before a time, those that are archived and no others.
    async fn forget(&self, store: &dyn Store, before: i64, dry_run: bool) -> Result<Forgotten, Problem> {
        let filter = AuditFilter { to_us: Some(before), ..AuditFilter::default() };
        let mut page = PageRequest { after: None, limit: Limit::of(Limit::MAX) };
        let mut archive = None;
        let mut ids = Vec::new();
        loop {
            let listed = store.audit(&filter, &page).await?;
            ids.extend(listed.items.iter().map(|entry| entry.id));
            if let Some(folder) = self.archive.as_deref().filter(|_| !dry_run && !ids.is_empty()) {
                let mut lines = Vec::new();
                for entry in listed.items {
                    serde_json::to_writer(&mut lines, &EntryView::from(entry))
                        .map_err(|error| Problem::internal(error.to_string()))?;
                    lines.push(b'\n');
                }
                let open = match archive.take() {
                    Some(open) => open,
                    None => Archive::begin(folder, &format!("audit-{}", name()))?,
                };
                archive = Some(open.lines(lines).await?);
            }
            match listed.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        if dry_run {
            return Ok(Forgotten { archive: None, entries: ids.len() as u64 });
        }
        let file = match archive {
            Some(archive) => Some(archive.end().await?.display().to_string()),
            None => None,
        };
        Ok(Forgotten { archive: file, entries: store.forget(&ids).await? })
    }
}

/// So many days before now, in µs since 1970.
fn days_ago(days: u32) -> i64 {
    now_us() - i64::from(days) * 86_400_000_000
}

/// What retention writes into the audit.
fn entry(object: &str, detail: Value) -> AuditEntry {
    AuditEntry {
        actor: Actor::System,
        address: None,
        at_us: now_us(),
        detail,
        id: Uuid::now_v7(),
        object: object.to_owned(),
        verb: "retention".to_owned(),
    }
}

/// The name of an archive that is begun now.
fn name() -> String {
    format!("{}-{}", crate::view::time(now_us()).replace(':', ""), Uuid::now_v7().simple())
}

/// The word for how much is deleted.
pub(crate) const fn word(extent: Extent) -> &'static str {
    match extent {
        Extent::Contents => "contents",
        Extent::Everything => "everything",
    }
}

/// How something is deleted.
pub(crate) struct Deletion<'a> {
    pub(crate) archive: Option<&'a Path>,
    pub(crate) dry_run: bool,
    pub(crate) extent: Extent,
}

impl Deletion<'_> {
    /// Deletes it.
    pub(crate) async fn run(&self, store: &dyn Store, what: &Selection) -> Result<Deleted, Problem> {
        if let (Some(folder), false) = (self.archive, self.dry_run) {
            return self.archived(store, what, folder).await;
        }
        let purged = store.purge(what, self.extent, self.dry_run).await?;
        Ok(Deleted { archive: None, calls: purged.calls, sessions: purged.sessions })
    }

    async fn archived(&self, store: &dyn Store, what: &Selection, folder: &Path) -> Result<Deleted, Problem> {
        let sessions = self.selected(store, what).await?;
        if sessions.is_empty() {
            return Ok(Deleted::default());
        }
        let mut archive = Archive::begin(folder, &name())?;
        for (session, calls) in &sessions {
            let header = match session {
                Some(id) => store.session(id).await?,
                None => None,
            };
            archive = archive.session(header).await?;
            for (_, id) in calls {
                if let Some((stored, bodies)) = reading::whole(store, *id).await? {
                    archive = archive.call(stored, bodies).await?;
                }
            }
        }
        let file = archive.end().await?;
        let ids = sessions.into_values().flatten().map(|(_, id)| id).collect();
        let purged = store.purge(&Selection::Calls(ids), self.extent, false).await?;
        Ok(Deleted {
            archive: Some(file.display().to_string()),
            calls: purged.calls,
            sessions: purged.sessions,
        })
    }

    /// The calls, by session in the order in which they began.
    async fn selected(
        &self,
        store: &dyn Store,
        what: &Selection,
    ) -> Result<BTreeMap<Option<String>, Vec<(i64, Uuid)>>, Problem> {
        let contents = (self.extent == Extent::Contents).then_some(true);
        let all = Filter { contents, ..Filter::default() };
        let filter = match what {
            Selection::Calls(_) => return Err(Problem::internal("single calls are not archived")),
            Selection::Key(key) => Filter { key: Some(key.clone()), ..all },
            Selection::OlderThan(before) => Filter { to_us: Some(*before), ..all },
            Selection::Session(id) => Filter { session: Some(Membership::Of(id.clone())), ..all },
            Selection::User(user) => Filter { user: Some(user.clone()), ..all },
        };
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut page = PageRequest { after: None, limit: Limit::of(Limit::MAX) };
        loop {
            let listed = store.list(&filter, &page).await?;
            for call in listed.items {
                let session = call.lineage.session.map(|session| session.id);
                found.entry(session).or_default().push((call.timing.started_us, call.id));
            }
            match listed.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        for calls in found.values_mut() {
            calls.sort_unstable();
        }
        Ok(found)
    }
}
