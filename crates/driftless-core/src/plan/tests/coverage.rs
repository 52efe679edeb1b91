//! What becomes of the source as a whole.

use super::fixture::Case;
use super::notation::{Side, qualified};
use crate::code;
use crate::plan::coverage::{Fate, Kinship, coverage};

const MAPPING: &str = r#"
    [entities.a]
    from = "old.a"
    into = "new.a"
    columns = { id = { id = true }, name = "label" }
    [entities.q]
    sql = "SELECT id FROM old.b"
    key = ["id"]
    into = "new.q"
    columns = { id = { id = true } }
    [ignore]
    "old.log" = "technical"
    "old.a.fax" = "nobody has one"
"#;

fn side() -> Side {
    Side::default()
}

fn case(mapping: &str) -> Case {
    let source = side()
        .with("old.a", "id int4 pk; label text; fax text; lost text")
        .with("old.b", "id int4 pk; x text")
        .with("old.log", "id int4 pk")
        .with("old.part", "id int4 pk")
        .with("old.gone", "id int4 pk");
    let target = side()
        .with("new.a", "id uuid pk; name text")
        .with("new.q", "id uuid pk");
    Case::new(mapping, source, target).query("q", "id int4")
}

#[test]
fn everything_is_mapped_left_out_or_forgotten() {
    let case = case(MAPPING);
    let kinship = Kinship {
        parents: [(qualified("old.part"), vec![qualified("old.a")])].into(),
        queried: [("q".to_owned(), [qualified("old.b")].into())].into(),
    };
    let found = coverage(&case.spec(), &case.plan(), case.source(), &kinship);
    let shown: Vec<(String, Fate, usize)> = found
        .iter()
        .map(|one| (one.relation.to_string(), one.fate.clone(), one.columns.len()))
        .collect();
    let mapped = |entity: &str| Fate::Mapped(vec![entity.to_owned()]);
    assert_eq!(
        shown,
        [
            ("old.a".to_owned(), mapped("a"), 4),
            ("old.b".to_owned(), mapped("q"), 0),
            ("old.gone".to_owned(), Fate::Forgotten, 0),
            ("old.log".to_owned(), Fate::Ignored("technical".to_owned()), 0),
        ]
    );
    let columns: Vec<Fate> = found[0].columns.iter().map(|(_, fate)| fate.clone()).collect();
    assert_eq!(
        columns,
        [
            mapped("a"),
            mapped("a"),
            Fate::Ignored("nobody has one".to_owned()),
            Fate::Forgotten
        ]
    );
}

#[test]
fn what_collects_the_rest_leaves_out_what_is_ignored() {
    let mapping = MAPPING.replace(
        "name = \"label\"",
        "name = \"label\", rest = { json = \"unmapped\" }",
    );
    let source = side()
        .with("old.a", "id int4 pk; label text; fax text; lost text")
        .with("old.log", "id int4 pk");
    let target = side()
        .with("new.a", "id uuid pk; name text; rest jsonb")
        .with("new.q", "id uuid pk");
    let plan = Case::new(&mapping, source, target).query("q", "id int4").plan();
    assert_eq!(plan.entities[0].unused, ["fax"]);
    assert!(plan.entities[0].inputs.iter().all(|input| input.column != "fax"));
}

#[test]
fn lines_that_mean_nothing_are_told() {
    for (line, code, text) in [
        ("\"old.lgo\" = \"x\"", code::UNKNOWN_SOURCE, "\"old.lgo\""),
        ("\"old.b.y\" = \"x\"", code::UNKNOWN_SOURCE_COLUMN, "\"old.b.y\""),
        ("\"old.a.label\" = \"x\"", code::INVALID_VALUE, "\"old.a.label\""),
    ] {
        let found = case(&format!("{MAPPING}{line}\n")).finding();
        assert_eq!((found.0, found.1.as_str()), (code, text), "{line}");
    }
}
