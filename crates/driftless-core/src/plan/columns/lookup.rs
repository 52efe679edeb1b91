//! Lookups: a value of a row that the target has. The target itself compares, with its own operators and indexes.

use super::Columns;
use crate::catalog::{Column, Relation};
use crate::code;
use crate::error::Finding;
use crate::name::{QualifiedName, quote_ident};
use crate::plan::entity::Lookup;
use crate::plan::fit::End;
use crate::plan::program::{LookupProgram, Value};
use crate::plan::sql_type::type_name;
use crate::plan::suggest::suggestion;
use crate::spec::{LookupForm, Spanned};

/// The looked-up table inside the evaluation, whose own rows are `s`.
const ALIAS: &str = "\"driftless lookup\"";

/// A lookup as the target answers it.
pub(super) struct Found<'a> {
    /// The value.
    pub(super) sql: String,
    /// Its type.
    pub(super) end: End<'a>,
    /// How many rows there are, none, one or more; null where nothing is looked for.
    rows: String,
}

impl<'a> Columns<'a, '_> {
    pub(super) fn lookup(
        &mut self,
        form: &LookupForm,
        from: &'a Relation,
        place: &str,
    ) -> Result<Found<'a>, Finding> {
        let table = self.looked_up(&form.table, place)?;
        let take = self.column_of(table, &form.take, place)?;
        let mut conditions = Vec::new();
        let mut sought = Vec::new();
        for pair in &form.on {
            let column = self.column_of(table, &pair.column, place)?;
            let own = self
                .source_column(from, &pair.from.value, place)
                .map_err(|finding| finding.at(pair.from.span))?;
            let own = format!("s.{}", self.draft.lend(own));
            // Beside a text PostgreSQL would take citext for a text, and labels of an enum cannot be compared with one.
            let base = column.data_type.base();
            let value = if base.is_builtin() {
                own.clone()
            } else {
                format!("{own}::{}", type_name(base))
            };
            conditions.push(format!("{ALIAS}.{} = {value}", quote_ident(&column.name)));
            sought.push(format!("{own} IS NOT NULL"));
        }
        self.note_lookup(form, table);
        self.draft.unsettle();
        let rows = format!(
            "FROM {} AS {ALIAS} WHERE {}",
            table.name.sql(),
            conditions.join(" AND ")
        );
        let take_sql = quote_ident(&take.name);
        Ok(Found {
            sql: format!("(SELECT {ALIAS}.{take_sql} {rows} LIMIT 1)"),
            end: End {
                data_type: &take.data_type,
                typmod: take.typmod,
            },
            rows: format!(
                "CASE WHEN {} THEN (SELECT pg_catalog.count(*) FROM (SELECT {rows} LIMIT 2) AS n) END",
                sought.join(" AND ")
            ),
        })
    }

    /// The value of a lookup, with what tells whether there is one.
    pub(super) fn found(&mut self, form: &LookupForm, found: &Found<'_>, value: Value, place: &str) -> Value {
        Value::Lookup(Box::new(LookupProgram {
            value,
            rows: self.draft.ask(found.rows.clone(), place, None),
            missing: form.missing,
            table: form.table.value.to_string(),
        }))
    }

    fn looked_up(&self, named: &Spanned<QualifiedName>, place: &str) -> Result<&'a Relation, Finding> {
        let finding = |code, message| self.finding(code, message).at(named.span);
        if named.value == self.entity.into.value {
            let message = format!(
                "{place} looks up in {}, which this entity itself writes",
                named.value
            );
            return Err(finding(code::INVALID_VALUE, message)
                .remedy("refer to rows of this load: `{ ref = \"…\", from = \"…\" }`"));
        }
        self.world.target.relation(&named.value).ok_or_else(|| {
            let names: Vec<String> = self
                .world
                .target
                .relations
                .keys()
                .map(ToString::to_string)
                .collect();
            let message = format!("{place}: the target has no relation {}", named.value);
            finding(code::UNKNOWN_TARGET, message).remedy(suggestion(&named.value.to_string(), &names))
        })
    }

    fn column_of(
        &self,
        table: &'a Relation,
        named: &Spanned<String>,
        place: &str,
    ) -> Result<&'a Column, Finding> {
        table.column(&named.value).ok_or_else(|| {
            let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            let message = format!("{place}: {} has no column {}", table.name, named.value);
            self.finding(code::UNKNOWN_TARGET_COLUMN, message)
                .at(named.span)
                .remedy(suggestion(&named.value, &names))
        })
    }

    /// Notes what is read, and tells where several rows could match.
    fn note_lookup(&mut self, form: &LookupForm, table: &Relation) {
        let on: Vec<&str> = form.on.iter().map(|pair| pair.column.value.as_str()).collect();
        let mut columns: Vec<String> = on.iter().map(|column| (*column).to_owned()).collect();
        columns.push(form.take.value.clone());
        self.lookups.push(Lookup {
            table: table.name.clone(),
            columns,
        });
        let tells_apart = table.indexes.iter().any(|index| {
            let covers =
                |column: &Option<String>| column.as_ref().is_some_and(|name| on.contains(&name.as_str()));
            index.unique && index.valid && index.predicate.is_none() && index.columns.iter().all(covers)
        });
        if !tells_apart {
            let quoted: Vec<String> = on.iter().map(|column| quote_ident(column)).collect();
            let message = format!(
                "no unique index of {} tells rows apart by {}: several may match, and each row searches the whole table",
                table.name,
                on.join(", ")
            );
            let finding = Finding::warning(
                code::LOOKUP_NOT_UNIQUE,
                format!("entity {}", self.entity.name),
                message,
            );
            self.findings.push(finding.at(form.table.span).remedy(format!(
                "CREATE UNIQUE INDEX CONCURRENTLY ON {} ({})",
                table.name.sql(),
                quoted.join(", ")
            )));
        }
    }
}
