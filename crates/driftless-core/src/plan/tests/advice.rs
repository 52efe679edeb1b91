//! Indexes that would help, and when nothing is said of them.

use super::fixture::Case;
use super::notation::{Side, index, qualified};
use crate::catalog::{Constraint, ConstraintKind, ForeignKey, Relation, RelationKind};
use crate::plan::advice::{self, IndexAdvice};

const MAPPING: &str =
    "[entities.t]\nfrom = \"old.t\"\ninto = \"new.t\"\nkey = [\"k\"]\ncolumns.id = { id = true }\n";

const LARGE: i64 = 64 << 20;

fn source(change: impl FnOnce(&mut Relation)) -> Side {
    Side::default()
        .with("old.t", "k int4 !; parent uuid")
        .change("old.t", |table| {
            table.has_rows = true;
            table.bytes = LARGE;
            change(table);
        })
}

fn indexed(table: &mut Relation, columns: &[&str]) {
    let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
    table.indexes.push(index(&columns));
}

fn refer(table: &mut Relation) {
    table.constraints.push(Constraint {
        oid: 7,
        name: "t_parent_fkey".to_owned(),
        kind: ConstraintKind::Foreign,
        columns: vec!["parent".to_owned()],
        definition: "FOREIGN KEY (parent) REFERENCES new.p(id)".to_owned(),
        foreign: Some(ForeignKey {
            parent: qualified("new.p"),
            parent_columns: vec!["id".to_owned()],
        }),
        ..table.constraints[0].clone()
    });
}

fn found(source: &Side, target: &Side) -> Vec<IndexAdvice> {
    let plan = Case::new(MAPPING, source.clone(), target.clone()).plan();
    advice::indexes(&plan, &plan.entities[0], &source.0, &target.0)
}

fn statements(source: &Side, target: &Side) -> Vec<String> {
    found(source, target).into_iter().map(|one| one.sql).collect()
}

#[test]
fn a_key_of_the_source_is_looked_up() {
    let target = Side::default().with("new.t", "id uuid pk; parent uuid");
    let missing = ["CREATE INDEX CONCURRENTLY ON \"old\".\"t\" (\"k\")"];
    assert_eq!(statements(&source(|_| {}), &target), missing);
    let behind = source(|table| indexed(table, &["parent", "k"]));
    assert_eq!(statements(&behind, &target), missing);
    let partial = source(|table| {
        indexed(table, &["k"]);
        table.indexes[0].predicate = Some("(k > 0)".to_owned());
    });
    assert_eq!(statements(&partial, &target), missing);

    let none: [&str; 0] = [];
    let first = source(|table| indexed(table, &["k", "parent"]));
    assert_eq!(statements(&first, &target), none);
    assert_eq!(statements(&source(|table| table.bytes = 8192), &target), none);
    let partitioned = source(|table| table.kind = RelationKind::Partitioned);
    let said = found(&partitioned, &target);
    assert_eq!(said[0].sql, "CREATE INDEX ON \"old\".\"t\" (\"k\")");
    assert!(said[0].why.contains("nobody writes"), "{}", said[0].why);
}

#[test]
fn a_foreign_key_is_looked_up_from_its_parent() {
    let source = source(|table| indexed(table, &["k"]));
    let target = |change: fn(&mut Relation)| {
        Side::default()
            .with("new.p", "id uuid pk")
            .with("new.t", "id uuid pk; parent uuid")
            .change("new.t", |table| {
                refer(table);
                change(table);
            })
    };
    let missing = ["CREATE INDEX CONCURRENTLY ON \"new\".\"t\" (\"parent\")"];
    assert_eq!(statements(&source, &target(|_| {})), missing);
    let none: [&str; 0] = [];
    assert_eq!(
        statements(&source, &target(|table| indexed(table, &["parent"]))),
        none
    );
}

#[test]
fn rows_of_others_that_refer_to_ours_count_by_their_own_size() {
    let source = source(|table| indexed(table, &["k"]));
    let target = |bytes| {
        Side::default()
            .with("new.t", "id uuid pk")
            .with("new.log", "id int8 pk; parent uuid")
            .change("new.log", |table| {
                refer(table);
                table.bytes = bytes;
            })
            .change("new.t", |table| {
                table
                    .referenced_by
                    .push((qualified("new.log"), "t_parent_fkey".to_owned()));
            })
    };
    assert_eq!(
        statements(&source, &target(LARGE)),
        ["CREATE INDEX CONCURRENTLY ON \"new\".\"log\" (\"parent\")"]
    );
    assert_eq!(statements(&source, &target(0)), [""; 0]);
}
