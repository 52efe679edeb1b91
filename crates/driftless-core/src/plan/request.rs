//! Which expressions a mapping holds, and what they may read: questions for PostgreSQL, asked before the plan is made.

use std::collections::BTreeMap;

use super::draft::{inner_name, is_reserved};
use super::sql_type::type_name;
use super::travel::travel;
use crate::catalog::{
    Catalog, Column, ExpressionFacts, ExpressionInput, ExpressionRequest, Generated, Relation, builtin,
};
use crate::error::Span;
use crate::name::{quote_ident, quote_literal};
use crate::spec::{ColumnSpec, EntitySpec, Form, From, JsonForm, RuleSide, Spec, placeholder};

/// Names an expression: its entity, and its place there (`column amount`, `rule positive`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpressionKey {
    /// The entity.
    pub entity: String,
    /// The place.
    pub place: String,
}

/// An expression of the mapping with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedExpression {
    /// Its name.
    pub key: ExpressionKey,
    /// Where it stands.
    pub span: Span,
    /// What PostgreSQL is asked.
    pub request: ExpressionRequest,
}

/// What PostgreSQL and the state say beside the catalogs.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Accepted expressions.
    pub expressions: BTreeMap<ExpressionKey, ExpressionFacts>,
    /// Shapes of `sql` sources, by entity.
    pub queries: BTreeMap<String, Relation>,
    /// Target tables whose load this pipeline has begun: rows in them are its own, or it knows that they are not.
    pub begun: Vec<crate::name::QualifiedName>,
}

impl Facts {
    /// The source of an entity: a relation of the catalog, or the shape of its query.
    pub fn origin<'a>(&'a self, entity: &EntitySpec, source: &'a Catalog) -> Option<&'a Relation> {
        match &entity.from.value {
            From::Relation(name) => source.relation(name),
            From::Query(_) => self.queries.get(&entity.name),
        }
    }
}

/// Everything that a plan is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct World<'a> {
    pub(super) spec: &'a Spec,
    pub(super) source: &'a Catalog,
    pub(super) target: &'a Catalog,
    pub(super) facts: &'a Facts,
}

impl World<'_> {
    /// Whether `money` has as many digits behind the point on both servers.
    pub(super) fn same_money(&self) -> bool {
        self.source.money_digits == self.target.money_digits
    }

    /// Whether both servers have infinite intervals (from PostgreSQL 17 on), or neither.
    pub(super) fn same_interval(&self) -> bool {
        let infinite = |catalog: &Catalog| catalog.server_version >= 170_000;
        infinite(self.source) == infinite(self.target)
    }
}

/// Every expression of the mapping whose entity has a source and a target.
pub fn expressions(spec: &Spec, source: &Catalog, target: &Catalog, facts: &Facts) -> Vec<AskedExpression> {
    let mut asked = Vec::new();
    for entity in &spec.entities {
        let (Some(from), Some(into)) = (facts.origin(entity, source), target.relation(&entity.into.value))
        else {
            continue;
        };
        let world = World {
            spec,
            source,
            target,
            facts,
        };
        let inputs = readable(world, entity, from, into);
        for column in applicable(entity, into) {
            leaves(
                &column.form,
                &format!("column {}", column.name),
                &mut |place, form| {
                    let (sql, span) = match form {
                        Form::Sql(sql) => (without_placeholders(&sql.value), sql.span),
                        Form::Extract { column, path } => match from.column(&column.value) {
                            Some(column) => (extraction(column, &path.value), path.span),
                            None => return,
                        },
                        _ => return,
                    };
                    asked.push(question(entity, place, sql, span, &inputs));
                },
            );
        }
        let written = written(entity, from, into);
        for rule in &entity.rules {
            let inputs = if rule.side == RuleSide::Source {
                &inputs
            } else {
                &written
            };
            let place = format!("rule {}", rule.name);
            let sql = without_placeholders(&rule.check.value);
            asked.push(question(entity, &place, sql, rule.check.span, inputs));
        }
    }
    asked
}

/// The columns of an entity that the mapping names itself, and those of `[defaults.columns]` that its target has and lets
/// be written.
pub(super) fn applicable<'s>(entity: &'s EntitySpec, into: &Relation) -> Vec<&'s ColumnSpec> {
    let writable = |name: &str| {
        into.column(name)
            .is_some_and(|column| column.generated != Generated::Expression)
    };
    entity
        .columns
        .iter()
        .filter(|column| !column.from_defaults || writable(&column.name))
        .collect()
}

fn question(
    entity: &EntitySpec,
    place: &str,
    sql: String,
    span: Span,
    inputs: &[ExpressionInput],
) -> AskedExpression {
    AskedExpression {
        key: ExpressionKey {
            entity: entity.name.clone(),
            place: place.to_owned(),
        },
        span,
        request: ExpressionRequest {
            sql,
            inputs: inputs.to_vec(),
        },
    }
}

/// The expression with `:name` written as the column `":name"`.
fn without_placeholders(sql: &str) -> String {
    placeholder::replace(sql, |name| quote_ident(&format!(":{name}")))
}

/// The text of the first match of a JSON path in a column.
pub(super) fn extraction(column: &Column, path: &str) -> String {
    format!(
        "pg_catalog.jsonb_path_query_first(({})::pg_catalog.jsonb, {}::pg_catalog.jsonpath) \
         OPERATOR(pg_catalog.#>>) '{{}}'::pg_catalog.text[]",
        quote_ident(&inner_name(&column.name)),
        quote_literal(path)
    )
}

/// What an expression may read: the source's columns but for those that mean something else on the target, the row's UUID,
/// and columns whose values are there before.
fn readable(world: World<'_>, entity: &EntitySpec, from: &Relation, into: &Relation) -> Vec<ExpressionInput> {
    let target = world.target;
    let foreign = |column: &Column| column.data_type.base().oid == builtin::MONEY && !world.same_money();
    let mut inputs: Vec<ExpressionInput> = from
        .columns
        .iter()
        .filter(|column| !is_reserved(&column.name) && !foreign(column))
        .map(|column| ExpressionInput {
            name: column.name.clone(),
            type_sql: type_name(&travel(&column.data_type, target, world.same_interval()).data_type),
        })
        .collect();
    inputs.push(ExpressionInput {
        name: ":id".into(),
        type_sql: "pg_catalog.uuid".into(),
    });
    for column in entity
        .columns
        .iter()
        .filter(|column| column.name != "id" && is_native(&column.form))
    {
        if let Some(there) = into.column(&column.name) {
            let type_sql = type_name(&travel(&there.data_type, target, true).data_type);
            inputs.push(ExpressionInput {
                name: format!(":{}", column.name),
                type_sql,
            });
        }
    }
    inputs
}

/// Forms whose values are there before any expression is evaluated.
pub(super) fn is_native(form: &Form) -> bool {
    matches!(
        form,
        Form::Id | Form::Copy(_) | Form::Ref(_) | Form::Map(_) | Form::Const(_) | Form::Run(_)
    )
}

fn written(entity: &EntitySpec, from: &Relation, into: &Relation) -> Vec<ExpressionInput> {
    super::columns::written_columns(entity, from, into)
        .into_iter()
        .map(|column| ExpressionInput {
            name: column.name.clone(),
            type_sql: type_name(column.data_type.base()),
        })
        .collect()
}

/// Calls `each` with every form that is no object of others, and its place.
pub(super) fn leaves<'s>(form: &'s Form, place: &str, each: &mut impl FnMut(&str, &'s Form)) {
    match form {
        Form::Json(JsonForm::Object(members)) => {
            for member in members {
                leaves(&member.form, &format!("{place}.{}", member.name), each);
            }
        }
        _ => each(place, form),
    }
}
