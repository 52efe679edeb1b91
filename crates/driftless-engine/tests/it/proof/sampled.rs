//! Small samples of tables before the proofs.

use driftless_engine::apply::finish::sketch;
use driftless_testkit::wait_until;

use super::Fixture;
use crate::plan::load;

const LOCKED: &str =
    "FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND mode = 'ShareUpdateExclusiveLock'";

/// Entities may write into a table and into its partitions: of two sessions that sample them neither holds what the other waits for.
#[tokio::test]
async fn who_samples_holds_one_table_at_a_time() {
    let tables = "CREATE TABLE a (id uuid PRIMARY KEY); CREATE TABLE b (id uuid PRIMARY KEY)";
    let mut fixture = Fixture::new("sampled", tables, vec![load("public", "a"), load("public", "b")]).await;
    fixture
        .row_as(
            "a",
            "a",
            "1",
            &super::id("a", "1").to_string(),
            &format!("'{}'", super::id("a", "1")),
        )
        .await;
    let holder = fixture.database.client().await;
    holder
        .batch_execute("BEGIN; LOCK TABLE b IN SHARE UPDATE EXCLUSIVE MODE")
        .await
        .expect("a lock");
    let plans: Vec<_> = fixture.plan.entities.iter().collect();
    let (store, session) = (&fixture.store, &mut fixture.sessions[..1]);
    let (sampled, ()) = tokio::join!(sketch(session, store, &plans), async {
        wait_until("who waits for b", async || {
            let waiting = format!("SELECT count(*) {LOCKED} AND NOT granted");
            fixture.database.value(&waiting).await.as_deref() == Some("1")
        })
        .await;
        let held = format!("SELECT string_agg(relation::regclass::text, ' ') {LOCKED} AND granted");
        assert_eq!(fixture.database.value(&held).await.as_deref(), Some("b"));
        holder.batch_execute("COMMIT").await.expect("free");
    });
    sampled.expect("samples");
    let rows = "SELECT reltuples::int FROM pg_class WHERE relname = 'a'";
    assert_eq!(fixture.database.value(rows).await.as_deref(), Some("1"));
    let shown = fixture.sessions[0]
        .query_one("SHOW default_statistics_target", &[])
        .await
        .expect("a setting");
    assert_eq!(shown.get::<String>(0).expect("a text"), "100");
}
