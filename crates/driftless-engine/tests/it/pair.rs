//! A source and a target database with a mapping between them.

use std::collections::BTreeMap;

use driftless_core::spec::{self, Sources, Spec};
use driftless_engine::error::EngineError;
use driftless_engine::run::report::{MigrateReport, RejectFilter, RetryReport};
use driftless_engine::run::{Stop, migrate, rejects};
use driftless_testkit::{ServerPair, TestDatabase, servers};

/// Two fresh databases.
pub(crate) struct Pair {
    pub(crate) source: TestDatabase,
    pub(crate) target: TestDatabase,
}

impl Pair {
    /// Creates both and runs a script in each.
    pub(crate) async fn create(hint: &str, source_sql: &str, target_sql: &str) -> Pair {
        Self::on(&servers(), hint, source_sql, target_sql).await
    }

    /// As [`Pair::create`], on servers of the test's choice.
    pub(crate) async fn on(servers: &ServerPair, hint: &str, source_sql: &str, target_sql: &str) -> Pair {
        let source = TestDatabase::create(&servers.source, hint).await;
        let target = TestDatabase::create(&servers.target, hint).await;
        source.run(source_sql).await;
        target.run(target_sql).await;
        Pair { source, target }
    }

    /// Reads a mapping: `[pipeline]`, `[source]` and `[target]` are added.
    pub(crate) fn spec(&self, entities: &str) -> Spec {
        let head = format!(
            "[pipeline]\nname = \"test\"\n[source]\nurl = \"{}\"\nzone = \"Europe/Paris\"\n[target]\nurl = \"{}\"\n",
            self.source.url(),
            self.target.url()
        );
        read(&format!("{head}{entities}"))
    }

    /// One number of the target.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let value = self.target.value(sql).await;
        value.expect("a number").parse().expect("a number")
    }

    /// Rejects by entity: key and code, in the order of keys.
    pub(crate) async fn rejects(&self, entity: &str) -> Vec<(String, String)> {
        let sql = format!(
            "SELECT key, code FROM driftless.rejects WHERE entity = '{entity}' ORDER BY length(key), key"
        );
        let rows = self.target.rows(&sql).await.into_iter();
        rows.map(|mut row| {
            let code = row.pop().flatten().expect("a code");
            (row.pop().flatten().expect("a key"), code)
        })
        .collect()
    }

    /// Tries rejects again.
    pub(crate) async fn retry(&self, entities: &str, filter: RejectFilter) -> RetryReport {
        let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
        rejects::retry(&self.spec(entities), &filter, &events, &Stop::new())
            .await
            .expect("a retry")
    }

    /// Loads everything.
    pub(crate) async fn migrate(&self, entities: &str) -> Result<MigrateReport, EngineError> {
        migrate_spec(&self.spec(entities)).await
    }
}

/// Loads everything of a mapping.
pub(crate) async fn migrate_spec(spec: &Spec) -> Result<MigrateReport, EngineError> {
    migrate_until(spec, &Stop::new()).await
}

/// Loads until somebody wishes to stop.
pub(crate) async fn migrate_until(spec: &Spec, stop: &Stop) -> Result<MigrateReport, EngineError> {
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    migrate(spec, &[], &events, stop).await
}

/// Reads a mapping that has no findings.
pub(crate) fn read(text: &str) -> Spec {
    let sources = Sources::single("driftless.toml", text);
    match spec::read(&sources, &BTreeMap::new()) {
        Ok((spec, _notes)) => spec,
        Err(findings) => panic!(
            "{}",
            spec::render(&findings, &sources, spec::Style { color: false })
        ),
    }
}
