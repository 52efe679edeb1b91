//! The smallest and the largest.

use super::{FullDisk, Scene};
use crate::desk::{end, program};

/// One expression divides by zero for one row in a million, the state says what it takes and takes that, and a disk
/// that has no room for it stops the load, which goes on when there is some.
#[tokio::test]
async fn a_million_rows() {
    let source = "CREATE TABLE public.item (id integer PRIMARY KEY, price numeric(12,2), parts integer);
         INSERT INTO public.item SELECT i, i, CASE i WHEN 777777 THEN 0 ELSE 5 END FROM generate_series(1, 1000000) AS i;
         ANALYZE public.item";
    let target = "CREATE TABLE public.items (id uuid PRIMARY KEY, each numeric)";
    let scene = Scene::new("told_million", source, target).await;
    scene.map(
        "[entities.items]\nfrom = \"public.item\"\ninto = \"public.items\"\n\n[entities.items.columns]\nid = { id = true }\n\
         each = { sql = \"price / parts\" }\n",
    );
    let check = scene.told(&["check"]);
    let estimated: f64 = (check
        .split_once("will take about ")
        .and_then(|(_, rest)| rest.split_once(" MB")))
    .and_then(|(number, _)| number.parse().ok())
    .expect("an estimate");
    insta::assert_snapshot!("a_state_that_is_large", check);
    let mut command = program(scene.dir(), &["migrate", "--quiet"]);
    let crashed = command
        .env("DRIFTLESS_CRASH", "entities-begun")
        .spawn()
        .expect("the program");
    end(crashed).expect(-1);
    let full = FullDisk::of(&scene.target, "driftless.identity_items").await;
    let told = scene.told(&["migrate"]);
    drop(full);
    insta::assert_snapshot!("no_room_for_the_state", told);
    let told = [
        scene.told(&["migrate"]),
        scene.told(&["rejects", "list"]),
        scene.told(&["rejects", "show", "items", "777777"]),
    ];
    insta::assert_snapshot!("one_row_in_a_million", told.join("\n"));
    let whole = "SELECT count(*) = 999999 AND sum(each) = (500000500000 - 777777) / 5.0 FROM public.items";
    assert_eq!(scene.target.value(whole).await.as_deref(), Some("true"));
    let taken = "SELECT sum(pg_total_relation_size(oid)) / 1048576 FROM pg_class \
                 WHERE relnamespace = 'driftless'::regnamespace AND relkind = 'r'";
    let taken: f64 = scene
        .target
        .value(taken)
        .await
        .expect("a size")
        .parse()
        .expect("a number");
    assert!(
        (taken / estimated - 1.0).abs() < 0.05,
        "{taken} MB, estimated {estimated}"
    );
}

#[tokio::test]
async fn small_and_wide_tables() {
    let columns = |more: &str| {
        (1..1600)
            .map(|number| format!(", c{number} {more}"))
            .collect::<String>()
    };
    let values: String = (1..1600).map(|number| format!(", i + {number}")).collect();
    let source = format!(
        "CREATE TABLE public.nothing (id integer PRIMARY KEY, name text);
         CREATE TABLE public.one (id integer PRIMARY KEY, name text);
         INSERT INTO public.one VALUES (1, 'One');
         CREATE TABLE public.wide (id integer PRIMARY KEY{});
         INSERT INTO public.wide SELECT i{values} FROM generate_series(1, 50) AS i",
        columns("integer")
    );
    let target = format!(
        "CREATE TABLE public.nothings (id uuid PRIMARY KEY, name text);
         CREATE TABLE public.ones (id uuid PRIMARY KEY, name text);
         CREATE TABLE public.wides (id integer PRIMARY KEY{})",
        columns("integer")
    );
    let scene = Scene::new("told_size", &source, &target).await;
    let entity = |name: &str| {
        format!(
            "[entities.{name}s]\nfrom = \"public.{name}\"\ninto = \"public.{name}s\"\n\n[entities.{name}s.columns]\nid = {{ id = true }}\n\n"
        )
    };
    let wide = "[entities.wides]\nfrom = \"public.wide\"\ninto = \"public.wides\"\n";
    scene.map(&(entity("nothing") + &entity("one") + wide));
    let told = [
        scene.told(&["check"]),
        scene.told(&["migrate"]),
        scene.told(&["validate"]),
    ];
    insta::assert_snapshot!("small_and_wide", told.join("\n"));
}

#[tokio::test]
async fn five_hundred_entities() {
    let (mut source, mut target, mut mapping) = (String::new(), String::new(), String::new());
    for number in 1..=500 {
        source.push_str(&format!(
            "CREATE TABLE public.t{number} (id integer PRIMARY KEY, name text);"
        ));
        target.push_str(&format!(
            "CREATE TABLE public.t{number} (id uuid PRIMARY KEY, name text);"
        ));
        mapping.push_str(&format!(
            "[entities.e{number}]\nfrom = \"public.t{number}\"\ninto = \"public.t{number}\"\n[entities.e{number}.columns]\nid = {{ id = true }}\n\n"
        ));
    }
    let scene = Scene::new("told_many", &source, &target).await;
    scene.map(&mapping.replace("from = \"public.t317\"", "from = \"public.x317\""));
    insta::assert_snapshot!("one_of_five_hundred_is_wrong", scene.told(&["check"]));
    scene.map(&mapping);
    insta::assert_snapshot!("five_hundred", scene.told(&["check"]));
}
