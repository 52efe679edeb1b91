//! What the two roles may not do, as the catalogs say.

use driftless_core::catalog::Catalog;
use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::name::quote_ident;
use driftless_core::plan::Plan;
use driftless_core::spec::WhenMissing;

/// Rights that are missing, and row-level security that would hide rows.
pub fn findings(plan: &Plan, source: &Catalog, target: &Catalog, findings: &mut Vec<Finding>) {
    for entity in &plan.entities {
        let place = format!("entity {}", entity.name);
        if let Some(from) = entity
            .origin
            .relation
            .as_ref()
            .and_then(|name| source.relation(name))
        {
            let unreadable: Vec<&str> = entity
                .inputs
                .iter()
                .filter(|input| from.column(&input.column).is_some_and(|column| !column.readable))
                .map(|input| input.column.as_str())
                .collect();
            if !from.may_select && !unreadable.is_empty() {
                findings.push(missing(
                    &place,
                    "SELECT",
                    &from.name.sql(),
                    &source.role,
                    "the source",
                ));
            }
            if from.row_security {
                findings.push(hidden(&place, &from.name.to_string(), &source.role));
            }
        }
        let Some(into) = target.relation(&entity.into) else {
            continue;
        };
        let unwritable = entity
            .columns
            .iter()
            .any(|written| into.column(&written.name).is_some_and(|column| !column.writable));
        if !into.may_insert && unwritable {
            findings.push(missing(
                &place,
                "INSERT",
                &into.name.sql(),
                &target.role,
                "the target",
            ));
        }
        if !into.may_select {
            findings.push(missing(
                &place,
                "SELECT",
                &into.name.sql(),
                &target.role,
                "the target",
            ));
        }
        if !into.may_delete {
            findings.push(missing(
                &place,
                "DELETE",
                &into.name.sql(),
                &target.role,
                "the target",
            ));
        }
        let nulls = entity.refs.iter().any(|site| site.missing == WhenMissing::Null);
        if nulls && !into.may_update {
            findings.push(missing(
                &place,
                "UPDATE",
                &into.name.sql(),
                &target.role,
                "the target",
            ));
        }
        if into.row_security {
            findings.push(hidden(&place, &into.name.to_string(), &target.role));
        }
    }
    if !target.may_create_temp {
        findings.push(no_temporary_tables(&target.role));
    }
    if target.read_only {
        findings.push(
            Finding::error(
                code::OTHER_STATE,
                "the target",
                "it takes no writes (a standby, or default_transaction_read_only is on)",
            )
            .remedy(
                "connect to the primary; if it is the setting, find out why (Supabase makes it when the disk is full) and take \
                 it away",
            ),
        );
    }
}

fn no_temporary_tables(role: &str) -> Finding {
    Finding::error(
        code::PRIVILEGE_MISSING,
        "the target",
        format!("role {role} may not make temporary tables, which the proofs need"),
    )
    .remedy(format!(
        "GRANT TEMPORARY ON DATABASE … TO {}, with the target's database",
        quote_ident(role)
    ))
}

/// The role may neither create the schema of the state nor use one that is there.
pub fn no_place_for_state(schema: &str, role: &str) -> Finding {
    let (schema, role) = (quote_ident(schema), quote_ident(role));
    Finding::error(
        code::PRIVILEGE_MISSING,
        "the target",
        format!("role {role} may not make the schema {schema} for the pipeline's state, nor tables in it"),
    )
    .remedy(format!(
        "as superuser, once: CREATE SCHEMA {schema} AUTHORIZATION {role}"
    ))
}

fn missing(place: &str, right: &str, relation: &str, role: &str, side: &str) -> Finding {
    Finding::error(
        code::PRIVILEGE_MISSING,
        place,
        format!("role {role} lacks {right} on {relation} in {side}"),
    )
    .remedy(format!("GRANT {right} ON {relation} TO {}", quote_ident(role)))
}

fn hidden(place: &str, relation: &str, role: &str) -> Finding {
    Finding::error(
        code::ROW_SECURITY,
        place,
        format!("row-level security of {relation} applies to role {role} and would hide rows"),
    )
    .remedy("use a role with BYPASSRLS, or the table's owner")
}
