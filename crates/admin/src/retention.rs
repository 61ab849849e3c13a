//! Deletes calls: those that somebody names, and those that are too old, as are rows of other tables ([`tables`]). What is to be archived is
//! archived before, and exactly that is deleted.

mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lockgate_core::DataClass;
use lockgate_store::access::{Actor, AuditEntry};
use lockgate_store::{Classified, Extent, Filter, Limit, Membership, PageRequest, Selection, Store};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::archive::Archive;
use crate::auth::now_us;
use crate::feedback;
use crate::guard::Principal;
use crate::problem::Problem;
use crate::reading;

/// What is deleted by age.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Days after which what people were asked is deleted.
    pub approvals_days: Option<u32>,
    /// Where it is written before; `None` = nowhere.
    pub archive: Option<PathBuf>,
    /// Days after which entries of the audit are deleted.
    pub audit_days: Option<u32>,
    /// Calls of every class without times of its own.
    pub calls: Times,
    /// Calls of these classes of data; `None` = those without a class. What a class leaves out is as of all.
    pub classes: BTreeMap<Option<DataClass>, Times>,
    /// Days after which what policies said is deleted.
    pub verdicts_days: Option<u32>,
    /// Why nothing is deleted by age for now, whatever the days are.
    pub withheld: Option<String>,
}

/// How long calls are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Days after which they are deleted.
    pub calls_days: Option<u32>,
    /// Days after which their contents are deleted.
    pub contents_days: Option<u32>,
}

impl Times {
    const fn of(self, extent: Extent) -> Option<u32> {
        match extent {
            Extent::Contents => self.contents_days,
            Extent::Everything => self.calls_days,
        }
    }
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

/// What of a table was deleted, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Forgotten {
    /// The file that it was written to before.
    pub archive: Option<String>,
    /// Entries, questions or verdicts.
    pub entries: u64,
}

/// What a round of retention did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Retained {
    /// Questions to people that were deleted, with their answers.
    pub approvals: Forgotten,
    /// Entries of the audit that were deleted.
    pub audit: Forgotten,
    /// Calls that were deleted.
    pub calls: Deleted,
    /// The same for each class that has times of its own; `none` = calls without a class.
    pub classes: BTreeMap<&'static str, OfClass>,
    /// Calls whose contents were deleted.
    pub contents: Deleted,
    /// What policies said, as far as it was deleted.
    pub verdicts: Forgotten,
}

/// What was deleted of a class, or would be. It is in the sums too, without the archives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct OfClass {
    /// Calls that were deleted.
    pub calls: Deleted,
    /// Calls whose contents were deleted.
    pub contents: Deleted,
}

impl Retained {
    /// Whether nothing was too old.
    pub fn is_nothing(&self) -> bool {
        let rows = [&self.approvals, &self.audit, &self.verdicts];
        self.calls.calls + self.contents.calls + rows.iter().map(|rows| rows.entries).sum::<u64>() == 0
    }
}

/// The word for a class, or for none.
pub(crate) const fn class_word(class: Option<DataClass>) -> &'static str {
    match class {
        Some(class) => class.as_str(),
        None => "none",
    }
}

impl RetentionPolicy {
    /// Deletes what is too old, and writes that into the audit. With `dry_run` only counts.
    pub async fn apply(&self, store: &dyn Store, dry_run: bool) -> Result<Retained, Problem> {
        if let Some(why) = self.withheld.as_ref().filter(|_| !dry_run) {
            return Err(Problem::conflict(format!("nothing is deleted by age for now: {why}")));
        }
        let mut done = Retained::default();
        for extent in [Extent::Everything, Extent::Contents] {
            for (class, days) in self.rules(extent) {
                let deleted = self.age(store, (class, extent, days), dry_run).await?;
                if let Some(class) = class {
                    let of_class = done.classes.entry(class_word(class.class())).or_default();
                    *of_extent(extent, (&mut of_class.calls, &mut of_class.contents)) = deleted.clone();
                }
                let sum = of_extent(extent, (&mut done.calls, &mut done.contents));
                sum.calls += deleted.calls;
                sum.sessions += deleted.sessions;
                sum.archive = deleted.archive.filter(|_| class.is_none());
            }
        }
        if let Some(days) = self.verdicts_days {
            done.verdicts = tables::verdicts(store, self.archive.as_deref(), days_ago(days), dry_run).await?;
            noted(store, "verdicts", days, &done.verdicts, dry_run).await?;
        }
        if let Some(days) = self.approvals_days {
            done.approvals =
                tables::approvals(store, self.archive.as_deref(), days_ago(days), dry_run).await?;
            noted(store, "approvals", days, &done.approvals, dry_run).await?;
        }
        if let Some(days) = self.audit_days {
            done.audit = tables::audit(store, self.archive.as_deref(), days_ago(days), dry_run).await?;
            noted(store, "audit", days, &done.audit, dry_run).await?;
        }
        if !dry_run && !done.is_nothing() {
            scrub(store).await;
        }
        Ok(done)
    }

    /// Which calls go after how many days: all alike, or each class after its own.
    fn rules(&self, extent: Extent) -> Vec<(Option<Classified>, u32)> {
        if self.classes.is_empty() {
            return self.calls.of(extent).map(|days| (None, days)).into_iter().collect();
        }
        let every = std::iter::once(None).chain(DataClass::ALL.iter().copied().map(Some));
        let rule = |class: Option<DataClass>| {
            let own = self.classes.get(&class).and_then(|times| times.of(extent));
            let which = class.map_or(Classified::Unclassified, Classified::Of);
            Some((Some(which), own.or(self.calls.of(extent))?))
        };
        every.filter_map(rule).collect()
    }

    async fn age(
        &self,
        store: &dyn Store,
        (class, extent, days): (Option<Classified>, Extent, u32),
        dry_run: bool,
    ) -> Result<Deleted, Problem> {
        let before = days_ago(days);
        let what = match class {
            Some(class) => Selection::OlderOf(before, class),
            None => Selection::OlderThan(before),
        };
        let deletion = Deletion { archive: self.archive.as_deref(), dry_run, extent };
        let deleted = deletion.run(store, &what).await?;
        if deleted.calls > 0 && !dry_run {
            let mut detail = json!({"days": days, "extent": word(extent), "deleted": &deleted});
            if let Some(class) = class {
                detail["class"] = class_word(class.class()).into();
            }
            store.note(&entry("calls", detail)).await?;
        }
        Ok(deleted)
    }
}

fn of_extent<T>(extent: Extent, (calls, contents): (T, T)) -> T {
    match extent {
        Extent::Contents => contents,
        Extent::Everything => calls,
    }
}

/// Behind a deletion: what is gone from the tables goes from the files too.
pub(crate) async fn scrub(store: &dyn Store) {
    if let Err(error) = store.scrub().await {
        tracing::warn!(%error, "what was deleted may still be in the files of the database until its room is used again");
    }
}

async fn noted(
    store: &dyn Store,
    table: &str,
    days: u32,
    gone: &Forgotten,
    dry_run: bool,
) -> Result<(), Problem> {
    if gone.entries > 0 && !dry_run {
        store.note(&entry(table, json!({"days": days, "deleted": gone}))).await?;
    }
    Ok(())
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
            self.forget_comments(store, what).await?;
            return Ok(Deleted::default());
        }
        let mut archive = Archive::begin(folder, &name())?;
        for (session, calls) in &sessions {
            let header = match session {
                Some(id) => store.session(id).await?,
                None => None,
            };
            let ids: Vec<Uuid> = calls.iter().map(|(_, id)| *id).collect();
            let said = feedback::whole(store, &Principal::command_line(), session.as_deref(), &ids).await?;
            archive = archive.session(header, said).await?;
            for (_, id) in calls {
                if let Some((stored, bodies)) = reading::whole(store, *id).await? {
                    archive = archive.call(stored, bodies).await?;
                }
            }
        }
        let file = archive.end().await?;
        let ids = sessions.into_values().flatten().map(|(_, id)| id).collect();
        let purged = store.purge(&Selection::Calls(ids), self.extent, false).await?;
        self.forget_comments(store, what).await?;
        Ok(Deleted {
            archive: Some(file.display().to_string()),
            calls: purged.calls,
            sessions: purged.sessions,
        })
    }

    /// What was said in words goes with contents, also of calls that had none.
    async fn forget_comments(&self, store: &dyn Store, what: &Selection) -> Result<(), Problem> {
        match self.extent {
            Extent::Contents => Ok(store.forget_comments(what).await?),
            Extent::Everything => Ok(()),
        }
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
            Selection::OlderOf(before, class) => Filter { class: Some(*class), to_us: Some(*before), ..all },
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
