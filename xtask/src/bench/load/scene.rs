use std::path::PathBuf;

use driftless_testkit::DelayProxy;

use super::ground::{DATABASE, Ground};

const SOURCE: &str = include_str!("source.sql");
const SHAPED: &str = include_str!("shaped.sql");
const MAPPING: &str = include_str!("mapping.toml");
const TARGET: &str = include_str!("target.sql");

/// Tables of the patients' target in the order of their references.
pub(super) const TABLES: [&str; 3] = ["offices", "doctors", "patients"];

/// Three columns by name: as they are, and as expressions.
const COLUMNS: [(&str, &str, &str); 3] = [
    ("first_name", "first_name", "upper(first_name)"),
    ("last_name", "last_name", "initcap(last_name)"),
    ("email", "mail", "lower(mail)"),
];

/// Constraints and indexes of the application's tables, one a line: alike for whoever loaded them.
const BUILT: &str = "
    SELECT format('%s %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(c.oid), convalidated)
      FROM pg_constraint AS c JOIN pg_class AS r ON r.oid = conrelid
     WHERE r.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
       AND r.relnamespace::regnamespace::text <> 'driftless' AND contype <> 't'
    UNION ALL
    SELECT indexdef FROM pg_indexes WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'driftless')
    ORDER BY 1";

/// What patients hold, as one number: all but UUIDs and the moment of the load, which every contender has its own of; where references
/// lead to is part of it. Asked of the rows that SQL brought into shape, and of those that were loaded.
const CONTENTS: &str = "
    SELECT count(*), sum(hashtextextended(ROW(p.patient_number, p.first_name, p.last_name, p.email, p.birthday, p.gender, p.balance,
           p.created_at, p.metadata - 'migrated_at', o.name, o.city, d.last_name, h.name)::text, 0))
      FROM patients AS p JOIN offices AS o ON o.id = p.office_id
      LEFT JOIN doctors AS d ON d.id = p.doctor_id LEFT JOIN offices AS h ON h.id = d.office_id";

/// A role of a throw-away server, and its password.
pub(super) type Role = (&'static str, &'static str);

/// What is loaded: a database of the source, filled, and what has to become of it.
pub(super) struct Scene {
    /// How it is called in tables: `100000 patients`.
    pub(super) title: String,
    /// Rows of the source over all entities that count.
    pub(super) rows: u64,
    pub(super) mapping: PathBuf,
    /// The source's database.
    source: String,
    /// As whom driftless works on source and target; superusers where there are none.
    roles: Option<[Role; 2]>,
    /// What makes the empty target.
    schema: String,
    /// Rows that every run must leave, by table.
    expected: Vec<(String, u64)>,
    /// Constraints and indexes that every run must leave.
    built: String,
    /// What the rows must hold, where independent SQL tells it.
    contents: Option<String>,
}

/// What makes a scene, once its source is filled.
pub(super) struct Outline {
    pub(super) title: String,
    pub(super) rows: u64,
    pub(super) mapping: PathBuf,
    pub(super) source: String,
    pub(super) roles: Option<[Role; 2]>,
    pub(super) schema: String,
    pub(super) expected: Vec<(String, u64)>,
}

impl Scene {
    /// Patients of doctors of offices; three columns are expressions where that is wished.
    pub(super) fn patients(ground: &Ground, rows: u64, expressions: bool) -> Result<Scene, String> {
        let source = format!("patients_{rows}{}", if expressions { "_expressions" } else { "" });
        let url = ground.source.url(&source);
        if ground.make_source(&source)? {
            eprintln!("filling the source with {rows} patients");
            ground.script(&url, &[("rows", rows.to_string())], SOURCE)?;
            let columns = COLUMNS.map(|(name, plain, expression)| {
                let shape = if expressions { expression } else { plain };
                (name, shape.to_owned())
            });
            ground.script(&url, &columns, SHAPED)?;
        }
        let also = if expressions { ", three expressions" } else { "" };
        let outline = Outline {
            title: format!("{rows} patients{also}"),
            rows,
            mapping: ground.write(&format!("{source}.toml"), &mapping(expressions))?,
            source,
            roles: None,
            schema: TARGET.to_owned(),
            expected: [("offices", 50), ("doctors", 1000), ("patients", rows)]
                .map(|(table, rows)| (format!("public.{table}"), rows))
                .into(),
        };
        let in_shape = format!("SET search_path TO shaped; {CONTENTS}");
        Ok(Scene {
            contents: Some(ground.answers(&url, &[], &in_shape)?),
            ..Scene::of(ground, outline)?
        })
    }

    /// A scene whose source is filled. Makes the empty target once, to see what is built there.
    pub(super) fn of(ground: &Ground, outline: Outline) -> Result<Scene, String> {
        ground.fresh_target()?;
        let target = ground.target.url(DATABASE);
        ground.script(&target, &[], &outline.schema)?;
        Ok(Scene {
            title: outline.title,
            rows: outline.rows,
            mapping: outline.mapping,
            source: outline.source,
            roles: outline.roles,
            schema: outline.schema,
            expected: outline.expected,
            built: ground.answer(&target, BUILT)?,
            contents: None,
        })
    }

    /// The source, as a superuser.
    pub(super) fn source_admin(&self, ground: &Ground) -> String {
        ground.source.url(&self.source)
    }

    /// Source and target, as driftless gets them; led through proxies where there are some.
    pub(super) fn urls(&self, ground: &Ground, proxies: Option<&[DelayProxy; 2]>) -> [String; 2] {
        let (source, target) = (&ground.source, &ground.target);
        let direct = match self.roles {
            Some([reader, owner]) => [
                source.url_as(reader.0, reader.1, &self.source),
                target.url_as(owner.0, owner.1, DATABASE),
            ],
            None => [source.url(&self.source), target.url(DATABASE)],
        };
        match proxies {
            Some([to_source, to_target]) => [to_source.url(&direct[0]), to_target.url(&direct[1])],
            None => direct,
        }
    }

    /// An empty target with its tables and constraints.
    pub(super) fn fresh_target(&self, ground: &Ground) -> Result<(), String> {
        ground.fresh_target()?;
        ground.script(&ground.target.url(DATABASE), &[], &self.schema)
    }

    /// What makes the empty target.
    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// Tables that are loaded.
    pub(super) fn tables(&self) -> impl Iterator<Item = &str> {
        self.expected.iter().map(|(table, _)| table.as_str())
    }

    /// Makes sure that all rows, constraints and indexes are there, and that rows hold what they have to.
    pub(super) fn verify(&self, ground: &Ground, who: &str) -> Result<(), String> {
        let target = ground.target.url(DATABASE);
        let counts: Vec<String> = self
            .tables()
            .map(|table| format!("SELECT '{table}', count(*) FROM {table}"))
            .collect();
        let there = ground.answer(&target, &counts.join(" UNION ALL "))?;
        let there: Vec<&str> = there.lines().collect();
        for (table, rows) in &self.expected {
            let line = format!("{table}|{rows}");
            if !there.contains(&line.as_str()) {
                let found = there.iter().find(|found| found.starts_with(&format!("{table}|")));
                return Err(format!(
                    "{who} left {} in place of {line}",
                    found.unwrap_or(&"nothing")
                ));
            }
        }
        if let Some(contents) = &self.contents
            && ground.answers(&target, &[], CONTENTS)? != *contents
        {
            return Err(format!("{who} left rows that hold something else"));
        }
        let built = ground.answer(&target, BUILT)?;
        let missing: Vec<&str> = difference(&self.built, &built);
        let added: Vec<&str> = difference(&built, &self.built);
        if missing.is_empty() && added.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{who} left other constraints or indexes: missing {missing:?}, added {added:?}"
        ))
    }
}

fn difference<'a>(lines: &'a str, others: &str) -> Vec<&'a str> {
    lines
        .lines()
        .filter(|line| !others.lines().any(|other| other == *line))
        .collect()
}

/// The mapping, which reads the connection strings from the environment.
fn mapping(expressions: bool) -> String {
    let columns = COLUMNS.map(|(name, plain, expression)| {
        if expressions {
            format!("{name} = {{ sql = \"{expression}\" }}\n")
        } else {
            format!("{name} = \"{plain}\"\n")
        }
    });
    format!("{MAPPING}{}", columns.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_by_line() {
        assert_eq!(difference("a\nb\nc", "c\na"), ["b"]);
        assert!(difference("a", "a\nb").is_empty());
    }
}
