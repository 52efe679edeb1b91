//! The statements that take a thing away and put it back as it was.

use super::{AsideItem, AsideKind, ForeignColumns, Uniqueness, definition, keep};
use crate::catalog::{Constraint, Index, Relation, Trigger, TriggerMode};
use crate::name::{QualifiedName, quote_ident, quote_literal};

/// The storage parameter by which autovacuum leaves a table alone. A worker that samples or vacuums it holds a lock that index builds and
/// ALTER TABLE wait for, until PostgreSQL takes it away from it after `deadlock_timeout`.
pub(super) fn autovacuum(relation: &Relation) -> AsideItem {
    const PARAMETER: &str = "autovacuum_enabled";
    AsideItem {
        drop_sql: alter(relation, &format!("SET ({PARAMETER} = off)")),
        restore: vec![alter(relation, &format!("RESET ({PARAMETER})"))],
        ..empty(relation, AsideKind::Autovacuum, PARAMETER)
    }
}

/// A trigger: disabled, and given its mode back.
pub(super) fn trigger(relation: &Relation, trigger: &Trigger) -> AsideItem {
    let action = |mode| switch_trigger(&relation.name, &trigger.name, mode);
    AsideItem {
        drop_sql: action(TriggerMode::Disabled),
        restore: vec![action(trigger.mode)],
        definition: trigger.mode.action().to_owned(),
        ..empty(relation, AsideKind::Trigger, &trigger.name)
    }
}

/// The statement that gives a trigger of one table a mode: of this table alone, since copies on partitions have modes of their own.
pub fn switch_trigger(table: &QualifiedName, trigger: &str, mode: TriggerMode) -> String {
    format!(
        "ALTER TABLE ONLY {} {} {}",
        table.sql(),
        mode.action(),
        quote_ident(trigger)
    )
}

/// A constraint with what hangs on it and on its index.
pub(super) fn constraint(relation: &Relation, constraint: &Constraint, kind: AsideKind) -> AsideItem {
    let base = AsideItem {
        drop_sql: alter(
            relation,
            &format!("DROP CONSTRAINT {}", quote_ident(&constraint.name)),
        ),
        definition: constraint.definition.clone(),
        columns: constraint.columns.clone(),
        ..empty(relation, kind, &constraint.name)
    };
    let index = keep::behind(relation, constraint);
    let mut item = match (kind, index) {
        (AsideKind::ForeignKey, _) => foreign_key(relation, constraint, base),
        (AsideKind::Primary | AsideKind::Unique, Some(index)) => by_index(relation, constraint, index, base),
        _ => whole(relation, constraint, base),
    };
    if let Some(index) = index {
        item.tablespace = index.tablespace.clone().unwrap_or_default();
        item.restore.extend(index_extras(relation, index));
    }
    item.restore.extend(constraint_comment(relation, constraint));
    item
}

/// An index without a constraint.
pub(super) fn index(relation: &Relation, index: &Index, kind: AsideKind) -> AsideItem {
    AsideItem {
        drop_sql: format!("DROP INDEX {}", index_name(relation, index).sql()),
        definition: index.definition.clone(),
        build: Some(index.definition.clone()),
        tablespace: index.tablespace.clone().unwrap_or_default(),
        restore: index_extras(relation, index),
        unique: if index.unique { uniqueness(index) } else { None },
        ..empty(relation, kind, &index.name)
    }
}

/// PRIMARY KEY or UNIQUE: its index is built like any other, then becomes the constraint's.
fn by_index(relation: &Relation, constraint: &Constraint, index: &Index, base: AsideItem) -> AsideItem {
    let words = if base.kind == AsideKind::Primary {
        "PRIMARY KEY"
    } else {
        "UNIQUE"
    };
    let name = quote_ident(&constraint.name);
    AsideItem {
        build: Some(index.definition.clone()),
        restore: vec![alter(
            relation,
            &format!(
                "ADD CONSTRAINT {name} {words} USING INDEX {name}{}",
                timing(constraint)
            ),
        )],
        unique: uniqueness(index),
        ..base
    }
}

/// A foreign key: added without looking at the rows, then validated where it was valid.
fn foreign_key(relation: &Relation, constraint: &Constraint, base: AsideItem) -> AsideItem {
    let name = quote_ident(&constraint.name);
    let suffix = if constraint.validated { " NOT VALID" } else { "" };
    let definition = &constraint.definition;
    AsideItem {
        restore: vec![alter(
            relation,
            &format!("ADD CONSTRAINT {name} {definition}{suffix}"),
        )],
        validate: constraint
            .validated
            .then(|| alter(relation, &format!("VALIDATE CONSTRAINT {name}"))),
        foreign: ForeignColumns::of(constraint),
        ..base
    }
}

/// A constraint that is put back by its definition alone.
fn whole(relation: &Relation, constraint: &Constraint, base: AsideItem) -> AsideItem {
    let name = quote_ident(&constraint.name);
    let definition = &constraint.definition;
    // An arbiter of ON CONFLICT, as the proof uses it, cannot be deferrable.
    let now = definition.strip_suffix(timing(constraint)).unwrap_or(definition);
    AsideItem {
        restore: vec![alter(relation, &format!("ADD CONSTRAINT {name} {definition}"))],
        unique: Some(Uniqueness::CopyConstraint(now.to_owned())),
        ..base
    }
}

/// When a constraint is checked, as its definition ends.
fn timing(constraint: &Constraint) -> &'static str {
    [" DEFERRABLE INITIALLY DEFERRED", " DEFERRABLE"]
        .into_iter()
        .find(|suffix| constraint.definition.ends_with(suffix))
        .unwrap_or("")
}

fn uniqueness(index: &Index) -> Option<Uniqueness> {
    let text = definition::parse(&index.definition)?;
    Some(if text.default_classes {
        Uniqueness::Keys {
            keys: text.keys,
            predicate: text.predicate.map(str::to_owned),
            nulls_not_distinct: text.nulls_not_distinct,
        }
    } else {
        Uniqueness::CopyIndex(text.body.to_owned())
    })
}

/// What is said of an index beside its definition.
fn index_extras(relation: &Relation, index: &Index) -> Vec<String> {
    let name = quote_ident(&index.name);
    let mut statements = Vec::new();
    if index.clustered {
        statements.push(format!("ALTER TABLE {} CLUSTER ON {name}", relation.name.sql()));
    }
    if index.replica_identity {
        statements.push(alter(relation, &format!("REPLICA IDENTITY USING INDEX {name}")));
    }
    if let Some(comment) = &index.comment {
        let index = index_name(relation, index).sql();
        statements.push(format!("COMMENT ON INDEX {index} IS {}", quote_literal(comment)));
    }
    statements
}

fn constraint_comment(relation: &Relation, constraint: &Constraint) -> Option<String> {
    constraint.comment.as_ref().map(|comment| {
        format!(
            "COMMENT ON CONSTRAINT {} ON {} IS {}",
            quote_ident(&constraint.name),
            relation.name.sql(),
            quote_literal(comment)
        )
    })
}

fn index_name(relation: &Relation, index: &Index) -> QualifiedName {
    QualifiedName::new(&relation.name.schema, &index.name)
}

fn alter(relation: &Relation, action: &str) -> String {
    format!("ALTER TABLE ONLY {} {action}", relation.name.sql())
}

fn empty(relation: &Relation, kind: AsideKind, name: &str) -> AsideItem {
    AsideItem {
        entity: String::new(),
        table: relation.name.clone(),
        kind,
        name: name.to_owned(),
        definition: String::new(),
        drop_sql: String::new(),
        build: None,
        tablespace: String::new(),
        restore: Vec::new(),
        validate: None,
        unique: None,
        columns: Vec::new(),
        foreign: None,
        filled: false,
    }
}
