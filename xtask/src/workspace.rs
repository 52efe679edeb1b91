use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::source::Source;

/// Everything that the lints look at.
#[derive(Default)]
pub(crate) struct Workspace {
    /// Rust files and queries, by path below the root.
    pub(crate) files: Vec<File>,
    /// Packages, with their manifests.
    pub(crate) packages: Vec<Package>,
    /// Names of the files in `docs/errors`.
    pub(crate) error_pages: Vec<String>,
}

/// One Rust file, or one `.sql` file of which only the text counts.
pub(crate) struct File {
    /// Below the workspace's root, with forward slashes.
    pub(crate) path: String,
    pub(crate) source: Source,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            source: Source::new(text, is_test_file(path)),
        }
    }

    /// The directory of the package that the file belongs to: `crates/driftless-core`, `xtask`.
    pub(crate) fn package(&self) -> &str {
        let parts = if self.path.starts_with("crates/") { 2 } else { 1 };
        let end = self
            .path
            .match_indices('/')
            .nth(parts - 1)
            .map_or(self.path.len(), |(at, _)| at);
        &self.path[..end]
    }

    /// The names of modules that lead to the file: `a`, `b` for `src/a/b.rs`; none for the crate's root.
    /// `None` for what does not lie in `src`.
    pub(crate) fn modules(&self) -> Option<Vec<&str>> {
        let inside = self.path.strip_prefix(self.package())?.strip_prefix("/src/")?;
        let (stem, _) = inside.rsplit_once('.')?;
        let names: Vec<&str> = stem.split('/').collect();
        Some(match names.as_slice() {
            ["lib" | "main"] => Vec::new(),
            [parents @ .., "mod"] => parents.to_vec(),
            all => all.to_vec(),
        })
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// One package as `cargo metadata` and its manifest tell it.
#[derive(Default, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) manifest_path: PathBuf,
    /// The manifest's text.
    #[serde(skip)]
    pub(crate) manifest: String,
}

/// One line of a package's dependencies.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for what the package itself needs, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// The cargo that runs us, else the one in `PATH`.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo told us about this package must not reach other builds: build scripts of dependencies (ring's) look at
    // these variables, and would build everything anew whenever they come and go.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// The root of the workspace whose xtask was called.
pub(crate) fn root() -> PathBuf {
    // Cargo tells at run time; what was compiled in serves a call without cargo.
    let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here).parent().map(Path::to_owned).unwrap_or_default()
}

impl Workspace {
    /// Reads the workspace that this program belongs to.
    pub(crate) fn load() -> Result<Self, String> {
        let root = root();
        let mut workspace = Self {
            packages: packages(&root)?,
            ..Self::default()
        };
        for top in ["crates", "xtask"] {
            walk(&root.join(top), &mut |path| workspace.read(&root, path))?;
        }
        workspace.files.sort_by(|a, b| a.path.cmp(&b.path));
        let pages = root.join("docs/errors");
        for entry in fs::read_dir(&pages).map_err(|e| format!("{}: {e}", pages.display()))? {
            let name = entry.map_err(|e| e.to_string())?.file_name();
            workspace.error_pages.push(name.to_string_lossy().into_owned());
        }
        Ok(workspace)
    }

    fn read(&mut self, root: &Path, path: &Path) -> Result<(), String> {
        if path.extension().is_some_and(|e| e == "rs" || e == "sql") {
            let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            let below = path.strip_prefix(root).map_err(|e| e.to_string())?;
            self.files
                .push(File::new(&below.to_string_lossy().replace('\\', "/"), &text));
        }
        Ok(())
    }
}

fn packages(root: &Path) -> Result<Vec<Package>, String> {
    let mut command = cargo();
    command
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root);
    let output = command.output().map_err(|e| format!("cargo metadata: {e}"))?;
    if !output.status.success() {
        return Err(format!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    let mut packages = metadata.packages;
    for package in &mut packages {
        let path = &package.manifest_path;
        package.manifest = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(packages)
}

fn walk(dir: &Path, visit: &mut impl FnMut(&Path) -> Result<(), String>) -> Result<(), String> {
    for entry in fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.is_dir() {
            walk(&path, visit)?;
        } else {
            visit(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_place_tells_its_package_and_modules() {
        let file = |path| File::new(path, "");
        assert_eq!(
            file("crates/driftless-core/src/a/b.rs").package(),
            "crates/driftless-core"
        );
        assert_eq!(
            file("crates/driftless-core/src/a/b.rs").modules(),
            Some(vec!["a", "b"])
        );
        assert_eq!(
            file("crates/driftless-core/src/a/mod.rs").modules(),
            Some(vec!["a"])
        );
        assert_eq!(file("xtask/src/main.rs").package(), "xtask");
        assert_eq!(file("xtask/src/main.rs").modules(), Some(Vec::new()));
        assert_eq!(file("crates/driftless-pg/tests/it.rs").modules(), None);
    }

    #[test]
    fn this_workspace_can_be_read() {
        let workspace = Workspace::load().unwrap();
        assert!(
            workspace
                .packages
                .iter()
                .any(|p| p.name == "driftless-core" && !p.manifest.is_empty())
        );
        assert!(workspace.files.iter().any(|f| f.path == "xtask/src/workspace.rs"));
    }
}
