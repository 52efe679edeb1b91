//! What columns come to: of the rows that should be in the target, and of those that are.

use driftless_core::compare::{Compared, Decimal, Extreme, Kind, Measure, Summary};
use driftless_core::name::quote_ident;
use driftless_core::plan::{EntityPlan, Value};
use driftless_core::spec::WhenMissing;
use driftless_core::transform::Shaped;
use driftless_core::value::Numeric;
use driftless_pg::{Param, Row, Session};
use uuid::Uuid;

use super::report::Check;
use crate::error::Result;
use crate::store::{Store, identity};

/// Columns that one statement aggregates: a result has at most 1664 columns, and a column needs up to eight.
const COLUMNS_AT_ONCE: usize = 150;

/// A column that is compared.
struct Column {
    /// Its number among the program's outputs.
    output: usize,
    name: String,
    oid: u32,
    sensitive: bool,
    expected: Measure,
    /// Values whose bytes are none of their type.
    unreadable: i64,
    /// Counts those of some UUIDs that have no row, for references that are null where the parent is missing.
    absent: Option<String>,
    /// UUIDs that have not been looked up.
    open: Vec<Uuid>,
}

/// The columns of one entity.
pub(super) struct Columns {
    columns: Vec<Column>,
    /// Columns that are not compared, with the reason.
    skipped: Vec<Check>,
}

impl Columns {
    /// All written columns but those that hold facts of the run. Types are those below domains.
    pub(super) async fn of(plan: &EntityPlan, target: &Session) -> Result<Columns> {
        let names: Vec<String> = plan
            .columns
            .iter()
            .map(|column| quote_ident(&column.name))
            .collect();
        let sql = format!("SELECT {} FROM {}", names.join(", "), plan.into.sql());
        let described = target.describe(&sql, &[]).await?;
        let mut columns = Vec::new();
        let mut skipped = Vec::new();
        for (output, (program, found)) in plan.program.outputs.iter().zip(&described.columns).enumerate() {
            let name = program.column.clone();
            if program.volatile {
                skipped.push(
                    Check::unchecked(format!("values of {name}"), "it holds a fact of the run").about(&name),
                );
                continue;
            }
            if let Some(why) = Kind::without_figures(found.type_oid) {
                skipped.push(Check::unchecked(format!("sum of {name}"), why).about(&name));
            }
            columns.push(Column {
                output,
                sensitive: is_sensitive(plan, output),
                name,
                oid: found.type_oid,
                expected: Measure::new(Kind::of(found.type_oid)),
                unreadable: 0,
                absent: absent(plan, output),
                open: Vec::new(),
            });
        }
        Ok(Columns { columns, skipped })
    }

    /// Adds a shaped row that must be in the target.
    pub(super) fn expect(&mut self, shaped: &Shaped, row: usize) {
        for column in &mut self.columns {
            let value = shaped.output(row, column.output);
            column.unreadable += i64::from(!column.expected.add(value));
            if let (Some(_), Some(id)) = (
                &column.absent,
                value.and_then(|bytes| Uuid::from_slice(bytes).ok()),
            ) {
                column.open.push(id);
            }
        }
    }

    /// Looks up the parents of the rows that were added since the last time. Must follow every batch.
    pub(super) async fn settle(&mut self, target: &Session) -> Result<()> {
        for column in self.columns.iter_mut().filter(|column| !column.open.is_empty()) {
            if let Some(sql) = &column.absent {
                let found = target.query_one(sql, &[Param::uuid_array(&column.open)]).await?;
                column.expected.count_as_null(found.get(0)?);
                column.open.clear();
            }
        }
        Ok(())
    }

    /// Compares with what the target's rows of the entity come to.
    pub(super) async fn compare(
        self,
        plan: &EntityPlan,
        store: &Store,
        target: &Session,
    ) -> Result<Vec<Check>> {
        let mut checks = Vec::new();
        for part in self.columns.chunks(COLUMNS_AT_ONCE) {
            let row = target.query_one(&sql(plan, store, part), &[]).await?;
            let mut field = 0;
            for column in part {
                let kind = column.expected.kind();
                let found = read(&row, &mut field, kind)?;
                let compared = column.expected.summary().compare(kind, &found);
                checks.extend(compared.into_iter().map(|one| column.check(one)));
                if column.unreadable > 0 {
                    let why = format!("{} values are not of type {}", column.unreadable, column.oid);
                    checks.push(
                        Check::unchecked(format!("values of {}", column.name), why).about(&column.name),
                    );
                }
            }
        }
        checks.extend(self.skipped);
        Ok(checks)
    }
}

impl Column {
    fn check(&self, compared: Compared) -> Check {
        Check::figure(&self.name, compared, self.sensitive)
    }
}

/// Of a reference that is null where its parent is missing: the query that counts the UUIDs without a row.
fn absent(plan: &EntityPlan, output: usize) -> Option<String> {
    let program = &plan.program.outputs[output];
    let site = plan
        .refs
        .iter()
        .find(|site| site.column == program.column && site.path.is_empty())?;
    let parents: Vec<String> = site
        .parents
        .iter()
        .map(|parent| {
            let (table, key) = (parent.table.sql(), quote_ident(&parent.column));
            format!("NOT EXISTS (SELECT FROM {table} AS p WHERE p.{key} = u.id)")
        })
        .collect();
    (site.missing == WhenMissing::Null).then(|| {
        let parents = parents.join(" AND ");
        format!("SELECT pg_catalog.count(*) FROM pg_catalog.unnest($1::pg_catalog.uuid[]) AS u (id) WHERE {parents}")
    })
}

/// Whether a column may show a sensitive one of the source: it bears its name, or its value is made of it. Expressions
/// count as made of everything sensitive that they name.
fn is_sensitive(plan: &EntityPlan, output: usize) -> bool {
    let program = &plan.program.outputs[output];
    plan.sensitive.contains(&program.column) || shows_sensitive(plan, &program.value)
}

fn shows_sensitive(plan: &EntityPlan, value: &Value) -> bool {
    let is = |input: usize| plan.sensitive.contains(&plan.inputs[input].column);
    match value {
        Value::Input(input) | Value::Integer { input, .. } | Value::IntegerText(input) => is(*input),
        Value::Map(map) => is(map.input),
        Value::Lookup(lookup) => shows_sensitive(plan, &lookup.value),
        Value::Answer(answer) => plan.evaluation.outputs.get(*answer).is_some_and(|output| {
            plan.sensitive
                .iter()
                .any(|column| output.sql.contains(column.as_str()))
        }),
        Value::Constant(_) | Value::Id | Value::Ref(_) => false,
        // Of objects only nulls are counted.
        Value::Json { .. } => false,
    }
}

/// One row of figures, a fixed number of them for each column, over the rows that this entity wrote and of which
/// it is on record what was written.
fn sql(plan: &EntityPlan, store: &Store, columns: &[Column]) -> String {
    let figures: Vec<String> = columns
        .iter()
        .flat_map(|column| {
            figures(
                &format!("t.{}", quote_ident(&column.name)),
                column.expected.kind(),
            )
        })
        .collect();
    format!(
        "SELECT {} FROM {} AS i JOIN {} AS t ON {} WHERE i.status = {} AND i.row_hash IS NOT NULL",
        figures.join(", "),
        store.identity_table(&plan.name).sql(),
        plan.into.sql(),
        identity::belongs(plan, "i", "t"),
        identity::LIVE
    )
}

/// Where the figures of a kind come from.
struct Figures {
    /// What it is as a number that can be compared: an int8, a numeric, a float8. `{c}` is the column.
    number: &'static str,
    /// What is true of values that are numbers.
    finite: Option<&'static str>,
    /// What is true of NaN, infinity and minus infinity.
    odd: Option<[&'static str; 3]>,
}

fn figures_of(kind: Kind) -> Option<Figures> {
    // Values of domains are cast: their operators are those of the type below.
    const FLOATS: [&str; 3] = [
        "{c}::pg_catalog.float8 = 'NaN'::pg_catalog.float8",
        "{c}::pg_catalog.float8 = 'Infinity'::pg_catalog.float8",
        "{c}::pg_catalog.float8 = '-Infinity'::pg_catalog.float8",
    ];
    let figures = match kind {
        Kind::Nulls => return None,
        Kind::Integer => Figures {
            number: "{c}::pg_catalog.int8",
            finite: None,
            odd: None,
        },
        Kind::Numeric => Figures {
            number: "{c}::pg_catalog.numeric",
            finite: Some(
                "{c}::pg_catalog.numeric NOT IN \
                 ('NaN'::pg_catalog.numeric, 'Infinity'::pg_catalog.numeric, '-Infinity'::pg_catalog.numeric)",
            ),
            odd: Some([
                "{c}::pg_catalog.numeric = 'NaN'::pg_catalog.numeric",
                "{c}::pg_catalog.numeric = 'Infinity'::pg_catalog.numeric",
                "{c}::pg_catalog.numeric = '-Infinity'::pg_catalog.numeric",
            ]),
        },
        Kind::Float4 | Kind::Float8 => Figures {
            number: "{c}::pg_catalog.float8",
            finite: Some(
                "{c}::pg_catalog.float8 NOT IN \
                 ('NaN'::pg_catalog.float8, 'Infinity'::pg_catalog.float8, '-Infinity'::pg_catalog.float8)",
            ),
            odd: Some(FLOATS),
        },
        Kind::Date => Figures {
            number: "({c}::pg_catalog.date - '2000-01-01'::pg_catalog.date)::pg_catalog.int8",
            finite: Some("pg_catalog.isfinite({c}::pg_catalog.date)"),
            odd: Some([
                "false",
                "{c}::pg_catalog.date = 'infinity'::pg_catalog.date",
                "{c}::pg_catalog.date = '-infinity'::pg_catalog.date",
            ]),
        },
        Kind::Timestamp => Figures {
            number: MICROS,
            finite: Some("pg_catalog.isfinite({c}::pg_catalog.timestamp)"),
            odd: Some([
                "false",
                "{c}::pg_catalog.timestamp = 'infinity'::pg_catalog.timestamp",
                "{c}::pg_catalog.timestamp = '-infinity'::pg_catalog.timestamp",
            ]),
        },
        Kind::TimestampTz => Figures {
            number: MICROS,
            finite: Some("pg_catalog.isfinite({c}::pg_catalog.timestamptz)"),
            odd: Some([
                "false",
                "{c}::pg_catalog.timestamptz = 'infinity'::pg_catalog.timestamptz",
                "{c}::pg_catalog.timestamptz = '-infinity'::pg_catalog.timestamptz",
            ]),
        },
        Kind::Time => Figures {
            number: "pg_catalog.round(pg_catalog.date_part('epoch', {c}::pg_catalog.time)::pg_catalog.numeric * 1000000)::pg_catalog.int8",
            finite: None,
            odd: None,
        },
    };
    Some(figures)
}

/// Microseconds since 2000, exactly: whole minutes and microseconds within the minute are integers that a float8 holds.
/// The epoch of an infinity would be none, and is not asked for.
const MICROS: &str = "((pg_catalog.date_part('epoch', pg_catalog.date_trunc('minute', {c}))::pg_catalog.int8 - 946684800) \
                      * 1000000 + pg_catalog.date_part('microseconds', {c})::pg_catalog.int8)";

/// Nulls, then for kinds with numbers: smallest, largest, and sum if it has one; then NaN, infinity and minus infinity.
fn figures(column: &str, kind: Kind) -> Vec<String> {
    let mut figures = vec![format!("pg_catalog.count(*) FILTER (WHERE {column} IS NULL)")];
    let Some(found) = figures_of(kind) else {
        return figures;
    };
    let fill = |template: &str| template.replace("{c}", column);
    let finite = found
        .finite
        .map(|condition| format!(" FILTER (WHERE {})", fill(condition)))
        .unwrap_or_default();
    let number = fill(found.number);
    figures.push(format!("pg_catalog.min({number}){finite}"));
    figures.push(format!("pg_catalog.max({number}){finite}"));
    if kind.has_sum() {
        figures.push(format!("pg_catalog.sum({number}){finite}::pg_catalog.numeric"));
    }
    for condition in found.odd.iter().flatten() {
        figures.push(format!("pg_catalog.count(*) FILTER (WHERE {})", fill(condition)));
    }
    figures
}

/// Reads what [`figures`] asked for, from a field on.
fn read(row: &Row, field: &mut usize, kind: Kind) -> Result<Summary> {
    let mut next = || {
        *field += 1;
        *field - 1
    };
    let mut summary = Summary {
        nulls: row.get(next())?,
        ..Summary::default()
    };
    let Some(found) = figures_of(kind) else {
        return Ok(summary);
    };
    summary.extremes = extreme(row, next(), kind)?.zip(extreme(row, next(), kind)?);
    if kind.has_sum() {
        summary.sum = decimal(row, next());
    }
    if found.odd.is_some() {
        summary.nan = row.get(next())?;
        summary.infinity = row.get(next())?;
        summary.minus_infinity = row.get(next())?;
    }
    Ok(summary)
}

fn extreme(row: &Row, field: usize, kind: Kind) -> Result<Option<Extreme>> {
    Ok(match kind {
        Kind::Numeric => decimal(row, field).map(Extreme::Decimal),
        Kind::Float4 | Kind::Float8 => row.get::<Option<f64>>(field)?.map(Extreme::Float),
        _ => row.get::<Option<i64>>(field)?.map(Extreme::Whole),
    })
}

fn decimal(row: &Row, field: usize) -> Option<Decimal> {
    row.raw(field).and_then(Numeric::read).and_then(Decimal::of)
}
