//! Autovacuum leaves tables alone while they are filled, and looks after them again when they are full.

use driftless_core::code;
use driftless_core::spec::Spec;
use driftless_engine::run::{Stop, abandon, plan, teardown};
use driftless_testkit::pg_dump_schema_without;
use tokio::sync::oneshot;

use super::triggers::load_until_killed;
use crate::gate::{GATE, Gate};
use crate::pair::{Pair, migrate_spec, migrate_until};

const SOURCE: &str = "
    CREATE TABLE item (id int PRIMARY KEY, n int); INSERT INTO item SELECT n, n FROM generate_series(1, 20) AS n;
    CREATE TABLE part (id int PRIMARY KEY, n int); INSERT INTO part SELECT n, n FROM generate_series(1, 20) AS n;
    CREATE TABLE word (id int PRIMARY KEY, n int); INSERT INTO word SELECT n, n FROM generate_series(1, 20) AS n;";

/// One table says nothing, one says something else, one says what autovacuum has to do.
const TARGET: &str = "
    CREATE TABLE items (id int PRIMARY KEY, n int UNIQUE);
    CREATE TABLE parts (id int PRIMARY KEY, n int) WITH (fillfactor = 70);
    CREATE TABLE words (id int PRIMARY KEY, n int) WITH (autovacuum_enabled = on, fillfactor = 80);";

const MAPPING: &str = r#"
    [entities.items]
    from = "public.item"
    into = "public.items"
    columns = { id = "id", n = { sql = "public.gate(n, 10)::int" } }
    [entities.parts]
    from = "public.part"
    into = "public.parts"
    columns = { id = "id", n = "n" }
    [entities.words]
    from = "public.word"
    into = "public.words"
    columns = { id = "id", n = "n" }
"#;

/// What tables and their identities say, in the order of their names.
async fn said(pair: &Pair) -> String {
    let said = "SELECT string_agg(relname || ' ' || coalesce(reloptions::text, '-'), ', ' ORDER BY relname COLLATE \"C\") FROM pg_class \
                 WHERE relname IN ('items', 'parts', 'words', 'identity_items')";
    pair.target.value(said).await.unwrap_or_default()
}

const MEANWHILE: &str = "identity_items {autovacuum_enabled=off}, items {autovacuum_enabled=off}, \
     parts {fillfactor=70,autovacuum_enabled=off}, words {autovacuum_enabled=on,fillfactor=80}";
const BEFORE: &str = "items -, parts {fillfactor=70}, words {autovacuum_enabled=on,fillfactor=80}";

async fn pair() -> (Pair, String) {
    let pair = Pair::create("undisturbed", SOURCE, &format!("{GATE}{TARGET}")).await;
    let before = pg_dump_schema_without(&pair.target.url(), "driftless");
    assert_eq!(said(&pair).await, BEFORE);
    (pair, before)
}

/// Loads to the end, and looks in the middle of it.
async fn goes_through(pair: &Pair, spec: &Spec, before: &str) {
    let gate = Gate::shut(&pair.target).await;
    let (report, ()) = tokio::join!(migrate_spec(spec), async {
        gate.reached().await;
        assert_eq!(said(pair).await, MEANWHILE);
        gate.open().await;
    });
    report.expect("a load");
    assert_eq!(said(pair).await, format!("identity_items -, {BEFORE}"));
    assert_eq!(pg_dump_schema_without(&pair.target.url(), "driftless"), before);
}

/// Stops in the middle.
async fn interrupted(pair: &Pair, spec: &Spec) {
    let gate = Gate::shut(&pair.target).await;
    let stop = Stop::new();
    let (error, ()) = tokio::join!(migrate_until(spec, &stop), async {
        gate.reached().await;
        stop.request();
    });
    gate.open().await;
    assert_eq!(error.expect_err("interrupted").code(), code::INTERRUPTED);
}

#[tokio::test]
async fn autovacuum_is_off_for_a_load_and_on_behind_it() {
    let (pair, before) = pair().await;
    goes_through(&pair, &pair.spec(MAPPING), &before).await;
}

#[tokio::test]
async fn a_load_that_is_interrupted_gives_it_back_and_goes_on_without() {
    let (pair, before) = pair().await;
    let spec = pair.spec(MAPPING);
    interrupted(&pair, &spec).await;
    assert_eq!(pg_dump_schema_without(&pair.target.url(), "driftless"), before);
    goes_through(&pair, &spec, &before).await;
}

/// The mapping with its servers.
fn whole(pair: &Pair) -> String {
    let (source, target) = (pair.source.url(), pair.target.url());
    format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{source}\"\n[target]\nurl = \"{target}\"\n{MAPPING}"
    )
}

/// How a plan gathers the statistics of items.
async fn gathering(spec: &Spec) -> String {
    let planned = plan(spec).await.expect("a plan");
    let items = planned.entities.iter().find(|one| one.entity == "items");
    let mut statements = items.expect("an entity").statements.iter();
    let gathering = statements.find(|one| one.step == "gather statistics");
    gathering.expect("statistics").sql.clone()
}

/// A run that is killed gives nothing back. What goes on knows that autovacuum looks after these tables, and switches it off no second
/// time; nothing of it stays when the load is given up.
#[tokio::test]
async fn a_load_that_is_killed_leaves_it_off_until_somebody_gives_it_back() {
    let (pair, before) = pair().await;
    let spec = pair.spec(MAPPING);
    let sampled = gathering(&spec).await;
    for gives_up in [true, false] {
        let gate = Gate::shut(&pair.target).await;
        let (kill, told) = oneshot::channel();
        let load = load_until_killed(whole(&pair), told);
        gate.reached().await;
        kill.send(()).expect("a load");
        load.join().expect("killed");
        gate.open().await;
        assert_eq!(said(&pair).await, MEANWHILE);
        assert_eq!(gathering(&spec).await, sampled);
        if gives_up {
            let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
            abandon(&spec, &events).await.expect("put back");
        } else {
            migrate_spec(&spec).await.expect("a load");
            assert_eq!(said(&pair).await, format!("identity_items -, {BEFORE}"));
        }
        let now = pg_dump_schema_without(&pair.target.url(), "driftless");
        assert_eq!(now, before, "given up: {gives_up}");
    }
}

/// Identities that are kept when the state goes are looked after, also those of a load that never came to its end.
#[tokio::test]
async fn identities_that_are_kept_are_looked_after() {
    let (pair, _) = pair().await;
    let spec = pair.spec(MAPPING);
    interrupted(&pair, &spec).await;
    assert_eq!(
        said(&pair).await,
        format!("identity_items {{autovacuum_enabled=off}}, {BEFORE}")
    );
    teardown::remove(&spec, false).await.expect("a teardown");
    assert_eq!(said(&pair).await, format!("identity_items -, {BEFORE}"));
}
