//! Sources whose bytes are not what their encoding says.

use driftless_core::code;
use driftless_core::error::Severity;
use driftless_testkit::{TestDatabase, servers};

use super::{ROWS, database_with, found, one, spec_of};
use crate::pair::{Pair, migrate_spec};

#[tokio::test]
async fn windows_characters_in_latin1_are_found_and_can_be_read() {
    let source = database_with("latin", "LATIN1").await;
    source
        .run(
            "CREATE TABLE row (id int PRIMARY KEY, name text, plain varchar(20));
             INSERT INTO row VALUES (1, 'say ' || chr(147) || 'hi' || chr(148) || ' ' || chr(233), 'caf' || chr(233)), (2, NULL, NULL)",
        )
        .await;
    let target = TestDatabase::create(&servers().target, "latin").await;
    target
        .run("CREATE TABLE rows (id int PRIMARY KEY, name text, plain text)")
        .await;
    let findings = found(&spec_of(&source.url(), &target.url(), ROWS)).await;
    let (severity, place, message) = one(&findings, code::ENCODING);
    assert_eq!((severity, place), (Severity::Warning, "entity rows"));
    assert!(
        message.starts_with("name of public.row hold control characters"),
        "{message}"
    );
    let remedy = findings[0]
        .remedy
        .strip_prefix("read them as what they are: ")
        .expect("a line");
    let mapping = format!("{ROWS}[entities.rows.columns]\n{remedy}\n");
    migrate_spec(&spec_of(&source.url(), &target.url(), &mapping))
        .await
        .expect("a load");
    let rows = target.rows("SELECT name, plain FROM rows ORDER BY id").await;
    let expected = [Some("say “hi” é"), Some("café"), None, None].map(|value| value.map(str::to_owned));
    assert_eq!(rows.concat(), expected);
}

#[tokio::test]
async fn bytes_of_no_encoding_are_rejects_and_not_the_end() {
    let source = database_with("ascii", "SQL_ASCII").await;
    source
        .run(
            "CREATE TABLE row (id int PRIMARY KEY, name text, tags text[]);
             INSERT INTO row SELECT n, 'name ' || n, ARRAY['ok'] FROM generate_series(1, 300) AS n;
             UPDATE row SET name = convert_from('\\x63616693', 'SQL_ASCII') WHERE id = 7;
             UPDATE row SET name = convert_from('\\x636166c3a9', 'SQL_ASCII') WHERE id = 8;
             UPDATE row SET tags = ARRAY[convert_from('\\x93', 'SQL_ASCII')] WHERE id = 9;",
        )
        .await;
    let pair = Pair {
        source,
        target: TestDatabase::create(&servers().target, "ascii").await,
    };
    pair.target
        .run("CREATE TABLE rows (id int PRIMARY KEY, name text, loud text, tags text[])")
        .await;
    let mapping = format!("{ROWS}[entities.rows.columns]\nloud = {{ sql = \"name || '!'\" }}\n");
    let spec = spec_of(&pair.source.url(), &pair.target.url(), &mapping);
    let findings = found(&spec).await;
    let (severity, place, _) = one(&findings, code::ENCODING);
    assert_eq!((severity, place), (Severity::Warning, "the source"));
    migrate_spec(&spec).await.expect("a load");
    let unreadable = code::ROW_UNREADABLE.to_string();
    let expected = ["7", "9"].map(|key| (key.to_owned(), unreadable.clone()));
    assert_eq!(pair.rejects("rows").await, expected);
    assert_eq!(pair.count("SELECT count(*) FROM rows").await, 298);
    let cafe = pair.target.value("SELECT loud FROM rows WHERE id = 8").await;
    assert_eq!(cafe.as_deref(), Some("café!"));
    // As the finding says: what is known is converted by a query.
    let query = "SELECT id, convert_from(convert(textsend(name), 'WIN1252', 'UTF8'), 'SQL_ASCII') AS name FROM public.row WHERE id = 7";
    let target = TestDatabase::create(&servers().target, "ascii").await;
    target
        .run("CREATE TABLE rows (id int PRIMARY KEY, name text)")
        .await;
    let mapping = format!("[entities.rows]\nsql = \"{query}\"\nkey = \"id\"\ninto = \"public.rows\"\n");
    migrate_spec(&spec_of(&pair.source.url(), &target.url(), &mapping))
        .await
        .expect("a load");
    let name = target.value("SELECT name FROM rows").await;
    assert_eq!(name.as_deref(), Some("caf“"));
}
