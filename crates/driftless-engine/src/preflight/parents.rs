//! Tables that foreign keys refer to and that this role may not read: what the server does not check by itself could not be
//! proven.

use driftless_core::catalog::{Catalog, Constraint};
use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::name::{QualifiedName, quote_ident};
use driftless_core::plan::Plan;
use driftless_core::plan::aside::{AsideItem, ForeignColumns, Silencing};

/// Whether the server checks a foreign key that is in place whenever a row goes in.
pub fn is_checked(silencing: Silencing, key: &Constraint) -> bool {
    silencing == Silencing::EachTrigger && is_enforced(&key.definition)
}

/// Whether a constraint of this definition holds at all; of one that is NOT ENFORCED (PostgreSQL 18) nobody promises so.
pub fn is_enforced(definition: &str) -> bool {
    !definition.ends_with(" NOT ENFORCED")
}

/// Whether the columns that a foreign key refers to may be read. Of a table that the catalog does not show the server will
/// tell.
pub fn is_readable(target: &Catalog, key: &ForeignColumns) -> bool {
    let Some(parent) = target.relation(&key.parent) else {
        return true;
    };
    let mut columns = key.parent_columns.iter();
    columns.all(|name| parent.column(name).is_none_or(|column| column.readable))
}

/// Foreign keys that have to be proven, with these things set aside, and whose parents may not be read. Tables of the plan are
/// left out: what they lack is told with their entities.
pub fn unreadable(plan: &Plan, target: &Catalog, silencing: Silencing, aside: &[AsideItem]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entity in &plan.entities {
        let constraints = target.relation(&entity.into).map(|table| &table.constraints);
        for key in constraints.into_iter().flatten() {
            let Some(columns) = ForeignColumns::of(key) else {
                continue;
            };
            let gone = |item: &AsideItem| item.table == entity.into && item.name == key.name;
            let proven = aside.iter().any(gone) || !is_checked(silencing, key);
            let known = plan.entities.iter().any(|other| other.into == columns.parent);
            if proven && !known && !columns.temporal && !is_readable(target, &columns) {
                findings.push(finding(&entity.name, &key.name, &columns.parent, &target.role));
            }
        }
    }
    findings
}

fn finding(entity: &str, key: &str, parent: &QualifiedName, role: &str) -> Finding {
    let parent = parent.sql();
    Finding::error(
        code::PRIVILEGE_MISSING,
        format!("entity {entity}"),
        format!("role {role} lacks SELECT on {parent} in the target: foreign key {key} could not be proven behind the load"),
    )
    .remedy(format!("GRANT SELECT ON {parent} TO {}", quote_ident(role)))
}
