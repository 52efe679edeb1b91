//! Rows that hold a UUID which the source has changed since an earlier run read it: their own, where they share the identity
//! of the row that had it, or one that they refer to. Their source rows need not have changed, so that the next
//! comparison would pass them: their hashes are forgotten, in the transaction that records the new mappings.

use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::{EntityPlan, RefSite};
use driftless_pg::Transaction;

use super::record::MOVED;
use crate::error::Result;
use crate::store::{Store, identity};

/// Lets everything of these entities be read again that holds a moved UUID of `owner`.
pub(super) async fn forget(
    tx: &Transaction<'_>,
    store: &Store,
    owner: &EntityPlan,
    entities: &[&EntityPlan],
) -> Result<()> {
    let sql = format!("SELECT EXISTS (SELECT FROM pg_temp.{MOVED})");
    if !tx.query_one(&sql, &[]).await?.get::<bool>(0)? {
        return Ok(());
    }
    for entity in entities {
        let identities = store.identity_table(&entity.name).sql();
        if entity.identity.mint.recorded() == Some(owner.name.as_str()) {
            tx.batch(&own(&identities)).await?;
        }
        let refs = &entity.program.refs;
        let sites = entity.refs.iter();
        for site in sites.filter(|site| {
            refs.get(site.reference)
                .is_some_and(|one| one.looks_up(&owner.name))
        }) {
            tx.batch(&referring(&identities, owner, entity, site)).await?;
        }
    }
    Ok(())
}

/// Rows whose own UUID it was. One of others that had been adopted by it is adopted no longer.
fn own(identities: &str) -> String {
    format!(
        "UPDATE {identities} AS i SET row_hash = NULL FROM pg_temp.{MOVED} AS m WHERE i.t1 = m.id AND i.status = {}; \
         DELETE FROM {identities} AS i USING pg_temp.{MOVED} AS m WHERE i.t1 = m.id AND i.status = {}",
        identity::LIVE,
        identity::ADOPTED
    )
}

/// Rows that refer to it.
fn referring(identities: &str, owner: &EntityPlan, entity: &EntityPlan, site: &RefSite) -> String {
    let column = format!("c.{}", quote_ident(&site.column));
    let mut own = entity.columns.iter().filter(|own| own.name == site.column);
    let is_uuid = own.any(|own| {
        owner
            .identity
            .target
            .iter()
            .any(|(_, target)| *target == own.type_sql)
    });
    let refers = match (site.path.as_slice(), is_uuid) {
        ([], true) => format!("{column} = m.id"),
        ([], false) => format!("{column}::text = m.id::text"),
        (path, _) => {
            let names: Vec<String> = path.iter().map(|name| quote_literal(name)).collect();
            format!("({column} #>> ARRAY[{}]::text[]) = m.id::text", names.join(", "))
        }
    };
    format!(
        "UPDATE {identities} AS i SET row_hash = NULL FROM {} AS c JOIN pg_temp.{MOVED} AS m ON {refers} \
         WHERE {} AND i.status = {}",
        entity.into.sql(),
        identity::belongs(entity, "i", "c"),
        identity::LIVE
    )
}
