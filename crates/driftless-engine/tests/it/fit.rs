//! What is told of values that do not fit.

use crate::pair::Pair;

/// Local times that a change of the clocks leaves out, and moments whose local time comes twice, are told from other losses.
#[tokio::test]
async fn the_clocks_are_named() {
    let pair = Pair::create(
        "clocks",
        "CREATE TABLE t (id int PRIMARY KEY, local timestamp, moment timestamptz, exact timestamp);
         INSERT INTO t VALUES
         (1, '2024-03-31 01:59:59', '2024-10-26 22:30Z', '2024-06-01 12:00:00'),
         (2, '2024-03-31 02:30', NULL, NULL), (3, NULL, '2024-10-27 00:30Z', NULL),
         (4, NULL, NULL, '2024-06-01 12:00:00.5'), (5, NULL, NULL, '2024-03-31 02:30');",
        "CREATE TABLE t (id int PRIMARY KEY, local timestamptz, moment timestamp, exact timestamptz(0))",
    )
    .await;
    let mapping =
        "[defaults]\nmax_rejects = \"100%\"\n[entities.t]\nfrom = \"public.t\"\ninto = \"public.t\"\n";
    pair.migrate(mapping).await.expect("a load");
    let rows = pair
        .target
        .rows("SELECT key, code, message FROM driftless.rejects ORDER BY key")
        .await;
    let told: Vec<String> = rows
        .into_iter()
        .map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" "))
        .collect();
    let gap = "this local time never was in Europe/Paris: the clocks were put forward over it";
    assert_eq!(
        told,
        [
            format!("2 DL0403 {gap}"),
            "3 DL0403 another moment has the same local time in Europe/Paris, where the clocks were put back"
                .to_owned(),
            "4 DL0403 the value does not fit the column without loss".to_owned(),
            format!("5 DL0403 {gap}"),
        ]
    );
    assert_eq!(pair.count("SELECT count(*) FROM t").await, 1);
}
