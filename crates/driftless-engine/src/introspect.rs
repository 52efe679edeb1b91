//! Fills a catalog from a live server, with a constant number of queries however many relations there are.

/// Types with everything below them.
mod type_tree;
/// Relations and their columns.
mod relation;
/// Constraints, indexes, triggers, foreign keys from elsewhere.
mod detail;
/// Rules, heirs, partitions, publications.
mod around;
/// Facts about the server and the role.
mod server;
/// Sizes, and whether there are rows.
mod rows;
/// What a query gives.
mod query;
/// What an expression's tree calls.
mod node_tree;
/// Problems from refused statements.
mod refusal;
/// Which rows of a source are meant.
mod condition;
/// Whether what is called gives the same value every time.
mod called;
/// What an expression reads and gives.
mod expression;
/// Parts and their wholes, queries and what they read.
mod kinship;

pub use condition::describe_condition;
pub(crate) use detail::trigger_mode;
pub use expression::{Described, describe_expressions};
pub use kinship::kinship;
pub use query::{describe_query, right};

use std::collections::BTreeMap;

use driftless_core::catalog::{Catalog, Oid, builtin};
use driftless_core::name::QualifiedName;
use driftless_pg::{Param, Session};

use crate::error::Result;
use type_tree::TypeTree;

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Relations by name: described in full, and looked into for rows. Names that are not there are left out of the
    /// catalog.
    pub relations: Vec<QualifiedName>,
    /// Every relation outside the system's schemas too: described, but not looked into.
    pub all: bool,
}

impl Wanted {
    /// These relations and no others.
    pub fn only(relations: impl IntoIterator<Item = QualifiedName>) -> Wanted {
        Wanted {
            relations: relations.into_iter().collect(),
            all: false,
        }
    }
}

/// Describes the server and the wanted relations as this session's role sees them. A role without rights sees the names,
/// and every right as missing.
///
/// # Errors
/// When the server fails, or one of the wanted relations stays locked exclusively by somebody else.
pub async fn introspect(session: &Session, wanted: &Wanted) -> Result<Catalog> {
    let (mut catalog, mut found, patience) = tokio::try_join!(
        server::facts(session),
        relation::relations(session, wanted),
        rows::patience(session)
    )?;
    let oids = [oid_array(found.keys())];
    let ask = async |sql: &str| Ok(session.query(sql, &oids).await?);
    let (indexes, types) = (detail::indexes_sql(session), type_tree::of_columns());
    let (
        columns,
        types,
        constraints,
        indexes,
        triggers,
        references,
        rules,
        heirs,
        partitions,
        publications,
        seen,
    ) = tokio::try_join!(
        ask(relation::COLUMNS),
        ask(&types),
        ask(detail::CONSTRAINTS),
        ask(&indexes),
        ask(detail::TRIGGERS),
        ask(detail::REFERENCES),
        ask(around::RULES),
        ask(around::HEIRS),
        ask(around::PARTITIONS),
        ask(around::PUBLICATIONS),
        rows::look(session, wanted, &found, &patience)
    )?;
    let types = TypeTree::read(&types)?;
    relation::columns(&columns, &types, &mut found)?;
    detail::constraints(&constraints, &mut found)?;
    detail::indexes(&indexes, &mut found)?;
    detail::triggers(&triggers, &mut found)?;
    detail::references(&references, &mut found)?;
    around::rules(&rules, &mut found)?;
    around::heirs(&heirs, &mut found)?;
    around::partitions(&partitions, &mut found)?;
    around::publications(&publications, &mut found)?;
    seen.note(&mut found)?;
    catalog.types = types
        .own()?
        .into_iter()
        .map(|found| (found.name.clone(), found))
        .collect();
    catalog.relations = found
        .into_values()
        .map(|found| (found.relation.name.clone(), found.relation))
        .collect::<BTreeMap<_, _>>();
    Ok(catalog)
}

/// Oids as one statement parameter.
fn oid_array<'a>(oids: impl IntoIterator<Item = &'a Oid>) -> Param {
    let bytes: Vec<[u8; 4]> = oids.into_iter().map(|oid| oid.to_be_bytes()).collect();
    Param::array(
        builtin::OID,
        builtin::of(builtin::OID).array_oid,
        bytes.iter().map(|bytes| Some(bytes.as_slice())),
    )
}
