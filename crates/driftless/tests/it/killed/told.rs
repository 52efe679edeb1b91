//! What the comparison of a disturbed load is there for: state that is wrong in one place only is told.

use driftless_testkit::workload;

use super::desk;

/// Entities with two keys of each whose rows were loaded, and which nothing happens to in the source.
const PAIRS: [(&str, &str); 5] = [
    ("agents", "31, 32"),
    ("customers", "1, 2"),
    ("devices", "1, 2"),
    ("orders", "1, 2"),
    ("remarks", "'r1', 'r2'"),
];

#[tokio::test]
async fn swapped_and_left_identities_and_other_codes_are_told() {
    let desk = desk("cli_told").await;
    desk.run(&["migrate"]).expect(1);
    let told = async || workload::differences(&desk.source, &desk.target).await;
    assert_eq!(told().await, [""; 0]);
    for (entity, two) in PAIRS {
        let table = format!("driftless.identity_{entity}");
        // Both at once would be a value twice for a moment, which a unique index refuses.
        let swap = format!(
            "CREATE TEMP TABLE pair AS SELECT k1, row_number() OVER () AS n, t1 FROM {table} WHERE k1 IN ({two});
             UPDATE {table} AS i SET t1 = gen_random_uuid() FROM pair AS p WHERE p.k1 = i.k1;
             UPDATE {table} AS i SET t1 = o.t1 FROM pair AS p, pair AS o WHERE p.k1 = i.k1 AND o.n <> p.n; DROP TABLE pair"
        );
        desk.target.run(&swap).await;
        let found = told().await.join("\n");
        assert!(
            found.contains("identities: 2 missing") && found.contains("2 too many"),
            "{entity}: {found}"
        );
        desk.target.run(&swap).await;
        assert_eq!(told().await, [""; 0], "{entity}");
        let lost = format!("UPDATE {table} SET t1 = gen_random_uuid() WHERE k1 IN ({two})");
        desk.target
            .run(&format!("CREATE TABLE kept AS TABLE {table}; {lost}"))
            .await;
        let found = told().await.join("\n");
        assert!(found.contains("identities: 2 missing"), "{entity}: {found}");
        let back =
            format!("UPDATE {table} AS i SET t1 = k.t1 FROM kept AS k WHERE k.k1 = i.k1; DROP TABLE kept");
        desk.target.run(&back).await;
    }
    desk.target
        .run("UPDATE driftless.rejects SET code = 'DL0401' WHERE entity = 'devices' AND key = '7'")
        .await;
    let found = told().await;
    assert!(found[0].starts_with("rejects: 1 missing"), "{found:?}");
}
