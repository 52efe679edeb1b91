//! Names in the mapping: relations, entities, the pipeline, the state schema.

use super::section::wrong_type;
use super::tree::{Member, Node, Value};
use crate::code;
use crate::error::Finding;
use crate::name::QualifiedName;

/// PostgreSQL cuts longer identifiers off.
const LONGEST_IDENTIFIER: usize = 63;

/// Schemas that belong to PostgreSQL, to Supabase or to an extension, or that an API shows to the world.
const SCHEMAS_OF_OTHERS: &[&str] = &[
    "public",
    "information_schema",
    "auth",
    "storage",
    "realtime",
    "_realtime",
    "_analytics",
    "_supavisor",
    "extensions",
    "vault",
    "graphql",
    "graphql_public",
    "pgbouncer",
    "supabase_functions",
    "supabase_migrations",
    "supabase_subscription_mgmt",
    "cron",
    "net",
    "dbdev",
    "etl",
    "pgmq",
    "pgsodium",
    "pgsodium_masks",
    "pgtle",
    "repack",
    "tiger",
    "tiger_data",
    "topology",
];

/// A relation: `"schema.table"`, or `["schema", "table"]` where a name has dots of its own.
pub(super) fn relation(node: &Node, place: &str, out: &mut Vec<Finding>) -> Option<QualifiedName> {
    const EXAMPLE: &str = "\"public.patients\"";
    let parts = match &node.value {
        Value::Text(text) => split(text),
        Value::List(items) => items
            .iter()
            .map(|item| match &item.value {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect::<Option<Vec<String>>>()
            .filter(|parts| parts.len() == 2)
            .ok_or_else(|| {
                Complaint::new(
                    "a relation's list must hold two strings",
                    "write [\"schema\", \"table\"]",
                )
            }),
        _ => {
            out.extend(wrong_type(node, place, "a relation's name", EXAMPLE));
            return None;
        }
    };
    match parts.and_then(checked) {
        Ok(name) => Some(name),
        Err(complaint) => {
            out.push(complaint.at(node, place));
            None
        }
    }
}

/// What is wrong with a name, and the remedy.
pub(super) struct Complaint {
    message: String,
    remedy: String,
}

impl Complaint {
    fn new(message: impl Into<String>, remedy: impl Into<String>) -> Complaint {
        Complaint {
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// As a finding about this value.
    pub(super) fn at(self, node: &Node, place: &str) -> Finding {
        node.error(code::INVALID_VALUE, place, self.message)
            .remedy(self.remedy)
    }

    /// As a finding about this key.
    pub(super) fn at_key(self, member: &Member, place: &str) -> Finding {
        member
            .error(code::INVALID_VALUE, place, self.message)
            .remedy(self.remedy)
    }
}

/// The two parts of a relation that is written as one string.
pub(super) fn split(text: &str) -> Result<Vec<String>, Complaint> {
    let Some((schema, name)) = text.split_once('.') else {
        return Err(Complaint::new(
            format!("`{text}` lacks its schema"),
            format!("write \"public.{text}\""),
        ));
    };
    if name.contains('.') {
        return Err(Complaint::new(
            format!("`{text}` has more than one dot"),
            format!("name schema and table apart: [\"{schema}\", \"{name}\"]"),
        ));
    }
    Ok(vec![schema.to_owned(), name.to_owned()])
}

/// The parts of a relation or of a column of one, written as one string.
pub(super) fn parts(text: &str) -> Result<Vec<String>, Complaint> {
    match text.split('.').count() {
        3 => Ok(text.split('.').map(str::to_owned).collect()),
        _ => split(text),
    }
}

/// The name that two parts make.
pub(super) fn checked(parts: Vec<String>) -> Result<QualifiedName, Complaint> {
    let [schema, name] = <[String; 2]>::try_from(parts)
        .map_err(|_| Complaint::new("not a relation's name", "write \"schema.table\""))?;
    for part in [&schema, &name] {
        if part.is_empty() || part.len() > LONGEST_IDENTIFIER {
            return Err(Complaint::new(
                format!("`{part}` cannot be a name: PostgreSQL's have 1 to {LONGEST_IDENTIFIER} bytes"),
                "write the name as it is stored",
            ));
        }
        if part.contains("${") {
            return Err(Complaint::new(
                "variables are read in [pipeline], [source], [target] and [defaults] only",
                "write the name itself",
            ));
        }
        if part.contains('"') && part.starts_with('"') {
            return Err(Complaint::new(
                format!("`{part}` is quoted as in SQL"),
                "write names as they are stored, without quotes of their own",
            ));
        }
    }
    Ok(QualifiedName { schema, name })
}

/// What is wrong with an entity's name, if anything. It becomes the name of tables in the state schema.
pub(super) fn entity_complaint(name: &str) -> Option<String> {
    let lawful = lawful(name, |letter| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'
    });
    (!lawful).then(|| {
        format!(
            "`{name}` cannot name an entity: it takes 1 to 40 of a-z, 0-9 and _, and begins with a letter or _"
        )
    })
}

/// What is wrong with a pipeline's name, if anything. It becomes part of the names of leases and slots.
pub(super) fn pipeline_complaint(name: &str) -> Option<String> {
    let lawful = lawful(name, |letter| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_' || letter == '-'
    });
    (!lawful).then(|| {
        "a pipeline's name takes 1 to 40 of a-z, 0-9, _ and -, and begins with a letter or _".to_owned()
    })
}

fn lawful(name: &str, letter: impl Fn(char) -> bool) -> bool {
    name.len() <= 40
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(letter)
}

/// What is wrong with the state schema's name, if anything.
pub(super) fn state_schema_complaint(name: &str) -> Option<String> {
    let of_others = SCHEMAS_OF_OTHERS.contains(&name)
        || ["pg_", "timescaledb_", "_timescaledb_"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
    if of_others {
        return Some(format!(
            "`{name}` is not a schema for state: it belongs to PostgreSQL, to the platform, or to everybody"
        ));
    }
    if name.is_empty() || name.len() > LONGEST_IDENTIFIER {
        return Some(format!("a schema's name has 1 to {LONGEST_IDENTIFIER} bytes"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_names_can_be_table_names() {
        for name in ["patients", "_x", "a1_b2", &"a".repeat(40)] {
            assert_eq!(entity_complaint(name), None, "{name}");
        }
        for name in ["", "1a", "Patients", "a-b", "a b", "é", &"a".repeat(41)] {
            assert!(entity_complaint(name).is_some(), "{name}");
        }
    }

    #[test]
    fn state_has_a_schema_of_its_own() {
        for name in ["driftless", "Odd Schema", "migration_state"] {
            assert_eq!(state_schema_complaint(name), None, "{name}");
        }
        for name in [
            "public",
            "pg_catalog",
            "pg_temp",
            "auth",
            "vault",
            "information_schema",
        ] {
            assert!(state_schema_complaint(name).is_some(), "{name}");
        }
    }
}
