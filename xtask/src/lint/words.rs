use super::Finding;
use crate::workspace::{File, Workspace};

/// Where a word is forbidden.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everywhere,
    OutsideTests,
    InTests,
    /// In `driftless-core` outside tests: it decides and does nothing.
    Core,
}

/// What must not stand in code, where, and why.
const FORBIDDEN: [(&str, Scope, &str); 23] = [
    (
        ".unwrap()",
        Scope::OutsideTests,
        "an error is returned, or the reason why there is none stands in expect",
    ),
    (
        "#[allow(",
        Scope::Everywhere,
        "#[expect(…, reason)] says why, and goes away with its cause",
    ),
    (
        "#![allow(",
        Scope::Everywhere,
        "#[expect(…, reason)] says why, and goes away with its cause",
    ),
    ("todo!", Scope::Everywhere, "what is here is whole"),
    ("unimplemented!", Scope::Everywhere, "what is here is whole"),
    ("dbg!", Scope::Everywhere, "a trace of a search for a bug"),
    ("#[ignore", Scope::Everywhere, "a test runs or does not exist"),
    ("static mut", Scope::Everywhere, "no global mutable state"),
    (
        "sleep(",
        Scope::InTests,
        "a test waits on a state, never on a sleep",
    ),
    (
        "sleep_until(",
        Scope::InTests,
        "a test waits on a state, never on a sleep",
    ),
    ("std::fs", Scope::Core, "core reads no file"),
    ("std::net", Scope::Core, "core opens no socket"),
    ("std::env", Scope::Core, "core reads no environment"),
    ("std::process", Scope::Core, "core starts no process"),
    ("std::thread", Scope::Core, "core starts no thread"),
    ("SystemTime", Scope::Core, "core reads no clock"),
    ("Instant", Scope::Core, "core reads no clock"),
    ("RandomState", Scope::Core, "core draws no random number"),
    ("new_v4", Scope::Core, "core draws no random number"),
    ("now_v7", Scope::Core, "core reads no clock"),
    ("async fn", Scope::Core, "core waits for nothing"),
    (".await", Scope::Core, "core waits for nothing"),
    ("println!", Scope::Core, "core prints nothing"),
];

/// Names that say nothing about what a module holds.
const EMPTY_NAMES: [&str; 9] = [
    "utils", "util", "helpers", "helper", "common", "types", "manager", "imp", "prelude",
];

/// Words and module names that must not stand in code, and no re-export of everything.
pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let rust = workspace.files.iter().filter(|file| file.is_rust());
    rust.flat_map(|file| [words(file), names(file), globs(file)].concat())
        .collect()
}

fn words(file: &File) -> Vec<Finding> {
    let applies = |scope: Scope, at: usize| match scope {
        Scope::Everywhere => true,
        Scope::OutsideTests => !file.source.is_test(at),
        Scope::InTests => file.source.is_test(at),
        Scope::Core => file.package() == "crates/driftless-core" && !file.source.is_test(at),
    };
    let mut findings = Vec::new();
    for (word, scope, why) in FORBIDDEN {
        let found = file
            .source
            .words(word)
            .into_iter()
            .filter(|at| applies(scope, *at));
        findings.extend(found.map(|at| Finding::at(file, at, format!("{word}: {why}"))));
    }
    findings
}

fn names(file: &File) -> Vec<Finding> {
    let name = file
        .modules()
        .and_then(|modules| modules.last().map(|name| (*name).to_owned()));
    let empty = name.filter(|name| EMPTY_NAMES.contains(&name.as_str()));
    empty
        .map(|name| Finding::at(file, 0, format!("{name} says nothing about what is in it")))
        .into_iter()
        .collect()
}

fn globs(file: &File) -> Vec<Finding> {
    let code = &file.source.code;
    let exports = file.source.words("pub use").into_iter();
    let everything = exports.filter(|at| {
        code[*at..]
            .split(';')
            .next()
            .is_some_and(|tree| tree.contains('*'))
    });
    everything
        .map(|at| Finding::at(file, at, "a re-export names what it exports"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{places, workspace_of};
    use super::*;

    fn breaches(path: &str, text: &str) -> usize {
        check(&workspace_of(&[(path, text)])).len()
    }

    #[test]
    fn each_word_is_found_where_it_is_forbidden_and_only_there() {
        for (word, scope, _) in FORBIDDEN {
            let tested = format!("#[cfg(test)]\nmod tests {{\n    {word}\n}}\n");
            let outside = usize::from(scope != Scope::InTests);
            let inside = usize::from(matches!(scope, Scope::InTests | Scope::Everywhere));
            assert_eq!(
                breaches("crates/driftless-core/src/a.rs", word),
                outside,
                "{word}"
            );
            assert_eq!(
                breaches("crates/driftless-core/src/a.rs", &tested),
                inside,
                "{word}"
            );
            assert_eq!(
                breaches("crates/driftless-core/src/a.rs", &format!("// {word}\n")),
                0,
                "{word}"
            );
            let elsewhere = usize::from(matches!(scope, Scope::Everywhere | Scope::OutsideTests));
            assert_eq!(
                breaches("crates/driftless-pg/src/a.rs", word),
                elsewhere,
                "{word}"
            );
        }
    }

    #[test]
    fn a_sleep_in_a_test_file_is_found() {
        let workspace = workspace_of(&[(
            "crates/c/tests/it.rs",
            "fn t() {\n    std::thread::sleep(SECOND);\n}",
        )]);
        assert_eq!(places(&check(&workspace)), ["crates/c/tests/it.rs:2"]);
    }

    #[test]
    fn empty_names_and_globs_are_found() {
        assert_eq!(breaches("crates/c/src/a/utils.rs", ""), 1);
        assert_eq!(breaches("crates/c/src/types/mod.rs", ""), 1);
        assert_eq!(breaches("crates/c/src/a.rs", "pub use b::*;"), 1);
        assert_eq!(breaches("crates/c/src/a.rs", "pub use b::C;\nuse d::*;"), 0);
    }
}
