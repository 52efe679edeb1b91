//! What the state takes on disk, estimated: an identity per row, with its two indexes.

use super::Ground;
use crate::catalog::{Catalog, builtin};
use crate::code;
use crate::error::Finding;
use crate::plan::{EntityPlan, Plan};

/// From here on somebody should know.
const WORTH_TELLING: u64 = 100 << 20;

/// A row's pointer, and its header with a bit for each column.
const TUPLE: u64 = 4 + 32;
/// Row hash, execution, status and time, and what the fingerprints take beside themselves, all aligned.
const FIXED: u64 = 8 + 8 + 8 + 8 + 8;
/// An entry of an index beside its key: its pointer and its header.
const INDEX_ENTRY: u64 = 4 + 8;
/// What a key of unknown length has, mostly.
const TEXT_KEY: u64 = 24;

pub(super) fn findings(ground: Ground<'_>, findings: &mut Vec<Finding>) {
    let bytes = state_bytes(ground.plan, ground.source);
    if bytes < WORTH_TELLING {
        return;
    }
    let message = format!(
        "the state (schema {}) will take about {} beside the tables themselves",
        ground.plan.state_schema,
        readable(bytes)
    );
    let remedy = if ground.target.server.supabase {
        "make the disk large enough before the load: a project that grows too quickly becomes read-only"
    } else {
        "see that the disk has room for it, and for the indexes that are built at the end"
    };
    findings.push(Finding::note(code::DISK, "the target", message).remedy(remedy));
}

/// Bytes that the state of this plan will have when everything is loaded, by the planner's estimates of rows.
pub fn state_bytes(plan: &Plan, source: &Catalog) -> u64 {
    let rows = |entity: &EntityPlan| {
        let relation = entity
            .origin
            .relation
            .as_ref()
            .and_then(|name| source.relation(name));
        relation.map_or(0, |relation| u64::try_from(relation.estimated_rows).unwrap_or(0))
    };
    plan.entities
        .iter()
        .map(|entity| rows(entity).saturating_mul(row_bytes(entity, source)))
        .sum()
}

fn row_bytes(entity: &EntityPlan, source: &Catalog) -> u64 {
    let relation = entity
        .origin
        .relation
        .as_ref()
        .and_then(|name| source.relation(name));
    let width = |column: &str| {
        let found = relation.and_then(|relation| relation.column(column));
        match found.map(|column| column.data_type.base().oid) {
            Some(builtin::INT2 | builtin::INT4 | builtin::INT8) => 8,
            Some(builtin::UUID) => 16,
            _ => TEXT_KEY,
        }
    };
    let key: u64 = entity.identity.key.iter().map(|part| width(&part.column)).sum();
    let target: u64 = entity.identity.target.len() as u64 * 16;
    let offered = 8 * entity.columns.len() as u64;
    // Pages of an index that was built over rows are nine tenths full.
    let indexes = (2 * INDEX_ENTRY + key + target) * 10 / 9;
    TUPLE + FIXED + key + target + offered + indexes
}

fn readable(bytes: u64) -> String {
    match bytes >> 20 {
        mega @ ..10_240 => format!("{mega} MB"),
        mega => format!("{} GB", mega >> 10),
    }
}
