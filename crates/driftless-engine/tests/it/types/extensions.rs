//! Extensions that bring functions and no types: in expressions of a mapping, in defaults of the target, and in what they made of
//! the source's values.

use driftless_core::code;
use driftless_engine::run::prepare;

use crate::pair::Pair;

const EXTENSIONS: &str = "CREATE EXTENSION \"uuid-ossp\"; CREATE EXTENSION pgcrypto;";

const SOURCE: &str = "CREATE TABLE t (id int PRIMARY KEY, name text, word text, token uuid DEFAULT uuid_generate_v4(), made uuid DEFAULT gen_random_uuid(), seal bytea, packed bytea);
    INSERT INTO t (id, name, word) SELECT n, 'https://example.org/ä/' || n, 'word ' || n FROM generate_series(1, 300) n;
    UPDATE t SET seal = hmac(name, word, 'sha512'), packed = pgp_sym_encrypt(name, word);";

const TARGET: &str = "CREATE TABLE t (id int PRIMARY KEY, name text, token uuid, made uuid, seal bytea, named uuid, older uuid, sum bytea,
    locked text, opened text, drawn uuid NOT NULL UNIQUE DEFAULT uuid_generate_v4(),
    random uuid NOT NULL UNIQUE DEFAULT public.gen_random_uuid(), salt text NOT NULL DEFAULT gen_salt('md5'))";

/// What the mapping asks, column by column, with the place of the functions.
const ASKED: [(&str, &str); 5] = [
    ("named", "public.uuid_generate_v5(public.uuid_ns_url(), name)"),
    ("older", "public.uuid_generate_v3(public.uuid_ns_dns(), word)"),
    ("sum", "public.digest(name, 'sha256')"),
    ("locked", "public.crypt(word, '$1$abcdefgh')"),
    ("opened", "public.pgp_sym_decrypt(packed, word)"),
];

/// What gives another value with each call, and would with each resume.
const VOLATILE: [&str; 2] = ["public.uuid_generate_v4()", "public.gen_random_uuid()"];

#[tokio::test]
async fn functions_of_uuid_ossp_and_pgcrypto_are_those_of_the_servers() {
    let pair = Pair::create(
        "functions",
        &format!("{EXTENSIONS}{SOURCE}"),
        &format!("{EXTENSIONS}{TARGET}"),
    )
    .await;
    let entity = |columns: &str| {
        format!(
            "[entities.t]\nfrom = \"public.t\"\ninto = \"public.t\"\nskip = [\"word\", \"packed\"]\n[entities.t.columns]\n{columns}"
        )
    };
    for sql in VOLATILE {
        let error = prepare(&pair.spec(&entity(&format!("named = {{ sql = \"{sql}\" }}\n"))))
            .await
            .expect_err("a volatile function");
        let codes: Vec<_> = error.into_findings().iter().map(|finding| finding.code).collect();
        assert!(codes.contains(&code::VOLATILE_EXPRESSION), "{codes:?}");
    }
    let columns = ASKED.map(|(column, sql)| format!("{column} = {{ sql = \"{sql}\" }}\n"));
    let entity = entity(&columns.concat());
    let report = pair.migrate(&entity).await.expect("a load");
    assert_eq!(report.entities[0].rejected, 0);
    let asked: Vec<&str> = ASKED.iter().map(|(_, sql)| *sql).collect();
    let expected = format!(
        "SELECT id, name, token, made, seal, {} FROM t ORDER BY id",
        asked.join(", ")
    );
    let columns: Vec<&str> = ASKED.iter().map(|(column, _)| *column).collect();
    let held = format!(
        "SELECT id, name, token, made, seal, {} FROM t ORDER BY id",
        columns.join(", ")
    );
    let (expected, held) = (pair.source.rows(&expected).await, pair.target.rows(&held).await);
    assert_eq!((held.len(), &held), (300, &expected));
    // Defaults are drawn for each row, in the form that the functions give.
    let drawn =
        "SELECT count(DISTINCT drawn) || ' ' || count(DISTINCT random) || ' ' || count(DISTINCT salt) || ' '
        || bool_and(drawn::text || random || salt ~ '^.{14}4.{21}.{14}4.{21}[$]1[$]') FROM t";
    assert_eq!(
        pair.target.value(drawn).await.as_deref(),
        Some("300 300 300 true")
    );
}
