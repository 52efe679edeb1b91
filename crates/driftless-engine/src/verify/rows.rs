//! What the source has of an entity, in key order.

use driftless_core::batch::{Batch, Cell};
use driftless_core::code;
use driftless_core::compare::KeyOrder;
use driftless_core::digest;
use driftless_core::plan::EntityPlan;
use driftless_pg::{CopyOut, RowRead};

use crate::error::{EngineError, Result};
use crate::extract::select::{self, Rows, SourceKey};

/// Reads rows from the stream that [`sql`] starts.
pub(super) struct SourceRows<'s, 'p> {
    copy: CopyOut<'s>,
    order: KeyOrder,
    plan: &'p EntityPlan,
    arena: Vec<u8>,
    cells: Vec<Cell>,
    frame: Vec<u8>,
    key: Vec<u8>,
    null: bool,
    too_large: bool,
}

impl<'s, 'p> SourceRows<'s, 'p> {
    pub(super) fn new(copy: CopyOut<'s>, order: KeyOrder, plan: &'p EntityPlan) -> SourceRows<'s, 'p> {
        SourceRows {
            copy,
            order,
            plan,
            arena: Vec::new(),
            cells: Vec::new(),
            frame: Vec::new(),
            key: Vec::new(),
            null: false,
            too_large: false,
        }
    }

    /// Goes to the next row; `false` at the end.
    pub(super) async fn advance(&mut self) -> Result<bool> {
        self.arena.clear();
        self.cells.clear();
        self.too_large = match self.copy.append_row(&mut self.arena, &mut self.cells).await? {
            RowRead::End => return Ok(false),
            RowRead::Row => false,
            RowRead::TooLarge { .. } => true,
        };
        let key = self.cells.first().and_then(|cell| cell.bytes(&self.arena));
        self.null = key.is_none();
        let read = self.cells.len() == self.plan.inputs.len() + 2
            && key.is_none_or(|bytes| self.order.comparable(bytes, &mut self.key));
        if read {
            return Ok(true);
        }
        Err(EngineError::new(
            code::INTEGRITY,
            format!("entity {}", self.plan.name),
            "the source gives another key, or another number of columns, than the plan reads",
        ))
    }

    /// The row's key in comparable form; `None` if it is null.
    pub(super) fn key(&self) -> Option<&[u8]> {
        (!self.null).then_some(self.key.as_slice())
    }

    /// Whether the row is larger than the plan allows, so that not all of it was read.
    pub(super) fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// Whether the source cannot give the row, so that only its key was read.
    pub(super) fn is_withheld(&self) -> bool {
        self.cells.last().is_some_and(|cell| !cell.is_null())
    }

    /// The hash that an identity stores of the row.
    pub(super) fn hash(&mut self) -> i64 {
        let mut frame = std::mem::take(&mut self.frame);
        let hash = digest::row_hash(self.values(), &mut frame);
        self.frame = frame;
        hash
    }

    /// What the plan reads.
    fn values(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let cells = self.cells.iter().skip(1).take(self.plan.inputs.len());
        cells.map(|cell| cell.bytes(&self.arena))
    }

    /// Appends the row to a batch of the plan's width.
    pub(super) fn append_to(&self, batch: &mut Batch) {
        batch.push_row(self.values());
    }
}

/// `COPY (…) TO STDOUT` of all rows in key order: the key, then the columns that the plan reads, then null. Of rows
/// that the source cannot give, what the plan reads is null beside the key, and the last column is not. The key comes first, so
/// that it is read of rows that are too large as well.
pub(super) fn sql(plan: &EntityPlan, order: KeyOrder, withheld: &[SourceKey]) -> String {
    let columns: Vec<&str> = plan.inputs.iter().map(|input| input.select.as_str()).collect();
    let (key, from) = (key(plan, order), &plan.origin.sql);
    let (condition, more) = if withheld.is_empty() {
        (select::condition(plan, Rows::All), String::new())
    } else {
        let keys = select::only_keys(plan).join(", ");
        let among = select::among(plan, withheld);
        (
            select::condition_within(plan, Rows::All, None, withheld),
            format!(" UNION ALL SELECT {key}, {keys}, true FROM {from} WHERE {among}"),
        )
    };
    format!(
        "COPY (SELECT {key}, {}, NULL::pg_catalog.bool FROM {from}{condition}{more} ORDER BY 1 NULLS LAST) TO STDOUT (FORMAT binary)",
        columns.join(", "),
    )
}

fn key(plan: &EntityPlan, order: KeyOrder) -> String {
    let selects = plan
        .identity
        .key
        .iter()
        .map(|part| plan.inputs[part.input].select.as_str());
    if order != KeyOrder::Text {
        // The bare column: the server reads the order off its index.
        return selects.collect();
    }
    // Rejects record a null part under this text.
    let texts: Vec<String> = selects
        .map(|select| format!("coalesce({}, 'null')", select::part_text(plan, select)))
        .collect();
    let text = match texts.as_slice() {
        [single] => single.clone(),
        several => format!(
            "pg_catalog.to_json(ARRAY[{}])::pg_catalog.text",
            several.join(", ")
        ),
    };
    format!("pg_catalog.convert_to({text}, 'UTF8')")
}
