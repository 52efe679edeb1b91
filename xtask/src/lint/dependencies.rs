use super::Finding;
use crate::workspace::{Package, Workspace};

/// All that `driftless-core` may depend on: small crates without a runtime, driver, socket, file or clock.
const CORE: [&str; 10] = [
    "annotate-snippets",
    "itoa",
    "roaring",
    "serde",
    "serde_json",
    "sha1",
    "thiserror",
    "toml",
    "uuid",
    "xxhash-rust",
];

/// Which packages of ours each one may build upon; what is not listed builds upon none.
const LAYERS: [(&str, &[&str]); 6] = [
    ("driftless-pg", &["driftless-core"]),
    ("driftless-engine", &["driftless-core", "driftless-pg"]),
    (
        "driftless",
        &[
            "driftless-core",
            "driftless-pg",
            "driftless-engine",
            "driftless-cluster",
        ],
    ),
    ("driftless-testkit", &["driftless-cluster"]),
    (
        "driftless-server",
        &["driftless-core", "driftless-pg", "driftless-engine"],
    ),
    (
        "xtask",
        &[
            "driftless-core",
            "driftless-pg",
            "driftless-engine",
            "driftless-cluster",
            "driftless-testkit",
            "driftless",
        ],
    ),
];

/// The driver: its types leave `driftless-pg` nowhere, and only tests use it directly.
const DRIVER: [&str; 4] = [
    "tokio-postgres",
    "tokio-postgres-rustls",
    "postgres-protocol",
    "postgres-types",
];

/// Who may depend on the driver.
const DRIVER_USERS: [&str; 2] = ["driftless-pg", "driftless-testkit"];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace
        .packages
        .iter()
        .flat_map(|package| [dependencies(package), lints(package)].concat())
        .collect()
}

fn dependencies(package: &Package) -> Vec<Finding> {
    let name = package.name.as_str();
    let layer = LAYERS
        .iter()
        .find(|(of, _)| *of == name)
        .map_or(&[][..], |(_, below)| below);
    let breach = |dependency: &str| {
        if name == "driftless-core" && !CORE.contains(&dependency) {
            return Some(
                "core decides without runtime, driver, file or clock; its dependencies are a fixed list",
            );
        }
        if dependency.starts_with("driftless") && !layer.contains(&dependency) {
            return Some("this package does not build upon that one");
        }
        let driver = DRIVER.contains(&dependency) && !DRIVER_USERS.contains(&name);
        driver.then_some("no driver type leaves driftless-pg")
    };
    let own = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind.as_deref() != Some("dev"));
    own.filter_map(|d| breach(&d.name).map(|why| finding(name, format!("depends on {}: {why}", d.name))))
        .collect()
}

fn lints(package: &Package) -> Vec<Finding> {
    let mut lines = package
        .manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints]")
        .skip(1);
    if lines.find(|line| !line.is_empty()) == Some("workspace = true") {
        return Vec::new();
    }
    vec![finding(
        &package.name,
        "its Cargo.toml does not say [lints] workspace = true".to_owned(),
    )]
}

fn finding(package: &str, text: String) -> Finding {
    Finding {
        place: package.to_owned(),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependency = |(name, kind): &(&str, Option<&str>)| Dependency {
            name: (*name).to_owned(),
            kind: kind.map(str::to_owned),
        };
        Package {
            name: name.to_owned(),
            dependencies: dependencies.iter().map(dependency).collect(),
            manifest: "[lints]\nworkspace = true\n".to_owned(),
            ..Package::default()
        }
    }

    fn breaches(name: &str, dependencies: &[(&str, Option<&str>)]) -> usize {
        let packages = vec![package(name, dependencies)];
        check(&Workspace {
            packages,
            ..Workspace::default()
        })
        .len()
    }

    #[test]
    fn core_depends_on_its_list_alone() {
        assert_eq!(
            breaches("driftless-core", &[("serde", None), ("proptest", Some("dev"))]),
            0
        );
        assert_eq!(breaches("driftless-core", &[("tokio", None), ("jiff", None)]), 2);
        assert_eq!(breaches("driftless-core", &[("cc", Some("build"))]), 1);
    }

    #[test]
    fn layers_build_upward_only() {
        assert_eq!(breaches("driftless-engine", &[("driftless-pg", None)]), 0);
        assert_eq!(breaches("driftless-pg", &[("driftless-engine", None)]), 1);
        assert_eq!(breaches("driftless", &[("driftless-testkit", None)]), 1);
        assert_eq!(breaches("driftless", &[("driftless-testkit", Some("dev"))]), 0);
    }

    #[test]
    fn the_driver_stays_below() {
        assert_eq!(breaches("driftless-pg", &[("tokio-postgres", None)]), 0);
        assert_eq!(
            breaches(
                "driftless-engine",
                &[("tokio-postgres", None), ("postgres-types", None)]
            ),
            2
        );
    }

    #[test]
    fn lints_are_inherited() {
        let mut lax = package("driftless", &[]);
        lax.manifest = "[dependencies]\n[lints]\n\n".to_owned();
        assert_eq!(
            check(&Workspace {
                packages: vec![lax],
                ..Workspace::default()
            })
            .len(),
            1
        );
    }
}
