use driftless_pg::Session;

use crate::apply::guarded;
use crate::error::Result;
use crate::store::aside::{Scope, reload_owed, reload_told};

/// Tells an API, in one notification, to read the schema again, if event triggers would have told it of every change and did
/// not see ours. What was owed before a crash is told by whoever restores next. `whole` says that nothing is missing any
/// more: otherwise it is told again when the rest is back.
pub(super) async fn run(session: &mut Session, scope: &Scope<'_>, whole: bool) -> Result<()> {
    let silenced = async { Ok(session.query_one(SILENCED, &[]).await?) };
    let (owed, silenced) = tokio::try_join!(reload_owed(session, scope.store), silenced)?;
    if !owed {
        return Ok(());
    }
    let tx = guarded::ddl(session, scope).await?;
    if silenced.get(0)? {
        tx.ahead("NOTIFY pgrst, 'reload schema'", &[]).await?;
    }
    if whole {
        reload_told(&tx, scope).await?;
    }
    Ok(tx.commit().await?)
}

/// Whether there are event triggers that tell PostgREST of schema changes and that replica role silences.
const SILENCED: &str = r"
    SELECT EXISTS (SELECT FROM pg_event_trigger AS e JOIN pg_proc AS p ON p.oid = e.evtfoid
                    WHERE e.evtenabled = 'O' AND e.evtevent IN ('ddl_command_end', 'sql_drop')
                      AND p.prosrc ~* '\mnotify\M.*\mpgrst\M')";
