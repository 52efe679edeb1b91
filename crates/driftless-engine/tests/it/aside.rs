//! Setting aside: the rehearsal, the drop, the way back.

use std::time::Duration;

use driftless_core::catalog::Catalog;
use driftless_core::code;
use driftless_core::plan::aside::{AsideItem, AsideKind, AsidePlan, Silencing, Triggers, set_aside};
use driftless_engine::apply::aside::{Part, abandon, restore, set_aside as take_away};
use driftless_engine::introspect::{Wanted, introspect};
use driftless_engine::preflight::rehearsal::{Rehearsed, rehearse};
use driftless_engine::preflight::replica_role;
use driftless_engine::store::Store;
use driftless_engine::store::aside::{AsideState, Scope, list};
use driftless_pg::Session;
use driftless_testkit::{TestDatabase, pg_dump_schema};

use crate::plan::{load, plan_of};
use crate::session::{database, session, session_of_new_role};

/// Waits so long for a lock in a test that is to run into one.
const IMPATIENT: Duration = Duration::from_millis(200);
const PATIENT: Duration = Duration::from_secs(10);

/// One of every kind, with everything that can be said of it.
const KINDS: &str = r#"
    CREATE SCHEMA "Odd ""s";
    CREATE FUNCTION public.bare(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN RETURN folded($1); END $$;
    CREATE FUNCTION public.folded(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower($1) $$;
    CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
    CREATE COLLATION public.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TABLE public.parents (
        id uuid CONSTRAINT parents_pkey PRIMARY KEY WITH (fillfactor = 70),
        a int, b text, c text COLLATE public.ci, d int4range,
        CONSTRAINT a_u UNIQUE NULLS NOT DISTINCT (a) INCLUDE (b),
        CONSTRAINT ab_u UNIQUE (a, b),
        CONSTRAINT b_u UNIQUE (b) DEFERRABLE,
        CONSTRAINT ba_u UNIQUE (b, a) DEFERRABLE INITIALLY DEFERRED,
        CONSTRAINT d_x EXCLUDE USING gist (d WITH &&) WHERE (a > 0)
    );
    CREATE TABLE "Odd ""s"."Child.t" (
        "Id" bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "Child pk" PRIMARY KEY,
        parent uuid NOT NULL CONSTRAINT same_name REFERENCES public.parents ON DELETE CASCADE DEFERRABLE,
        self bigint CONSTRAINT self_fk REFERENCES "Odd ""s"."Child.t" ON DELETE SET NULL,
        a int, b text CONSTRAINT b_check CHECK (b <> ''),
        CONSTRAINT pair_fk FOREIGN KEY (a, b) REFERENCES public.parents (a, b) MATCH FULL ON UPDATE CASCADE,
        txt text NOT NULL
    );
    CREATE TABLE public.grand (
        id uuid PRIMARY KEY, child bigint
    );
    ALTER TABLE public.grand ADD CONSTRAINT same_name FOREIGN KEY (child) REFERENCES "Odd ""s"."Child.t" NOT VALID;
    CREATE INDEX plain_i ON public.parents (a DESC NULLS LAST, b);
    CREATE UNIQUE INDEX partial_u ON public.parents (bare(b)) WHERE a IS NOT NULL;
    CREATE UNIQUE INDEX ci_u ON public.parents (c, (a + 1));
    CREATE UNIQUE INDEX class_u ON public.parents (b text_pattern_ops);
    CREATE INDEX brin_i ON public.parents USING brin (a) WITH (pages_per_range = 7);
    CREATE UNIQUE INDEX identity_u ON "Odd ""s"."Child.t" (txt);
    ALTER TABLE "Odd ""s"."Child.t" REPLICA IDENTITY USING INDEX identity_u;
    ALTER TABLE public.parents CLUSTER ON plain_i;
    COMMENT ON INDEX public.plain_i IS 'it''s an index';
    COMMENT ON CONSTRAINT parents_pkey ON public.parents IS 'the \ key';
    COMMENT ON CONSTRAINT same_name ON public.grand IS 'not valid';
    CREATE TRIGGER t_always AFTER INSERT ON public.parents FOR EACH ROW EXECUTE FUNCTION public.nothing();
    CREATE TRIGGER t_origin AFTER INSERT ON public.parents FOR EACH ROW EXECUTE FUNCTION public.nothing();
    CREATE TRIGGER t_replica AFTER INSERT ON public.parents FOR EACH ROW EXECUTE FUNCTION public.nothing();
    CREATE TRIGGER t_never AFTER INSERT ON public.parents FOR EACH ROW EXECUTE FUNCTION public.nothing();
    ALTER TABLE public.parents ENABLE ALWAYS TRIGGER t_always;
    ALTER TABLE public.parents ENABLE REPLICA TRIGGER t_replica;
    ALTER TABLE public.parents DISABLE TRIGGER t_never;
"#;

async fn catalog(session: &Session) -> Catalog {
    let wanted = Wanted {
        all: true,
        ..Wanted::default()
    };
    introspect(session, &wanted).await.expect("a catalog")
}

/// What is decided for loading these tables.
async fn decide(session: &Session, tables: &[(&str, &str)], silencing: Silencing) -> AsidePlan {
    let entities = tables.iter().map(|(schema, name)| load(schema, name)).collect();
    set_aside(&plan_of(entities), &catalog(session).await, silencing, &[])
}

async fn state(database: &TestDatabase) -> Store {
    let mut session = session(database).await;
    crate::plan::state(&mut session).await
}

fn scope(store: &Store, silencing: Silencing) -> Scope<'_> {
    Scope {
        store,
        execution: 1,
        guard: "SELECT 1",
        silencing,
        triggers: Triggers::SetAside,
        spared: &[],
    }
}

const KIND_TABLES: [(&str, &str); 3] = [("public", "parents"), ("Odd \"s", "Child.t"), ("public", "grand")];

async fn rehearsed(session: &mut Session, items: Vec<AsideItem>) -> Rehearsed {
    rehearse(session, items, PATIENT).await.expect("a rehearsal")
}

#[tokio::test]
async fn every_kind_goes_and_comes_back_as_it_was() {
    let database = database("asidekinds").await;
    database.run(KINDS).await;
    let store = state(&database).await;
    let mut sessions = [
        session(&database).await,
        session(&database).await,
        session(&database).await,
    ];
    let before = pg_dump_schema(&database.url());
    for silencing in [Silencing::ReplicaRole, Silencing::EachTrigger] {
        let aside = decide(&sessions[0], &KIND_TABLES, silencing).await;
        assert_eq!(aside.kept, []);
        let rehearsed = rehearsed(&mut sessions[0], aside.items).await;
        assert_eq!(rehearsed.kept, []);
        assert_eq!(
            pg_dump_schema(&database.url()),
            before,
            "a rehearsal leaves no trace"
        );

        let scope = scope(&store, silencing);
        take_away(&mut sessions[0], &scope, &rehearsed.items)
            .await
            .expect("set aside");
        let gone = database
            .value(
                "SELECT count(*) FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid \
                    WHERE c.relname IN ('parents', 'Child.t', 'grand')",
            )
            .await;
        assert_eq!(gone.as_deref(), Some("0"));
        let restored = restore(&mut sessions, &scope, Part::ForProof)
            .await
            .expect("keys");
        assert_eq!(restored.failures, []);
        let restored = restore(&mut sessions, &scope, Part::All).await.expect("the rest");
        assert_eq!(restored.failures, []);
        assert_eq!(pg_dump_schema(&database.url()), before);
        let records = list(&sessions[0], &scope).await.expect("records");
        assert!(records.iter().all(|record| record.state == AsideState::Restored));
        let again = restore(&mut sessions, &scope, Part::All)
            .await
            .expect("nothing to do");
        assert_eq!(again.restored, 0);
    }
}

#[tokio::test]
async fn what_cannot_be_dropped_or_put_back_is_found_by_the_rehearsal() {
    let database = database("asiderehearsal").await;
    let (mut owner, role) = session_of_new_role(&database, "owner").await;
    database
        .run(&format!(
            "GRANT CREATE ON SCHEMA public TO {role};
             CREATE TABLE outside (id int PRIMARY KEY);
             GRANT REFERENCES, SELECT ON outside TO {role};
             CREATE TABLE grouped (id int PRIMARY KEY, a int UNIQUE, note text);
             CREATE TABLE child (id int PRIMARY KEY, outside int CONSTRAINT out_fk REFERENCES outside,
                                 grouped int CONSTRAINT grouped_fk REFERENCES grouped);
             CREATE VIEW summary AS SELECT id, note, count(*) FROM grouped GROUP BY id;
             CREATE TABLE published (id int PRIMARY KEY, a int UNIQUE);
             CREATE PUBLICATION pub FOR TABLE published;
             ALTER TABLE child OWNER TO {role}; ALTER TABLE grouped OWNER TO {role};
             ALTER TABLE published OWNER TO {role};
             REVOKE REFERENCES ON outside FROM {role};"
        ))
        .await;
    let tables = [
        ("public", "child"),
        ("public", "grouped"),
        ("public", "published"),
    ];
    let aside = decide(&owner, &tables, Silencing::EachTrigger).await;
    assert_eq!(aside.kept, []);
    let rehearsed = rehearsed(&mut owner, aside.items).await;
    let reason = |name: &str| {
        let kept = rehearsed.kept.iter().find(|kept| kept.name == name);
        kept.unwrap_or_else(|| panic!("{name} is not among {:?}", rehearsed.kept))
            .reason
            .clone()
    };
    assert_eq!(
        reason("out_fk"),
        "it could not be put back: permission denied for table outside"
    );
    assert!(
        reason("grouped_pkey").contains("view summary depends on"),
        "{}",
        reason("grouped_pkey")
    );
    assert_eq!(
        reason("published_pkey"),
        "publication pub needs it as the replica identity"
    );
    let names: Vec<&str> = rehearsed.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "autovacuum_enabled",
            "autovacuum_enabled",
            "autovacuum_enabled",
            "grouped_fk",
            "published_a_key",
            "grouped_a_key",
            "child_pkey"
        ]
    );
}

#[tokio::test]
async fn a_busy_table_is_named_with_who_holds_it() {
    let database = database("asidebusy").await;
    database
        .run("CREATE TABLE quiet (id int PRIMARY KEY); CREATE TABLE used (id int PRIMARY KEY)")
        .await;
    let holder = session(&database).await;
    holder
        .batch("BEGIN; SELECT FROM public.used")
        .await
        .expect("a lock");
    let mut session = session(&database).await;
    let aside = decide(
        &session,
        &[("public", "quiet"), ("public", "used")],
        Silencing::ReplicaRole,
    )
    .await;
    let error = rehearse(&mut session, aside.items.clone(), IMPATIENT)
        .await
        .expect_err("busy");
    assert_eq!(error.code(), code::TARGET_BUSY);
    let text = error.to_string();
    assert!(
        text.contains("table public.used") && text.contains(&holder.backend_pid().to_string()),
        "{text}"
    );
    holder.batch("ROLLBACK").await.expect("the end");
    assert_eq!(rehearsed(&mut session, aside.items).await.items.len(), 4);
}

#[tokio::test]
async fn a_restore_goes_on_where_a_crash_left_it() {
    let database = database("asidecrash").await;
    database.run(KINDS).await;
    let store = state(&database).await;
    let scope = scope(&store, Silencing::ReplicaRole);
    let mut sessions = [session(&database).await, session(&database).await];
    let before = pg_dump_schema(&database.url());
    let items = decide(&sessions[0], &KIND_TABLES, Silencing::ReplicaRole)
        .await
        .items;
    // After each number of first steps of the way back, done by hand as a crashed run would have done them.
    let builds: Vec<&str> = items.iter().filter_map(|item| item.build.as_deref()).collect();
    let quick: Vec<String> = items.iter().rev().map(|item| item.restore.join(";")).collect();
    for steps in [1, builds.len(), builds.len() + 5, builds.len() + quick.len()] {
        take_away(&mut sessions[0], &scope, &items)
            .await
            .expect("set aside");
        for step in builds
            .iter()
            .copied()
            .chain(quick.iter().map(String::as_str))
            .take(steps)
        {
            sessions[1]
                .batch(&format!(
                    "SET search_path TO DEFAULT; {step}; SET search_path TO pg_catalog"
                ))
                .await
                .expect("a step");
        }
        let restored = restore(&mut sessions, &scope, Part::All).await.expect("the rest");
        assert_eq!(restored.failures, []);
        assert_eq!(pg_dump_schema(&database.url()), before, "after {steps} steps");
    }
}

#[tokio::test]
async fn nothing_is_dropped_before_its_record_and_a_second_start_goes_on() {
    let database = database("asideagain").await;
    database
        .run("CREATE TABLE t (id int PRIMARY KEY, a int UNIQUE)")
        .await;
    let store = state(&database).await;
    let scope = scope(&store, Silencing::ReplicaRole);
    let mut sessions = [session(&database).await];
    let items = decide(&sessions[0], &[("public", "t")], Silencing::ReplicaRole)
        .await
        .items;
    let lost = Scope {
        guard: "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'DL501', MESSAGE = 'taken over'; END $$",
        ..scope
    };
    take_away(&mut sessions[0], &lost, &items)
        .await
        .expect_err("the lease is lost");
    assert_eq!(list(&sessions[0], &scope).await.expect("records"), []);

    take_away(&mut sessions[0], &scope, &items)
        .await
        .expect("set aside");
    take_away(&mut sessions[0], &scope, &items).await.expect("again");
    let records = list(&sessions[0], &scope).await.expect("records");
    assert_eq!(records.len(), 3);
    assert!(
        records
            .iter()
            .all(|record| record.state == AsideState::Dropped && record.item.entity == "t")
    );
    restore(&mut sessions, &lost, Part::All)
        .await
        .expect_err("the lease is lost");
    let restored = restore(&mut sessions, &scope, Part::All).await.expect("back");
    assert_eq!((restored.restored, restored.failures.len()), (3, 0));
}

/// More than one transaction drops: all of it is on record before the first one.
#[tokio::test]
async fn very_many_things_go_in_several_transactions() {
    let database = database("asidemany").await;
    database
        .run(
            "CREATE TABLE t (id int); DO $$ BEGIN FOR n IN 1..1050 LOOP \
             EXECUTE format('CREATE INDEX t_%s ON t (id) WHERE id > %s', n, n); END LOOP; END $$",
        )
        .await;
    let store = state(&database).await;
    let scope = scope(&store, Silencing::ReplicaRole);
    let mut sessions = [session(&database).await, session(&database).await];
    let items = decide(&sessions[0], &[("public", "t")], Silencing::ReplicaRole)
        .await
        .items;
    let aside = take_away(&mut sessions[0], &scope, &items)
        .await
        .expect("set aside");
    assert_eq!(aside.len(), 1051);
    let indexes = "SELECT count(*) FROM pg_index WHERE indrelid = 'public.t'::regclass";
    assert_eq!(database.value(indexes).await.as_deref(), Some("0"));
    let restored = restore(&mut sessions, &scope, Part::All).await.expect("back");
    assert_eq!((restored.restored, restored.failures.len()), (1051, 0));
    assert_eq!(database.value(indexes).await.as_deref(), Some("1050"));
}

#[tokio::test]
async fn abandoning_puts_back_what_the_rows_allow_and_names_the_rest() {
    let database = database("asideabandon").await;
    database
        .run(
            "CREATE TABLE p (id int PRIMARY KEY, a int CONSTRAINT p_a UNIQUE);
              CREATE TABLE c (id int PRIMARY KEY, p int CONSTRAINT c_p REFERENCES p)",
        )
        .await;
    let store = state(&database).await;
    let scope = scope(&store, Silencing::ReplicaRole);
    let mut sessions = [session(&database).await];
    let tables = [("public", "p"), ("public", "c")];
    let items = decide(&sessions[0], &tables, Silencing::ReplicaRole).await.items;
    take_away(&mut sessions[0], &scope, &items)
        .await
        .expect("set aside");
    database
        .run("INSERT INTO p VALUES (1, 7), (2, 7); INSERT INTO c VALUES (1, 1), (2, 3)")
        .await;
    let findings = abandon(&mut sessions, &scope).await.expect("as far as possible");
    let places: Vec<&str> = findings.iter().map(|finding| finding.place.as_str()).collect();
    assert_eq!(
        places,
        ["unique constraint p_a of public.p", "foreign key c_p of public.c"]
    );
    assert!(
        findings
            .iter()
            .all(|finding| finding.code == code::RESTORE_FAILED)
    );
    assert!(
        findings[1].remedy.contains("VALIDATE CONSTRAINT \"c_p\""),
        "{}",
        findings[1].remedy
    );
    assert!(
        findings
            .iter()
            .all(|finding| !finding.message.contains("(7)") && !finding.message.contains("(3)"))
    );
    let valid = database
        .value("SELECT convalidated FROM pg_constraint WHERE conname = 'c_p'")
        .await;
    assert_eq!(valid.as_deref(), Some("false"));

    database
        .run("DELETE FROM p WHERE id = 2; DELETE FROM c WHERE id = 2")
        .await;
    assert_eq!(abandon(&mut sessions, &scope).await.expect("all of it"), []);
    let valid = database
        .value("SELECT convalidated FROM pg_constraint WHERE conname = 'c_p'")
        .await;
    assert_eq!(valid.as_deref(), Some("true"));
}

#[tokio::test]
async fn what_came_back_halfway_is_set_aside_again() {
    let database = database("asidehalf").await;
    database
        .run(
            "CREATE TABLE p (id int PRIMARY KEY);
              CREATE TABLE c (id int PRIMARY KEY, p int CONSTRAINT c_p REFERENCES p)",
        )
        .await;
    let store = state(&database).await;
    let scope = scope(&store, Silencing::ReplicaRole);
    let before = pg_dump_schema(&database.url());
    let tables = [("public", "p"), ("public", "c")];
    // As a run's writers are: names that the path has are shown without their schema.
    let mut sessions = [session(&database).await];
    let writer = &mut sessions[0];
    writer.batch("SET search_path TO DEFAULT").await.expect("a path");
    let looking = session(&database).await;
    let items = decide(&looking, &tables, Silencing::ReplicaRole).await.items;
    take_away(writer, &scope, &items).await.expect("set aside");
    database.run("INSERT INTO c VALUES (1, 3)").await;
    for _ in 0..2 {
        let restored = restore(&mut sessions, &scope, Part::All).await.expect("the rest");
        let failures: Vec<(&str, bool)> = restored
            .failures
            .iter()
            .map(|failure| (failure.record.item.name.as_str(), failure.is_orphan()))
            .collect();
        assert_eq!(failures, [("c_p", true)]);
    }
    let items = decide(&looking, &tables, Silencing::ReplicaRole).await.items;
    let items = rehearsed(&mut sessions[0], items).await.items;
    assert_eq!(items.len(), 5);
    take_away(&mut sessions[0], &scope, &items).await.expect("again");
    let records = list(&sessions[0], &scope).await.expect("records");
    assert!(records.iter().all(|record| record.state == AsideState::Dropped));
    database.run("DELETE FROM c").await;
    let restored = restore(&mut sessions, &scope, Part::All)
        .await
        .expect("all of it");
    assert_eq!(restored.failures, []);
    assert_eq!(pg_dump_schema(&database.url()), before);
}

/// A program that ends between an index and the constraint that it is for leaves what the next start takes for a mere index.
#[tokio::test]
async fn an_index_whose_constraint_did_not_follow_is_set_aside_once() {
    let database = database("asideindex").await;
    database
        .run("CREATE TABLE t (id int PRIMARY KEY, code text CONSTRAINT t_code UNIQUE)")
        .await;
    let store = state(&database).await;
    let scope = scope(&store, Silencing::ReplicaRole);
    let before = pg_dump_schema(&database.url());
    let tables = [("public", "t")];
    let mut sessions = [session(&database).await];
    let looking = session(&database).await;
    let items = decide(&looking, &tables, Silencing::ReplicaRole).await.items;
    take_away(&mut sessions[0], &scope, &items)
        .await
        .expect("set aside");
    for build in items.iter().filter_map(|item| item.build.as_ref()) {
        database.run(build).await;
    }
    let items = decide(&looking, &tables, Silencing::ReplicaRole).await.items;
    assert!(
        items.iter().all(|item| item.kind == AsideKind::UniqueIndex),
        "{items:?}"
    );
    take_away(&mut sessions[0], &scope, &items).await.expect("again");
    assert_eq!(list(&sessions[0], &scope).await.expect("records").len(), 3);
    let restored = restore(&mut sessions, &scope, Part::All).await.expect("both");
    assert_eq!(restored.failures, []);
    assert_eq!(pg_dump_schema(&database.url()), before);
}

#[tokio::test]
async fn only_trying_tells_who_may_set_the_replica_role() {
    let database = database("asiderole").await;
    assert!(
        replica_role::probe(&session(&database).await)
            .await
            .expect("a probe")
    );
    let (other, role) = session_of_new_role(&database, "plain").await;
    assert!(!replica_role::probe(&other).await.expect("a probe"));
    if other.server_version() >= 150_000 {
        database
            .run(&format!(
                "GRANT SET ON PARAMETER session_replication_role TO {role}"
            ))
            .await;
        assert!(replica_role::probe(&other).await.expect("a probe"));
        database
            .run(&format!(
                "REVOKE SET ON PARAMETER session_replication_role FROM {role}"
            ))
            .await;
    }
}

#[tokio::test]
async fn partitions_and_triggers_of_others() {
    let database = database("asideparts").await;
    database
        .run(
            "CREATE TABLE r (id int PRIMARY KEY, a int) PARTITION BY RANGE (id);
              CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (10);
              CREATE INDEX r_a ON r (a); CREATE INDEX r1_own ON r1 (a, id);
              CREATE TABLE c (id int PRIMARY KEY, r int REFERENCES r)",
        )
        .await;
    let mut session = session(&database).await;
    let tables = [("public", "r"), ("public", "r1"), ("public", "c")];
    let aside = decide(&session, &tables, Silencing::ReplicaRole).await;
    let names: Vec<&str> = aside.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(
        names,
        ["autovacuum_enabled", "autovacuum_enabled", "r1_own", "c_pkey"]
    );
    assert_eq!(rehearsed(&mut session, aside.items).await.kept, []);
    assert!(aside.kept.iter().all(|kept| kept.kind != AsideKind::Trigger));
}

/// Tells with which setting each index was built.
const BUILT_WITH: &str = "
    CREATE TABLE t (id int PRIMARY KEY, a int, b int, c int); INSERT INTO t SELECT n, n, n, n FROM generate_series(1, 100) AS n;
    CREATE INDEX t_a ON t (a); CREATE INDEX t_b ON t (b); CREATE INDEX t_c ON t (c);
    CREATE TABLE built (workers int);
    CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.built VALUES (current_setting('max_parallel_maintenance_workers')::int); END $$;
    CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION note();";

/// Three sessions have three of four indexes to build, and then one has the fourth.
#[tokio::test]
async fn a_build_has_workers_where_sessions_would_wait_and_no_more_than_the_server_allows() {
    for (allowed, expected) in [(2, "0 0 0 2"), (1, "0 0 0 1"), (0, "0 0 0 0")] {
        let database = database("asideworkers").await;
        database.run(BUILT_WITH).await;
        let set = format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET max_parallel_maintenance_workers = {allowed}', \
             current_database()); END $$"
        );
        database.run(&set).await;
        let store = state(&database).await;
        let scope = scope(&store, Silencing::ReplicaRole);
        let mut sessions = [
            session(&database).await,
            session(&database).await,
            session(&database).await,
        ];
        let aside = decide(&sessions[0], &[("public", "t")], Silencing::ReplicaRole).await;
        take_away(&mut sessions[0], &scope, &aside.items)
            .await
            .expect("set aside");
        let restored = restore(&mut sessions, &scope, Part::All).await.expect("back");
        assert_eq!((restored.restored, restored.failures.len()), (5, 0));
        let built = "SELECT string_agg(workers::text, ' ' ORDER BY workers) FROM built";
        assert_eq!(
            database.value(built).await.as_deref(),
            Some(expected),
            "of {allowed}"
        );
    }
}
