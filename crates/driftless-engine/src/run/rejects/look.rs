//! What is on record, read, counted, and exported row by row.

use std::ops::ControlFlow;

use driftless_core::batch::Batch;
use driftless_core::code;
use driftless_core::spec::Spec;
use driftless_pg::{Row, RowRead, Session};

use super::filter;
use crate::error::{EngineError, Result};
use crate::run::prepare::endpoints;
use crate::run::report::{RejectFilter, RejectGroup, RejectRecord, WarningGroup, WarningRecord};
use crate::store::Store;
use crate::store::schema::{Presence, presence};

/// A session with the state of a mapping's pipeline.
async fn open(spec: &Spec) -> Result<(Session, Store)> {
    let (_, target) = endpoints(spec)?;
    let store = Store::new(spec.pipeline.state_schema.clone(), spec.pipeline.name.clone());
    let session = target.session("rejects").await?;
    if presence(&session, &store).await? == Presence::Absent {
        return Err(EngineError::new(
            code::NOTHING_TO_DO,
            format!("pipeline {}", store.pipeline()),
            "the target has no state of it",
        )
        .remedy("run `driftless migrate` first"));
    }
    Ok((session, store))
}

/// The values of a record, each a text or null, by their place.
struct Fields<'r>(&'r dyn Fn(usize) -> Result<Option<String>>);

impl Fields<'_> {
    fn text_or_null(&self, index: usize) -> Result<Option<String>> {
        self.0(index)
    }

    fn text(&self, index: usize) -> Result<String> {
        Ok(self.0(index)?.unwrap_or_default())
    }

    fn number(&self, index: usize) -> Result<i64> {
        self.text(index)?.parse().map_err(|_| unreadable())
    }
}

/// A kind of record.
trait Record: Sized {
    /// Its columns of the rows `r` of [`Record::TABLE`], all as texts.
    const COLUMNS: &'static str;
    /// How many there are.
    const WIDTH: usize;
    /// The table of the state.
    const TABLE: &'static str;
    /// The order of its primary key.
    const ORDER: &'static str;

    /// True for those that a filter means.
    fn condition(store: &Store, filter: &RejectFilter) -> String;

    fn read(fields: &Fields<'_>) -> Result<Self>;

    fn sql(store: &Store, filter: &RejectFilter) -> String {
        let select = format!(
            "SELECT {} FROM {{state}}.{} AS r WHERE ",
            Self::COLUMNS,
            Self::TABLE
        );
        // The filter's texts are no templates: it comes behind.
        store.sql(&select) + &Self::condition(store, filter) + " ORDER BY " + Self::ORDER
    }
}

impl Record for RejectRecord {
    const COLUMNS: &'static str = "r.entity, r.key, r.state, r.stage, r.code, r.sqlstate, r.category, r.message, \
        r.column_name, r.constraint_name, r.rule, r.parent_entity, r.parent_key, r.source_row::text, r.execution::text, \
        pg_catalog.to_char(r.first_seen, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
        pg_catalog.to_char(r.last_seen, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    const WIDTH: usize = 17;
    const TABLE: &'static str = "rejects";
    const ORDER: &'static str = "r.entity, r.key";

    fn condition(store: &Store, filter: &RejectFilter) -> String {
        filter::condition(store, filter)
    }

    fn read(fields: &Fields<'_>) -> Result<RejectRecord> {
        let source = fields.text_or_null(13)?;
        let source_row = source.map(|text| serde_json::from_str(&text).map_err(|_| unreadable()));
        Ok(RejectRecord {
            entity: fields.text(0)?,
            key: fields.text(1)?,
            state: fields.text(2)?,
            stage: fields.text(3)?,
            code: fields.text(4)?,
            sqlstate: fields.text_or_null(5)?,
            category: fields.text(6)?,
            message: fields.text(7)?,
            column: fields.text_or_null(8)?,
            constraint: fields.text_or_null(9)?,
            rule: fields.text_or_null(10)?,
            parent_entity: fields.text_or_null(11)?,
            parent_key: fields.text_or_null(12)?,
            source_row: source_row.transpose()?,
            execution: fields.number(14)?,
            first_seen: fields.text(15)?,
            last_seen: fields.text(16)?,
        })
    }
}

impl Record for WarningRecord {
    const COLUMNS: &'static str = "r.entity, r.key, r.rule, r.execution::text, \
        pg_catalog.to_char(r.seen_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    const WIDTH: usize = 5;
    const TABLE: &'static str = "warning";
    const ORDER: &'static str = "r.entity, r.key, r.rule";

    fn condition(store: &Store, filter: &RejectFilter) -> String {
        filter::of_warnings(store, filter)
    }

    fn read(fields: &Fields<'_>) -> Result<WarningRecord> {
        Ok(WarningRecord {
            entity: fields.text(0)?,
            key: fields.text(1)?,
            rule: fields.text(2)?,
            execution: fields.number(3)?,
            seen_at: fields.text(4)?,
        })
    }
}

fn unreadable() -> EngineError {
    EngineError::new(
        code::INTEGRITY,
        "state",
        "a record of a rejected row cannot be read",
    )
    .remedy("the state schema was changed by hand: restore it")
}

async fn first<R: Record>(spec: &Spec, filter: &RejectFilter, limit: i64) -> Result<Vec<R>> {
    let (session, store) = open(spec).await?;
    let sql = format!("{} LIMIT {limit}", R::sql(&store, filter));
    let rows = session.query(&sql, &[]).await?;
    let read = |row: &Row| R::read(&Fields(&|index| Ok(row.get(index)?)));
    rows.iter().map(read).collect()
}

/// Rejects of a filter, by entity and key.
pub async fn list(spec: &Spec, filter: &RejectFilter, limit: i64) -> Result<Vec<RejectRecord>> {
    first(spec, filter, limit).await
}

/// One reject.
pub async fn show(spec: &Spec, entity: &str, key: &str) -> Result<Option<RejectRecord>> {
    let filter = RejectFilter {
        entities: vec![entity.to_owned()],
        keys: vec![key.to_owned()],
        ..RejectFilter::default()
    };
    Ok(list(spec, &filter, 1).await?.into_iter().next())
}

/// Warnings of a filter, by entity, key and rule.
pub async fn warnings(spec: &Spec, filter: &RejectFilter, limit: i64) -> Result<Vec<WarningRecord>> {
    first(spec, filter, limit).await
}

/// Passes on one record after another, all of one moment, until somebody wants no more. Holds one at a time.
async fn each<R: Record>(
    spec: &Spec,
    filter: &RejectFilter,
    mut take: impl FnMut(R) -> ControlFlow<()>,
) -> Result<()> {
    let (session, store) = open(spec).await?;
    let copy = format!("COPY ({}) TO STDOUT (FORMAT binary)", R::sql(&store, filter));
    let mut stream = session.copy_out(&copy).await?;
    let mut row = Batch::new(R::WIDTH);
    loop {
        let (arena, cells) = row.parts_mut();
        if stream.append_row(arena, cells).await? == RowRead::End {
            return Ok(());
        }
        let field = |index| match row.get(0, index) {
            Some(bytes) => String::from_utf8(bytes.to_vec())
                .map(Some)
                .map_err(|_| unreadable()),
            None => Ok(None),
        };
        if take(R::read(&Fields(&field))?).is_break() {
            return Ok(());
        }
        row.clear();
    }
}

/// Passes on the rejects of a filter, by entity and key, until somebody wants no more.
pub async fn export(
    spec: &Spec,
    filter: &RejectFilter,
    take: impl FnMut(RejectRecord) -> ControlFlow<()>,
) -> Result<()> {
    each(spec, filter, take).await
}

/// Passes on the warnings of a filter, by entity, key and rule, until somebody wants no more.
pub async fn export_warnings(
    spec: &Spec,
    filter: &RejectFilter,
    take: impl FnMut(WarningRecord) -> ControlFlow<()>,
) -> Result<()> {
    each(spec, filter, take).await
}

/// Rejects of a filter, counted by entity, state, code and what is in question.
pub async fn groups(spec: &Spec, filter: &RejectFilter) -> Result<Vec<RejectGroup>> {
    let (session, store) = open(spec).await?;
    let select = "SELECT r.entity, r.state, r.code, r.category, coalesce(r.rule, r.constraint_name, r.column_name) AS subject, \
         pg_catalog.count(*) FROM {state}.rejects AS r WHERE ";
    let sql = store.sql(select)
        + &filter::condition(&store, filter)
        + " GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 6 DESC, 3, 5";
    let rows = session.query(&sql, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(RejectGroup {
                entity: row.get(0)?,
                state: row.get(1)?,
                code: row.get(2)?,
                category: row.get(3)?,
                subject: row.get(4)?,
                rows: row.get(5)?,
            })
        })
        .collect()
}

/// Warnings of a filter, counted by entity and rule, the most frequent first.
pub async fn warning_groups(spec: &Spec, filter: &RejectFilter) -> Result<Vec<WarningGroup>> {
    let (session, store) = open(spec).await?;
    let select = "SELECT r.entity, r.rule, pg_catalog.count(*) FROM {state}.warning AS r WHERE ";
    let sql =
        store.sql(select) + &filter::of_warnings(&store, filter) + " GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2";
    let rows = session.query(&sql, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(WarningGroup {
                entity: row.get(0)?,
                rule: row.get(1)?,
                rows: row.get(2)?,
            })
        })
        .collect()
}
