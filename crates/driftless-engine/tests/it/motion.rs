//! The schema in motion: a table is changed or locked while its entity waits for its turn, or between two of its chunks. The entity
//! comes to a halt, the others end, and nothing is lost or wrong.

use driftless_core::code::{self, Code};
use driftless_engine::error::EngineError;
use driftless_engine::run::{Stop, migrate, restart};
use driftless_testkit::{pg_dump_schema_without, wait_until};

use crate::gate::{GATE, Gate};
use crate::pair::{Pair, migrate_spec, read};

/// `first` holds the gate while `victim` waits for it; `child` refers to `victim`, `other` to nobody.
const SOURCE: &str = "
    CREATE TABLE first (id int PRIMARY KEY);
    CREATE TABLE victim (id int PRIMARY KEY, n int, note text);
    CREATE TABLE child (id int PRIMARY KEY, victim_id int);
    CREATE TABLE other (id int PRIMARY KEY, code text);
    INSERT INTO first SELECT generate_series(1, 5);
    INSERT INTO victim SELECT i, i, 'note ' || i FROM generate_series(1, 300) AS i;
    INSERT INTO child SELECT i, 1 + i % 300 FROM generate_series(1, 500) AS i;
    INSERT INTO other SELECT i, 'c' || i FROM generate_series(1, 400) AS i;";

const TARGET: &str = "
    CREATE TABLE first (id uuid PRIMARY KEY, n int8 UNIQUE);
    CREATE TABLE victim (id uuid PRIMARY KEY, n int UNIQUE, note text);
    CREATE TABLE child (id uuid PRIMARY KEY, victim_id uuid NOT NULL REFERENCES victim);
    CREATE INDEX child_victim ON child (victim_id);
    CREATE TABLE other (id uuid PRIMARY KEY, code text UNIQUE);
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = ''700ms''', current_database()); END $$;";

const SOURCE_PATIENCE: &str = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = ''700ms''', current_database()); END $$;";

fn mapping(note: &str) -> String {
    format!(
        r#"
    [entities.first]
    from = "public.first"
    into = "public.first"
    columns.id = {{ id = true }}
    columns.n = {{ sql = "public.gate(id::int8, 2)" }}
    [entities.victim]
    from = "public.victim"
    into = "public.victim"
    after = ["first"]
    columns.id = {{ id = true }}
    {note}
    [entities.child]
    from = "public.child"
    into = "public.child"
    columns.id = {{ id = true }}
    columns.victim_id = {{ ref = "victim", from = "victim_id" }}
    [entities.other]
    from = "public.other"
    into = "public.other"
    columns.id = {{ id = true }}
    "#
    )
}

struct Scene {
    pair: Pair,
    /// The target's DDL before anything ran.
    before: String,
}

impl Scene {
    async fn new(hint: &str) -> Scene {
        let source = format!("{SOURCE}{SOURCE_PATIENCE}");
        let pair = Pair::create(hint, &source, &format!("{GATE}{TARGET}")).await;
        let before = pg_dump_schema_without(&pair.target.url(), "driftless");
        Scene { pair, before }
    }

    /// Loads, and does something while `first` stands before the gate.
    async fn meanwhile(&self, work: impl AsyncFnOnce(&Pair)) -> EngineError {
        let spec = self.pair.spec(&mapping(""));
        let gate = Gate::shut(&self.pair.target).await;
        let (outcome, ()) = tokio::join!(migrate_spec(&spec), async {
            gate.reached().await;
            work(&self.pair).await;
            gate.open().await;
        });
        outcome.expect_err("a halt")
    }

    async fn phases(&self) -> Vec<String> {
        let sql = "SELECT entity || ' ' || phase FROM driftless.entity ORDER BY 1";
        let rows = self.pair.target.rows(sql).await;
        rows.into_iter()
            .map(|mut row| row.remove(0).expect("a phase"))
            .collect()
    }

    /// `victim` halted and told, the others at their end, nothing rejected.
    async fn halted(&self, error: &EngineError, code: Code, told: &str) {
        assert_eq!(error.code(), code, "{error}");
        let text = error.to_string();
        assert!(text.contains("entity victim") && text.contains(told), "{text}");
        assert_eq!(
            self.phases().await,
            ["child loaded", "first done", "other done", "victim loading"]
        );
        assert_eq!(self.pair.count("SELECT count(*) FROM driftless.rejects").await, 0);
        assert_eq!(self.pair.count("SELECT count(*) FROM other").await, 400);
    }

    /// Everything is done and right, and the target's DDL is what it was.
    async fn whole(&self, n: &str) {
        assert_eq!(
            self.phases().await,
            ["child done", "first done", "other done", "victim done"]
        );
        assert_eq!(self.pair.count("SELECT count(*) FROM driftless.rejects").await, 0);
        assert_eq!(
            pg_dump_schema_without(&self.pair.target.url(), "driftless"),
            self.before
        );
        let there =
            "SELECT n, i.k1 FROM victim v JOIN driftless.identity_victim i ON i.t1 = v.id ORDER BY i.k1";
        let here = format!("SELECT {n}, id FROM victim ORDER BY id");
        assert_eq!(
            self.pair.source.rows(&here).await,
            self.pair.target.rows(there).await
        );
        assert_eq!(
            self.pair
                .count("SELECT count(*) FROM child JOIN victim v ON v.id = victim_id")
                .await,
            500
        );
    }

    /// `--restart --entity victim`, with this mapping.
    async fn start_over(&self, mapping: &str) {
        let spec = self.pair.spec(mapping);
        let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
        let only = ["victim".to_owned()];
        restart(&spec, &only, &events).await.expect("a restart");
        migrate(&spec, &[], &events, &Stop::new()).await.expect("a load");
    }
}

#[tokio::test]
async fn a_source_column_that_is_dropped() {
    let scene = Scene::new("sourcedropped").await;
    let error = scene
        .meanwhile(async |pair| pair.source.run("ALTER TABLE victim DROP COLUMN note").await)
        .await;
    scene.halted(&error, code::SCHEMA_CHANGED, "note").await;
    scene
        .start_over(&mapping("columns.note = { const = \"none\" }"))
        .await;
    scene.whole("n").await;
}

#[tokio::test]
async fn a_source_column_that_becomes_another() {
    let scene = Scene::new("sourceretyped").await;
    // The table is rewritten: the run's snapshot sees none of its rows any more.
    let error = scene
        .meanwhile(async |pair| pair.source.run("ALTER TABLE victim ALTER n TYPE text").await)
        .await;
    scene.halted(&error, code::SCHEMA_CHANGED, "column n").await;
    scene
        .start_over(&mapping("columns.n = { sql = \"n::int\" }"))
        .await;
    scene.whole("n::int").await;
}

#[tokio::test]
async fn a_source_column_that_is_another_of_the_same_name() {
    let scene = Scene::new("sourcereplaced").await;
    let error = scene
        .meanwhile(async |pair| {
            let sql = "ALTER TABLE victim RENAME n TO old_n; ALTER TABLE victim ADD n int; UPDATE victim SET n = 7000 + id";
            pair.source.run(sql).await;
        })
        .await;
    scene.halted(&error, code::SCHEMA_CHANGED, "column n").await;
    scene.start_over(&mapping("")).await;
    scene.whole("n").await;
}

#[tokio::test]
async fn a_source_table_that_is_rewritten_emptied_or_replaced() {
    for (hint, sql) in [
        ("sourcefull", "VACUUM FULL victim"),
        ("sourceempty", "TRUNCATE victim"),
        (
            "sourceswap",
            "ALTER TABLE victim RENAME TO old; CREATE TABLE victim (LIKE old INCLUDING ALL); INSERT INTO victim SELECT * FROM old",
        ),
    ] {
        let scene = Scene::new(hint).await;
        let error = scene.meanwhile(async |pair| pair.source.run(sql).await).await;
        scene.halted(&error, code::SCHEMA_CHANGED, "source").await;
        if hint == "sourceempty" {
            let sql = "INSERT INTO victim SELECT i, i, 'note ' || i FROM generate_series(1, 300) AS i";
            scene.pair.source.run(sql).await;
        }
        // Nothing of the mapping is wrong: the next run sees the rows.
        scene.pair.migrate(&mapping("")).await.expect("a load");
        scene.whole("n").await;
    }
}

#[tokio::test]
async fn a_table_that_is_renamed_on_either_side() {
    for at_source in [true, false] {
        let scene = Scene::new("renamed").await;
        let side = |pair: &Pair| {
            if at_source {
                pair.source.url()
            } else {
                pair.target.url()
            }
        };
        let error = scene
            .meanwhile(async |pair| run_at(&side(pair), "ALTER TABLE victim RENAME TO gone").await)
            .await;
        scene.halted(&error, code::SCHEMA_CHANGED, "victim").await;
        run_at(&side(&scene.pair), "ALTER TABLE gone RENAME TO victim").await;
        scene.pair.migrate(&mapping("")).await.expect("a load");
        scene.whole("n").await;
    }
}

#[tokio::test]
async fn a_table_that_is_locked_on_either_side() {
    for at_source in [true, false] {
        let scene = Scene::new("locked").await;
        let mut holder = None;
        let error = scene
            .meanwhile(async |pair| {
                let database = if at_source { &pair.source } else { &pair.target };
                let client = database.client().await;
                let lock =
                    "BEGIN; SET application_name = 'forgotten'; LOCK TABLE victim IN ACCESS EXCLUSIVE MODE";
                client.batch_execute(lock).await.expect("a lock");
                holder = Some(client);
            })
            .await;
        scene.halted(&error, code::TARGET_BUSY, "forgotten").await;
        let holder = holder.expect("a holder");
        holder.batch_execute("ROLLBACK").await.expect("the lock is free");
        scene.pair.migrate(&mapping("")).await.expect("a load");
        scene.whole("n").await;
    }
}

#[tokio::test]
async fn a_target_column_that_is_dropped_or_becomes_another() {
    for (hint, there, back) in [
        (
            "targetdropped",
            "ALTER TABLE victim DROP COLUMN note",
            "ALTER TABLE victim ADD COLUMN note text",
        ),
        // Bytes of the same length: binary COPY would take them for something else.
        (
            "targetretyped",
            "ALTER TABLE victim ALTER n TYPE real",
            "ALTER TABLE victim ALTER n TYPE int",
        ),
        (
            "targetlonger",
            "ALTER TABLE victim ALTER n TYPE int8",
            "ALTER TABLE victim ALTER n TYPE int",
        ),
    ] {
        let scene = Scene::new(hint).await;
        let error = scene.meanwhile(async |pair| pair.target.run(there).await).await;
        scene.halted(&error, code::SCHEMA_CHANGED, "victim").await;
        scene.pair.target.run(back).await;
        scene.start_over(&mapping("")).await;
        scene.whole("n").await;
    }
}

/// A table of five chunks, of which little is read.
const FIVE_CHUNKS: &str = "
    CREATE TABLE victim (id int PRIMARY KEY, n int, filler text);
    ALTER TABLE victim ALTER filler SET STORAGE PLAIN;
    INSERT INTO victim SELECT i, i, repeat('x', 7800) FROM generate_series(1, 4800) AS i;
    ALTER TABLE victim DROP filler;";

#[tokio::test]
async fn a_target_column_that_becomes_another_between_two_chunks() {
    let target = format!("{GATE} CREATE TABLE victim (id uuid PRIMARY KEY, n int);");
    let pair = Pair::create("betweenchunks", FIVE_CHUNKS, &target).await;
    let mapping = "[entities.victim]\nfrom = \"public.victim\"\ninto = \"public.victim\"\nbatch_rows = 500\n\
        columns.id = { id = true }\ncolumns.n = { sql = \"public.gate(n, 3900)::int\" }\n";
    let gate = Gate::shut(&pair.target).await;
    let (outcome, ()) = tokio::join!(pair.migrate(mapping), async {
        gate.reached().await;
        wait_until("four finished chunks of five", async || {
            pair.count("SELECT count(*) FILTER (WHERE done) * 10 + count(*) FROM driftless.chunk")
                .await
                == 45
        })
        .await;
        // Nothing of the fifth chunk is written yet, so nobody holds a lock.
        let retype = "SET lock_timeout = '10s'; ALTER TABLE victim ALTER n TYPE real";
        pair.target.run(retype).await;
        gate.open().await;
    });
    let error = outcome.expect_err("a halt");
    assert_eq!(error.code(), code::SCHEMA_CHANGED, "{error}");
    let wrong =
        "SELECT count(*) FROM victim v JOIN driftless.identity_victim i ON i.t1 = v.id WHERE v.n <> i.k1";
    assert_eq!(pair.count(wrong).await, 0);
    pair.target.run("ALTER TABLE victim ALTER n TYPE int").await;
    pair.migrate(mapping).await.expect("a load");
    assert_eq!(pair.count("SELECT count(*) FROM victim").await, 4800);
    assert_eq!(pair.count(wrong).await, 0);
}

/// A second gate, as [`GATE`].
const SECOND: &str = "
    CREATE FUNCTION public.second(n int8, from_row int8) RETURNS int8 LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        IF n >= from_row THEN
            PERFORM pg_advisory_xact_lock_shared(7734022);
        END IF;
        RETURN n;
    END $$;";

/// A chunk that has to be given up waits for what reads, which the next chunk has: it keeps no lock meanwhile.
#[tokio::test]
async fn a_chunk_that_is_given_up_beside_another_keeps_no_lock() {
    let target = format!("{GATE} {SECOND} CREATE TABLE victim (id uuid PRIMARY KEY, n int);");
    let pair = Pair::create("givenup", FIVE_CHUNKS, &target).await;
    let mapping = format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{}\"\nmax_connections = 1\n\
         [target]\nurl = \"{}\"\nmax_connections = 2\n\
         [entities.victim]\nfrom = \"public.victim\"\ninto = \"public.victim\"\nbatch_rows = 500\n\
         columns.id = {{ id = true }}\ncolumns.n = {{ sql = \"public.gate(public.second(n, 1200), 1)::int\" }}\n",
        pair.source.url(),
        pair.target.url()
    );
    let spec = read(&mapping);
    let gate = Gate::shut(&pair.target).await;
    let second = pair.target.client().await;
    let shut = "SELECT pg_advisory_lock(7734022)";
    second.batch_execute(shut).await.expect("the lock");
    let (outcome, ()) = tokio::join!(migrate_spec(&spec), async {
        gate.reached().await;
        // Nothing of the first chunk is written yet, so nobody holds a lock.
        let retype = "SET lock_timeout = '10s'; ALTER TABLE victim ALTER n TYPE real";
        pair.target.run(retype).await;
        gate.open().await;
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7734022 AND NOT granted \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        wait_until("the second chunk", async || pair.count(waiting).await > 0).await;
        let locks =
            "SELECT count(*) FROM pg_locks WHERE relation = 'victim'::regclass AND mode = 'RowExclusiveLock'";
        wait_until("no lock", async || pair.count(locks).await == 0).await;
        let open = "SELECT pg_advisory_unlock_all()";
        second.batch_execute(open).await.expect("the lock is free");
    });
    assert_eq!(outcome.expect_err("a halt").code(), code::SCHEMA_CHANGED);
    assert_eq!(pair.count("SELECT count(*) FROM victim").await, 0);
}

async fn run_at(url: &str, sql: &str) {
    let config = driftless_pg::ConnectConfig::parse(url).expect("a URL");
    let session = driftless_pg::Session::connect(&config, "test")
        .await
        .expect("a session");
    session
        .batch(&format!("SET search_path = public; {sql}"))
        .await
        .expect("done");
}
