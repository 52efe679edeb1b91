use std::env;
use std::fs;
use std::process::Stdio;

use super::contender::Between;
use super::ground::{DATABASE, Ground};
use super::pipe;
use super::scene::Scene;
use crate::bench::meter::watch;

/// The source's database that has the target's shape, for whoever can only copy.
const SHAPED: &str = "shaped";

/// Makes a database of the target's shape on the source's server, and fills it with rows that are in shape already. False
/// where pgcopydb is not installed.
pub(super) fn prepare(ground: &Ground, scene: &Scene) -> Result<bool, String> {
    if ground.tool("pgcopydb").is_err() {
        return Ok(false);
    }
    let admin = ground.source.admin_url();
    let anew = format!("DROP DATABASE IF EXISTS {SHAPED};\nCREATE DATABASE {SHAPED};");
    ground.script(&admin, &[], &anew)?;
    let shaped = ground.source.url(SHAPED);
    ground.script(&shaped, &[], scene.schema())?;
    pipe::carry(ground, &scene.source_admin(ground), &shaped)?;
    ground.script(&shaped, &[], "VACUUM ANALYZE;")?;
    Ok(true)
}

/// `pgcopydb clone` with the settings that it comes with, into an empty database.
pub(super) fn clone(ground: &Ground) -> Result<Between, String> {
    let work = ground.home().join("pgcopydb");
    fs::remove_dir_all(&work).ok();
    // It calls pg_dump and pg_restore, which have to be of the servers' version.
    let before = env::var_os("PATH").unwrap_or_default();
    let mut places = vec![ground.target.binaries().dir().to_owned()];
    places.extend(env::split_paths(&before));
    let path = env::join_paths(places).map_err(|error| format!("PATH: {error}"))?;
    let log = ground.home().join("pgcopydb.log");
    let file = || fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()));
    let running = ground
        .tool("pgcopydb")?
        .args(["clone", "--source", &ground.source.url(SHAPED)])
        .args(["--target", &ground.target.url(DATABASE), "--dir"])
        .arg(&work)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file()?)
        .spawn();
    let cost = watch(running.map_err(|error| format!("pgcopydb does not start: {error}"))?)?;
    if !cost.status.success() {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let errors = said.lines().filter(|line| line.contains("ERROR"));
        return Err(format!(
            "pgcopydb ended with {}: {}",
            cost.status,
            errors.collect::<Vec<_>>().join("\n")
        ));
    }
    let mut between = Between::default();
    between.add(&cost);
    // Many processes work for it, and the memory of one of them says nothing.
    between.peak_mb = 0.0;
    Ok(between)
}
