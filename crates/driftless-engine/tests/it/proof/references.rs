//! Rows whose parent is not there go the way that their mapping says.

use std::collections::BTreeMap;

use driftless_core::plan::{Mint, Path};
use driftless_core::spec::WhenMissing::{Null, Park, Reject};
use driftless_engine::store::aside::list;
use uuid::Uuid;

use super::{Fixture, id, scope};
use crate::plan::{column, key, load, site};

/// Three levels with every way to refer and every `missing`; c is planned before its parents.
async fn family() -> Fixture {
    let sql = "
        CREATE TABLE a (id uuid PRIMARY KEY, code int UNIQUE, boss uuid REFERENCES a);
        CREATE TABLE b (id uuid PRIMARY KEY, a uuid NOT NULL REFERENCES a ON DELETE CASCADE, loose uuid);
        CREATE TABLE c (id uuid PRIMARY KEY, b uuid REFERENCES b, maybe uuid CHECK (maybe IS NOT NULL OR ok),
                        ok bool DEFAULT true, doc jsonb, subject uuid);
        CREATE TRIGGER never BEFORE DELETE OR UPDATE ON c FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
    ";
    let mut a = load("public", "a");
    a.columns = vec![
        column("id", "uuid"),
        column("code", "int4"),
        column("boss", "uuid"),
    ];
    a.refs = vec![site("boss", &[], &["a"], Reject)];
    let mut b = load("public", "b");
    b.columns = vec![column("id", "uuid"), column("a", "uuid"), column("loose", "uuid")];
    b.columns[1].not_null = true;
    // Null is not possible here, so the row has to go.
    b.refs = vec![
        site("a", &[], &["a"], Null),
        site("loose", &[], &["a", "b"], Park),
    ];
    let mut c = load("public", "c");
    c.columns = ["id", "b", "maybe", "ok", "doc", "subject"]
        .map(|name| column(name, if name == "doc" { "jsonb" } else { "uuid" }))
        .to_vec();
    c.refs = vec![
        site("b", &[], &["b"], Reject),
        site("maybe", &[], &["a"], Null),
        site("doc", &["ref", "id"], &["a"], Null),
        site("subject", &[], &["a", "b"], Reject),
    ];
    Fixture::new("proofrefs", sql, vec![c, b, a]).await
}

/// Rows with what is wrong with them.
async fn fill(fixture: &Fixture) {
    let to = |entity: &str, key: &str| format!("'{}'", id(entity, key));
    // a: 1 stands; 2 repeats 1's code; 3 has a boss that is rejected already; 4 is its own boss; 5's boss is 3.
    fixture.row("a", "1", "1, NULL").await;
    fixture.row("a", "2", "1, NULL").await;
    fixture.row("a", "3", &format!("3, {}", to("a", "99"))).await;
    fixture.row("a", "4", &format!("4, {}", to("a", "4"))).await;
    fixture.row("a", "5", &format!("5, {}", to("a", "3"))).await;
    fixture
        .database
        .run("INSERT INTO driftless.rejects (pipeline, entity, key, state, stage, code, category, message, execution)
              VALUES ('lab', 'a', '99', 'rejected', 'transform', 'DL0402', 'data_quality', 'early', 1)")
        .await;
    fixture
        .row("b", "1", &format!("{}, {}", to("a", "1"), to("b", "1")))
        .await;
    fixture.row("b", "2", &format!("{}, NULL", to("a", "2"))).await;
    fixture
        .row("b", "3", &format!("{}, {}", to("a", "4"), to("a", "5")))
        .await;
    fixture
        .row("b", "4", &format!("{}, NULL", to("x", "nowhere")))
        .await;
    let a1 = id("a", "1");
    let doc = |parent: Uuid| format!("'{{\"ref\": {{\"id\": \"{parent}\", \"n\": 1}}}}'");
    let row = |b: String, maybe: String, ok: &str, doc: String, subject: String| {
        format!("{b}, {maybe}, {ok}, {doc}, {subject}")
    };
    let null = || "NULL".to_owned();
    fixture
        .row(
            "c",
            "1",
            &row(to("b", "1"), to("a", "2"), "true", doc(a1), to("b", "1")),
        )
        .await;
    fixture
        .row(
            "c",
            "2",
            &row(to("b", "2"), to("a", "1"), "true", doc(a1), null()),
        )
        .await;
    fixture
        .row(
            "c",
            "3",
            &row(to("b", "1"), null(), "true", doc(id("a", "2")), to("a", "4")),
        )
        .await;
    fixture
        .row(
            "c",
            "4",
            &row(to("b", "1"), to("a", "2"), "false", null(), null()),
        )
        .await;
    fixture
        .row("c", "5", &row(null(), null(), "true", null(), to("c", "1")))
        .await;
    fixture
        .row("c", "6", &row(to("b", "3"), null(), "true", null(), null()))
        .await;
}

#[tokio::test]
async fn references_are_proven_to_a_fixpoint() {
    let mut fixture = family().await;
    fill(&fixture).await;
    let corrections = fixture.settle().await;
    assert_eq!(corrections.entities["a"].rejected, 1);
    let corrections = fixture.prove().await;
    assert_eq!(fixture.kept("a").await, "1 4");
    assert_eq!(fixture.kept("b").await, "1");
    assert_eq!(fixture.kept("c").await, "1 3");
    let fk = "boss refers to a row of public.a that was left out";
    assert_eq!(
        fixture.rejects("a").await,
        [
            "2 rejected DL0406 it repeats what a_code_key allows once; kept is a 1".to_owned(),
            format!("3 rejected DL0412 a:99 column {fk}"),
            format!("5 rejected DL0412 a:3 column {fk}"),
            "99 rejected DL0402 early".to_owned(),
        ]
    );
    assert_eq!(
        fixture.rejects("b").await,
        [
            "2 rejected DL0412 a:2 column a refers to a row of public.a that was left out",
            "3 parked DL0412 a:5 column loose refers to a row of a or b that was left out",
            "4 rejected DL0400 column a refers to a row that is not in public.a",
        ]
    );
    assert_eq!(
        fixture.rejects("c").await,
        [
            "2 rejected DL0412 b:2 column b refers to a row of public.b that was left out",
            "4 rejected DL0412 a:2 column maybe refers to a row of a that was left out",
            "5 rejected DL0400 column subject refers to a row that is not in a or b",
            "6 rejected DL0412 b:3 column b refers to a row of public.b that was left out",
        ]
    );
    let tally: BTreeMap<_, _> = corrections
        .entities
        .iter()
        .map(|(name, t)| (name.as_str(), (t.rejected, t.parked, t.nulled)))
        .collect();
    assert_eq!(
        tally,
        BTreeMap::from([("a", (2, 0, 0)), ("b", (2, 1, 0)), ("c", (4, 0, 2))])
    );
    nulled(&fixture).await;
    assert!(fixture.prove().await.is_empty(), "a second proof changes nothing");
    fixture.finish().await;
}

/// Nulled references: the column, the member, and their fingerprints, all others untouched.
async fn nulled(fixture: &Fixture) {
    let value = fixture
        .database
        .value("SELECT maybe IS NULL FROM c WHERE subject IS NOT NULL AND b IS NOT NULL LIMIT 1")
        .await;
    assert_eq!(value.as_deref(), Some("true"));
    let member = fixture
        .database
        .value(&format!("SELECT doc::text FROM c WHERE id = '{}'", id("c", "3")))
        .await;
    assert_eq!(member.as_deref(), Some("{\"ref\": {\"n\": 1, \"id\": null}}"));
    let ff = "ff".repeat(8);
    for (key, expected) in [
        ("1", format!("{ff}{ff}6e756c6cd71f7e55{ff}{ff}{ff}")),
        ("3", format!("{ff}{ff}{ff}{ff}{}{ff}", "00".repeat(8))),
    ] {
        let sql = format!("SELECT encode(offered, 'hex') FROM driftless.identity_c WHERE k1 = {key}");
        assert_eq!(fixture.database.value(&sql).await, Some(expected));
    }
}

#[tokio::test]
async fn composite_keys_and_copied_columns() {
    let sql = "
        CREATE TABLE p (tenant int, no text COLLATE \"POSIX\", id int, PRIMARY KEY (no, tenant));
        CREATE TABLE s (id uuid PRIMARY KEY, no text, tenant int,
                        CONSTRAINT s_p FOREIGN KEY (tenant, no) REFERENCES p (tenant, no));
        CREATE TABLE f (id uuid PRIMARY KEY, no text, tenant int,
                        CONSTRAINT f_p FOREIGN KEY (tenant, no) REFERENCES p (tenant, no) MATCH FULL);";
    let mut p = load("public", "p");
    p.identity.key = vec![key("text"), key("int4")];
    p.identity.mint = Mint::Columns(vec![0, 1]);
    p.identity.target = vec![
        ("no".to_owned(), "text".to_owned()),
        ("tenant".to_owned(), "int4".to_owned()),
    ];
    let mut fixture = Fixture::new(
        "proofpairs",
        sql,
        vec![p, load("public", "s"), load("public", "f")],
    )
    .await;
    fixture.row_as("p", "p", "a/1", "a/1", "1, 'a', 1").await;
    fixture
        .database
        .run("INSERT INTO p VALUES (2, 'of others', 0)")
        .await;
    for table in ["s", "f"] {
        for (key, values) in [
            ("1", "'a', 1"),
            ("2", "'a', 2"),
            ("3", "'a', NULL"),
            ("4", "NULL, NULL"),
            ("5", "'of others', 2"),
        ] {
            fixture.row(table, key, values).await;
        }
    }
    fixture.settle().await;
    fixture.prove().await;
    assert_eq!(fixture.kept("s").await, "1 3 4 5");
    assert_eq!(fixture.kept("f").await, "1 4 5");
    assert_eq!(
        fixture.rejects("f").await,
        [
            "2 rejected DL0400 it refers to a row that is not in public.p",
            "3 rejected DL0400 it refers to a row that is not in public.p",
        ]
    );
    fixture.finish().await;
}

#[tokio::test]
async fn foreign_keys_that_stayed_in_place_are_proven_too() {
    let sql = "CREATE TABLE outside (id uuid PRIMARY KEY);
               CREATE TABLE t (id uuid PRIMARY KEY REFERENCES outside);
               CREATE TABLE beside (id uuid PRIMARY KEY, t uuid REFERENCES outside)";
    let mut beside = load("public", "beside");
    beside.path = Path::Beside;
    let mut fixture = Fixture::new("proofkept", sql, vec![load("public", "t"), beside]).await;
    let records = list(&fixture.sessions[0], &scope(&fixture.store))
        .await
        .expect("records");
    assert!(
        records.iter().all(|record| record.item.foreign.is_none()),
        "both stay: replica role keeps them silent"
    );
    let own = id("t", "1");
    fixture
        .database
        .run(&format!("INSERT INTO outside VALUES ('{own}')"))
        .await;
    for key in ["1", "2"] {
        let own = id("t", key).to_string();
        fixture.row_as("t", "t", key, &own, &format!("'{own}'")).await;
    }
    fixture.row("beside", "1", &format!("'{}'", id("x", "1"))).await;
    // A row of others that breaks the key, however it came there, is not ours to remove.
    fixture
        .database
        .run("SET session_replication_role = replica; INSERT INTO t VALUES (gen_random_uuid())")
        .await;
    fixture.settle().await;
    fixture.prove().await;
    assert_eq!(
        (
            fixture.kept("t").await.as_str(),
            fixture.kept("beside").await.as_str()
        ),
        ("1", "")
    );
    assert_eq!(
        fixture.database.value("SELECT count(*) FROM t").await.as_deref(),
        Some("2")
    );
    fixture.finish().await;
}
