use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::EntityPlan;

use crate::store::aside::Scope;
use crate::store::identity;

/// Columns of an entity in the parts of a statement: key and target key, under the names of its identity table with
/// a prefix of the caller's.
pub(super) struct Leaving<'a> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) plan: &'a EntityPlan,
    /// The relation of the statement that holds the leaving rows.
    pub(super) rows: &'a str,
    /// What stands before the names of the identity's columns there.
    pub(super) prefix: &'a str,
}

impl Leaving<'_> {
    fn column(&self, name: &str) -> String {
        format!("{}.{}{name}", self.rows, self.prefix)
    }

    /// The canonical key text of a leaving row.
    pub(super) fn key_text(&self) -> String {
        let names = identity::key_columns(self.plan);
        text_of(&names.iter().map(|name| self.column(name)).collect::<Vec<_>>())
    }

    /// The target key of a leaving row as text: what children hold.
    pub(super) fn target_text(&self) -> String {
        let names = identity::target_columns(self.plan);
        text_of(&names.iter().map(|name| self.column(name)).collect::<Vec<_>>())
    }

    /// Deletes the rows of the target by their keys.
    pub(super) fn delete_rows(&self) -> String {
        format!(
            "DELETE FROM {} AS c USING {} WHERE {}",
            self.plan.into.sql(),
            self.rows,
            self.same_row("c")
        )
    }

    /// True where a row of the target is a leaving row.
    pub(super) fn same_row(&self, alias: &str) -> String {
        let pairs: Vec<String> = self
            .plan
            .identity
            .target
            .iter()
            .zip(identity::target_columns(self.plan))
            .map(|((column, _), own)| format!("{alias}.{} = {}", quote_ident(column), self.column(&own)))
            .collect();
        pairs.join(" AND ")
    }

    /// Deletes the identities.
    pub(super) fn delete_identities(&self) -> String {
        format!(
            "DELETE FROM {} AS i USING {} WHERE {}",
            self.scope.store.identity_table(&self.plan.name).sql(),
            self.rows,
            self.same_key("i")
        )
    }

    /// True where a row of the identity table is that of a leaving row.
    pub(super) fn same_key(&self, alias: &str) -> String {
        let pairs: Vec<String> = identity::key_columns(self.plan)
            .iter()
            .map(|name| format!("{alias}.{name} = {}", self.column(name)))
            .collect();
        pairs.join(" AND ")
    }

    /// Remembers the target keys for children that are looked at later.
    pub(super) fn remember(&self, condition: &str) -> String {
        format!(
            "INSERT INTO pg_temp.driftless_absent (entity, key, target) SELECT {}, {}, {} FROM {} WHERE {condition} \
             ON CONFLICT DO NOTHING",
            quote_literal(&self.plan.name),
            self.key_text(),
            self.target_text(),
            self.rows,
        )
    }

    /// Notes the target keys as those of rows that left in this step of the proof.
    pub(super) fn note_left(&self, step: i32) -> String {
        format!(
            "INSERT INTO pg_temp.driftless_left (entity, target, step) SELECT {}, {}, {step} FROM {}",
            quote_literal(&self.plan.name),
            self.target_text(),
            self.rows,
        )
    }

    /// Records the rejects that `select` gives: key, state, stage, code, sqlstate, message, column_name,
    /// constraint_name, parent_entity, parent_key. One per key: to be read again goes before rejected.
    pub(super) fn record(&self, select: &str) -> String {
        format!(
            "INSERT INTO {rejects} AS r
                    (pipeline, entity, key, state, stage, code, sqlstate, category, message, column_name, constraint_name,
                     parent_entity, parent_key, execution)
             SELECT DISTINCT ON (n.key) {pipeline}, {entity}, n.key, n.state, n.stage, n.code, n.sqlstate, 'data_quality',
                    n.message, n.column_name, n.constraint_name, n.parent_entity, n.parent_key, {execution}
               FROM ({select}) AS n (key, state, stage, code, sqlstate, message, column_name, constraint_name,
                                     parent_entity, parent_key)
              ORDER BY n.key, n.state, n.parent_key NULLS LAST, n.message
             ON CONFLICT (pipeline, entity, key) DO UPDATE
                SET state = excluded.state, stage = excluded.stage, code = excluded.code, sqlstate = excluded.sqlstate,
                    category = excluded.category, message = excluded.message, column_name = excluded.column_name,
                    constraint_name = excluded.constraint_name, rule = NULL, parent_entity = excluded.parent_entity,
                    parent_key = excluded.parent_key, source_row = NULL, execution = excluded.execution,
                    last_seen = clock_timestamp()",
            rejects = self.scope.store.table("rejects").sql(),
            pipeline = quote_literal(self.scope.store.pipeline()),
            entity = quote_literal(&self.plan.name),
            execution = self.scope.execution,
        )
    }
}

/// Values as one text: one value's own, or a JSON array of texts.
pub(super) fn text_of(values: &[String]) -> String {
    let texts: Vec<String> = values.iter().map(|value| format!("{value}::text")).collect();
    match texts.as_slice() {
        [single] => single.clone(),
        several => format!("to_json(ARRAY[{}])::text", several.join(", ")),
    }
}

/// A text or null as it stands in SQL.
pub(super) fn literal_or_null(text: Option<&str>) -> String {
    text.map_or_else(
        || "NULL::text".to_owned(),
        |text| format!("{}::text", quote_literal(text)),
    )
}
