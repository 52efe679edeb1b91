//! Traps are named before anything is written: each finding of `check`, from real servers.

use driftless_core::code::{self, Code};
use driftless_core::error::{Finding, Severity};
use driftless_engine::run::{Prepared, prepare};
use driftless_testkit::{TestDatabase, servers};

use crate::pair::{Pair, read};
use crate::session::{session_of_new_role, url_as};

mod encoding;
mod supabase;

/// What preparing found, whether or not it forbids going on.
pub(crate) async fn found(spec: &driftless_core::spec::Spec) -> Vec<Finding> {
    let findings = match prepare(spec).await {
        Ok(Prepared { findings, .. }) => findings,
        Err(error) => error.into_findings(),
    };
    for finding in &findings {
        assert!(
            !finding.message.is_empty() && !finding.remedy.is_empty(),
            "{finding:?}"
        );
    }
    findings
}

/// The findings with this code: severity, place and message.
pub(crate) fn with(findings: &[Finding], code: Code) -> Vec<(Severity, &str, &str)> {
    findings
        .iter()
        .filter(|finding| finding.code == code)
        .map(|finding| (finding.severity, finding.place.as_str(), finding.message.as_str()))
        .collect()
}

#[track_caller]
pub(crate) fn one(findings: &[Finding], code: Code) -> (Severity, &str, &str) {
    match with(findings, code)[..] {
        [one] => one,
        _ => panic!("{code}: {findings:#?}"),
    }
}

const ROWS: &str = "[entities.rows]\nfrom = \"public.row\"\ninto = \"public.rows\"\n";

#[tokio::test]
async fn an_ordinary_pair_has_no_findings() {
    let pair = Pair::create(
        "plain",
        "CREATE TABLE row (id int PRIMARY KEY)",
        "CREATE TABLE rows (id int PRIMARY KEY)",
    )
    .await;
    assert_eq!(found(&pair.spec(ROWS)).await, []);
}

#[tokio::test]
async fn what_surrounds_the_tables_is_named() {
    let pair = Pair::create(
        "surroundings",
        "CREATE TABLE row (id int PRIMARY KEY); CREATE TABLE more () INHERITS (row);
         CREATE MATERIALIZED VIEW empty AS SELECT 1 AS id WITH NO DATA;",
        "CREATE UNLOGGED TABLE rows (id int PRIMARY KEY); CREATE TABLE others (id int PRIMARY KEY);
         CREATE SCHEMA net; CREATE FUNCTION net.http_post() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM net.http_post(); RETURN NEW; END $$;
         CREATE TRIGGER hook AFTER INSERT ON rows FOR EACH ROW EXECUTE FUNCTION hook();
         CREATE RULE log AS ON INSERT TO rows DO ALSO INSERT INTO others VALUES (NEW.id);
         CREATE PUBLICATION everything FOR ALL TABLES;",
    )
    .await;
    let mapping =
        format!("{ROWS}[entities.others]\nfrom = \"public.empty\"\ninto = \"public.others\"\nkey = \"id\"\n");
    let findings = found(&pair.spec(&mapping)).await;
    let seen = |code| {
        let (severity, place, _) = one(&findings, code);
        (severity, place)
    };
    assert_eq!(seen(code::NOT_DURABLE), (Severity::Warning, "table public.rows"));
    assert_eq!(
        seen(code::REACHES_OUT),
        (Severity::Warning, "table public.rows, trigger hook")
    );
    assert_eq!(
        seen(code::REWRITTEN),
        (Severity::Note, "table public.rows, rule log")
    );
    assert_eq!(seen(code::INHERITANCE), (Severity::Note, "entity rows"));
    assert_eq!(seen(code::SOURCE_UNREADABLE), (Severity::Error, "entity others"));
    let places: Vec<_> = with(&findings, code::PUBLISHED)
        .into_iter()
        .map(|(_, place, _)| place)
        .collect();
    assert_eq!(places, ["table public.others", "the target"]);
    assert!(one(&findings, code::REACHES_OUT).2.contains("net.http_post"));
    assert_eq!(findings.len(), 7, "{findings:#?}");
}

/// PostgreSQL refuses UPDATE and DELETE on published tables that cannot say which row they mean; the state has such tables
/// while a load is under way.
#[tokio::test]
async fn a_publication_of_all_tables_does_not_hinder_corrections() {
    let pair = Pair::create(
        "published",
        "CREATE TABLE parent (id int PRIMARY KEY, code text); INSERT INTO parent SELECT n, 'c' || n / 2 FROM generate_series(1, 40) AS n;
         CREATE TABLE child (id int PRIMARY KEY, p int, q int); INSERT INTO child SELECT n, n, n + 20 FROM generate_series(1, 40) AS n;",
        "CREATE TABLE parents (id uuid PRIMARY KEY, code text UNIQUE);
         CREATE TABLE children (id uuid PRIMARY KEY, p uuid REFERENCES parents, q uuid REFERENCES parents);
         CREATE PUBLICATION everything FOR ALL TABLES;",
    )
    .await;
    let mapping = r#"
        [defaults]
        max_rejects = "90%"
        [entities.parents]
        from = "public.parent"
        into = "public.parents"
        columns.id = { id = true }
        [entities.children]
        from = "public.child"
        into = "public.children"
        columns.id = { id = true }
        columns.p = { ref = "parents", from = "p" }
        columns.q = { ref = "parents", from = "q", missing = "null" }
    "#;
    pair.migrate(mapping).await.expect("a load");
    assert_eq!(pair.count("SELECT count(*) FROM parents").await, 21);
    assert_eq!(pair.count("SELECT count(*) FROM children").await, 21);
    assert_eq!(pair.count("SELECT count(q) FROM children").await, 10);
}

/// A rule that acts on our statements makes something else of them: without the replica role nothing stops it.
#[tokio::test]
async fn a_rule_that_would_act_forbids_the_load() {
    let pair = Pair::create(
        "rules",
        "CREATE TABLE row (id int PRIMARY KEY)",
        "CREATE TABLE rows (id int PRIMARY KEY);
         CREATE RULE away AS ON INSERT TO rows DO INSTEAD NOTHING;",
    )
    .await;
    let (_, role) = session_of_new_role(&pair.target, "owner").await;
    pair.target
        .run(&format!(
            "ALTER TABLE rows OWNER TO {role}; CREATE SCHEMA driftless AUTHORIZATION {role}"
        ))
        .await;
    let spec = as_role(&pair, &role, ROWS);
    let findings = found(&spec).await;
    let (severity, place, _) = one(&findings, code::REWRITTEN);
    assert_eq!(
        (severity, place),
        (Severity::Error, "table public.rows, rule away")
    );
    let remedy = &findings[0].remedy;
    let sql = remedy.strip_prefix("for the load: ").expect("a statement");
    pair.target.run(sql).await;
    assert_eq!(found(&spec).await, []);
}

/// The same pair with a role of the target's.
fn as_role(pair: &Pair, role: &str, entities: &str) -> driftless_core::spec::Spec {
    spec_of(&pair.source.url(), &url_as(&pair.target, role), entities)
}

pub(crate) fn spec_of(source: &str, target: &str, entities: &str) -> driftless_core::spec::Spec {
    read(&format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{source}\"\n[target]\nurl = \"{target}\"\n{entities}"
    ))
}

/// Rights of one's own are not all that reading takes: PostgreSQL is asked to plan it.
#[tokio::test]
async fn what_only_trying_tells_of_the_source() {
    let pair = Pair::create(
        "trysource",
        "CREATE TABLE secret (id int PRIMARY KEY); CREATE TABLE shown (id int PRIMARY KEY);
         CREATE VIEW row AS SELECT id FROM secret;
         CREATE FUNCTION known(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN true; END'; REVOKE EXECUTE ON FUNCTION known FROM public;
         CREATE TABLE hidden (id int PRIMARY KEY); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON hidden USING (id > 1);",
        "CREATE TABLE rows (id int PRIMARY KEY); CREATE TABLE shown (id int PRIMARY KEY); CREATE TABLE hidden (id int PRIMARY KEY)",
    )
    .await;
    let (_, role) = session_of_new_role(&pair.source, "reader").await;
    pair.source
        .run(&format!(
            "GRANT SELECT ON row, shown, hidden TO {role}; CREATE ROLE o_{role}; ALTER VIEW row OWNER TO o_{role}"
        ))
        .await;
    let hidden =
        "[entities.hidden]\nsql = \"SELECT id FROM public.hidden\"\nkey = \"id\"\ninto = \"public.hidden\"\n";
    let spec = |mapping: &str| spec_of(&url_as(&pair.source, &role), &pair.target.url(), mapping);
    let findings = found(&spec(hidden)).await;
    let (severity, place, message) = one(&findings, code::ROW_SECURITY);
    assert_eq!(
        (severity, place),
        (Severity::Error, "entity hidden, source query"),
        "{message}"
    );
    let findings = found(&spec(&format!(
        "{ROWS}key = \"id\"\n[entities.shown]\nfrom = \"public.shown\"\ninto = \"public.shown\"\nwhere = \"public.known(id)\"\n"
    )))
    .await;
    let refused = with(&findings, code::PRIVILEGE_MISSING);
    let places: Vec<&str> = refused.iter().map(|(_, place, _)| *place).collect();
    assert_eq!(places, ["entity rows", "entity shown"], "{findings:#?}");
    assert!(
        refused[0].2.contains("secret") && refused[1].2.contains("known"),
        "{refused:?}"
    );
    pair.source
        .run(&format!("DROP OWNED BY o_{role}; DROP ROLE o_{role}"))
        .await;
}

#[tokio::test]
async fn what_only_trying_tells_of_the_target() {
    let pair = Pair::create(
        "trytarget",
        "CREATE TABLE row (id int PRIMARY KEY, note text, size int)",
        "CREATE TABLE rows (id int PRIMARY KEY, note text, size int);
         CREATE FUNCTION sized(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END'; REVOKE EXECUTE ON FUNCTION sized FROM public;",
    )
    .await;
    let (_, role) = session_of_new_role(&pair.target, "writer").await;
    pair.target
        .run(&format!(
            "CREATE SCHEMA driftless AUTHORIZATION {role}; GRANT INSERT (id, note), SELECT, DELETE ON rows TO {role};
             REVOKE USAGE ON LANGUAGE plpgsql FROM public"
        ))
        .await;
    let mapping = format!("{ROWS}columns.size = {{ sql = \"public.sized(size)\" }}\n");
    let spec = as_role(&pair, &role, &mapping);
    let findings = found(&spec).await;
    assert!(
        one(&findings, code::PRIVILEGE_MISSING)
            .2
            .contains("function sized")
    );
    pair.target
        .run(&format!("GRANT EXECUTE ON FUNCTION sized TO {role}"))
        .await;
    let findings = found(&spec).await;
    let (_, place, message) = one(&findings, code::PRIVILEGE_MISSING);
    assert!(place == "entity rows" && message.contains("rows"), "{message}");
    pair.target.run(&format!("GRANT INSERT ON rows TO {role}")).await;
    let findings = found(&spec).await;
    let (_, place, message) = one(&findings, code::PRIVILEGE_MISSING);
    assert!(
        place == "the target" && message.contains("language plpgsql"),
        "{message}"
    );
    pair.target
        .run(&format!("GRANT USAGE ON LANGUAGE plpgsql TO {role}"))
        .await;
    assert_eq!(found(&spec).await, []);
}

/// What only a server as a whole can be: an encoding, a standby.
pub(crate) async fn database_with(hint: &str, encoding: &str) -> TestDatabase {
    let database = TestDatabase::create(&servers().source, hint).await;
    let name = database.name();
    let admin = TestDatabase::create(&servers().source, "admin").await;
    admin.run(&format!("DROP DATABASE {name}")).await;
    admin
        .run(&format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
        ))
        .await;
    database
}

/// As many tables as Chado has, each with a reference and an expression.
#[tokio::test]
async fn two_hundred_entities_are_checked() {
    let tables = |key: &str| {
        format!(
            "DO $$ BEGIN FOR n IN 1..213 LOOP EXECUTE format(
                 'CREATE TABLE t%s (id {key} PRIMARY KEY, parent {key} REFERENCES t%s, a text, b numeric(10,2), d jsonb, e uuid UNIQUE,
                                    CHECK (a <> ''''))', n, greatest(n - 1, 1)); END LOOP; END $$"
        )
    };
    let pair = Pair::create("many", &tables("int"), &tables("uuid")).await;
    let entity = |n: usize| {
        format!(
            "[entities.t{n}]\nfrom = \"public.t{n}\"\ninto = \"public.t{n}\"\n[entities.t{n}.columns]\nid = {{ id = true }}\n\
             parent = {{ ref = \"t{}\", from = \"parent\" }}\nb = {{ sql = \"b * 2\" }}\n",
            (n - 1).max(1)
        )
    };
    let spec = pair.spec(&(1..=213).map(entity).collect::<String>());
    assert_eq!(found(&spec).await, []);
}
