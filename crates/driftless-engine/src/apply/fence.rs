//! Whether an entity's tables are still what its plan was made from. Asked within the transaction that read or wrote them:
//! from then on it holds locks that keep everybody from changing them.
//!
//! Binary COPY checks lengths, not types, and a table that was rewritten looks empty to older snapshots: without this, rows would
//! be wrong or missing and nobody would know.

use driftless_core::catalog::{Oid, Relation, RelationKind, builtin};
use driftless_core::code;
use driftless_core::name::{QualifiedName, quote_ident};
use driftless_core::plan::{EntityPlan, Input};
use driftless_pg::{Param, Session};

use crate::error::{EngineError, Result};
use crate::extract::select::{self, Rows};

/// What was there when the plan was made.
#[derive(Debug, Clone)]
pub struct Fence {
    /// The source relation, with the numbers of the columns that are read; none for queries.
    source: Option<(Oid, Vec<i16>)>,
    /// The types that reading the inputs gives; none where a query gives the label of an enum, whose type nobody recorded.
    types: Vec<Option<Oid>>,
    target: QualifiedName,
    /// The target table.
    oid: Oid,
    columns: Vec<String>,
    /// For each column: number, type, modifier.
    shapes: Vec<String>,
}

impl Fence {
    /// Around the tables of an entity.
    pub fn around(plan: &EntityPlan, source: Option<&Relation>, target: Option<&Relation>) -> Fence {
        let number =
            |relation: &Relation, name: &str| relation.column(name).map_or(0, |column| column.number);
        let read = |relation: &Relation| {
            let inputs = plan.inputs.iter();
            inputs.map(|input| number(relation, &input.column)).collect()
        };
        let written = plan
            .columns
            .iter()
            .filter_map(|column| target?.column(&column.name));
        Fence {
            source: source
                .filter(|relation| relation.kind != RelationKind::View)
                .map(|relation| (relation.oid, read(relation))),
            types: plan.inputs.iter().map(|input| read_type(input, source)).collect(),
            target: plan.into.clone(),
            oid: target.map_or(0, |relation| relation.oid),
            columns: written.clone().map(|column| column.name.clone()).collect(),
            shapes: written
                .map(|column| format!("{} {} {}", column.number, column.data_type.oid, column.typmod))
                .collect(),
        }
    }

    /// Whether what was just read is what the plan reads, and whether all of it was visible.
    ///
    /// # Errors
    /// `SCHEMA_CHANGED`.
    pub async fn source_kept(&self, source: &Session, plan: &EntityPlan) -> Result<()> {
        let reading = select::select(plan, Rows::All);
        // Locks that the description takes are there when the second question is answered.
        let (found, rewritten) =
            tokio::try_join!(source.describe(&reading, &[]), source.query_opt(REWRITTEN, &[]))?;
        for (place, (input, column)) in plan.inputs.iter().zip(&found.columns).enumerate() {
            let moved = self.source.as_ref().is_some_and(|(oid, numbers)| {
                column.table_oid != 0 && (column.table_oid, column.table_column) != (*oid, numbers[place])
            });
            let retyped = self.types[place].is_some_and(|planned| planned != column.type_oid);
            if moved || retyped {
                let what = format!(
                    "column {} is not the one that it was when the load was planned",
                    input.column
                );
                return Err(changed(format!("source {}", plan.origin.label), what));
            }
        }
        match rewritten {
            None => Ok(()),
            Some(row) => Err(changed(
                format!("source {}", row.get::<String>(0)?),
                "it was rewritten, emptied or replaced after the run's snapshot, which cannot see its rows any more".to_owned(),
            )),
        }
    }

    /// Whether what was just written went into the columns that the plan writes.
    ///
    /// # Errors
    /// `SCHEMA_CHANGED`.
    pub async fn target_kept(&self, tx: &Session) -> Result<()> {
        let params = [
            Param::text_array(&self.columns),
            Param::text_array(&self.shapes),
            Param::text(self.target.sql()),
            Param::text(self.oid.to_string()),
        ];
        match tx.query_opt(RETYPED, &params).await? {
            None => Ok(()),
            Some(row) => Err(changed(
                format!("table {}", self.target),
                format!(
                    "column {} is not the one that it was when the load was planned",
                    row.get::<String>(0)?
                ),
            )),
        }
    }
}

/// What reading an input gives. Labels of enums are read as they are, and are texts to the plan.
fn read_type(input: &Input, source: Option<&Relation>) -> Option<Oid> {
    let as_it_is = input.select == quote_ident(&input.column);
    match source.and_then(|relation| relation.column(&input.column)) {
        Some(column) if as_it_is => Some(column.data_type.base().oid),
        None if as_it_is && input.oid == builtin::TEXT => None,
        _ => Some(input.oid),
    }
}

fn changed(place: String, message: String) -> EngineError {
    EngineError::new(code::SCHEMA_CHANGED, place, message)
}

/// A relation that this transaction has read and whose rows its snapshot does not see as they were. Locks and functions show
/// what is, tables what the snapshot shows. Mapped catalogs have no file number; partitions that are new have no old rows.
const REWRITTEN: &str = "
    SELECT l.relation::pg_catalog.regclass::pg_catalog.text
      FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
     WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND l.relation >= 16384
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
       AND CASE WHEN c.oid IS NULL
                THEN pg_catalog.pg_relation_filenode(l.relation) IS NOT NULL
                     AND pg_catalog.pg_get_indexdef(l.relation) IS NULL
                     AND coalesce(pg_catalog.pg_partition_root(l.relation) = l.relation, true)
                ELSE c.relkind IN ('r', 'm') AND c.relfilenode <> 0
                     AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)
            END
     ORDER BY 1 LIMIT 1";

/// A written column that is no longer what it was.
const RETYPED: &str = "
    SELECT w.name
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (name, shape, place)
      LEFT JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid = pg_catalog.to_regclass($3::text) AND a.attrelid = $4::text::oid
           AND a.attname = w.name AND NOT a.attisdropped
     WHERE w.shape IS DISTINCT FROM pg_catalog.concat_ws(' ', a.attnum, a.atttypid, a.atttypmod)
     ORDER BY w.place LIMIT 1";
