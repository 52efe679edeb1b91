//! A gate in the target: an expression that waits there holds a run still at a known row.

use driftless_testkit::{Client, TestDatabase, wait_until};

/// The key of the advisory lock that the gate is made of.
const LOCK: i64 = 7_734_021;

/// Rows that pass `public.gate(row, from)` wait while the gate is shut, from a certain row on.
pub(crate) const GATE: &str = "
    CREATE FUNCTION public.gate(n int8, from_row int8) RETURNS int8 LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        IF n >= from_row THEN
            PERFORM pg_advisory_xact_lock_shared(7734021);
        END IF;
        RETURN n;
    END $$;";

/// A shut gate; opened by [`Gate::open`] or with this value.
pub(crate) struct Gate<'d> {
    database: &'d TestDatabase,
    /// Holds the lock, and with it the session.
    shut_by: Client,
}

impl<'d> Gate<'d> {
    /// Shuts the gate of a database that has [`GATE`].
    pub(crate) async fn shut(database: &'d TestDatabase) -> Gate<'d> {
        let shut_by = database.client().await;
        shut_by
            .batch_execute(&format!("SELECT pg_advisory_lock({LOCK})"))
            .await
            .expect("the lock");
        Gate { database, shut_by }
    }

    /// Waits until somebody waits before the gate.
    pub(crate) async fn reached(&self) {
        let waiting = format!(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK} AND NOT granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        );
        wait_until("a row before the gate", async || {
            self.database.value(&waiting).await.as_deref() != Some("0")
        })
        .await;
    }

    /// Lets everybody through.
    pub(crate) async fn open(self) {
        self.shut_by
            .batch_execute("SELECT pg_advisory_unlock_all()")
            .await
            .expect("the lock is free");
    }
}
