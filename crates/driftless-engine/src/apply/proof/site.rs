use std::collections::BTreeSet;

use driftless_core::catalog::{Catalog, Column, ConstraintKind, TypeKind, TypeRef, builtin};
use driftless_core::name::{QualifiedName, quote_ident, quote_literal};
use driftless_core::plan::aside::{AsideItem, ForeignColumns, Silencing};
use driftless_core::plan::{EntityPlan, Plan, RefSite};
use driftless_core::spec::WhenMissing;

use super::leave::text_of;
use crate::preflight::parents::{is_checked, is_enforced, is_readable};
use crate::store::Store;
use crate::store::aside::{AsideRecord, AsideState};

/// A foreign key to prove, in place or set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignSite {
    /// The referencing table.
    pub table: QualifiedName,
    /// The constraint's name.
    pub name: String,
    /// Its columns and the parent's.
    pub columns: ForeignColumns,
    /// Whether it is set aside, or the server may leave it unchecked.
    pub unchecked: bool,
    /// Whether the server validates it behind the proof.
    pub validated: bool,
}

/// The foreign keys of the plan's tables as the catalog shows them, when these things are set aside.
pub fn foreign_sites_beside(
    plan: &Plan,
    target: &Catalog,
    items: &[&AsideItem],
    silencing: Silencing,
) -> Vec<ForeignSite> {
    let mut sites = foreign_sites(plan, target, &[], silencing);
    for site in &mut sites {
        let is = |item: &&AsideItem| (&item.table, &item.name) == (&site.table, &site.name);
        site.validated = items.iter().any(|item| is(item) && item.validate.is_some());
    }
    sites
}

/// The foreign keys of the plan's tables that hold: those that the catalog shows and those that are recorded as set aside.
pub fn foreign_sites(
    plan: &Plan,
    target: &Catalog,
    records: &[AsideRecord],
    silencing: Silencing,
) -> Vec<ForeignSite> {
    let tables: BTreeSet<&QualifiedName> = plan.entities.iter().map(|entity| &entity.into).collect();
    let mut sites: Vec<ForeignSite> = Vec::new();
    let recorded = records.iter().filter_map(|record| {
        let columns = record
            .item
            .foreign
            .clone()
            .filter(|_| is_enforced(&record.item.definition))?;
        Some(ForeignSite {
            table: record.item.table.clone(),
            name: record.item.name.clone(),
            columns,
            unchecked: true,
            // One that stands again is not looked at when everything comes back.
            validated: record.item.validate.is_some()
                && record.state != AsideState::Restored
                && !record.stands,
        })
    });
    let shown = tables
        .iter()
        .filter_map(|table| target.relation(table))
        .flat_map(|relation| {
            let keys = relation
                .constraints
                .iter()
                .filter(|key| key.kind == ConstraintKind::Foreign && is_enforced(&key.definition));
            keys.filter_map(|key| {
                Some(ForeignSite {
                    table: relation.name.clone(),
                    name: key.name.clone(),
                    columns: ForeignColumns::of(key)?,
                    unchecked: !is_checked(silencing, key),
                    validated: false,
                })
            })
        });
    for site in recorded.chain(shown) {
        let known = sites
            .iter()
            .any(|other| other.table == site.table && other.name == site.name);
        // What the server has checked needs no proof where this role could not give one.
        let provable = site.unchecked || is_readable(target, &site.columns);
        if !known && provable && tables.contains(&site.table) {
            sites.push(site);
        }
    }
    sites
}

/// A place of an entity's rows that refers to other rows, ready for statements over its table `c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    /// True where a row refers to something that is not there.
    pub(super) orphaned: String,
    /// The value that refers, as text in the order of the parent's target key.
    pub(super) value: String,
    /// True where a row refers to a target key `g.target` of one of the parents, which is a text; where that can be told.
    pub(super) refers: Option<String>,
    /// Entities that write what is referred to.
    pub(super) parents: Vec<String>,
    /// The columns that refer.
    pub(super) columns: Vec<String>,
    /// The key by which orphans are remembered, where it is of a type whose texts are short.
    pub(super) key: Option<ShortKey>,
    /// Whose keys were counted that it refers to, where the server has the last word on it.
    pub(super) counted: Option<Counted>,
    /// The columns that are referred to, with their tables, where a null in them breaks the reference. A target key bears none.
    pub(super) parent_columns: Vec<(QualifiedName, String)>,
    /// What is referred to, in the operator's words.
    pub(super) parent_label: String,
    /// The constraint, if it is one.
    pub(super) constraint: Option<String>,
    /// The referring column, if it is one.
    pub(super) column: Option<String>,
    /// What happens.
    pub(super) missing: Missing,
}

/// A target key of one column of UUIDs or integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShortKey {
    /// The column, quoted.
    pub(super) column: String,
    /// Its type below domains, whose checks are none of the proof's business.
    pub(super) base_sql: String,
}

impl ShortKey {
    fn of(entity: &EntityPlan, target: &Catalog) -> Option<ShortKey> {
        let [(key, _)] = entity.identity.target.as_slice() else {
            return None;
        };
        // Where rows are told by their place there is no such column.
        let base = target.relation(&entity.into)?.column(key)?.data_type.base();
        TOLD_BY_TEXT.contains(&base.oid).then(|| ShortKey {
            column: quote_ident(key),
            base_sql: base.name.sql(),
        })
    }
}

/// A reference whose keys are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    /// Its number in the entity's program.
    pub(super) reference: usize,
    /// The entity that it refers to.
    pub(super) parent: String,
}

/// What happens to an orphan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// The row leaves: rejected, or parked.
    Leave {
        /// Whether it waits for its parent.
        parked: bool,
    },
    /// The reference goes: `SET` of an UPDATE, and the outputs whose fingerprints change with what they become.
    Null {
        /// Assignments.
        assignments: String,
        /// Outputs by number, and whether their fingerprint is null's; else it is not known.
        outputs: Vec<(usize, bool)>,
        /// The columns.
        columns: Vec<String>,
    },
}

impl Missing {
    /// The columns that may become null.
    pub(super) fn nulled(&self) -> Vec<String> {
        match self {
            Missing::Leave { .. } => Vec::new(),
            Missing::Null { columns, .. } => columns.clone(),
        }
    }
}

/// The sites of an entity: its foreign keys, and the references that no foreign key covers.
pub(super) fn sites_of(
    plan: &Plan,
    entity: &EntityPlan,
    target: &Catalog,
    foreign: &[ForeignSite],
    store: &Store,
) -> Vec<Site> {
    let own: Vec<&ForeignSite> = foreign
        .iter()
        .filter(|site| site.table == entity.into && !site.columns.temporal)
        .collect();
    let keys = own.iter().map(|site| foreign_site(plan, entity, target, site));
    let refs = entity
        .refs
        .iter()
        .filter(|site| !own.iter().any(|key| covers(key, site)))
        .filter_map(|site| recorded_site(plan, entity, target, site, store));
    keys.chain(refs).collect()
}

/// Whether a foreign key proves a reference by itself.
fn covers(key: &ForeignSite, site: &RefSite) -> bool {
    site.path.is_empty()
        && key.columns.columns == [site.column.clone()]
        && matches!(site.parents.as_slice(), [parent] if parent.table == key.columns.parent
            && key.columns.parent_columns == [parent.column.clone()])
}

fn foreign_site(plan: &Plan, entity: &EntityPlan, target: &Catalog, site: &ForeignSite) -> Site {
    let key = &site.columns;
    let columns: Vec<String> = key
        .columns
        .iter()
        .map(|column| format!("c.{}", quote_ident(column)))
        .collect();
    let refs: Vec<&RefSite> = entity
        .refs
        .iter()
        .filter(|site| site.path.is_empty() && key.columns.contains(&site.column))
        .collect();
    let parents: Vec<&EntityPlan> = plan
        .entities
        .iter()
        .filter(|parent| writes(target, parent, &key.parent))
        .collect();
    Site {
        orphaned: foreign_condition(target, site, &columns),
        value: text_of(&in_order_of(parents.first().copied(), key, &columns)),
        refers: match (columns.as_slice(), key.parent_columns.as_slice()) {
            ([column], [parent]) => refers(target, entity, (&key.columns[0], column), &parents, parent),
            _ => None,
        },
        parents: parents.iter().map(|parent| parent.name.clone()).collect(),
        columns: key.columns.clone(),
        key: ShortKey::of(entity, target),
        counted: counted(site, &refs),
        parent_columns: key
            .parent_columns
            .iter()
            .map(|column| (key.parent.clone(), column.clone()))
            .collect(),
        parent_label: key.parent.to_string(),
        constraint: Some(site.name.clone()),
        column: match key.columns.as_slice() {
            [column] => Some(column.clone()),
            _ => None,
        },
        missing: missing(entity, &refs),
    }
}

/// The only reference that stands behind a foreign key. What the key's columns bear beside it the server finds.
fn counted(key: &ForeignSite, refs: &[&RefSite]) -> Option<Counted> {
    match refs {
        [site] if key.validated && covers(key, site) => Some(Counted {
            reference: site.reference,
            parent: site.parents.first()?.entity.clone(),
        }),
        _ => None,
    }
}

/// Whether rows of an entity become rows of a table: it is written, or a partition of it, or what it is a partition of.
fn writes(target: &Catalog, entity: &EntityPlan, table: &QualifiedName) -> bool {
    let into = target.relation(&entity.into);
    entity.into == *table || into.is_some_and(|into| into.around.shares_rows_with.contains(table))
}

/// Types of which two values are equal just when their texts are.
const TOLD_BY_TEXT: [u32; 4] = [builtin::UUID, builtin::INT2, builtin::INT4, builtin::INT8];

/// True where a column refers to the text of a parent's target key, if that is the referenced column alone and of one type with
/// it.
fn refers(
    target: &Catalog,
    entity: &EntityPlan,
    (name, column): (&str, &str),
    parents: &[&EntityPlan],
    parent_column: &str,
) -> Option<String> {
    let written = entity.columns.iter().find(|column| column.name == name)?;
    let alike = |parent: &&EntityPlan| {
        matches!(parent.identity.target.as_slice(), [(column, _)] if column == parent_column)
            && told_alike(target, (entity, name), (parent, parent_column))
    };
    let told = !parents.is_empty() && parents.iter().all(alike);
    // Not cast to a domain, whose check may refuse the key of a row that no longer is one of them.
    told.then(|| format!("{column} = g.target::{}", written.base_sql))
}

/// Whether two columns of the target are of one type, or domains over it, whose values are equal just when their texts are.
fn told_alike(target: &Catalog, own: (&EntityPlan, &str), parent: (&EntityPlan, &str)) -> bool {
    let type_of = |(entity, column): (&EntityPlan, &str)| {
        let column = target.relation(&entity.into)?.column(column)?;
        Some(column.data_type.base().oid)
    };
    let own = type_of(own).filter(|oid| TOLD_BY_TEXT.contains(oid));
    own.is_some() && own == type_of(parent)
}

/// The referring columns in the order of the parent's target key, where they refer to just that.
fn in_order_of(parent: Option<&EntityPlan>, key: &ForeignColumns, columns: &[String]) -> Vec<String> {
    let target = parent.map_or(&[][..], |parent| &parent.identity.target);
    let ordered: Vec<String> = target
        .iter()
        .filter_map(|(column, _)| key.parent_columns.iter().position(|own| own == column))
        .map(|position| columns[position].clone())
        .collect();
    if ordered.len() == columns.len() {
        ordered
    } else {
        columns.to_vec()
    }
}

/// True for rows that break a foreign key, with null as MATCH SIMPLE or MATCH FULL have it.
fn foreign_condition(target: &Catalog, site: &ForeignSite, columns: &[String]) -> String {
    let key = &site.columns;
    let all_set: Vec<String> = columns
        .iter()
        .map(|column| format!("{column} IS NOT NULL"))
        .collect();
    let pairs: Vec<String> = key
        .parent_columns
        .iter()
        .zip(columns)
        .zip(&key.columns)
        .map(|((parent, column), name)| {
            let own = target.relation(&site.table).and_then(|table| table.column(name));
            let theirs = target
                .relation(&key.parent)
                .and_then(|table| table.column(parent));
            let equality = equality(theirs.or(own).map(|column| &column.data_type));
            // Two collations in one comparison would be an error; among deterministic ones equality is that of bytes.
            let bytes = [own, theirs]
                .iter()
                .all(|column| column.is_some_and(|column| column.deterministic && is_text(column)));
            let collation = if bytes { " COLLATE pg_catalog.\"C\"" } else { "" };
            format!("p.{} {equality} {column}{collation}", quote_ident(parent))
        })
        .collect();
    let absent = format!(
        "NOT EXISTS (SELECT FROM {} AS p WHERE {})",
        key.parent.sql(),
        pairs.join(" AND ")
    );
    let all_set = all_set.join(" AND ");
    if key.match_full && columns.len() > 1 {
        let any_set: Vec<String> = columns
            .iter()
            .map(|column| format!("{column} IS NOT NULL"))
            .collect();
        let any_set = any_set.join(" OR ");
        return format!("({any_set}) AND (NOT ({all_set}) OR {absent})");
    }
    format!("{all_set} AND {absent}")
}

fn is_text(column: &Column) -> bool {
    let text = [builtin::TEXT, builtin::VARCHAR, builtin::BPCHAR, builtin::NAME];
    text.contains(&column.data_type.base().oid)
}

/// The equality of a type: that of an extension's type lives in the type's schema, all others in pg_catalog.
fn equality(data_type: Option<&TypeRef>) -> String {
    let schema = data_type
        .map(TypeRef::base)
        .filter(|base| base.kind == TypeKind::Base && !base.is_builtin())
        .map_or("pg_catalog", |base| base.name.schema.as_str());
    format!("OPERATOR({}.=)", quote_ident(schema))
}

/// A reference that no foreign key covers: proven against the identities of the entities that it may mean.
fn recorded_site(
    plan: &Plan,
    entity: &EntityPlan,
    target: &Catalog,
    site: &RefSite,
    store: &Store,
) -> Option<Site> {
    let column = format!("c.{}", quote_ident(&site.column));
    let value = if site.path.is_empty() {
        column
    } else {
        format!("({column} #>> {})", path_literal(&site.path))
    };
    let own = entity.columns.iter().find(|own| own.name == site.column)?;
    let mut absent = vec![format!("{value} IS NOT NULL")];
    // What stands in a document is a text, of the default collation.
    let mut by_text = !site.path.is_empty();
    let mut by_type = !by_text;
    for parent in &site.parents {
        let parent_plan = plan.entity(&parent.entity)?;
        let key = &parent_plan.identity.target;
        let number = key.iter().position(|(column, _)| *column == parent.column)?;
        by_text &= key.len() == 1;
        by_type &= refers(
            target,
            entity,
            (&site.column, &value),
            &[parent_plan],
            &parent.column,
        )
        .is_some();
        let alike = || told_alike(target, (entity, &site.column), (parent_plan, &parent.column));
        let pair = if site.path.is_empty() && (key[number].1 == own.type_sql || alike()) {
            format!("p.t{} = {value}", number + 1)
        } else {
            format!("p.t{}::text = {value}::text", number + 1)
        };
        let identities = store.identity_table(&parent.entity).sql();
        absent.push(format!("NOT EXISTS (SELECT FROM {identities} AS p WHERE {pair})"));
    }
    let parents: Vec<String> = site.parents.iter().map(|parent| parent.entity.clone()).collect();
    let refers = match (by_type, by_text) {
        (true, _) => Some(format!("{value} = g.target::{}", own.base_sql)),
        (_, true) => Some(format!("{value} COLLATE pg_catalog.\"C\" = g.target")),
        _ => None,
    };
    Some(Site {
        orphaned: absent.join(" AND "),
        value: format!("{value}::text"),
        refers,
        parent_label: parents.join(" or "),
        parents,
        columns: vec![site.column.clone()],
        key: ShortKey::of(entity, target),
        counted: None,
        parent_columns: Vec::new(),
        constraint: None,
        column: Some(site.column.clone()),
        missing: missing(entity, &[site]),
    })
}

/// What happens to rows whose reference is explained by these: the strictest of them. Without any, the row is rejected.
fn missing(entity: &EntityPlan, refs: &[&RefSite]) -> Missing {
    let policies: Vec<WhenMissing> = refs.iter().map(|site| policy(entity, site)).collect();
    if policies.is_empty() || policies.contains(&WhenMissing::Reject) {
        return Missing::Leave { parked: false };
    }
    if policies.contains(&WhenMissing::Park) {
        return Missing::Leave { parked: true };
    }
    null(entity, refs)
}

/// What a reference says; a column that bears no null rejects.
fn policy(entity: &EntityPlan, site: &RefSite) -> WhenMissing {
    let column = entity.columns.iter().find(|column| column.name == site.column);
    let bears_null = !site.path.is_empty() || column.is_some_and(|column| !column.not_null);
    if site.missing == WhenMissing::Null && !bears_null {
        return WhenMissing::Reject;
    }
    site.missing
}

fn null(entity: &EntityPlan, refs: &[&RefSite]) -> Missing {
    let mut outputs = Vec::new();
    let mut assignments = Vec::new();
    for site in refs {
        let column = quote_ident(&site.column);
        let output = entity.columns.iter().position(|own| own.name == site.column);
        outputs.extend(output.map(|output| (output, site.path.is_empty())));
        assignments.push(if site.path.is_empty() {
            format!("{column} = NULL")
        } else {
            let jsonb = output.is_some_and(|output| entity.columns[output].type_sql.ends_with("jsonb"));
            let back = if jsonb { "" } else { "::json" };
            let path = path_literal(&site.path);
            format!("{column} = jsonb_set(c.{column}::jsonb, {path}, 'null', false){back}")
        });
    }
    Missing::Null {
        assignments: assignments.join(", "),
        outputs,
        columns: refs.iter().map(|site| site.column.clone()).collect(),
    }
}

fn path_literal(path: &[String]) -> String {
    let names: Vec<String> = path.iter().map(|name| quote_literal(name)).collect();
    format!("ARRAY[{}]::text[]", names.join(", "))
}
