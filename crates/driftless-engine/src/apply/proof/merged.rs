use driftless_core::code;
use driftless_core::name::quote_literal;
use driftless_core::plan::EntityPlan;
use driftless_pg::Session;

use super::leave::Leaving;
use crate::apply::guarded;
use crate::error::{InContext as _, Result};
use crate::store::aside::Scope;
use crate::store::identity;

/// Rows that are one with a row that was left out are left out as well: each is recorded as rejected.
pub(super) async fn merged(session: &mut Session, scope: &Scope<'_>, entity: &EntityPlan) -> Result<()> {
    if entity.identity.merge.is_none() {
        return Ok(());
    }
    let leaving = Leaving {
        scope,
        plan: entity,
        rows: "lost",
        prefix: "",
    };
    let select = format!(
        "SELECT {key}, 'rejected'::text, 'reference'::text, '{code}'::text, NULL::text, {message}, NULL::text, NULL::text, \
         NULL::text, NULL::text FROM lost",
        key = leaving.key_text(),
        code = code::ROW_PARENT_REJECTED,
        message = quote_literal("it is one with a row that was left out"),
    );
    let sql = format!(
        "WITH lost AS (DELETE FROM {identities} AS i WHERE i.status = {status} \
         AND NOT EXISTS (SELECT FROM {table} AS t WHERE {belongs}) RETURNING i.*) {record}",
        identities = scope.store.identity_table(&entity.name).sql(),
        status = identity::MERGED,
        table = entity.into.sql(),
        belongs = identity::belongs(entity, "i", "t"),
        record = leaving.record(&select),
    );
    let tx = guarded::records(session, scope).await?;
    tx.execute(&sql, &[])
        .await
        .context(format!("proof of merged rows of entity {}", entity.name))?;
    tx.commit().await?;
    Ok(())
}
