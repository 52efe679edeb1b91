//! What the target has on record about an entity, in key order: identities with whether their row is there, rejects,
//! parked rows.

use driftless_core::batch::Cell;
use driftless_core::code;
use driftless_core::compare::{Entry, KeyOrder, Standing};
use driftless_core::name::quote_literal;
use driftless_core::plan::EntityPlan;
use driftless_core::value;
use driftless_pg::{CopyOut, RowRead};

use crate::error::{EngineError, Result};
use crate::store::{Store, identity};

/// Numbers by which the stream tells rejects from identities, whose own status is below.
const REJECTED: i16 = 100;
const PARKED: i16 = 101;

/// Reads entries from the stream that [`sql`] starts.
pub(super) struct Records<'s> {
    copy: CopyOut<'s>,
    order: KeyOrder,
    entity: String,
    arena: Vec<u8>,
    cells: Vec<Cell>,
    /// The record behind the last entry: it has another key.
    next: Option<Record>,
    begun: bool,
}

struct Record {
    key: Option<Vec<u8>>,
    standing: Standing,
    has_row: bool,
    row_hash: Option<i64>,
}

impl<'s> Records<'s> {
    pub(super) fn new(copy: CopyOut<'s>, order: KeyOrder, plan: &EntityPlan) -> Records<'s> {
        Records {
            copy,
            order,
            entity: plan.name.clone(),
            arena: Vec::new(),
            cells: Vec::new(),
            next: None,
            begun: false,
        }
    }

    /// Everything on record about the next key; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Entry>> {
        if !self.begun {
            self.begun = true;
            self.next = self.record().await?;
        }
        let Some(first) = self.next.take() else {
            return Ok(None);
        };
        let mut entry = Entry::new(first.key);
        entry.absorb(first.standing, first.has_row, first.row_hash);
        while let Some(record) = self.record().await? {
            if record.key != entry.key {
                self.next = Some(record);
                break;
            }
            entry.absorb(record.standing, record.has_row, record.row_hash);
        }
        Ok(Some(entry))
    }

    async fn record(&mut self) -> Result<Option<Record>> {
        self.arena.clear();
        self.cells.clear();
        match self.copy.append_row(&mut self.arena, &mut self.cells).await? {
            RowRead::End => Ok(None),
            RowRead::TooLarge { .. } => Err(self.unreadable("a key is too large")),
            RowRead::Row => self
                .read()
                .map(Some)
                .ok_or_else(|| self.unreadable("a record is not of its form")),
        }
    }

    fn read(&self) -> Option<Record> {
        let field = |number: usize| self.cells.get(number).and_then(|cell| cell.bytes(&self.arena));
        let key = match field(0) {
            None => None,
            Some(bytes) => {
                let mut key = Vec::with_capacity(bytes.len());
                self.order.comparable(bytes, &mut key).then_some(())?;
                Some(key)
            }
        };
        let standing = match i16::try_from(value::integer(field(1)?)?).ok()? {
            identity::LIVE => Standing::Live,
            identity::ADOPTED | identity::MERGED => Standing::Kept,
            REJECTED => Standing::Rejected,
            PARKED => Standing::Parked,
            _ => return None,
        };
        Some(Record {
            key,
            standing,
            has_row: value::boolean(field(2)?)?,
            row_hash: field(3).and_then(value::integer),
        })
    }

    fn unreadable(&self, what: &str) -> EngineError {
        EngineError::new(
            code::INTEGRITY,
            format!("entity {}, identities and rejects", self.entity),
            what,
        )
        .remedy("somebody has written into the state schema; restore it from a backup")
    }
}

/// `COPY (…) TO STDOUT` of everything on record: key, standing, whether its target row is there, row hash.
pub(super) fn sql(store: &Store, plan: &EntityPlan, order: KeyOrder) -> String {
    let there = match plan.identity.target.first() {
        // It takes part in the join, so it is null only where there is no row.
        Some((column, _)) => format!("t.{} IS NOT NULL", driftless_core::name::quote_ident(column)),
        None => "false".to_owned(),
    };
    format!(
        "COPY (SELECT r.key, r.standing, r.there, r.row_hash FROM (\
         SELECT {own} AS key, i.status AS standing, {there} AS there, i.row_hash \
         FROM {identities} AS i LEFT JOIN {into} AS t ON {belongs} \
         UNION ALL \
         SELECT {rejected}, CASE x.state WHEN 'parked' THEN {PARKED} ELSE {REJECTED} END::pg_catalog.int2, false, NULL \
         FROM {rejects} AS x WHERE x.pipeline = {pipeline} AND x.entity = {entity}\
         ) AS r ORDER BY r.key NULLS LAST) TO STDOUT (FORMAT binary)",
        own = own_key(plan, order),
        identities = store.identity_table(&plan.name).sql(),
        into = plan.into.sql(),
        belongs = identity::belongs(plan, "i", "t"),
        rejected = rejected_key(order),
        rejects = store.table("rejects").sql(),
        pipeline = quote_literal(store.pipeline()),
        entity = quote_literal(&plan.name),
    )
}

fn own_key(plan: &EntityPlan, order: KeyOrder) -> String {
    match order {
        KeyOrder::Integer => "i.k1::pg_catalog.int8".to_owned(),
        KeyOrder::Uuid => "i.k1".to_owned(),
        KeyOrder::Text => format!("pg_catalog.convert_to({}, 'UTF8')", identity::key_text(plan, "i")),
    }
}

/// The canonical text of a rejected key as a key. Rows without a key are on record as well, under a text that is none.
fn rejected_key(order: KeyOrder) -> &'static str {
    match order {
        // 19 digits may or may not fit; nested, because the branches of one CASE are read in order.
        KeyOrder::Integer => {
            "CASE WHEN x.key ~ '^-?[0-9]{1,18}$' THEN x.key::pg_catalog.int8 \
             WHEN x.key ~ '^-?[0-9]{19}$' THEN CASE WHEN x.key::pg_catalog.numeric \
             BETWEEN -9223372036854775808 AND 9223372036854775807 THEN x.key::pg_catalog.int8 END END"
        }
        KeyOrder::Uuid => {
            "CASE WHEN x.key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN x.key::pg_catalog.uuid END"
        }
        KeyOrder::Text => "pg_catalog.convert_to(x.key, 'UTF8')",
    }
}
