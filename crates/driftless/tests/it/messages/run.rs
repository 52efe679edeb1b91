//! Runs that meet what somebody else left, or is doing.

use super::{FullDisk, Names, Scene};
use crate::desk::{Desk, end, signal};

const SOURCE: &str = "
CREATE TABLE public.customer (id integer PRIMARY KEY, name text);
INSERT INTO public.customer SELECT i, CASE WHEN i > 150 THEN NULL ELSE 'Customer ' || i END FROM generate_series(1, 200) AS i;
";

const TARGET: &str = "
CREATE TABLE public.customers (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL);
";

const MAPPING: &str = r#"[entities.customers]
from = "public.customer"
into = "public.customers"

[entities.customers.columns]
id = { id = true }
legacy_id = "id"
"#;

#[tokio::test]
async fn changed_between_interruption_and_resume() {
    let scene = Scene::new("told_resume", SOURCE, TARGET).await;
    scene.map(MAPPING);
    scene.told(&["migrate"]);
    scene.map(&(MAPPING.to_owned() + "name = { copy = \"name\", default = \"unknown\" }\n"));
    insta::assert_snapshot!(
        "mapping_changed",
        [
            scene.told(&["check"]),
            scene.told(&["plan"]),
            scene.told(&["migrate"])
        ]
        .join("\n")
    );
    scene.map(&MAPPING.replace(
        "into =",
        "identity = { by = \"derive\", name = \"clients\" }\ninto =",
    ));
    insta::assert_snapshot!("identity_changed", scene.told(&["migrate"]));
    scene.map_with("namespace = \"6ba7b812-9dad-11d1-80b4-00c04fd430c8\"\n", MAPPING);
    insta::assert_snapshot!("namespace_changed", scene.told(&["migrate"]));
    scene.map(MAPPING);
    scene.write(
        "driftless.toml",
        &std::fs::read_to_string(scene.dir().join("driftless.toml"))
            .expect("a mapping")
            .replace("name = \"shop\"", "name = \"store\""),
    );
    insta::assert_snapshot!("name_changed", scene.told(&["migrate"]));
    scene.map(MAPPING);
    scene
        .target
        .run("UPDATE driftless.pipeline SET version = 1")
        .await;
    insta::assert_snapshot!(
        "state_older",
        [scene.told(&["status"]), scene.told(&["migrate"])].join("\n")
    );
    scene
        .target
        .run("UPDATE driftless.pipeline SET version = 9999")
        .await;
    insta::assert_snapshot!(
        "state_newer",
        [
            scene.told(&["check"]),
            scene.told(&["status"]),
            scene.told(&["migrate"])
        ]
        .join("\n")
    );
}

#[tokio::test]
async fn a_target_that_is_not_empty() {
    let scene = Scene::new(
        "told_occupied",
        "CREATE TABLE public.customer (id integer PRIMARY KEY, name text);
        INSERT INTO public.customer SELECT i, 'Customer ' || i FROM generate_series(1, 200) AS i",
        TARGET,
    )
    .await;
    scene
        .target
        .run("INSERT INTO public.customers SELECT gen_random_uuid(), i, 'Customer ' || i FROM generate_series(1, 200) AS i")
        .await;
    scene.map(MAPPING);
    insta::assert_snapshot!(
        "loaded_by_somebody",
        [scene.told(&["check"]), scene.told(&["migrate"])].join("\n")
    );
    scene.told(&["teardown", "--forget-identities", "--yes"]);
    scene.map(&MAPPING.replace(
        "into =",
        "identity = { by = \"derive\", adopt = { sql = \"SELECT legacy_id, id FROM public.customers UNION ALL SELECT 5, gen_random_uuid()\" } }\ninto =",
    ));
    insta::assert_snapshot!(
        "not_adoptable",
        [scene.told(&["check"]), scene.told(&["migrate"])].join("\n")
    );
    scene.told(&["teardown", "--forget-identities", "--yes"]);
    scene.map(&MAPPING.replace(
        "into =",
        "identity = { by = \"derive\", adopt = { sql = \"SELECT legacy_id, id FROM public.customers\" } }\ninto =",
    ));
    insta::assert_snapshot!("adopted", scene.told(&["migrate"]));
}

#[tokio::test]
async fn a_second_instance() {
    let desk = Desk::new("told_second").await;
    let mut names = Names::of(&desk.source, &desk.target);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a host's name");
    names.add(&format!("on {})", host.trim()), "on HOST)");
    let gate = desk.gate().await;
    let first = desk.start(&["migrate", "--quiet"]);
    desk.somebody_waits().await;
    let second = names.told(&["migrate", "--quiet"], desk.run(&["migrate", "--quiet"]));
    signal(&first, "INT");
    let first = end(first).expect(130);
    gate.open().await;
    let first = names.told(&["migrate", "--quiet"], first);
    insta::assert_snapshot!("second_instance", second);
    insta::assert_snapshot!("interrupted", first);
}

#[tokio::test]
async fn the_target_s_disk_is_full() {
    let scene = Scene::new("told_full", SOURCE, TARGET).await;
    scene.map(MAPPING);
    let disk = FullDisk::of(&scene.target, "public.customers").await;
    let full = scene.told(&["migrate"]);
    drop(disk);
    insta::assert_snapshot!("disk_full", [full, scene.told(&["migrate"])].join("\n"));
}
