//! A Supabase project with all of its traps at once, through a session pooler with TLS of a private CA whose roots share
//! one name, behind a proxy that drops what is said at start-up.

use std::collections::BTreeSet;

use driftless_core::code;
use driftless_core::spec::Spec;
use driftless_engine::run::report::MigrateReport;
use driftless_engine::run::validate;
use driftless_testkit::{
    Authority, Cluster, ClusterOptions, Listener, PoolMode, Pooler, Server, StrippingProxy, TestDatabase,
    pg_dump_schema_without, servers, wait_until,
};
use tempfile::TempDir;

use crate::pair::{Pair, migrate_spec, read};

const PLATFORM: &str = include_str!("supabase/platform.sql");
const APPLICATION: &str = include_str!("supabase/application.sql");
const SOURCE: &str = include_str!("supabase/source.sql");
const MAPPING: &str = include_str!("supabase/mapping.toml");
const PASSWORD: &str = "p@ss word";

/// A project: what a customer has of it, and what stands behind.
struct Project {
    source: TestDatabase,
    target: TestDatabase,
    proxy: StrippingProxy,
    pooler: Pooler,
    files: TempDir,
    // Dropped last: the databases live there.
    _server: Cluster,
}

impl Project {
    async fn new() -> Project {
        let server = Cluster::start(&ClusterOptions {
            superuser: "supabase_admin".to_owned(),
            ..ClusterOptions::default()
        })
        .unwrap_or_else(|error| panic!("{error}"));
        let source = TestDatabase::create(&servers().source, "supabasesource").await;
        let target = TestDatabase::create(&Server::of(&server), "supabase").await;
        tokio::join!(source.run(SOURCE), async {
            target.run(PLATFORM).await;
            target.run(APPLICATION).await;
        });
        let proxy = StrippingProxy::start(&target.url_as("postgres", PASSWORD)).await;
        let files = tempfile::tempdir().expect("a directory");
        let settings = encryption(&files);
        let pooler = Pooler::start(proxy.url(), PoolMode::Session, &settings);
        Project {
            source,
            target,
            proxy,
            pooler,
            files,
            _server: server,
        }
    }

    /// The mapping, with the target reached through the pooler.
    fn spec(&self) -> Spec {
        let target = self
            .pooler
            .url(self.target.name())
            .replace("127.0.0.1", "localhost");
        let roots = self.files.path().join("roots.pem");
        self.spec_to(&format!(
            "{target}?sslmode=verify-full&sslrootcert={}",
            roots.display()
        ))
    }

    /// The mapping, with the target reached by this URL.
    fn spec_to(&self, target: &str) -> Spec {
        read(&format!(
            "[pipeline]\nname = \"move\"\n[source]\nurl = \"{}\"\nzone = \"Europe/Paris\"\n[target]\nurl = \"{target}\"\n{MAPPING}",
            self.source.url(),
        ))
    }

    async fn number(&self, sql: &str) -> i64 {
        self.target
            .value(sql)
            .await
            .expect("a number")
            .parse()
            .expect("a number")
    }
}

/// Two roots of one name, as while a CA is being renewed; the younger one has signed. What the pooler is to be told.
fn encryption(files: &TempDir) -> String {
    let (old, new) = (Authority::new("Example Root"), Authority::new("Example Root"));
    let server = new.certify(&["localhost"]);
    let path = |name: &str| files.path().join(name);
    for (name, text) in [
        ("roots.pem", &format!("{}{}", old.root(), new.root())),
        ("server.crt", &server.certificate),
        ("server.key", &server.key),
    ] {
        std::fs::write(path(name), text).expect("a file");
    }
    // The pooler is another user.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(files.path(), open).expect("an open directory");
    format!(
        "client_tls_sslmode = require\nclient_tls_cert_file = {}\nclient_tls_key_file = {}\ndefault_pool_size = 15\n\
         ignore_startup_parameters = options",
        path("server.crt").display(),
        path("server.key").display(),
    )
}

#[tokio::test]
async fn a_project_with_all_of_its_traps() {
    let project = Project::new().await;
    let before = pg_dump_schema_without(&project.target.url(), "driftless");
    let mut api = Listener::start(&project.target, "pgrst").await;

    let report = migrate_spec(&project.spec()).await.expect("a load");

    let reloads = api.heard().await;
    assert_eq!(reloads, ["reload schema"], "reloads of the API");
    assert_eq!(pg_dump_schema_without(&project.target.url(), "driftless"), before);
    arrived(&project, &report).await;
    silent(&project).await;

    // What is said at start-up is lost, and does no harm: neither what Driftless says nor what the user wants there.
    let stripped = format!("{}?options=-c%20statement_timeout%3D1", project.proxy.url());
    let validation = validate(&project.spec_to(&stripped), &[])
        .await
        .expect("a validation");
    let differences: Vec<_> = validation.differences().collect();
    assert!(differences.is_empty(), "{differences:?}");
    assert!(
        project
            .proxy
            .dropped()
            .is_superset(&BTreeSet::from(["client_encoding", "options"].map(str::to_owned)))
    );

    let again = migrate_spec(&project.spec_to(&stripped))
        .await
        .expect("nothing to do");
    assert!(again.nothing_to_do);
    assert_eq!(api.heard().await, Vec::<String>::new());
}

/// Every row is there or on record, and nothing was lost on the way.
async fn arrived(project: &Project, report: &MigrateReport) {
    let counted = |entity: &str| {
        let found = report
            .entities
            .iter()
            .find(|one| one.entity == entity)
            .expect("an entity");
        (found.read, found.inserted, found.rejected)
    };
    // 7 has the address of 6 but for case; the owner of team 4 is nobody.
    assert_eq!(counted("users"), (300, 299, 1));
    assert_eq!(counted("identities"), (294, 293, 1));
    assert_eq!(counted("profiles"), (300, 299, 1));
    assert_eq!(counted("teams"), (40, 39, 1));
    let lost = "SELECT count(*) FROM member WHERE team = 4 OR account = 7";
    let lost: i64 = project
        .source
        .value(lost)
        .await
        .expect("a number")
        .parse()
        .expect("a number");
    assert_eq!(counted("memberships"), (400, 400 - lost, lost));
    assert_eq!(counted("measurements"), (20_001, 19_500, 501));

    for (what, sql) in [
        ("users", "SELECT count(*) - 300 FROM auth.users"),
        (
            "the new application's own",
            "SELECT count(*) - 1 FROM auth.users u JOIN public.profiles p USING (id) \
             WHERE u.email = 'staff@example.org' AND p.handle = 'staff' AND p.full_name = 'Staff'",
        ),
        (
            "what sign-in needs",
            "SELECT count(*) FROM auth.users WHERE id <> 'd0000000-0000-4000-8000-000000000001' AND \
             (aud, role, confirmation_token, recovery_token, email_change, email_change_token_new, phone_change) \
             IS DISTINCT FROM ('authenticated', 'authenticated', '', '', '', '', '')",
        ),
        (
            "lower case",
            "SELECT count(*) FROM auth.users WHERE email <> lower(email)",
        ),
        (
            "users with an address and no identity",
            "SELECT count(*) FROM auth.users u WHERE email IS NOT NULL AND id <> 'd0000000-0000-4000-8000-000000000001' AND NOT EXISTS \
             (SELECT FROM auth.identities i WHERE i.user_id = u.id AND i.provider = 'email' AND i.provider_id = u.id::text AND i.email = u.email)",
        ),
        (
            "what the sessions were set to",
            "SELECT count(*) FROM public.teams WHERE (timeout_seen, digits_seen, replication_role_seen) IS DISTINCT FROM ('0', '3', 'replica')",
        ),
    ] {
        assert_eq!(project.number(sql).await, 0, "{what}");
    }
    // Floating-point numbers keep every bit.
    let sums = "SELECT sum(hashfloat8(v)::bigint), sum(hashfloat4(s)::bigint), count(*) FROM measure WHERE team <> 4 AND id <= 20000";
    let there =
        "SELECT sum(hashfloat8(value)::bigint), sum(hashfloat4(single)::bigint), count(*) FROM measurements";
    assert_eq!(project.source.rows(sums).await, project.target.rows(there).await);
}

/// What must not have happened.
async fn silent(project: &Project) {
    for (what, sql) in [
        (
            "profiles of a trigger",
            "SELECT count(*) FROM public.profiles WHERE full_name = 'made by a trigger'",
        ),
        (
            "unproven constraints",
            "SELECT count(*) FROM pg_constraint WHERE NOT convalidated",
        ),
        (
            "disabled triggers",
            "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'",
        ),
        (
            "disabled event triggers",
            "SELECT count(*) FROM pg_event_trigger WHERE evtenabled <> 'O'",
        ),
        (
            "set aside",
            "SELECT count(*) FROM driftless.set_aside WHERE state <> 'restored'",
        ),
        (
            "state that the API's roles can see",
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(ARRAY['anon', 'authenticated', 'service_role']) r \
             WHERE nspname = 'driftless' AND (has_schema_privilege(r, n.oid, 'USAGE') OR (relkind = 'r' AND has_table_privilege(r, c.oid, 'SELECT')))",
        ),
    ] {
        assert_eq!(project.number(sql).await, 0, "{what}");
    }
}

#[tokio::test]
async fn statements_take_longer_than_the_database_allows() {
    let project = Project::new().await;
    // The role of the test is not limited; the project's role has no limit of its own over the database's.
    let limit = format!(
        "ALTER ROLE supabase_admin SET statement_timeout = 0;
         ALTER ROLE postgres RESET statement_timeout;
         ALTER DATABASE {} SET statement_timeout = '200ms';
         CREATE FUNCTION public.pass() RETURNS text LANGUAGE plpgsql AS $$
         BEGIN
           PERFORM pg_advisory_xact_lock_shared(42);
           RETURN current_setting('statement_timeout');
         END $$;
         ALTER TABLE public.teams ALTER timeout_seen SET DEFAULT public.pass()",
        project.target.name()
    );
    project.target.run(&limit).await;
    let holder = project.target.client().await;
    let hold = "SELECT pg_advisory_lock(42); BEGIN; LOCK TABLE public.teams IN SHARE MODE";
    holder.batch_execute(hold).await.expect("locks");

    // Whoever leaves the limit as it is does not outlast the lock.
    let limited = project.target.client_as("postgres", PASSWORD).await;
    let given_up = limited
        .batch_execute("DELETE FROM public.teams WHERE false")
        .await
        .expect_err("the table is locked");
    let code = given_up.as_db_error().map(|error| error.code().code().to_owned());
    assert_eq!(code.as_deref(), Some("57014"), "{given_up}");
    drop(limited);

    let spec = project.spec();
    let (report, ()) = tokio::join!(migrate_spec(&spec), async {
        // Before the rows: the table itself. Then while they are written.
        outwaits_the_limit(&project, "relation").await;
        holder.batch_execute("COMMIT").await.expect("a release");
        outwaits_the_limit(&project, "advisory").await;
        let release = "SELECT pg_advisory_unlock(42)";
        holder.batch_execute(release).await.expect("a release");
    });
    arrived(&project, &report.expect("a load")).await;
}

/// Waits until a statement of the load has run five times as long as the database allows, and waits for this still.
async fn outwaits_the_limit(project: &Project, lock: &str) {
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'postgres' AND state = 'active' \
         AND wait_event_type = 'Lock' AND wait_event = '{lock}' AND clock_timestamp() - query_start > interval '1 second'"
    );
    wait_until(lock, async || project.number(&waiting).await > 0).await;
}

/// An API that is told of every change of the schema, indexes included.
const API: &str = "
    CREATE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NOTIFY pgrst, 'reload schema'; END $$;
    CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION tell();
    CREATE EVENT TRIGGER watch_drops ON sql_drop EXECUTE FUNCTION tell();";

#[tokio::test]
async fn an_api_is_told_once_also_where_a_load_halts() {
    let target = format!(
        "CREATE TABLE parents (id uuid PRIMARY KEY, code text UNIQUE);
         CREATE TABLE children (id uuid PRIMARY KEY, parent_id uuid REFERENCES parents, amount int NOT NULL);
         CREATE INDEX children_parent ON children (parent_id);{API}"
    );
    let source = "CREATE TABLE parent (id int PRIMARY KEY, code text);
         CREATE TABLE child (id int PRIMARY KEY, parent_id int, amount text);
         INSERT INTO parent SELECT i, 'p' || i FROM generate_series(1, 20) AS i;
         INSERT INTO child SELECT i, 1 + i % 20, CASE WHEN i > 5 THEN i::text ELSE 'none' END FROM generate_series(1, 50) AS i";
    let pair = Pair::create("toldonce", source, &target).await;
    // One lane, which loads children behind the parents that decide their references.
    let mapping = |limit: &str| {
        let (from, into) = (pair.source.url(), pair.target.url());
        let mapping = format!(
            "[pipeline]\nname = \"test\"\n[source]\nurl = \"{from}\"\nmax_connections = 1\n\
             [target]\nurl = \"{into}\"\nmax_connections = 2\n\
             [entities.parents]\nfrom = \"public.parent\"\ninto = \"public.parents\"\ncolumns.id = {{ id = true }}\n\
             [entities.children]\nfrom = \"public.child\"\ninto = \"public.children\"\nmax_rejects = {limit}\n\
             columns.id = {{ id = true }}\ncolumns.parent_id = {{ ref = \"parents\", from = \"parent_id\", missing = \"null\" }}\n\
             columns.amount = {{ sql = \"amount::int\" }}\n"
        );
        read(&mapping)
    };
    let before = pg_dump_schema_without(&pair.target.url(), "driftless");
    let mut api = Listener::start(&pair.target, "pgrst").await;

    let halted = migrate_spec(&mapping("1")).await.expect_err("too many rejects");
    assert_eq!(halted.code(), code::TOO_MANY_REJECTS);
    assert_eq!(pg_dump_schema_without(&pair.target.url(), "driftless"), before);
    assert_eq!(api.heard().await, ["reload schema"]);

    migrate_spec(&mapping("10")).await.expect("a load");
    assert_eq!(pg_dump_schema_without(&pair.target.url(), "driftless"), before);
    assert_eq!(api.heard().await, ["reload schema"]);
}

/// Everything is back when the rejects of a proof are judged.
#[tokio::test]
async fn an_api_is_told_once_where_the_end_of_a_load_is_refused() {
    let target = format!("CREATE TABLE parents (id uuid PRIMARY KEY, code text UNIQUE);{API}");
    let source = "CREATE TABLE parent (id int PRIMARY KEY, code text);
         INSERT INTO parent SELECT i, 'p' || i % 10 FROM generate_series(1, 20) AS i";
    let pair = Pair::create("toldend", source, &target).await;
    let mapping = |limit: &str| {
        pair.spec(&format!(
            "[entities.parents]\nfrom = \"public.parent\"\ninto = \"public.parents\"\nmax_rejects = {limit}\n\
             columns.id = {{ id = true }}\ncolumns.code = \"code\"\n"
        ))
    };
    let before = pg_dump_schema_without(&pair.target.url(), "driftless");
    let mut api = Listener::start(&pair.target, "pgrst").await;

    let refused = migrate_spec(&mapping("1")).await.expect_err("too many rejects");
    assert_eq!(refused.code(), code::TOO_MANY_REJECTS);
    assert_eq!(pg_dump_schema_without(&pair.target.url(), "driftless"), before);
    assert_eq!(api.heard().await, ["reload schema"]);

    migrate_spec(&mapping("10")).await.expect("a load");
    assert_eq!(pair.count("SELECT count(*) FROM parents").await, 10);
    assert_eq!(api.heard().await, ["reload schema"]);
}
