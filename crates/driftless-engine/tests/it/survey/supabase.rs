//! A target laid out as a Supabase project: every trap is named in advance, and with the remedies the load goes through.

use driftless_core::code;
use driftless_core::error::Severity;
use driftless_core::spec::Spec;
use driftless_testkit::{Cluster, ClusterOptions, Server, TestDatabase, servers};

use super::{found, one, spec_of, with};
use crate::pair::migrate_spec;

const SOURCE: &str = "
    CREATE TABLE person (id int PRIMARY KEY, email text, password text, weight float8);
    INSERT INTO person SELECT n, 'Person' || n || '@Example.org', NULL, n / 3.0 FROM generate_series(1, 50) AS n;
    CREATE TABLE thing (id uuid PRIMARY KEY, name text, version text);";

const CARELESS: &str = r#"
[entities.users]
from = "public.person"
into = "auth.users"
[entities.users.columns]
id = { id = true }
encrypted_password = "password"
"#;

const CAREFUL: &str = r#"
[entities.users]
from = "public.person"
into = "auth.users"
[entities.users.columns]
id = { id = true }
email = { sql = "lower(email)" }
aud = { const = "authenticated" }
role = { const = "authenticated" }
instance_id = { const = "00000000-0000-0000-0000-000000000000" }
confirmation_token = { const = "" }
recovery_token = { const = "" }
email_change = { const = "" }
email_change_token_new = { const = "" }
raw_user_meta_data = { const = "{}" }
[entities.identities]
from = "public.person"
into = "auth.identities"
identity = { same_as = "users" }
[entities.identities.columns]
id = { id = true }
user_id = { ref = "users", from = "id" }
provider = { const = "email" }
provider_id = { sql = ":id::text" }
identity_data = { json = { sub = { id = true }, email = "email" } }
[entities.profiles]
from = "public.person"
into = "public.profiles"
identity = { same_as = "users" }
[entities.profiles.columns]
id = { id = true }
email = { sql = "lower(email)" }
"#;

struct Project {
    source: TestDatabase,
    target: TestDatabase,
    _cluster: Cluster,
}

impl Project {
    /// Roles belong to the whole server, so that the project has one of its own.
    async fn create() -> Project {
        let options = ClusterOptions {
            settings: vec![("wal_level".to_owned(), "logical".to_owned())],
            ..ClusterOptions::default()
        };
        let cluster = Cluster::start(&options).expect("a server");
        let target = TestDatabase::create(&Server::of(&cluster), "project").await;
        target.run(include_str!("supabase.sql")).await;
        let source = TestDatabase::create(&servers().source, "project").await;
        source.run(SOURCE).await;
        Project {
            source,
            target,
            _cluster: cluster,
        }
    }

    fn spec(&self, entities: &str) -> Spec {
        spec_of(
            &self.source.url(),
            &self.target.url_as("project", "let me in"),
            entities,
        )
    }
}

#[tokio::test]
async fn every_trap_of_the_platform_is_named_and_can_be_passed() {
    let project = Project::create().await;
    let findings = found(&project.spec(CARELESS)).await;
    let accounts = with(&findings, code::ACCOUNTS);
    let says = |severity: Severity, words: &str| {
        let said = accounts
            .iter()
            .any(|(own, _, message)| *own == severity && message.contains(words));
        assert!(said, "{words}: {findings:#?}");
    };
    says(
        Severity::Warning,
        "confirmation_token, recovery_token, email_change, email_change_token_new of auth.users",
    );
    for column in ["aud", "role", "instance_id"] {
        says(
            Severity::Warning,
            &format!("{column} of auth.users would be null"),
        );
    }
    says(Severity::Warning, "the e-mail address is copied as it is");
    says(Severity::Warning, "users without an identity cannot sign in");
    says(Severity::Note, "bcrypt");
    says(
        Severity::Note,
        "what public.handle_new_user makes of a new user is not made",
    );

    let findings = found(&project.spec(CAREFUL)).await;
    // Only what one cannot mend in a mapping is left.
    assert!(
        findings.iter().all(|finding| finding.severity != Severity::Error),
        "{findings:#?}"
    );
    let settings: Vec<_> = with(&findings, code::SERVER_SETTING)
        .into_iter()
        .map(|(_, place, message)| (place, &message[..22]))
        .collect();
    assert_eq!(
        settings,
        [
            ("the target", "statement_timeout is 1"),
            ("the target", "extra_float_digits is "),
            ("the target", "event trigger pgrst_wa"),
        ]
    );
    let (severity, place, message) = one(&findings, code::PUBLISHED);
    assert_eq!((severity, place), (Severity::Warning, "table public.profiles"));
    assert!(message.contains("supabase_realtime"), "{message}");
    assert_eq!(with(&findings, code::ACCOUNTS).len(), 1, "{findings:#?}");

    migrate_spec(&project.spec(CAREFUL)).await.expect("a load");
    let wrong = "SELECT count(*) FROM auth.users AS u LEFT JOIN auth.identities AS i ON i.user_id = u.id AND i.provider_id = u.id::text
         LEFT JOIN public.profiles AS p ON p.id = u.id
         WHERE i.id IS NULL OR p.id IS NULL OR u.email <> lower(u.email) OR i.email <> u.email OR u.confirmation_token IS NULL";
    assert_eq!(project.target.value(wrong).await.as_deref(), Some("0"));
    let weights = project.target.value("SELECT sum(weight::numeric) FROM (SELECT set_config('extra_float_digits', '3', false)) AS s, public.profiles").await;
    let expected = project
        .source
        .value("SELECT sum(weight::numeric) FROM public.person")
        .await;
    assert_eq!(weights, expected);
}

#[tokio::test]
async fn tables_of_the_platform_are_left_alone() {
    let project = Project::create().await;
    let entity = |name: &str, into: &str, columns: &str| {
        format!(
            "[entities.{name}]\nfrom = \"public.thing\"\ninto = \"{into}\"\ncopy = \"none\"\n[entities.{name}.columns]\n{columns}\n"
        )
    };
    let mapping = [
        entity("migrations", "auth.schema_migrations", "version = \"version\""),
        entity("sessions", "auth.sessions", "id = \"id\""),
        entity("objects", "storage.objects", "id = \"id\"\nname = \"name\""),
    ]
    .concat();
    let findings = found(&project.spec(&mapping)).await;
    let seen: Vec<_> = with(&findings, code::PLATFORM_TABLE)
        .into_iter()
        .map(|(severity, place, _)| (severity, place))
        .collect();
    assert_eq!(
        seen,
        [
            (Severity::Error, "table auth.schema_migrations"),
            (Severity::Warning, "table auth.sessions"),
            (Severity::Warning, "table storage.objects"),
        ]
    );
}
