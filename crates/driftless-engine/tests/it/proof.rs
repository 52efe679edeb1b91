//! Proof of uniqueness and references: rows are put into target and identities as a load leaves them.

mod references;
mod sampled;
mod uniqueness;

use driftless_core::identity::derive;
use driftless_core::plan::aside::{Silencing, Triggers, set_aside};
use driftless_core::plan::{EntityPlan, Plan};
use driftless_engine::apply::aside::{Part, recorded, restore, set_aside as take_away};
use driftless_engine::apply::proof::{
    Censuses, Corrections, Proving, foreign_sites, references, settle_identities, settle_keys,
};
use driftless_engine::introspect::{Wanted, introspect};
use driftless_engine::store::aside::{Scope, list};
use driftless_engine::store::{Store, identity};
use driftless_pg::{BeginMode, Session};
use driftless_testkit::{TestDatabase, pg_dump_schema};
use uuid::Uuid;

use crate::plan::{plan_of, state};
use crate::session::{database, session};

struct Fixture {
    database: TestDatabase,
    store: Store,
    sessions: Vec<Session>,
    plan: Plan,
    dump: String,
}

/// A target key as the plan derives it.
fn id(entity: &str, key: &str) -> Uuid {
    derive(Uuid::NAMESPACE_URL, entity, key.as_bytes())
}

impl Fixture {
    /// A target made by `sql`, with everything of the plan's loaded tables set aside.
    async fn new(hint: &str, sql: &str, entities: Vec<EntityPlan>) -> Fixture {
        let database = database(hint).await;
        database.run(sql).await;
        let mut sessions = vec![session(&database).await, session(&database).await];
        let store = state(&mut sessions[0]).await;
        let fixture = Fixture {
            dump: pg_dump_schema(&database.url()),
            plan: plan_of(entities),
            database,
            store,
            sessions,
        };
        fixture.set_aside().await
    }

    async fn set_aside(mut self) -> Fixture {
        let tx = self.sessions[0].begin(BeginMode::ReadWrite).await.expect("begin");
        for entity in &self.plan.entities {
            identity::create(&tx, &self.store, entity)
                .await
                .expect("identities");
        }
        tx.commit().await.expect("identities");
        self.dump = pg_dump_schema(&self.database.url());
        let catalog = introspect(&self.sessions[0], &everything())
            .await
            .expect("a catalog");
        let aside = set_aside(&self.plan, &catalog, Silencing::ReplicaRole, &[]);
        let scope = scope(&self.store);
        take_away(&mut self.sessions[0], &scope, &aside.items)
            .await
            .expect("set aside");
        self
    }

    /// A loaded row: `values` for the table's columns, and its identity.
    async fn row(&self, entity: &str, key: &str, values: &str) {
        let own = id(entity, key);
        self.row_as(
            entity,
            entity,
            key,
            &own.to_string(),
            &format!("'{own}', {values}"),
        )
        .await;
    }

    async fn row_as(&self, entity: &str, table: &str, key: &str, target: &str, values: &str) {
        let columns = self.plan.entity(entity).expect("an entity").columns.len();
        let offered = "ff".repeat(8 * columns);
        let keys = key
            .split('/')
            .map(|part| format!("'{part}'"))
            .collect::<Vec<_>>()
            .join(", ");
        let targets = target
            .split('/')
            .map(|part| format!("'{part}'"))
            .collect::<Vec<_>>()
            .join(", ");
        let plan = self.plan.entity(entity).expect("an entity");
        self.database
            .run(&format!(
                "SET session_replication_role = replica;
                 INSERT INTO {table} VALUES ({values});
                 INSERT INTO driftless.identity_{entity} ({}, {}, row_hash, offered, execution, status)
                 VALUES ({keys}, {targets}, 1, '\\x{offered}', 1, 0)",
                identity::key_columns(plan).join(", "),
                identity::target_columns(plan).join(", "),
            ))
            .await;
    }

    async fn settle(&mut self) -> Corrections {
        let scope = scope(&self.store);
        let mut all = settle_identities(&mut self.sessions, &scope, &self.plan, |_| 0)
            .await
            .expect("identities");
        let catalog = introspect(&self.sessions[0], &everything())
            .await
            .expect("a catalog");
        let mut aside = recorded(&self.sessions[0], &scope).await.expect("records");
        let (restored, corrections) =
            settle_keys(&mut self.sessions, &scope, &self.plan, &catalog, &mut aside)
                .await
                .expect("keys");
        assert_eq!(restored.failures, []);
        all.add(&corrections);
        all
    }

    async fn prove(&mut self) -> Corrections {
        let scope = scope(&self.store);
        let catalog = introspect(&self.sessions[0], &everything())
            .await
            .expect("a catalog");
        let records = list(&self.sessions[0], &scope).await.expect("records");
        let foreign = foreign_sites(&self.plan, &catalog, &records, scope.silencing);
        let proving = Proving {
            plan: &self.plan,
            target: &catalog,
            foreign: &foreign,
            censuses: &Censuses::new(),
            corrected: &Corrections::default(),
            meanwhile: &[],
            aside: None,
        };
        references(&mut self.sessions, &scope, &proving)
            .await
            .expect("a proof")
    }

    /// Everything back, as it was before.
    async fn finish(&mut self) {
        let scope = scope(&self.store);
        let restored = restore(&mut self.sessions, &scope, Part::All)
            .await
            .expect("a restore");
        assert_eq!(restored.failures, []);
        self.database
            .run("DO $$ DECLARE i text; BEGIN FOR i IN SELECT format('%I.%I', schemaname, indexname) FROM pg_indexes \
                  WHERE indexname ~ '^identity_' LOOP EXECUTE 'DROP INDEX ' || i; END LOOP; END $$")
            .await;
        assert_eq!(pg_dump_schema(&self.database.url()), self.dump);
    }

    /// Keys whose rows are in the target and in the identities, which must agree.
    async fn kept(&self, entity: &str) -> String {
        let table = self.plan.entity(entity).expect("an entity").into.sql();
        let sql = |outer: &str| {
            format!(
                "SELECT coalesce(string_agg(i.k1::text, ' ' ORDER BY i.k1), '') \
                 FROM driftless.identity_{entity} i {outer} JOIN {table} t ON t.id = i.t1"
            )
        };
        let both = self.database.value(&sql("")).await;
        assert_eq!(
            both,
            self.database.value(&sql("LEFT")).await,
            "an identity without a row of {entity}"
        );
        both.expect("a text")
    }

    /// Rejects of an entity: `key state code parent message`, sorted.
    async fn rejects(&self, entity: &str) -> Vec<String> {
        let rows = self.sessions[0]
            .query(
                &format!(
                    "SELECT concat_ws(' ', key, state, code, parent_entity || ':' || parent_key, message)
                       FROM driftless.rejects WHERE entity = '{entity}' ORDER BY key"
                ),
                &[],
            )
            .await
            .expect("rejects");
        rows.iter().map(|row| row.get(0).expect("a text")).collect()
    }
}

fn scope(store: &Store) -> Scope<'_> {
    Scope {
        store,
        execution: 7,
        guard: "SELECT 1",
        silencing: Silencing::ReplicaRole,
        triggers: Triggers::SetAside,
        spared: &[],
    }
}

fn everything() -> Wanted {
    Wanted {
        all: true,
        ..Wanted::default()
    }
}
