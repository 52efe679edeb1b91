//! Whether the matrix has every type that PostgreSQL has: asked of the catalog.

use std::collections::BTreeSet;

use driftless_core::plan::matrix::{Class, Type, class};
use driftless_testkit::{TestDatabase, server_of, servers};

use super::{definitions, quoted, travel};

/// Types of which nobody can write a value: what PostgreSQL makes for itself.
const WITHOUT_INPUT: [(&str, &str); 9] = [
    ("pg_node_tree", "parsed expressions in the catalog"),
    ("pg_ndistinct", "extended statistics"),
    ("pg_dependencies", "extended statistics"),
    ("pg_mcv_list", "extended statistics"),
    ("pg_brin_bloom_summary", "contents of an index"),
    ("pg_brin_minmax_multi_summary", "contents of an index"),
    ("gtsvector", "contents of an index"),
    ("ghstore", "contents of an index"),
    ("ltree_gist", "contents of an index"),
];

/// Base types, ranges and multiranges, built in and of the extensions; arrays are those of them.
const OF_THE_CATALOG: &str = "SELECT typname FROM pg_type WHERE typtype IN ('b', 'r', 'm') \
     AND typoutput <> 'array_out'::regproc ORDER BY typname";

const IS_READ: &str = "CREATE FUNCTION is_read(sql text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT ' || sql; \
     RETURN true; EXCEPTION WHEN feature_not_supported OR internal_error THEN RETURN false; END $$";

/// Fails where PostgreSQL gets a type that nobody has thought of.
#[tokio::test]
async fn every_type_of_the_catalog_is_in_the_matrix_and_travels() {
    let pair = servers();
    for server in [&pair.source, &pair.target, &server_of(18)] {
        let database = TestDatabase::create(server, "typescatalog").await;
        database.run(&definitions()).await;
        let known: Vec<String> = Type::all()
            .map(|one| format!("({}::regtype)", quoted(one.sql())))
            .collect();
        let sql = format!(
            "SELECT typname FROM (VALUES {}) AS known (oid) JOIN pg_type t USING (oid)",
            known.join(", ")
        );
        let names = async |sql: &str| -> BTreeSet<String> {
            database.rows(sql).await.into_iter().flatten().flatten().collect()
        };
        let known = names(&sql).await;
        let mut missing = names(OF_THE_CATALOG).await;
        assert!(missing.len() > 80, "the catalog answers: {missing:?}");
        missing.retain(|name| !known.contains(name));
        let excepted: BTreeSet<String> = WITHOUT_INPUT.iter().map(|one| one.0.to_owned()).collect();
        assert_eq!(missing, excepted, "types that no test moves");

        database.run(IS_READ).await;
        let asked: Vec<String> = WITHOUT_INPUT
            .iter()
            .map(|(name, what)| format!("('{name}, {what}', is_read('''''::{name}'))"))
            .collect();
        let read = names(&format!(
            "SELECT name FROM (VALUES {}) AS asked (name, read) WHERE read",
            asked.join(", ")
        ))
        .await;
        assert!(read.is_empty(), "PostgreSQL reads values of {read:?}");
    }
}

#[test]
fn only_what_has_no_binary_form_stays() {
    let moved = travel::moved();
    let stays = Type::all().filter(|one| !moved.contains(&one.sql()));
    let stays: Vec<&str> = stays.map(Type::sql).collect();
    assert_eq!(stays, ["aclitem"]);
    assert!(Type::all().all(|one| (class(one, one) == Class::Refused) == (one.sql() == "aclitem")));
}
