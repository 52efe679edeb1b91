//! What `plan` shows of a load is what runs, and what it advises helps.

use driftless_engine::run::plan;
use driftless_engine::run::report::{PlanReport, PlannedEntity};
use driftless_testkit::{Cluster, ClusterOptions, Server, TestDatabase};

use crate::pair::Pair;

const SOURCE: &str = "
    CREATE TABLE owner (id int PRIMARY KEY, name text);
    CREATE TABLE item (id int NOT NULL, owner int, price text, at timestamp);
    INSERT INTO owner SELECT n, 'owner ' || n FROM generate_series(1, 50) AS n;
    INSERT INTO item SELECT n, 1 + n % 50, (n * 0.25)::text, '2024-01-01'::timestamp + n * interval '1 minute'
        FROM generate_series(1, 40000) AS n;
    UPDATE item SET price = 'none' WHERE id = 17;";

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
    max_rejects = 1
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

#[tokio::test]
async fn the_sql_of_a_plan_is_the_sql_that_runs() {
    let options = ClusterOptions {
        settings: vec![("log_statement".to_owned(), "all".to_owned())],
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(&options).expect("a server");
    let server = Server::of(&cluster);
    let pair = Pair {
        source: TestDatabase::create(&server, "planned").await,
        target: TestDatabase::create(&server, "planned").await,
    };
    pair.source.run(SOURCE).await;
    pair.target.run(TARGET).await;

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
            "read",
            "evaluate",
            "evaluate rules of the target",
            "write rows",
            "write identities",
            "gather statistics",
            "build",
            "build",
            "prove references to public.owners",
            "build",
            "put back",
            "put back",
            "put back",
            "validate",
        ]
    );
    assert_eq!(pair.count("SELECT count(*) FROM items").await, 39_994);
    let done = plan(&pair.spec(MAPPING)).await.expect("a plan");
    assert_eq!(steps(entity(&done, "items")), [""; 0]);
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
