//! Killed at any moment while the source goes on changing, and continued: the target is what the source was under the
//! last snapshot, as if nothing had happened.

#![expect(clippy::unwrap_used, reason = "a test cannot go on either where these fail")]

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use driftless_testkit::{Random, pg_dump_schema_without};
use tokio::task::JoinHandle;

use crate::desk::{Desk, end, program};

/// Every version that a row of the source ever had, with the transactions that made and ended it.
const HISTORY: &str = "
CREATE TABLE public.history (tab text, id integer, body jsonb, born xid8, died xid8);
CREATE INDEX ON public.history (tab, id);
CREATE FUNCTION public.remember() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE public.history SET died = pg_current_xact_id() WHERE tab = TG_TABLE_NAME AND id = OLD.id AND died IS NULL;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO public.history VALUES (TG_TABLE_NAME, NEW.id, to_jsonb(NEW), pg_current_xact_id(), NULL);
  END IF;
  RETURN NULL;
END $$;
INSERT INTO public.history SELECT 'customer', id, to_jsonb(c), pg_current_xact_id(), NULL FROM public.customer AS c;
INSERT INTO public.history SELECT 'customer_order', id, to_jsonb(o), pg_current_xact_id(), NULL FROM public.customer_order AS o;
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON public.customer FOR EACH ROW EXECUTE FUNCTION public.remember();
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON public.customer_order FOR EACH ROW EXECUTE FUNCTION public.remember();
ALTER TABLE public.customer ADD UNIQUE (mail) DEFERRABLE INITIALLY DEFERRED;
";

/// A change of the source, by number.
fn change(random: &mut Random) -> String {
    let (customer, order) = (1 + random.below(220), 1 + random.below(1100));
    match random.below(8) {
        0 => format!("UPDATE public.customer SET name = name || '.' WHERE id = {customer}"),
        1 => format!("DELETE FROM public.customer WHERE id = {customer}"),
        2 => format!(
            "INSERT INTO public.customer VALUES ({customer}, 'New {customer}', 'n{}@example.org') ON CONFLICT (id) DO NOTHING",
            random.bits()
        ),
        // A unique value goes from one row to another and back.
        3 => format!(
            "UPDATE public.customer AS a SET mail = b.mail FROM public.customer AS b \
             WHERE a.id IN ({customer}, {customer} + 1) AND b.id IN ({customer}, {customer} + 1) AND a.id <> b.id"
        ),
        4 => format!(
            "UPDATE public.customer_order SET amount = (random() * 100)::numeric(6,2)::text WHERE id = {order}"
        ),
        5 => format!("UPDATE public.customer_order SET amount = 'n/a' WHERE id = {order} AND id % 9 = 0"),
        6 => format!("DELETE FROM public.customer_order WHERE id = {order}"),
        _ => format!(
            "INSERT INTO public.customer_order VALUES ({order}, {customer}, '1.25') ON CONFLICT (id) DO UPDATE SET customer_id = {customer}"
        ),
    }
}

/// An application that goes on writing.
struct Application {
    ended: Arc<AtomicBool>,
    writing: JoinHandle<u64>,
}

impl Application {
    async fn start(desk: &Desk, seed: u64) -> Application {
        let client = desk.source.client().await;
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let writing = tokio::spawn(async move {
            let mut random = Random::from_seed(seed);
            let mut pace = tokio::time::interval(Duration::from_millis(4));
            let mut changes = 0;
            while !end.load(Ordering::SeqCst) {
                client.batch_execute(&change(&mut random)).await.unwrap();
                changes += 1;
                pace.tick().await;
            }
            changes
        });
        Application { ended, writing }
    }

    async fn end(self) {
        self.ended.store(true, Ordering::SeqCst);
        let changes = self.writing.await.unwrap();
        assert!(changes > 0, "the source never changed");
    }
}

async fn desk(hint: &str) -> Desk {
    let desk = Desk::new(hint).await;
    desk.source.run(HISTORY).await;
    desk.target
        .run("ALTER TABLE public.customers ADD UNIQUE (email)")
        .await;
    let mapping = "[entities.customers]\nfrom = \"public.customer\"\ninto = \"public.customers\"\nbatch_rows = 40\n\
        [entities.customers.columns]\nid = { id = true }\nlegacy_id = \"id\"\nemail = \"mail\"\n\
        [entities.orders]\nfrom = \"public.customer_order\"\ninto = \"public.orders\"\nbatch_rows = 150\nmax_rejects = \"90%\"\n\
        [entities.orders.columns]\nid = { id = true }\ncustomer_id = { ref = \"customers\", from = \"customer_id\" }\n\
        amount = { sql = \"amount::numeric(12,2)\" }\n";
    desk.write("entities/shop.toml", mapping);
    desk
}

/// The target is what the source was under the snapshot of the last run: rows, keys, references, rejects.
async fn as_under_the_last_snapshot(desk: &Desk) {
    let last = "SELECT split_part(snapshot, ' ', 1) FROM driftless.execution WHERE snapshot IS NOT NULL ORDER BY id DESC LIMIT 1";
    let snapshot = desk.target.value(last).await.unwrap();
    let live = format!(
        "WITH live AS (SELECT tab, id, body FROM public.history WHERE pg_visible_in_snapshot(born, '{snapshot}') \
         AND (died IS NULL OR NOT pg_visible_in_snapshot(died, '{snapshot}'))), \
         customers AS (SELECT id, body FROM live WHERE tab = 'customer'), \
         orders AS (SELECT o.id, o.body, c.id AS customer FROM live AS o \
           LEFT JOIN customers AS c ON c.id = (o.body ->> 'customer_id')::integer WHERE o.tab = 'customer_order')"
    );
    let pairs = [
        (
            "SELECT id::text, body ->> 'name', body ->> 'mail' FROM customers ORDER BY id",
            "SELECT legacy_id::text, name, email FROM public.customers ORDER BY legacy_id",
        ),
        (
            "SELECT id::text, customer::text, (body ->> 'amount')::numeric(12,2)::text FROM orders \
             WHERE body ->> 'amount' <> 'n/a' AND customer IS NOT NULL ORDER BY id",
            "SELECT i.k1::text, c.legacy_id::text, o.amount::text FROM public.orders AS o \
             LEFT JOIN driftless.identity_orders AS i ON i.t1 = o.id LEFT JOIN public.customers AS c ON c.id = o.customer_id ORDER BY i.k1",
        ),
        (
            "SELECT id::text FROM orders WHERE body ->> 'amount' = 'n/a' OR customer IS NULL ORDER BY id",
            "SELECT key FROM driftless.rejects WHERE entity = 'orders' ORDER BY key::integer",
        ),
        (
            "SELECT id::text FROM customers ORDER BY id",
            "SELECT k1::text FROM driftless.identity_customers ORDER BY k1",
        ),
    ];
    for (expected, actual) in pairs {
        let expected = desk.source.rows(&format!("{live} {expected}")).await;
        let found = desk.target.rows(actual).await;
        let missing: Vec<_> = expected.iter().filter(|row| !found.contains(row)).collect();
        let surplus: Vec<_> = found.iter().filter(|row| !expected.contains(row)).collect();
        assert_eq!((missing, surplus), (Vec::new(), Vec::new()), "{actual}");
        assert_eq!(expected.len(), found.len(), "{actual}");
    }
}

async fn is_done(desk: &Desk) -> bool {
    let there = desk
        .target
        .value("SELECT to_regclass('driftless.entity')::text")
        .await;
    there.is_some()
        && desk.count("SELECT count(*) FROM driftless.entity").await == 2
        && desk
            .count("SELECT count(*) FROM driftless.entity WHERE phase <> 'done'")
            .await
            == 0
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
    let application = Application::start(&desk, random.bits()).await;
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
    let application = Application::start(&desk, 7).await;
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
        assert!(is_done(&desk).await, "{point}, {next:?}");
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
    let outcome = end(child);
    assert_eq!(outcome.code, -1, "{point}: {}", outcome.err);
    assert!(
        outcome.err.contains(&format!("crash point {point}")),
        "{point}: {}",
        outcome.err
    );
}
