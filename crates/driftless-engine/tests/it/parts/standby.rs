//! A standby as the source: what `check` says of it, and a replay that ends the readers in the middle of a load.

use driftless_core::code;
use driftless_engine::run::{Event, Stop, migrate};
use driftless_testkit::{Cluster, ClusterOptions, Server, ServerPair, servers, wait_until};
use tokio::sync::mpsc::unbounded_channel;

use crate::gate::{GATE, Gate};
use crate::pair::{Pair, read};
use crate::survey::{found, one};

/// More than fits between the two servers, so that the reader is in the middle of its COPY when the replay comes.
const SOURCE: &str = "
    CREATE TABLE item (id int PRIMARY KEY, n int, filling text);
    INSERT INTO item SELECT n, n, repeat('x', 1000) FROM generate_series(1, 40000) AS n;";

const MAPPING: &str = r#"
    [entities.items]
    from = "public.item"
    into = "public.items"
    columns = { id = { id = true }, legacy_id = "id", n = { sql = "public.gate(n, 1)" } }
"#;

fn setting(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_standby_that_ends_its_readers() {
    let primary = Cluster::start(&ClusterOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let servers = ServerPair {
        source: Server::of(&primary),
        target: servers().target,
    };
    let target = format!(
        "{GATE} CREATE TABLE items (id uuid PRIMARY KEY, legacy_id int UNIQUE, n int8, filling text)"
    );
    let pair = Pair::on(&servers, "standby", SOURCE, &target).await;
    let standby = primary
        .standby(&[
            setting("max_standby_streaming_delay", "0"),
            setting("hot_standby_feedback", "off"),
            setting("log_recovery_conflict_waits", "on"),
            setting("deadlock_timeout", "10ms"),
        ])
        .unwrap_or_else(|error| panic!("{error}"));
    let spec = read(&format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{}\"\n[target]\nurl = \"{}\"\n{MAPPING}",
        standby.url(pair.source.name()),
        pair.target.url()
    ));

    let findings = found(&spec).await;
    let (_, place, message) = one(&findings, code::STANDBY_SOURCE);
    assert_eq!(place, "the source");
    assert!(message.contains("(max_standby_streaming_delay 0)"), "{message}");

    let gate = Gate::shut(&pair.target).await;
    let (events, mut heard) = unbounded_channel();
    let stop = Stop::new();
    let (report, ()) = tokio::join!(migrate(&spec, &[], &events, &stop), async {
        gate.reached().await;
        // What the load's snapshot still sees is gone for good on the primary, and the standby does not wait.
        pair.source.run("DELETE FROM item WHERE id <= 100").await;
        pair.source.run("VACUUM item").await;
        wait_until("a conflict with the replay", async || {
            standby.log().contains("recovery still waiting")
        })
        .await;
        gate.open().await;
    });
    let report = report.expect("a load");

    assert!(report.resumed);
    let lost =
        std::iter::from_fn(|| heard.try_recv().ok()).filter(|event| matches!(event, Event::Lost { .. }));
    assert_ne!(lost.count(), 0);
    assert_eq!(pair.count("SELECT count(*) FROM items").await, 39_900);
    assert_eq!(pair.count("SELECT min(legacy_id) FROM items").await, 101);
    assert_eq!(
        pair.count("SELECT count(*) FROM items WHERE n = legacy_id AND length(filling) = 1000")
            .await,
        39_900
    );
}
