use driftless_core::name::QualifiedName;
use driftless_core::plan::aside::AsideItem;
use driftless_pg::{BeginMode, Param, Row, Session};

use crate::error::Result;
use crate::store::aside::AsideRecord;

/// What of a recorded thing is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Presence {
    /// The constraint of its name: definition, and whether it is validated.
    constraint: Option<(String, bool)>,
    /// The index of its name: definition, and whether it is valid.
    index: Option<(String, bool)>,
    /// Bytes of its table.
    pub(super) table_size: u64,
}

impl Presence {
    /// Whether the constraint is there as recorded, validated or not yet.
    pub(super) fn has_constraint(&self, item: &AsideItem) -> bool {
        self.constraint.as_ref().is_some_and(|(definition, _)| {
            *definition == item.definition || definition.strip_suffix(" NOT VALID") == Some(&item.definition)
        })
    }

    /// Whether the constraint is there and there is nothing left to validate.
    pub(super) fn is_validated(&self, item: &AsideItem) -> bool {
        self.has_constraint(item) && self.constraint.as_ref().is_some_and(|(_, validated)| *validated)
    }

    /// Whether the index that the item builds is there: alone, or already its constraint's.
    pub(super) fn has_index(&self, item: &AsideItem) -> bool {
        self.index
            .as_ref()
            .is_some_and(|(definition, valid)| *valid && item.build.as_ref() == Some(definition))
    }

    /// The statement that takes away what is there, if anything is.
    pub(super) fn removal(&self, item: &AsideItem) -> Option<String> {
        if self.has_constraint(item) {
            return Some(item.drop_sql.clone());
        }
        // An index alone: its constraint was to follow. One of somebody else's constraint is not ours to drop.
        // Nor is one that only has the name of a foreign key or a trigger: those build none.
        self.index
            .as_ref()
            .filter(|_| self.constraint.is_none() && item.build.is_some())?;
        let index = QualifiedName::new(item.table.schema.as_str(), item.name.as_str());
        Some(format!("DROP INDEX {}", index.sql()))
    }
}

/// Looks for all of them in one query, with names qualified as they are recorded: PostgreSQL leaves out the schemas that
/// a session's search path has.
pub(super) async fn look(session: &mut Session, records: &[AsideRecord]) -> Result<Vec<Presence>> {
    let items = || records.iter().map(|record| &record.item);
    let schemas: Vec<&str> = items().map(|item| item.table.schema.as_str()).collect();
    let tables: Vec<&str> = items().map(|item| item.table.name.as_str()).collect();
    let names: Vec<&str> = items().map(|item| item.name.as_str()).collect();
    let params = [
        Param::text_array(&schemas),
        Param::text_array(&tables),
        Param::text_array(&names),
    ];
    let tx = session.begin(BeginMode::RolledBack).await?;
    tx.ahead("SET LOCAL search_path = pg_catalog", &[]).await?;
    let rows = tx.query(LOOK, &params).await?;
    tx.rollback().await?;
    rows.iter().map(read).collect()
}

/// How large tables are, about: as they were sampled. Asks nothing that waits for a lock.
pub(super) async fn sizes(session: &Session, records: &[AsideRecord]) -> Result<Vec<Presence>> {
    let tables = || records.iter().map(|record| &record.item.table);
    let schemas: Vec<&str> = tables().map(|table| table.schema.as_str()).collect();
    let names: Vec<&str> = tables().map(|table| table.name.as_str()).collect();
    let rows = session
        .query(SIZES, &[Param::text_array(&schemas), Param::text_array(&names)])
        .await?;
    let size = |row: &Row| {
        Ok(Presence {
            table_size: row.get::<i64>(0)?.unsigned_abs(),
            ..Presence::default()
        })
    };
    rows.iter().map(size).collect()
}

const SIZES: &str = "
    SELECT GREATEST(coalesce(t.relpages, 0), 0) * pg_catalog.current_setting('block_size')::pg_catalog.int8
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (schema, tab, place)
      LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
      LEFT JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relname = w.tab
     ORDER BY w.place";

fn read(row: &Row) -> Result<Presence> {
    let constraint: Option<String> = row.get(0)?;
    let index: Option<String> = row.get(2)?;
    Ok(Presence {
        constraint: constraint.zip(row.get(1)?),
        index: index.zip(row.get(3)?),
        table_size: row.get::<i64>(4)?.unsigned_abs(),
    })
}

const LOOK: &str = "
    SELECT pg_get_constraintdef(k.oid), k.convalidated, pg_get_indexdef(x.indexrelid), x.indisvalid,
           coalesce(pg_table_size(t.oid), 0)
      FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS w (schema, tab, name, place)
      LEFT JOIN pg_namespace n ON n.nspname = w.schema
      LEFT JOIN pg_class t ON t.relnamespace = n.oid AND t.relname = w.tab
      LEFT JOIN pg_constraint k ON k.conrelid = t.oid AND k.conname = w.name
      LEFT JOIN pg_class i ON i.relnamespace = n.oid AND i.relname = w.name AND i.relkind = 'i'
      LEFT JOIN pg_index x ON x.indexrelid = i.oid AND x.indrelid = t.oid
     ORDER BY w.place";
