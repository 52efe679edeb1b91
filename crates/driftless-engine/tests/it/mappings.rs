//! Recorded mappings, looked up in tables of every size.

use std::collections::{BTreeMap, HashMap, HashSet};

use driftless_core::transform::{Lookups, Recorded};
use driftless_engine::shape::recorded::look_up;
use driftless_engine::store::{Store, identity};

use crate::pair::Pair;
use crate::session::session;

#[tokio::test]
async fn mappings_are_found_in_small_tables_and_in_large_ones() {
    let pair = Pair::create("mappings", "", "CREATE SCHEMA driftless").await;
    let session = session(&pair.target).await;
    let store = Store::new("driftless", "test");
    let mut sizes = Vec::new();
    for (entity, rows) in [("none", 0), ("few's", 300), ("many", 70_000)] {
        identity::create_recorded(&session, &store, entity)
            .await
            .expect("a table");
        let table = store.recorded_table(entity).sql();
        let fill = format!(
            "INSERT INTO {table} (key, id, adopted) SELECT 'ä' || n, md5(n::text)::uuid, true FROM generate_series(1, {rows}) AS n; ANALYZE {table}"
        );
        session.batch(&fill).await.expect("mappings");
        let key = |number: usize| format!("ä{number}").into_bytes();
        let keys: HashSet<Vec<u8>> = (0..2_000).map(|number| key(number * 37)).collect();
        let lookups = Lookups(BTreeMap::from([(entity.to_owned(), keys.clone())]));
        let found = look_up(&session, &store, &lookups).await.expect("answers");
        let there = format!("SELECT key, id FROM {table} WHERE key = ANY ($1)");
        let texts: Vec<String> = keys
            .into_iter()
            .filter_map(|key| String::from_utf8(key).ok())
            .collect();
        let expected: HashMap<_, _> = session
            .query(&there, &[driftless_pg::Param::text_array(&texts)])
            .await
            .expect("mappings")
            .iter()
            .map(|row| {
                (
                    row.get::<String>(0).expect("a key").into_bytes(),
                    row.get(1).expect("a UUID"),
                )
            })
            .collect();
        assert_eq!(expected.len(), rows / 37, "{entity}");
        assert_eq!(found, Recorded(BTreeMap::from([(entity.to_owned(), expected)])));
        sizes.push(
            pair.count(&format!(
                "SELECT pg_relation_size('{}')",
                table.replace('\'', "''")
            ))
            .await,
        );
    }
    // One at least on either side of where a table is no longer read as a whole.
    assert!(sizes[1] < 1 << 20 && sizes[2] > 4 << 20, "{sizes:?}");
}
