use std::collections::BTreeMap;

use super::Finding;
use crate::workspace::{File, Workspace};

/// The modules of a crate's root in their order, and what the root re-exports from them.
struct Root<'w> {
    modules: Vec<&'w str>,
    exports: BTreeMap<&'w str, &'w str>,
}

/// A module uses only modules that stand before it in its crate's root, by whatever path: `crate::name`,
/// `crate::{…}`, `super::name`, or what the root re-exports. Tests may use anything.
pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let roots = workspace
        .files
        .iter()
        .filter(|file| file.is_rust() && file.modules() == Some(Vec::new()));
    roots.flat_map(|root| check_crate(workspace, root)).collect()
}

fn check_crate(workspace: &Workspace, root: &File) -> Vec<Finding> {
    let order = read_root(root);
    let mut findings = Vec::new();
    for file in workspace
        .files
        .iter()
        .filter(|file| file.is_rust() && file.package() == root.package())
    {
        let Some(path) = file.modules() else { continue };
        let Some(own) = path.first().and_then(|name| place(&order, name)) else {
            continue;
        };
        for (offset, name) in uses(file, path.len()) {
            let module = order.exports.get(name).copied().unwrap_or(name);
            let Some(used) = place(&order, module) else {
                continue;
            };
            if used > own {
                let text = format!(
                    "{} uses {module}, which is declared after it in {}",
                    path[0], root.path
                );
                findings.push(Finding::at(file, offset, text));
            }
        }
    }
    findings
}

fn place(root: &Root<'_>, module: &str) -> Option<usize> {
    root.modules.iter().position(|name| *name == module)
}

fn read_root(root: &File) -> Root<'_> {
    let code = &root.source.code;
    let not_test = |at: &usize| !root.source.is_test(*at);
    let declared = root.source.words("mod").into_iter().filter(not_test);
    let modules = declared
        .filter_map(|at| first_name(&code[at + "mod".len()..]))
        .map(|(_, name)| name)
        .collect();
    let mut exports = BTreeMap::new();
    for at in root.source.words("use").into_iter().filter(not_test) {
        let tree = code[at + "use".len()..].split(';').next().unwrap_or_default();
        let Some((_, module)) = first_name(tree) else {
            continue;
        };
        for part in tree.split([',', '{', '}']) {
            let leaf = part.rsplit([' ', ':']).find(|name| !name.trim().is_empty());
            if let Some((_, name)) = leaf.and_then(first_name) {
                exports.insert(name, module);
            }
        }
    }
    exports.retain(|name, module| name != module);
    Root { modules, exports }
}

/// Names at the level of the crate's root that a file uses, with where they stand.
fn uses(file: &File, depth: usize) -> Vec<(usize, &str)> {
    let code = &file.source.code;
    let up = "super::".repeat(depth);
    let mut found = Vec::new();
    for start in ["crate::", up.as_str()] {
        for at in file.source.words(start) {
            let longer = start == up && code[..at].ends_with("super::");
            if file.source.is_test(at) || longer {
                continue;
            }
            let from = at + start.len();
            found.extend(
                names_at(&code[from..])
                    .into_iter()
                    .map(|(offset, name)| (from + offset, name)),
            );
        }
    }
    found
}

/// The name at the start of a path's rest, or the first names of each part of its group.
fn names_at(rest: &str) -> Vec<(usize, &str)> {
    if !rest.starts_with('{') {
        return first_name(rest).into_iter().collect();
    }
    let mut names = Vec::new();
    let mut depth = 0_usize;
    for (offset, byte) in rest.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(byte, b'{' | b',') {
            let after = &rest[offset + 1..];
            names.extend(first_name(after).map(|(at, name)| (offset + 1 + at, name)));
        }
    }
    names
}

/// The name that a text begins with, white space aside.
fn first_name(text: &str) -> Option<(usize, &str)> {
    let start = text.len() - text.trim_start().len();
    let name = &text[start..];
    let end = name
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(name.len());
    (end > 0).then(|| (start, &name[..end]))
}

#[cfg(test)]
mod tests {
    use super::super::{places, workspace_of};
    use super::*;

    const ROOT: &str = "/// One.\npub mod one;\nmod two;\npub(crate) mod three;\n#[cfg(test)]\nmod tests;\n\
                        pub use two::{Second, inner::Deep as Renamed};\npub use three::Third;\n";

    fn breaches(path: &str, text: &str) -> Vec<String> {
        let path = format!("crates/c/src/{path}");
        let workspace = workspace_of(&[("crates/c/src/lib.rs", ROOT), (path.as_str(), text)]);
        places(&check(&workspace))
            .into_iter()
            .map(|p| p.replace("crates/c/src/", ""))
            .collect()
    }

    #[test]
    fn what_stands_before_may_be_used() {
        let text =
            "use crate::one::X;\nuse crate::{one, two};\n// crate::three\nconst S: &str = \"crate::three\";";
        assert!(breaches("three.rs", text).is_empty());
        assert!(
            breaches(
                "two.rs",
                "use crate::one;\nuse crate::two::inner;\n#[cfg(test)] mod tests { use crate::three; }"
            )
            .is_empty()
        );
        assert!(breaches("two/inner.rs", "use super::three;").is_empty());
    }

    #[test]
    fn what_stands_after_may_not() {
        assert_eq!(breaches("one.rs", "\nuse crate::two::X;"), ["one.rs:2"]);
        assert_eq!(breaches("one.rs", "use crate::{one::Y, three};"), ["one.rs:1"]);
        assert_eq!(
            breaches(
                "one.rs",
                "use crate::{\n    one::{self, Y},\n    two::{A, B},\n};"
            ),
            ["one.rs:3"]
        );
        assert_eq!(
            breaches("one/deep.rs", "fn f() { crate::three::g() }"),
            ["one/deep.rs:1"]
        );
        assert_eq!(breaches("one.rs", "use super::two;"), ["one.rs:1"]);
        assert_eq!(
            breaches("one/deep.rs", "use super::super::two;"),
            ["one/deep.rs:1"]
        );
    }

    #[test]
    fn re_exports_are_no_way_round() {
        assert_eq!(breaches("one.rs", "use crate::Second;"), ["one.rs:1"]);
        assert_eq!(breaches("one.rs", "use crate::{Renamed};"), ["one.rs:1"]);
        assert_eq!(breaches("two.rs", "use crate::Third;"), ["two.rs:1"]);
        assert!(breaches("three.rs", "use crate::{Second, Renamed};").is_empty());
    }
}
