//! Reads calls: one, a list, and bodies put together from their pieces.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use lockgate_store::rope::{self, Bounds};
use lockgate_store::{
    Body, BodyKind, Call, Calls, Details, Error, Filter, Offsets, Page, PageRequest, Part, PieceHash,
    StoredCall,
};
use uuid::Uuid;

use crate::Database;
use crate::columns::{call_of, read_json, select_calls, word};
use crate::conditions;
use crate::driver::{Sql, Tx};
use crate::fault::Fault;
use crate::recent::Recent;
use crate::squeeze::unsqueeze;
use crate::stats::Wanted;
use crate::walk::{Lead, Placed, Walk};
use crate::write::hash_of;

/// Pieces that one statement fetches.
const PIECES: usize = 400;

#[async_trait]
impl Calls for Database {
    async fn get(&self, id: Uuid) -> Result<Option<StoredCall>, Error> {
        self.one(id).await.map_err(Fault::plain)
    }

    async fn list(&self, filter: &Filter, page: &PageRequest) -> Result<Page<Call>, Error> {
        self.page_of_calls(filter, page).await.map_err(Fault::plain)
    }

    async fn body(&self, id: Uuid, part: Part) -> Result<Option<Vec<u8>>, Error> {
        let Some((head, pieces)) = self.pieces_of_body(id, part).await.map_err(Fault::plain)? else {
            return Ok(None);
        };
        let fetch = |hash: &PieceHash| pieces.get(hash).map(|bytes| &**bytes);
        Ok(Some(rope::join(&head, fetch, Bounds::default())?))
    }
}

impl Placed for (i64, Call) {
    fn place(&self) -> (i64, i64) {
        (self.1.timing.started_us, self.0)
    }
}

impl Database {
    async fn one(&self, id: Uuid) -> Result<Option<StoredCall>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let mut sql = Sql::new(&select_calls());
        let row = tx.row(sql.add(" WHERE c.id = ").arg(id.to_string().as_str()).take()).await?;
        let Some((seq, call)) = row.as_ref().map(call_of).transpose()? else { return Ok(None) };
        let details = details(&mut tx, seq).await?;
        let bodies = bodies(&mut tx, seq).await?;
        tx.commit().await?;
        Ok(Some(StoredCall { bodies, call, details }))
    }

    async fn page_of_calls(&self, filter: &Filter, page: &PageRequest) -> Result<Page<Call>, Fault> {
        let flavour = self.readers.flavour();
        let query = || {
            let mut sql = Sql::new(&select_calls());
            sql.add(" WHERE 1 = 1");
            conditions::add(&mut sql, flavour, filter);
            sql
        };
        let wanted = Wanted::of_filter(filter);
        let lead = if conditions::is_led(filter) {
            Lead::Index
        } else if wanted.is_empty() || filter.text.is_some() {
            Lead::Windows
        } else {
            Lead::Packs(wanted, filter.from_us.unwrap_or(0)..filter.to_us.unwrap_or(i64::MAX))
        };
        let walk = Walk {
            budget: self.page_budget,
            lead,
            oldest: "SELECT min(started_us) FROM calls",
            query: &query,
            order: ("c.started_us", "c.seq"),
        };
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let page = walk.page(&mut tx, page, call_of).await?;
        tx.commit().await?;
        Ok(Page { items: page.items.into_iter().map(|(_, call)| call).collect(), next: page.next })
    }

    /// The head of a body and every piece below it, fetched level by level.
    async fn pieces_of_body(&self, id: Uuid, part: Part) -> Result<Option<(PieceHash, Pieces)>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let mut sql = Sql::new(
            "SELECT b.head, b.size, b.bytes, COALESCE(c.session, -c.seq) FROM bodies b JOIN calls c ON c.seq = b.call WHERE c.id = ",
        );
        sql.arg(id.to_string().as_str()).add(" AND b.part = ").arg(part.as_str());
        let Some(row) = tx.row(sql).await? else { return Ok(None) };
        let mut from = row.reader();
        let (head, size) = (hash_of(from.blob()?)?, from.count()? as usize);
        let pieces = match from.blob_or_none()? {
            Some(bytes) => HashMap::from([(head, unsqueeze(bytes, size)?.into())]),
            None => below(&mut tx, &self.recent, from.int()?, head).await?,
        };
        tx.commit().await?;
        Ok(Some((head, pieces)))
    }
}

/// What a body is made of.
type Pieces = HashMap<PieceHash, Arc<[u8]>>;

/// A piece and all that it refers to, as far as it is there.
async fn below(tx: &mut Tx, recent: &Recent, scope: i64, head: PieceHash) -> Result<Pieces, Fault> {
    let mut pieces = HashMap::new();
    let mut asked = HashSet::from([head]);
    let mut level = vec![head];
    while !level.is_empty() {
        let mut found: Vec<(PieceHash, Arc<[u8]>)> = Vec::with_capacity(level.len());
        recent.take(scope, &mut level, |hash, bytes| found.push((hash, bytes)));
        for hashes in level.chunks(PIECES) {
            for (hash, bytes) in fetch(tx, scope, hashes).await? {
                let bytes: Arc<[u8]> = bytes.into();
                recent.keep(scope, hash, &bytes);
                found.push((hash, bytes));
            }
        }
        level.clear();
        for (hash, bytes) in found {
            let refers = rope::references(&hash, &bytes).map_err(Error::from)?;
            level.extend(refers.into_iter().filter(|inner| asked.insert(*inner)));
            pieces.insert(hash, bytes);
        }
    }
    Ok(pieces)
}

async fn fetch(tx: &mut Tx, scope: i64, hashes: &[PieceHash]) -> Result<Vec<(PieceHash, Vec<u8>)>, Fault> {
    let mut sql = Sql::new("SELECT hash, size, bytes FROM pieces WHERE scope = ");
    sql.arg(scope).add(" AND hash IN (");
    sql.args(hashes.iter().map(|hash| hash.as_bytes().to_vec())).add(")");
    let mut found = Vec::with_capacity(hashes.len());
    for row in tx.rows(sql).await? {
        let mut from = row.reader();
        let hash = hash_of(from.blob()?)?;
        let size = from.count()? as usize;
        found.push((hash, unsqueeze(from.blob()?, size)?));
    }
    Ok(found)
}

async fn details(tx: &mut Tx, call: i64) -> Result<Details, Fault> {
    let mut sql = Sql::new(
        "SELECT d.attempts, d.decisions, d.losses, d.cost_parts, COALESCE(t.tool_calls, 0) \
         FROM call_details d LEFT JOIN tool_counts t ON t.call = d.call WHERE d.call = ",
    );
    let Some(row) = tx.row(sql.arg(call).take()).await? else { return Ok(Details::default()) };
    let mut from = row.reader();
    Ok(Details {
        attempts: read_json(from.text_or_none()?.as_deref())?.unwrap_or_default(),
        decisions: read_json(from.text_or_none()?.as_deref())?.unwrap_or_default(),
        losses: read_json(from.text_or_none()?.as_deref())?.unwrap_or_default(),
        cost_parts: read_json(from.text_or_none()?.as_deref())?,
        tool_calls: from.count()? as u32,
    })
}

async fn bodies(tx: &mut Tx, call: i64) -> Result<Vec<Body>, Fault> {
    let mut sql = Sql::new("SELECT part, kind, head, size, offsets FROM bodies WHERE call = ");
    let rows = tx.rows(sql.arg(call).add(" ORDER BY part").take()).await?;
    rows.iter()
        .map(|row| {
            let mut from = row.reader();
            let part = word(Part::of, &from.text()?)?;
            let kind = word(BodyKind::of, &from.text()?)?;
            let (head, size) = (hash_of(from.blob()?)?, from.count()?);
            Ok(Body { head, kind, offsets: Offsets::from_bytes(from.blob()?.to_vec()), part, size })
        })
        .collect()
}
