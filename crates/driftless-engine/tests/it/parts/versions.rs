//! The state of another version is refused.

use driftless_engine::run::{prepare, status};

use crate::pair::Pair;

#[tokio::test]
async fn state_of_another_version_is_refused() {
    let mapping = "[entities.t]\nfrom = \"public.t\"\ninto = \"public.t\"\n";
    let table = "CREATE TABLE t (id int PRIMARY KEY);";
    let pair = Pair::create("version", table, table).await;
    pair.migrate(mapping).await.expect("a load");
    let version = pair.count("SELECT version FROM driftless.pipeline").await;
    for (other, code, remedy) in [
        (version + 1, "DL0503", "newer"),
        (version - 1, "DL0512", "version that wrote it"),
    ] {
        pair.target
            .run(&format!("UPDATE driftless.pipeline SET version = {other}"))
            .await;
        let spec = pair.spec(mapping);
        for error in [
            pair.migrate(mapping).await.expect_err("migrate"),
            prepare(&spec).await.expect_err("prepare"),
            status(&spec).await.expect_err("status"),
        ] {
            assert_eq!(error.code().to_string(), code, "{error}");
            assert!(error.to_string().contains(remedy), "{error}");
            assert!(error.to_string().contains(&format!("version {other}")), "{error}");
        }
    }
    pair.target
        .run(&format!("UPDATE driftless.pipeline SET version = {version}"))
        .await;
    assert!(pair.migrate(mapping).await.expect("known again").nothing_to_do);
}
