//! The guide to Supabase as it stands: its SQL makes the roles and tables of both sides, its strings connect, its mapping is the
//! mapping, and its commands run as its roles, against a platform like Supabase's with TLS of a CA of its own.

#![expect(clippy::unwrap_used, reason = "a test cannot go on either where these fail")]

use driftless_testkit::{Authority, Cluster, ClusterOptions, Server, TestDatabase};
use tempfile::TempDir;

use crate::desk::{Outcome, run};

const GUIDE: &str = include_str!("../../../../docs/guide/supabase.md");
const PLATFORM: &str = include_str!("../../../driftless-engine/tests/it/supabase/platform.sql");

/// What the platform gives its owner.
const PASSWORD: &str = "p@ss word";

/// The blocks of one language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let opening = format!("```{language}\n");
    let rest = GUIDE.split(&opening).skip(1);
    rest.map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// The commands of a block, without what it says about them.
fn commands(block: &str) -> Vec<Vec<&str>> {
    let bare = block.lines().map(|line| line.split('#').next().unwrap());
    bare.map(|line| line.split_whitespace().skip(1).collect())
        .collect()
}

struct Reader {
    dir: TempDir,
    source: TestDatabase,
    target: TestDatabase,
    // Dropped last: the databases live there.
    _servers: [Cluster; 2],
}

impl Reader {
    /// Has done what the guide says before its first command.
    async fn prepared() -> Reader {
        let authority = Authority::new("Example Root");
        let servers = [
            encrypted(&authority, "postgres"),
            encrypted(&authority, "supabase_admin"),
        ];
        let reader = Reader {
            source: TestDatabase::create(&Server::of(&servers[0]), "legacy").await,
            target: TestDatabase::create(&Server::of(&servers[1]), "project").await,
            dir: tempfile::tempdir().unwrap(),
            _servers: servers,
        };
        let [source, target] = blocks("sql")[..] else {
            panic!("the guide has SQL for each side")
        };
        reader.source.run(source).await;
        reader.target.run(PLATFORM).await;
        let owner = reader.target.client_as("postgres", PASSWORD).await;
        owner.batch_execute(target).await.unwrap();
        reader.write("prod-ca.crt", authority.root());
        reader.write("driftless.toml", blocks("toml")[0]);
        let variables = blocks("sh")[0].replace("export ", "");
        let variables = reader.placed(
            &variables,
            ("reader", "choose%20one", "legacy.example.org:5432/legacy"),
            &reader.source,
        );
        let variables = reader.placed(
            &variables,
            ("postgres", "p%40ss%20word", "db.REF.supabase.co:5432/postgres"),
            &reader.target,
        );
        reader.write(".env", &variables);
        reader
    }

    /// Puts a password and the place of a database where the guide leaves them to its reader.
    fn placed(
        &self,
        text: &str,
        (role, password, place): (&str, &str, &str),
        database: &TestDatabase,
    ) -> String {
        let old = format!("{role}:…@{place}");
        assert!(text.contains(&old), "{old} is not in the guide");
        let url = database.url();
        let port = url.rsplit(':').next().unwrap().split('/').next().unwrap();
        text.replace(
            &old,
            &format!("{role}:{password}@localhost:{port}/{}", database.name()),
        )
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        run(self.dir.path(), arguments)
    }

    async fn none(&self, what: &str, sql: &str) {
        assert_eq!(self.target.value(sql).await.as_deref(), Some("0"), "{what}");
    }
}

/// A server that speaks TLS as `localhost`.
fn encrypted(authority: &Authority, superuser: &str) -> Cluster {
    let identity = authority.certify(&["localhost"]);
    Cluster::start(&ClusterOptions {
        superuser: superuser.to_owned(),
        settings: vec![("ssl".to_owned(), "on".to_owned())],
        files: vec![
            ("server.crt".to_owned(), identity.certificate),
            ("server.key".to_owned(), identity.key),
        ],
        ..ClusterOptions::default()
    })
    .unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn accounts_go_to_supabase() {
    let reader = Reader::prepared().await;

    // The page says so of a role that is less than the platform's.
    reader.target.run("ALTER ROLE postgres NOBYPASSRLS").await;
    let refused = reader.run(&["check"]);
    assert!(
        refused.code != 0 && format!("{}{}", refused.out, refused.err).contains("DL0302"),
        "{}",
        refused.out
    );
    reader.target.run("ALTER ROLE postgres BYPASSRLS").await;

    let commands = commands(blocks("sh")[1]);
    let [check, plan, migrate, list, validate] = &commands[..] else {
        panic!("{commands:?}")
    };
    reader.run(check).expect(0);
    reader.run(plan).expect(0);
    reader.run(migrate).expect(1);
    let listed = reader.run(list).expect(0);
    for entity in ["users", "identities", "profiles"] {
        let rejected: Vec<_> = listed
            .out
            .lines()
            .filter(|line| line.starts_with(entity))
            .collect();
        assert!(
            rejected.len() == 1 && rejected[0].contains(" 3 "),
            "{}",
            listed.out
        );
    }
    reader.run(validate).expect(0);
    arrived(&reader).await;
}

async fn arrived(reader: &Reader) {
    let users = "SELECT string_agg(coalesce(email, '-'), ' ' ORDER BY raw_user_meta_data ->> 'full_name') FROM auth.users
                 WHERE email IS DISTINCT FROM 'staff@example.org'";
    let users = reader.target.value(users).await;
    assert_eq!(users.as_deref(), Some("ada@example.org brian@example.org -"));
    for (what, sql) in [
        (
            "users that are as the page says, with their profiles",
            "SELECT count(*) - 3 FROM auth.users u JOIN public.profiles p USING (id)
             WHERE u.raw_user_meta_data ->> 'full_name' = p.full_name AND u.confirmed_at = u.created_at
               AND (u.aud, u.role, u.confirmation_token, u.recovery_token, u.email_change, u.email_change_token_new)
                 = ('authenticated', 'authenticated', '', '', '', '')",
        ),
        (
            "other profiles",
            "SELECT count(*) - 3 FROM public.profiles",
        ),
        (
            "identities",
            "SELECT count(*) - 2 FROM auth.identities i JOIN auth.users u ON u.id = i.user_id
             WHERE i.email = u.email AND i.provider_id = u.id::text",
        ),
        (
            "roles of the API that reach the state",
            "SELECT count(*) FROM unnest(ARRAY['anon', 'authenticated', 'service_role']) AS r
             WHERE has_schema_privilege(r, 'driftless', 'USAGE')",
        ),
    ] {
        reader.none(what, sql).await;
    }
    let mut teardown = commands(blocks("sh")[2]).remove(0);
    teardown.push("--yes");
    reader.run(&teardown).expect(0);
    reader
        .none(
            "the state",
            "SELECT count(*) FROM pg_namespace WHERE nspname = 'driftless'",
        )
        .await;
    reader
        .none(
            "rows that went with it",
            "SELECT count(*) - 3 FROM public.profiles",
        )
        .await;
}
