//! What `plan` shows of a load is what runs, and what it advises helps.

use driftless_core::spec::Spec;
use driftless_engine::run::report::{PlanReport, PlannedEntity};
use driftless_engine::run::{Stop, migrate, plan};
use driftless_testkit::{Cluster, ClusterOptions, Server, TestDatabase, wait_until};

use crate::pair::{Pair, migrate_spec, read};

const SOURCE: &str = "
    CREATE TABLE owner (id int PRIMARY KEY, name text);
    CREATE TABLE item (id int NOT NULL, owner int, price text, at timestamp);
    INSERT INTO owner SELECT n, 'owner ' || n FROM generate_series(1, 50) AS n;
    INSERT INTO item SELECT n, 1 + n % 50, (n * 0.25)::text, '2024-01-01'::timestamp + n * interval '1 minute'
        FROM generate_series(1, 40000) AS n;
    UPDATE item SET price = 'none' WHERE id = 17; UPDATE item SET owner = 51 WHERE id = 18;";

const TARGET: &str = "
    CREATE TABLE owners (id uuid PRIMARY KEY, name text UNIQUE);
    CREATE TABLE items (id uuid PRIMARY KEY, legacy_id int UNIQUE, owner_id uuid NOT NULL REFERENCES owners,
        price numeric CHECK (price > 0), at timestamptz, state text);
    CREATE INDEX items_at ON items (at) WHERE price > 10;";

const MAPPING: &str = r#"
    [entities.owners]
    from = "public.owner"
    into = "public.owners"
    columns = { id = { id = true } }
    [entities.items]
    from = "public.item"
    into = "public.items"
    key = ["id"]
    where = "id > 5"
    max_rejects = 2
    [entities.items.columns]
    id = { id = true }
    legacy_id = "id"
    owner_id = { ref = "owners", from = "owner" }
    price = { sql = "price::numeric" }
    at = { sql = "at AT TIME ZONE 'UTC'" }
    state = { sql = "upper('new')" }
    [[entities.items.rules]]
    name = "cheap"
    check = "price < 1000000"
    on = "target"
    on_fail = "warn"
"#;

fn entity<'r>(report: &'r PlanReport, name: &str) -> &'r PlannedEntity {
    let found = report.entities.iter().find(|one| one.entity == name);
    found.expect("an entity")
}

fn steps(entity: &PlannedEntity) -> Vec<&str> {
    entity.statements.iter().map(|one| one.step.as_str()).collect()
}

/// A pair on a server that notes every statement.
async fn noted(name: &str, source: &str, target: &str) -> (Cluster, Pair) {
    let options = ClusterOptions {
        settings: vec![("log_statement".to_owned(), "all".to_owned())],
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(&options).expect("a server");
    let server = Server::of(&cluster);
    let pair = Pair {
        source: TestDatabase::create(&server, name).await,
        target: TestDatabase::create(&server, name).await,
    };
    pair.source.run(source).await;
    pair.target.run(target).await;
    (cluster, pair)
}

#[tokio::test]
async fn the_sql_of_a_plan_is_the_sql_that_runs() {
    let (cluster, pair) = noted("planned", SOURCE, TARGET).await;
    let planned = plan(&pair.spec(MAPPING)).await.expect("a plan");
    let before = cluster.log().len();
    pair.migrate(MAPPING).await.expect("a load");
    // Lines after the first of a statement are set in.
    let ran = cluster.log()[before..].replace("\n\t", "\n");
    for entity in &planned.entities {
        for statement in &entity.statements {
            assert!(
                ran.contains(&statement.sql),
                "{} {}: {}",
                entity.entity,
                statement.step,
                statement.sql
            );
        }
    }
    assert_eq!(
        steps(entity(&planned, "items")),
        [
            "set aside",
            "set aside",
            "set aside",
            "set aside",
            "set aside",
            "read",
            "evaluate",
            "evaluate rules of the target",
            "write rows",
            "write identities",
            "gather statistics",
            "build",
            "build",
            "find references to missing public.owners",
            "build",
            "put back",
            "put back",
            "put back",
            "put back",
            "validate",
        ]
    );
    assert_eq!(pair.count("SELECT count(*) FROM items").await, 39_993);
    let done = plan(&pair.spec(MAPPING)).await.expect("a plan");
    assert_eq!(steps(entity(&done, "items")), [""; 0]);
}

/// Statistics in stages: all of the tables' own where nobody else is going to gather them.
#[tokio::test]
async fn statistics_are_left_to_autovacuum_where_it_is_on() {
    let target = format!("{TARGET} ALTER TABLE items SET (autovacuum_enabled = off)");
    let pair = Pair::create("gathered", SOURCE, &target).await;
    let planned = plan(&pair.spec(MAPPING)).await.expect("a plan");
    let gathered = |name: &str| {
        let mut statements = entity(&planned, name).statements.iter();
        let found = statements.find(|one| one.step == "gather statistics");
        found.expect("statistics").sql.clone()
    };
    assert_eq!(gathered("items"), r#"ANALYZE "public"."items""#);
    assert_eq!(
        gathered("owners"),
        r#"SET default_statistics_target = 10; ANALYZE "public"."owners" ("id", "name"); RESET default_statistics_target"#
    );
    pair.migrate(MAPPING).await.expect("a load");
    let known = "SELECT string_agg(tablename || '.' || attname, ' ' ORDER BY tablename, attname) FROM pg_stats WHERE schemaname = 'public'";
    assert_eq!(
        pair.target.value(known).await.as_deref(),
        Some(
            "items.at items.id items.legacy_id items.owner_id items.price items.state owners.id owners.name"
        )
    );
    // Rows changed since the last ANALYZE that counts are what autovacuum begins by.
    wait_until("autovacuum has reason to come, or has come", async || {
        let due = "SELECT count(*) FROM pg_stat_user_tables WHERE relname = 'owners' AND (n_mod_since_analyze > 0 OR autoanalyze_count > 0)";
        pair.count(due).await == 1
    })
    .await;
}

const KEPT_SOURCE: &str = "
    CREATE TABLE keeper (id int PRIMARY KEY, name text);
    INSERT INTO keeper SELECT n, CASE n WHEN 7 THEN 'nobody' ELSE 'keeper ' || n END FROM generate_series(1, 2000) AS n WHERE n % 10 <> 3;
    CREATE TABLE thing (id int PRIMARY KEY, keeper int, owner int, other text);
    INSERT INTO thing SELECT n, n % 2100, n % 50, 'thing ' || n FROM generate_series(1, 5000) AS n; ANALYZE;";

const KEPT_TARGET: &str = "
    CREATE TABLE keepers (id uuid PRIMARY KEY, name text CHECK (name <> 'nobody'));
    CREATE TABLE things (id uuid PRIMARY KEY, keeper_id uuid REFERENCES keepers, owner_id uuid REFERENCES keepers, other text);";

const KEPT_MAPPING: &str = r#"
    [entities.things]
    from = "public.thing"
    into = "public.things"
    max_rejects = 1000
    [entities.things.columns]
    id = { id = true }
    keeper_id = { ref = "keepers", from = "keeper", missing = "null" }
    owner_id = { ref = "keepers", from = "owner" }
    [entities.keepers]
    from = "public.keeper"
    into = "public.keepers"
    max_rejects = 1
    columns = { id = { id = true } }
"#;

fn by_one_lane(pair: &Pair) -> Spec {
    let (source, target) = (pair.source.url(), pair.target.url());
    read(&format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{source}\"\nmax_connections = 1\n\
         [target]\nurl = \"{target}\"\nmax_connections = 2\n{KEPT_MAPPING}"
    ))
}

/// Where parents are all loaded, a reference to none of them becomes null as its row passes by, and the proof finds nothing to do;
/// what is in the target then is what the proof would have left.
#[tokio::test]
async fn references_to_missing_parents_are_decided_as_rows_pass_by() {
    let (cluster, pair) = noted("decided", KEPT_SOURCE, KEPT_TARGET).await;
    // With two lanes neither would wait for the other.
    migrate_spec(&by_one_lane(&pair)).await.expect("a load");
    let corrected = "offered AS (UPDATE";
    assert!(!cluster.log().contains(corrected));
    // Of parents that an earlier run has loaded no keys are known, and the proof corrects.
    let (proven, other) = noted("proven", KEPT_SOURCE, KEPT_TARGET).await;
    let spec = by_one_lane(&other);
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    let (parents, stop) = (["keepers".to_owned()], Stop::new());
    migrate(&spec, &parents, &events, &stop)
        .await
        .expect("the parents");
    migrate_spec(&spec).await.expect("the rest");
    assert!(proven.log().contains(corrected));
    for told in [
        "SELECT string_agg(t::text, ';' ORDER BY t.id) FROM things AS t",
        "SELECT string_agg((i.k1, i.t1, i.row_hash, i.offered, i.status, i.nulled)::text, ';' ORDER BY i.k1) FROM driftless.identity_things AS i",
        "SELECT string_agg((r.entity, r.key, r.state, r.code, r.column_name, r.parent_key)::text, ';' ORDER BY r.entity, r.key) FROM driftless.rejects AS r",
    ] {
        let (decided, proven) = (pair.target.value(told).await, other.target.value(told).await);
        assert!(
            decided.is_some() && decided == proven,
            "{told}:\n{decided:?}\nproven:\n{proven:?}"
        );
    }
    let nulled = "SELECT count(*) FROM driftless.identity_things WHERE nulled";
    assert!(pair.count(nulled).await > 150);
}

const LINE: &str = "
    CREATE TABLE first (id int PRIMARY KEY, beyond int);
    INSERT INTO first SELECT n, CASE n WHEN 7 THEN 99 ELSE n END FROM generate_series(1, 50) AS n;
    CREATE TABLE second (id int PRIMARY KEY, first int); INSERT INTO second SELECT n, n FROM generate_series(1, 50) AS n;
    CREATE TABLE third (id int PRIMARY KEY, second int); INSERT INTO third SELECT n, n FROM generate_series(1, 50) AS n;";

const LINE_TARGET: &str = "
    CREATE DOMAIN reference AS uuid;
    CREATE TABLE first (id uuid PRIMARY KEY, beyond uuid); ALTER TABLE first ADD FOREIGN KEY (beyond) REFERENCES first;
    CREATE TABLE second (id uuid PRIMARY KEY, first uuid NOT NULL REFERENCES first);
    CREATE TABLE third (id uuid PRIMARY KEY, second reference NOT NULL);";

const LINE_MAPPING: &str = r#"
    [defaults]
    max_rejects = 10
    [entities.first]
    from = "public.first"
    into = "public.first"
    columns = { id = { id = true }, beyond = { ref = "first", from = "beyond" } }
    [entities.second]
    from = "public.second"
    into = "public.second"
    columns = { id = { id = true }, first = { ref = "first", from = "first" } }
    [entities.third]
    from = "public.third"
    into = "public.third"
    columns = { id = { id = true }, second = { ref = "second", from = "second" } }
"#;

/// A table is read as a whole once. After that its rows are found by what has left, whose keys are UUIDs here.
#[tokio::test]
async fn what_refers_to_rows_that_left_is_found_by_them() {
    let (cluster, pair) = noted("line", LINE, LINE_TARGET).await;
    let planned = plan(&pair.spec(LINE_MAPPING)).await.expect("a plan");
    let questions: Vec<&str> = planned
        .entities
        .iter()
        .flat_map(|one| &one.statements)
        .filter(|one| one.step.contains("references to"))
        .map(|one| one.sql.as_str())
        .collect();
    assert_eq!(questions.len(), 3, "{questions:?}");
    // Orphans are remembered by their keys, and not only counted.
    assert!(
        questions.iter().all(|question| question.contains("AS key")),
        "{questions:?}"
    );
    for question in questions {
        // Compared as texts, neither side could be hashed or found by an index.
        let (_, condition) = question.split_once("NOT EXISTS").expect("a condition");
        assert!(!condition.contains("::text"), "{question}");
    }
    pair.migrate(LINE_MAPPING).await.expect("a load");
    for (entity, code) in [("first", "DL0400"), ("second", "DL0412"), ("third", "DL0412")] {
        assert_eq!(pair.rejects(entity).await, [("7".to_owned(), code.to_owned())]);
    }
    let log = cluster.log();
    let found = |table: &str| {
        log.contains(&format!(
            "driftless_suspect ON COMMIT DROP AS SELECT 0::int8 AS site, c.\"id\" AS t1 FROM \"public\".\"{table}\" AS c WHERE EXISTS"
        ))
    };
    assert!(found("second") && found("third"));
}

/// Keys of integers were counted as they passed by: what they say is whole is not joined, and PostgreSQL has the last word.
#[tokio::test]
async fn references_that_are_counted_are_not_joined() {
    let source = "
        CREATE TABLE owner (id int PRIMARY KEY, code int); INSERT INTO owner SELECT n, n % 49 FROM generate_series(1, 50) AS n;
        CREATE TABLE item (id int PRIMARY KEY, owner int, keeper int);
        INSERT INTO item SELECT n, n % 40 + 1, n % 40 + 2 FROM generate_series(1, 1000) AS n;
        CREATE TABLE part (id int PRIMARY KEY, item int); INSERT INTO part SELECT n, n FROM generate_series(1, 1000) AS n;";
    let target = "
        CREATE TABLE owners (id uuid PRIMARY KEY, code int UNIQUE);
        CREATE TABLE items (id uuid PRIMARY KEY, owner_id uuid REFERENCES owners, keeper_id uuid REFERENCES owners);
        CREATE TABLE parts (id uuid PRIMARY KEY, item_id uuid NOT NULL REFERENCES items);";
    let mapping = r#"
        [defaults]
        max_rejects = 100
        [entities.owner]
        from = "public.owner"
        into = "public.owners"
        columns = { id = { id = true }, code = "code" }
        [entities.item]
        from = "public.item"
        into = "public.items"
        [entities.item.columns]
        id = { id = true }
        owner_id = { ref = "owner", from = "owner" }
        keeper_id = { ref = "owner", from = "keeper", missing = "null", default = "00000000-0000-0000-0000-000000000001" }
        [entities.part]
        from = "public.part"
        into = "public.parts"
        columns = { id = { id = true }, item_id = { ref = "item", from = "item" } }
    "#;
    let (cluster, pair) = noted("counted", source, target).await;
    pair.migrate(mapping).await.expect("a load");
    let looks = |log: &str| log.matches("SELECT o.key FROM").count();
    let rejected = |keys: &[&str], code: &str| -> Vec<(String, String)> {
        let reject = |key: &&str| ((*key).to_owned(), code.to_owned());
        keys.iter().map(reject).collect()
    };
    // One owner repeats the code of another, and left; nothing refers to it.
    assert_eq!(pair.rejects("owner").await, rejected(&["50"], "DL0406"));
    assert_eq!(pair.count("SELECT count(*) FROM parts").await, 1_000);
    assert_eq!(looks(&cluster.log()), 0);

    // One refers to nothing, one to the owner who left, and the parts of both follow.
    pair.source
        .run("UPDATE item SET owner = 99 WHERE id = 7; UPDATE item SET owner = 50 WHERE id = 8")
        .await;
    let anew = "DROP SCHEMA driftless CASCADE; TRUNCATE owners, items, parts";
    pair.target.run(anew).await;
    let before = cluster.log().len();
    pair.migrate(mapping).await.expect("a load");
    let log = &cluster.log()[before..];
    assert_eq!((looks(log), log.matches("= ANY ($1::uuid[])").count()), (1, 1));
    let reject = |key: &str, code: &str| (key.to_owned(), code.to_owned());
    assert_eq!(
        pair.rejects("item").await,
        [reject("7", "DL0400"), reject("8", "DL0412")]
    );
    assert_eq!(pair.rejects("part").await, rejected(&["7", "8"], "DL0412"));

    // What stands in for null passes by without a key.
    pair.source
        .run("UPDATE item SET keeper = NULL WHERE id = 9")
        .await;
    pair.target.run(anew).await;
    pair.target
        .run(
            "CREATE TABLE journal (what text);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.journal VALUES (TG_OP); RETURN NULL; END $$;
             CREATE TRIGGER each AFTER UPDATE OR DELETE ON items FOR EACH ROW EXECUTE FUNCTION note();
             ALTER TABLE items ENABLE ALWAYS TRIGGER each",
        )
        .await;
    let before = cluster.log().len();
    pair.migrate(mapping).await.expect("a load");
    assert!(looks(&cluster.log()[before..]) > 1);
    assert_eq!(pair.count("SELECT count(*) FROM journal").await, 0);
    let modes = "SELECT string_agg(tgname || tgenabled::text, ' ') FROM pg_trigger WHERE NOT tgisinternal";
    assert_eq!(pair.target.value(modes).await.as_deref(), Some("eachA"));
    assert_eq!(
        pair.count("SELECT count(*) FROM items WHERE keeper_id IS NULL")
            .await,
        1
    );
    assert_eq!(pair.count("SELECT count(*) FROM items").await, 998);
    let broken = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated";
    assert_eq!(pair.count(broken).await, 0);
}

/// The line of a COPY says which row is refused; many of them are found in one round trip.
#[tokio::test]
async fn rows_that_are_refused_are_found_by_their_line_where_they_are_few() {
    let source = "CREATE TABLE item (id int PRIMARY KEY, n int); INSERT INTO item SELECT n, n FROM generate_series(1, 2000) AS n;";
    let target = "CREATE TABLE items (id int PRIMARY KEY, n int CHECK (n % 500 <> 7))";
    let mapping = "[entities.item]\nfrom = \"public.item\"\ninto = \"public.items\"\nmax_rejects = 1000\n";
    let (cluster, pair) = noted("line", source, target).await;
    pair.migrate(mapping).await.expect("a load");
    let refused = |key: &str| (key.to_owned(), "DL0407".to_owned());
    assert_eq!(
        pair.rejects("item").await,
        ["7", "507", "1007", "1507"].map(refused)
    );
    assert_eq!(pair.count("SELECT count(*) FROM items").await, 1_996);
    assert!(!cluster.log().contains("driftless_insert"));

    pair.target.run("DROP TABLE items; CREATE TABLE items (id int PRIMARY KEY, n int CHECK (n % 20 <> 7)); DROP SCHEMA driftless CASCADE").await;
    pair.migrate(mapping).await.expect("a load");
    assert_eq!(
        pair.count("SELECT count(*) FROM items WHERE n % 20 <> 7").await,
        1_900
    );
    assert_eq!(pair.rejects("item").await.len(), 100);
    assert!(cluster.log().contains("driftless_insert"));
}

/// A chunk behind one with refused rows is not loaded twice: it begins with care. The second one has begun before the first one is
/// refused.
#[tokio::test]
async fn refused_rows_cost_two_chunks() {
    let source = "
        CREATE TABLE item (id int PRIMARY KEY, n int, filler text);
        ALTER TABLE item ALTER filler SET STORAGE EXTERNAL;
        INSERT INTO item SELECT n, n, repeat('x', 1500) FROM generate_series(1, 30000) AS n;
        ANALYZE item;";
    let target = "CREATE TABLE items (id int PRIMARY KEY, n int CHECK (n % 1000 <> 7), filler text)";
    let (cluster, pair) = noted("wary", source, target).await;
    let mapping = format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{}\"\nmax_connections = 1\n[target]\nurl = \"{}\"\nmax_connections = 2\n\
         [entities.item]\nfrom = \"public.item\"\ninto = \"public.items\"\nmax_rejects = 30\n",
        pair.source.url(),
        pair.target.url()
    );
    migrate_spec(&read(&mapping)).await.expect("a load");
    assert_eq!(pair.rejects("item").await.len(), 30);
    assert_eq!(pair.count("SELECT count(*) FROM items").await, 29_970);
    let chunks = pair.count("SELECT count(*) FROM driftless.chunk").await;
    let reads = cluster.log().matches("COPY (SELECT").count();
    assert!(
        chunks > 3 && (chunks + 1..=chunks + 2).contains(&(reads as i64)),
        "{reads} reads of {chunks} chunks"
    );
}

#[tokio::test]
async fn advised_indexes_are_made_as_they_are_shown_and_then_no_longer_advised() {
    let pair = Pair::create("advised", SOURCE, TARGET).await;
    let advised = async || {
        let planned = plan(&pair.spec(MAPPING)).await.expect("a plan");
        let entities = planned.entities.into_iter();
        entities.flat_map(|one| one.indexes).collect::<Vec<_>>()
    };
    let indexes = advised().await;
    let shown: Vec<(&str, &str)> = indexes.iter().map(|one| (one.side, one.sql.as_str())).collect();
    assert_eq!(
        shown,
        [
            (
                "source",
                "CREATE INDEX CONCURRENTLY ON \"public\".\"item\" (\"id\")"
            ),
            (
                "target",
                "CREATE INDEX CONCURRENTLY ON \"public\".\"items\" (\"owner_id\")"
            ),
        ]
    );
    pair.source.run(&indexes[0].sql).await;
    pair.target.run(&indexes[1].sql).await;
    assert_eq!(advised().await, []);
}

/// A chunk of several batches is one COPY of rows and one of identities, whatever is on record of its rows; rows of different batches
/// that share a key share their record.
#[tokio::test]
async fn the_batches_of_a_chunk_are_one_copy() {
    let source = "
        CREATE TABLE item (id int NOT NULL, n int, kind text);
        INSERT INTO item SELECT n, n, CASE WHEN n % 4000 = 5 THEN 'odd' ELSE 'ok' END FROM generate_series(1, 16000) AS n;
        INSERT INTO item VALUES (1, -1, 'ok'), (2, -2, 'odd'); UPDATE item SET n = -1 WHERE id IN (1, 9000);";
    let target = "CREATE TABLE items (id int PRIMARY KEY, n int, kind text);";
    let mapping = r#"
        [defaults]
        max_rejects = 100
        [entities.item]
        from = "public.item"
        into = "public.items"
        key = ["id"]
        columns = { id = "id", n = "n", kind = { map = "kind", values = { ok = "fine" }, unknown = "reject" } }
        [[entities.item.rules]]
        name = "positive"
        check = "n > 0"
        on_fail = "warn"
    "#;
    let (cluster, pair) = noted("batches", source, target).await;
    pair.migrate(mapping).await.expect("a load");
    let log = cluster.log();
    let of = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!(of("statement: COPY \"public\".\"items\""), 1);
    assert_eq!(of("statement: COPY \"driftless\".\"identity_item\""), 1);
    let reject = |key: &str, code: &str| (key.to_owned(), code.to_owned());
    let mut rejected = vec![reject("1", "DL0406")];
    rejected.extend(["2", "5", "4005", "8005", "12005"].map(|key| reject(key, "DL0401")));
    assert_eq!(pair.rejects("item").await, rejected);
    let warned = "SELECT string_agg(key, ' ' ORDER BY key) FROM driftless.warning";
    assert_eq!(pair.target.value(warned).await.as_deref(), Some("1 9000"));
}

/// The first and the last key of a table are found by its index, whatever integer they are.
#[tokio::test]
async fn the_ends_of_a_key_are_found_by_its_index() {
    let source = "
        CREATE TABLE item (id int PRIMARY KEY, filler text);
        INSERT INTO item SELECT n, repeat('x', 1500) FROM generate_series(1, 20000) AS n; ANALYZE item;";
    let target = "CREATE TABLE items (id int PRIMARY KEY);";
    let mapping = r#"
        [entities.item]
        from = "public.item"
        into = "public.items"
        columns = { id = "id" }
    "#;
    let (cluster, pair) = noted("edges", source, target).await;
    pair.migrate(mapping).await.expect("a load");
    let log = cluster.log();
    let asked: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("<unnamed>: ").map(|(_, sql)| sql))
        .filter(|sql| sql.contains("AS \"driftless edge\""))
        .collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    for sql in asked {
        let plan = pair.source.rows(&format!("EXPLAIN {sql}")).await;
        assert!(
            plan.iter()
                .flatten()
                .flatten()
                .any(|line| line.contains("Index Only Scan")),
            "{sql}: {plan:?}"
        );
    }
}

/// A quarter of the memory for maintenance and 64 MB at most, unless the role or the database has more for joins.
#[tokio::test]
async fn sessions_that_join_have_room() {
    for (settings, room) in [
        ("work_mem = '4MB' maintenance_work_mem = '80MB'", "20MB"),
        ("work_mem = '4MB' maintenance_work_mem = '2GB'", "64MB"),
        ("work_mem = '96MB' maintenance_work_mem = '64MB'", "96MB"),
        ("work_mem = '700kB' maintenance_work_mem = '2000kB'", "700kB"),
    ] {
        let pair = Pair::create(
            "room",
            "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)",
            ROOM,
        )
        .await;
        for setting in settings.split("' ") {
            let set = format!(
                "ALTER DATABASE %I SET {}''",
                setting.trim_end_matches('\'').replace('\'', "''")
            );
            pair.target
                .run(&format!(
                    "DO $$ BEGIN EXECUTE format('{set}', current_database()); END $$"
                ))
                .await;
        }
        pair.migrate("[entities.t]\nfrom = \"public.t\"\ninto = \"public.t\"\n")
            .await
            .expect("a load");
        let told = pair
            .target
            .value("SELECT DISTINCT room FROM built WHERE made = 't_pkey'")
            .await;
        assert_eq!(told.as_deref(), Some(room), "{settings}");
    }
}

/// Tells how much each index was built beside.
const ROOM: &str = "
    CREATE TABLE t (id int PRIMARY KEY);
    CREATE TABLE built (made text, room text);
    CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.built SELECT c.relname, current_setting('work_mem') FROM pg_event_trigger_ddl_commands() AS d
          JOIN pg_class AS c ON c.oid = d.objid; END $$;
    CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION note();
    ALTER EVENT TRIGGER watch ENABLE ALWAYS;";
