//! Killed at any moment while the source goes on changing, and continued: the target is what the source was under the
//! last snapshot, as if nothing had happened.

#![expect(clippy::unwrap_used, reason = "a test cannot go on either where these fail")]

use std::process::Child;
use std::time::Duration;

use driftless_testkit::workload::{self, Application};
use driftless_testkit::{Random, pg_dump_schema_without};

use crate::desk::{Desk, end, program};

mod identities;
mod told;

async fn desk(hint: &str) -> Desk {
    let desk = Desk::bare(hint).await;
    workload::fill(workload::FEW, &desk.source, &desk.target).await;
    desk.write("entities/workload.toml", workload::ENTITIES);
    desk
}

async fn is_done(desk: &Desk) -> bool {
    workload::is_done(&desk.target).await
}

/// The target is what the source was under the snapshot of the last run: rows, keys, references, rejects.
async fn as_under_the_last_snapshot(desk: &Desk) {
    let differences = workload::differences(&desk.source, &desk.target).await;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Loads, from the beginning if a load is done already.
async fn begin(desk: &Desk) -> Child {
    let again: &[&str] = if is_done(desk).await {
        &["migrate", "--restart", "--yes"]
    } else {
        &["migrate"]
    };
    desk.start(again)
}

/// Kills the program after so long; whether it was still there.
async fn kill_after(mut child: Child, wait: Duration) -> bool {
    let killed = tokio::task::spawn_blocking(move || {
        let deadline = std::time::Instant::now() + wait;
        while std::time::Instant::now() < deadline {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::yield_now();
        }
        let there = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        there
    });
    killed.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_it_continues() {
    let mut random = Random::from_env();
    let desk = desk("cli_killed").await;
    let before = pg_dump_schema_without(&desk.target.url(), "driftless");
    let application = Application::start(workload::FEW, &desk.source, random.bits());
    let mut killed = 0;
    while killed < 20 {
        let child = begin(&desk).await;
        let wait = Duration::from_millis(random.below(2200));
        if kill_after(child, wait).await {
            killed += 1;
        }
    }
    while !is_done(&desk).await {
        end(desk.start(&["migrate"])).expect(1);
    }
    application.end().await;
    as_under_the_last_snapshot(&desk).await;
    assert_eq!(pg_dump_schema_without(&desk.target.url(), "driftless"), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashed_at_every_named_point_it_continues() {
    let desk = desk("cli_crashed").await;
    let before = pg_dump_schema_without(&desk.target.url(), "driftless");
    let application = Application::start(workload::FEW, &desk.source, 7);
    for point in driftless_engine::crash::POINTS {
        // Mending needs something that an earlier run finished.
        if point.starts_with("mend") {
            crash(&desk, "after-commit").await;
        }
        crash(&desk, point).await;
        end(desk.start(&["migrate"]));
        assert!(is_done(&desk).await, "after {point}");
        as_under_the_last_snapshot(&desk).await;
    }
    application.end().await;
    assert_eq!(pg_dump_schema_without(&desk.target.url(), "driftless"), before);
}

#[tokio::test]
async fn a_retry_that_was_killed_is_proven_by_the_next_start() {
    for (point, next) in [
        ("retried", &["migrate"][..]),
        ("retried", &["rejects", "retry"]),
        ("retry-proven", &["migrate"]),
    ] {
        let desk = Desk::new("cli_retry_killed").await;
        let before = pg_dump_schema_without(&desk.target.url(), "driftless");
        let nobody = "UPDATE public.customer_order SET customer_id = 99999 WHERE id = 9";
        desk.source.run(nobody).await;
        desk.run(&["migrate"]).expect(1);
        // What can be read now has no parent, which only a proof tells: triggers are silent.
        desk.source
            .run("UPDATE public.customer_order SET amount = '11.25' WHERE id = 9")
            .await;
        let child = program(desk.dir(), &["rejects", "retry", "orders", "9"])
            .env("DRIFTLESS_CRASH", point)
            .spawn()
            .unwrap();
        assert_eq!(end(child).code, -1, "{point}");
        let orphans = "SELECT count(*) FROM public.orders AS o \
                       WHERE NOT EXISTS (SELECT FROM public.customers AS c WHERE c.id = o.customer_id)";
        let left = i64::from(point == "retried");
        assert_eq!(desk.count(orphans).await, left, "{point}");
        desk.run(&["validate"]).expect(1);
        desk.run(next).expect(1);
        assert_eq!(desk.count(orphans).await, 0, "{point}, {next:?}");
        assert_eq!(desk.count("SELECT count(*) FROM public.orders").await, 998);
        let record = "SELECT count(*) FROM driftless.rejects WHERE key = '9' AND code = 'DL0400' AND state = 'rejected'";
        assert_eq!(desk.count(record).await, 1, "{point}, {next:?}");
        let open = "SELECT count(*) FROM driftless.entity WHERE phase <> 'done'";
        assert_eq!(desk.count(open).await, 0, "{point}, {next:?}");
        desk.run(&["validate"]).expect(0);
        assert_eq!(pg_dump_schema_without(&desk.target.url(), "driftless"), before);
    }
}

/// What another entity's rows keep from coming back does not stand in the way.
#[tokio::test]
async fn one_entity_starts_over_beside_one_that_is_not_proven() {
    let desk = Desk::new("cli_beside_unproven").await;
    let before = pg_dump_schema_without(&desk.target.url(), "driftless");
    desk.source
        .run(
            "CREATE TABLE public.voucher (id integer PRIMARY KEY, code text);
             INSERT INTO public.voucher SELECT i, 'v' || i % 100 FROM generate_series(1, 101) AS i",
        )
        .await;
    desk.target
        .run("CREATE TABLE public.vouchers (id uuid PRIMARY KEY, code text UNIQUE)")
        .await;
    let text = std::fs::read_to_string(desk.dir().join("driftless.toml")).unwrap();
    let more = "\n[entities.vouchers]\nfrom = \"public.voucher\"\ninto = \"public.vouchers\"\nmax_rejects = 10\n\
                columns = { id = { id = true } }\n";
    desk.write("driftless.toml", &(text + more));
    let with_vouchers = pg_dump_schema_without(&desk.target.url(), "driftless");
    assert_ne!(with_vouchers, before);
    let child = program(desk.dir(), &["migrate"])
        .env("DRIFTLESS_CRASH", "loaded")
        .spawn()
        .unwrap();
    assert_eq!(end(child).code, -1);
    desk.run(&["migrate", "--restart", "--entity", "orders", "--yes"])
        .expect(1);
    let phases = "SELECT string_agg(entity || ' ' || phase, ', ' ORDER BY entity) FROM driftless.entity";
    assert_eq!(
        desk.target.value(phases).await.as_deref(),
        Some("customers done, orders done, vouchers loaded")
    );
    desk.run(&["migrate"]).expect(1);
    assert_eq!(desk.count("SELECT count(*) FROM public.vouchers").await, 100);
    assert_eq!(
        pg_dump_schema_without(&desk.target.url(), "driftless"),
        with_vouchers
    );
}

/// Loads up to a crash point, which must be reached.
async fn crash(desk: &Desk, point: &str) {
    let again: &[&str] = if is_done(desk).await {
        &["migrate", "--restart", "--yes"]
    } else {
        &["migrate"]
    };
    let times = if again.len() > 1 && ["state-made", "lease-taken"].contains(&point) {
        ":2"
    } else {
        ""
    };
    let child = program(desk.dir(), again)
        .env("DRIFTLESS_CRASH", format!("{point}{times}"))
        .spawn()
        .unwrap();
    died_at(child, point);
}

/// Waits until it died at a crash point, and nowhere else.
fn died_at(child: Child, point: &str) {
    let outcome = end(child);
    assert_eq!(outcome.code, -1, "{point}: {}", outcome.err);
    assert!(
        outcome.err.contains(&format!("crash point {point}")),
        "{point}: {}",
        outcome.err
    );
}
