//! The write path with its reason, chunks, order.

use super::fixture::Case;
use super::notation::{Side, index};
use crate::catalog::{Relation, RelationKind};
use crate::code;
use crate::plan::{Chunking, Path};

const MAPPING: &str = "[entities.t]\nfrom = \"old.t\"\ninto = \"new.t\"\n";

fn target(change: impl FnOnce(&mut Relation)) -> Case {
    let side = Side::default().with("old.t", "id int4 pk");
    Case::new(
        MAPPING,
        side,
        Side::default()
            .with("new.t", "id int4 pk")
            .change("new.t", change),
    )
}

fn path(case: &Case) -> (Path, String) {
    let plan = case.entity("t");
    (plan.path, plan.reason)
}

#[test]
fn the_path_has_a_reason() {
    let found = path(&target(|_| {}));
    assert_eq!(found, (Path::Load, "it is empty and ours to alter".into()));
    let rows = target(|table| table.has_rows = true);
    assert_eq!(
        path(&rows),
        (Path::Beside, "it has rows already, which stay untouched".into())
    );
    assert_eq!(
        path(&rows.begun("new.t")),
        (Path::Load, "its load has begun and goes on".into())
    );
    let others = target(|table| {
        table.owned = false;
        table.owner = "auth_admin".into();
    });
    let reason = "it belongs to auth_admin, so its constraints stay in place";
    assert_eq!(path(&others), (Path::Beside, reason.into()));
    assert_eq!(path(&others.begun("new.t")), (Path::Beside, reason.into()));
    let partitioned = target(|table| table.kind = RelationKind::Partitioned);
    let reason = "it is not an ordinary table, so its constraints stay in place";
    assert_eq!(path(&partitioned), (Path::Beside, reason.into()));
}

fn chunking(kind: RelationKind, columns: &str, change: impl FnOnce(&mut Relation)) -> Chunking {
    let mapping = format!("{MAPPING}key = [\"k\"]\ncolumns.id = {{ id = true }}");
    let source = Side::default()
        .with_relation("old.t", kind, columns)
        .change("old.t", change);
    Case::new(&mapping, source, Side::default().with("new.t", "id uuid pk"))
        .entity("t")
        .chunking
}

#[test]
fn chunks_are_ranges_of_an_indexed_key() {
    let integer = Chunking::Integer("\"k\"".into());
    for data_type in ["int2", "int4", "int8"] {
        assert_eq!(
            chunking(RelationKind::Table, &format!("k {data_type} pk"), |_| {}),
            integer
        );
    }
    assert_eq!(
        chunking(RelationKind::Table, "k uuid pk", |_| {}),
        Chunking::Uuid("\"k\"".into())
    );
    assert_eq!(chunking(RelationKind::Partitioned, "k int4 pk", |_| {}), integer);
    // An index that begins with the key will do.
    let with_more = |table: &mut Relation| table.indexes = vec![index(&["k".into(), "x".into()])];
    assert_eq!(
        chunking(RelationKind::Table, "k int4; x int4", with_more),
        integer
    );
}

#[test]
fn tables_without_such_a_key_are_cut_by_pages() {
    assert_eq!(
        chunking(RelationKind::Table, "k text pk", |_| {}),
        Chunking::Pages
    );
    assert_eq!(chunking(RelationKind::Table, "k int4", |_| {}), Chunking::Pages);
    assert_eq!(
        chunking(RelationKind::MaterializedView, "k int4", |_| {}),
        Chunking::Pages
    );
    for useless in [
        (|table: &mut Relation| table.indexes[0].valid = false) as fn(&mut Relation),
        |table| table.indexes[0].predicate = Some("k > 0".into()),
        |table| table.indexes[0].definition = "CREATE INDEX i ON t USING hash (k)".into(),
        |table| table.indexes = vec![index(&["x".into(), "k".into()])],
        |table| table.indexes[0].columns = vec![None],
    ] {
        assert_eq!(
            chunking(RelationKind::Table, "k int4 pk", useless),
            Chunking::Pages
        );
    }
    let mapping = format!("{MAPPING}columns.id = {{ id = true }}");
    let source = Side::default().with("old.t", "a int4 pk; b int4 pk");
    let composite = Case::new(&mapping, source, Side::default().with("new.t", "id uuid pk"));
    assert_eq!(composite.entity("t").chunking, Chunking::Pages);
}

#[test]
fn what_has_no_pages_is_read_whole() {
    for kind in [RelationKind::View, RelationKind::Foreign] {
        assert_eq!(chunking(kind, "k int4", |_| {}), Chunking::Whole);
    }
    assert_eq!(
        chunking(RelationKind::Partitioned, "k text pk", |_| {}),
        Chunking::Whole
    );
}

#[test]
fn a_query_is_read_whole_under_a_name_of_its_own() {
    let mapping = "[entities.t]\nsql = \"SELECT 1 AS k -- one\"\ninto = \"new.t\"\nkey = [\"k\"]\nwhere = \"k > 0\"\ncolumns.id = { id = true }";
    let case = Case::new(
        mapping,
        Side::default(),
        Side::default().with("new.t", "id uuid pk"),
    )
    .query("t", "k int4");
    let plan = case.entity("t");
    assert_eq!(plan.chunking, Chunking::Whole);
    assert_eq!(plan.origin.sql, "(SELECT 1 AS k -- one\n) AS \"driftless query\"");
    assert_eq!(plan.origin.label, "query of t");
    assert_eq!(plan.origin.relation, None);
    assert_eq!(plan.origin.filter.as_deref(), Some("k > 0"));
}

#[test]
fn a_relation_is_read_by_its_name() {
    let plan = target(|_| {}).entity("t");
    assert_eq!(
        (plan.origin.sql.as_str(), plan.origin.label.as_str()),
        ("\"old\".\"t\"", "old.t")
    );
    assert_eq!(
        plan.origin.relation.map(|name| name.to_string()).as_deref(),
        Some("old.t")
    );
}

/// Entities in the mapping's order with their `after` and references.
fn order(entities: &[(&str, &[&str], &[&str])]) -> Case {
    let mut mapping = String::new();
    let (mut source, mut target) = (Side::default(), Side::default());
    for (name, after, refs) in entities {
        mapping +=
            &format!("[entities.{name}]\nfrom = \"old.{name}\"\ninto = \"new.{name}\"\nafter = {after:?}\n");
        mapping += &format!("[entities.{name}.columns]\nid = {{ id = true }}\n");
        for parent in *refs {
            mapping += &format!("{parent}_id = {{ ref = \"{parent}\", from = \"{parent}\" }}\n");
        }
        let columns = |id: &str, data_type: &str, suffix: &str| {
            let refs = refs
                .iter()
                .map(|parent| format!("; {parent}{suffix} {data_type}"));
            format!("id {id} pk{}", refs.collect::<String>())
        };
        source = source.with(&format!("old.{name}"), &columns("int4", "int4", ""));
        target = target.with(&format!("new.{name}"), &columns("uuid", "uuid", "_id"));
    }
    Case::new(&mapping, source, target)
}

fn names(case: &Case) -> Vec<String> {
    case.plan()
        .entities
        .into_iter()
        .map(|entity| entity.name)
        .collect()
}

#[test]
fn parents_come_first_where_no_circle_forbids_it() {
    assert_eq!(
        names(&order(&[("a", &[], &["b"]), ("b", &[], &["c"]), ("c", &[], &[])])),
        ["c", "b", "a"]
    );
    // Itself is no parent to wait for.
    assert_eq!(names(&order(&[("a", &[], &["a"]), ("b", &[], &[])])), ["a", "b"]);
    // In a circle of references somebody begins: references need no order.
    assert_eq!(
        names(&order(&[
            ("a", &[], &["b"]),
            ("b", &[], &["a"]),
            ("c", &[], &["a"])
        ]))
        .len(),
        3
    );
}

#[test]
fn what_refers_to_a_circle_comes_behind_it() {
    let case = order(&[
        ("orders", &[], &["profiles", "patients"]),
        ("patients", &[], &["offices"]),
        ("offices", &[], &["profiles"]),
        ("profiles", &[], &["users", "offices"]),
        ("users", &[], &[]),
    ]);
    assert_eq!(
        names(&case),
        ["users", "offices", "patients", "profiles", "orders"]
    );
    // Of two circles the one comes first to which the other refers.
    let case = order(&[
        ("a", &[], &["b"]),
        ("b", &[], &["a", "c"]),
        ("c", &[], &["d"]),
        ("d", &[], &["c"]),
    ]);
    assert_eq!(names(&case), ["c", "d", "a", "b"]);
}

#[test]
fn after_is_kept_whatever_refers_to_what() {
    let case = order(&[("a", &["b"], &[]), ("b", &[], &["a"])]);
    assert_eq!(names(&case), ["b", "a"]);
    assert_eq!(case.entity("a").after, ["b"]);
    assert!(case.entity("b").after.is_empty());
}

#[test]
fn entities_that_wait_for_each_other_are_a_finding() {
    let findings = order(&[("a", &["b"], &[]), ("b", &["a"], &[]), ("c", &[], &[])]).findings();
    let [one] = &findings[..] else {
        panic!("{findings:#?}")
    };
    assert_eq!(one.code, code::ORDER_CYCLE);
    assert_eq!(one.place, "entities a, b");
}
