use std::fs;

use super::ground::{DATABASE, Ground};
use super::scene::Scene;
use crate::bench::program::succeed;

/// Keeps what driftless loaded, rows and identities, as files beside the server's data, and its schema in two parts.
pub(super) fn keep(ground: &Ground, scene: &Scene) -> Result<(), String> {
    for (table, file) in files(ground, scene)? {
        let script = format!("COPY {table} TO '{file}' (FORMAT binary);");
        ground.script(&ground.target.url(DATABASE), &[], &script)?;
    }
    let tables: Vec<String> = files(ground, scene)?
        .into_iter()
        .map(|(table, _)| table)
        .collect();
    ground.write("tables", &tables.join("\n"))?;
    for section in ["pre-data", "post-data"] {
        let mut dump = ground.tool("pg_dump")?;
        dump.arg(format!("--section={section}"))
            .arg("--file")
            .arg(ground.home().join(section))
            .arg(ground.target.url(DATABASE));
        succeed(&mut dump)?;
    }
    Ok(())
}

/// The tables without constraints and indexes.
pub(super) fn bare(ground: &Ground) -> Result<(), String> {
    ground.fresh_target()?;
    ground.script(&ground.target.url(DATABASE), &[], &kept(ground, "pre-data")?)
}

/// Rows and identities from files, then all constraints and indexes, in one session.
pub(super) fn load(ground: &Ground) -> Result<(), String> {
    let data = data_directory(ground)?;
    let tables = kept(ground, "tables")?;
    let copies: Vec<String> = tables
        .lines()
        .map(|table| format!("COPY {table} FROM '{}' (FORMAT binary);\n", file(&data, table)))
        .collect();
    let script = copies.concat() + &kept(ground, "post-data")?;
    ground.script(&ground.target.url(DATABASE), &[], &script)
}

/// Tables of rows and of identities, and the file of each.
fn files(ground: &Ground, scene: &Scene) -> Result<Vec<(String, String)>, String> {
    let data = data_directory(ground)?;
    let identities = ground.answer(
        &ground.target.url(DATABASE),
        "SELECT format('driftless.%I', tablename) FROM pg_tables \
         WHERE schemaname = 'driftless' AND tablename LIKE 'identity\\_%' ORDER BY 1",
    )?;
    let tables = scene.tables().chain(identities.lines());
    Ok(tables
        .map(|table| (table.to_owned(), file(&data, table)))
        .collect())
}

fn data_directory(ground: &Ground) -> Result<String, String> {
    ground.answer(&ground.target.admin_url(), "SHOW data_directory")
}

fn file(data: &str, table: &str) -> String {
    format!("{data}/bench-{table}")
}

/// Something that was kept as text.
fn kept(ground: &Ground, name: &str) -> Result<String, String> {
    fs::read_to_string(ground.home().join(name)).map_err(|error| format!("no {name}: {error}"))
}
