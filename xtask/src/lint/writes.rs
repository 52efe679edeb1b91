use super::Finding;
use crate::workspace::{File, Workspace};

/// Packages whose code must leave commits to the writers. `driftless-pg` offers the commit itself.
const BOUND: [&str; 3] = [
    "crates/driftless-engine",
    "crates/driftless",
    "crates/driftless-server",
];

/// The engine's modules that may commit.
const WRITERS: [&str; 2] = ["apply", "store"];

/// The engine's modules that only read.
const READERS: [&str; 3] = ["introspect", "extract", "verify"];

/// Statements that change something, as our code writes them.
const CHANGES: [&str; 10] = [
    "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE", "ALTER", "DROP", "GRANT", "COMMENT",
];

/// What a reader may do: to tables that only its own session sees, and that end with it.
const TEMPORARY: [&str; 2] = ["CREATE TEMPORARY TABLE ", "ALTER TABLE pg_temp."];

/// Ways to say that a transaction shall last.
const COMMITS: [&str; 4] = [".commit(", "::commit(", "\"COMMIT", "; COMMIT"];

/// Only the engine's `apply` and `store` commit; its readers contain no statement that changes anything.
///
/// A call of `commit`, or a statement that begins with the word, counts as a commit. A statement counts as
/// changing when a string (or a line of an `.sql` file) begins with its verb in capitals, unless it is about a
/// temporary table.
pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let bound = workspace
        .files
        .iter()
        .filter(|file| BOUND.contains(&file.package()));
    bound
        .flat_map(|file| [commits(file), changes(file)].concat())
        .collect()
}

fn engine_module(file: &File) -> Option<String> {
    let modules = (file.package() == "crates/driftless-engine")
        .then(|| file.modules())
        .flatten()?;
    modules.first().map(|name| (*name).to_owned())
}

fn commits(file: &File) -> Vec<Finding> {
    if engine_module(file).is_some_and(|module| WRITERS.contains(&module.as_str())) {
        return Vec::new();
    }
    let found = COMMITS
        .iter()
        .flat_map(|word| file.source.words_with_strings(word));
    let outside_tests = found.filter(|at| !file.source.is_test(*at));
    outside_tests
        .map(|at| Finding::at(file, at, "only engine::apply and engine::store commit"))
        .collect()
}

fn changes(file: &File) -> Vec<Finding> {
    let Some(module) = engine_module(file).filter(|module| READERS.contains(&module.as_str())) else {
        return Vec::new();
    };
    let text = &file.source.with_strings;
    let begins = |at: usize| {
        let before = text[..at].trim_end();
        if file.is_rust() {
            before.ends_with('"')
        } else {
            before.is_empty() || before.ends_with(';')
        }
    };
    let temporary = |at: usize| TEMPORARY.iter().any(|start| text[at..].starts_with(start));
    let statement = |verb: &&str| file.source.words_with_strings(&format!("{verb} "));
    let found = CHANGES
        .iter()
        .flat_map(statement)
        .filter(|at| begins(*at) && !temporary(*at) && !file.source.is_test(*at));
    found
        .map(|at| Finding::at(file, at, format!("engine::{module} only reads")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::workspace_of;
    use super::*;

    fn breaches(path: &str, text: &str) -> usize {
        check(&workspace_of(&[(path, text)])).len()
    }

    #[test]
    fn only_writers_commit() {
        let text = "async fn f(t: Transaction) { t.commit().await }";
        assert_eq!(breaches("crates/driftless-engine/src/apply/load.rs", text), 0);
        assert_eq!(breaches("crates/driftless-engine/src/store.rs", text), 0);
        assert_eq!(breaches("crates/driftless-pg/src/session.rs", text), 0);
        assert_eq!(breaches("crates/driftless-engine/src/run.rs", text), 1);
        assert_eq!(breaches("crates/driftless/src/cli.rs", text), 1);
        assert_eq!(breaches("crates/driftless-engine/tests/it.rs", text), 0);
        assert_eq!(
            breaches("crates/driftless-engine/src/run.rs", "s.batch(\"COMMIT\")"),
            1
        );
        assert_eq!(
            breaches(
                "crates/driftless-engine/src/run.rs",
                "s.batch(\"SELECT 1; COMMIT\")"
            ),
            1
        );
        assert_eq!(
            breaches(
                "crates/driftless-engine/src/run.rs",
                "// t.commit()\nfn committed() {}"
            ),
            0
        );
    }

    #[test]
    fn readers_change_nothing() {
        let text = "const S: &str = \"INSERT INTO t VALUES (1)\";";
        assert_eq!(breaches("crates/driftless-engine/src/verify/counts.rs", text), 1);
        assert_eq!(breaches("crates/driftless-engine/src/preflight.rs", text), 0);
        assert_eq!(
            breaches(
                "crates/driftless-engine/src/verify.rs",
                "const S: &str = r#\"\n  UPDATE t\"#;"
            ),
            1
        );
        assert_eq!(
            breaches(
                "crates/driftless-engine/src/verify.rs",
                "const S: &str = \"\n  UPDATE t\";"
            ),
            1
        );
        assert_eq!(
            breaches(
                "crates/driftless-engine/src/introspect/a.sql",
                "SELECT 1;\nDROP TABLE t"
            ),
            1
        );
        assert_eq!(
            breaches(
                "crates/driftless-engine/src/introspect/a.sql",
                "SELECT 'CREATE x'"
            ),
            0
        );
    }
    #[test]
    fn temporary_tables_are_nobodys_data() {
        let at = |text: &str| breaches("crates/driftless-engine/src/introspect/a.rs", text);
        assert_eq!(at("const S: &str = \"CREATE TEMPORARY TABLE t ()\";"), 0);
        assert_eq!(at("const S: &str = \"ALTER TABLE pg_temp.t ADD x int\";"), 0);
        assert_eq!(at("const S: &str = \"CREATE TABLE t ()\";"), 1);
        assert_eq!(at("const S: &str = \"ALTER TABLE public.t ADD x int\";"), 1);
    }
}
