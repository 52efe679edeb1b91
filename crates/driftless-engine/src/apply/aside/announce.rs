use driftless_pg::{Session, Transaction};

use crate::error::Result;
use crate::store::aside::{Scope, reload_owed, reload_told};

/// Whether somebody is to be told, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// Event triggers did not see our changes.
    pub(super) owed: bool,
    /// There are some that would have told PostgREST.
    silenced: bool,
}

/// Asks whether somebody is to be told when all is back.
pub(super) async fn asked(session: &Session, scope: &Scope<'_>) -> Result<Told> {
    let silenced = async { Ok(session.query_one(SILENCED, &[]).await?) };
    let (owed, silenced) = tokio::try_join!(reload_owed(session, scope.store), silenced)?;
    let silenced = silenced.get(0)?;
    Ok(Told { owed, silenced })
}

/// Tells an API, in one notification with the commit of this transaction, to read the schema again, if event triggers would have told it
/// of every change and did not see ours. What was owed before a crash is told by whoever restores next. `whole` says that nothing is
/// missing any more: otherwise it is told again when the rest is back.
pub(super) async fn tell(tx: &Transaction<'_>, scope: &Scope<'_>, told: Told, whole: bool) -> Result<()> {
    if told.owed && told.silenced {
        tx.ahead("NOTIFY pgrst, 'reload schema'", &[]).await?;
    }
    if told.owed && whole {
        reload_told(tx, scope).await?;
    }
    Ok(())
}

/// Whether there are event triggers that tell PostgREST of schema changes and that replica role silences.
const SILENCED: &str = r"
    SELECT EXISTS (SELECT FROM pg_event_trigger AS e JOIN pg_proc AS p ON p.oid = e.evtfoid
                    WHERE e.evtenabled = 'O' AND e.evtevent IN ('ddl_command_end', 'sql_drop')
                      AND p.prosrc ~* '\mnotify\M.*\mpgrst\M')";
