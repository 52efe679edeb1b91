use std::process::Stdio;

use super::contender::Between;
use super::ground::Ground;
use super::scene::TABLES;
use crate::bench::meter::watch;

/// `psql | psql` of the rows that are in shape already, table after table.
pub(super) fn carry(ground: &Ground, source: &str, target: &str) -> Result<Between, String> {
    let mut between = Between::default();
    for table in TABLES {
        let read = format!("COPY (SELECT * FROM shaped.{table}) TO STDOUT (FORMAT binary)");
        let write = format!("COPY {table} FROM STDIN (FORMAT binary)");
        let mut reader = ground.psql(source)?;
        let reader = reader.args(["-q", "-c", &read]).stdout(Stdio::piped()).spawn();
        let mut reader = reader.map_err(|error| format!("psql does not start: {error}"))?;
        let rows = reader.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let mut writer = ground.psql(target)?;
        let writer = writer.args(["-q", "-c", &write]).stdin(rows).spawn();
        let writer = watch(writer.map_err(|error| format!("psql does not start: {error}"))?)?;
        let reader = watch(reader)?;
        if !(reader.status.success() && writer.status.success()) {
            return Err(format!("the pipe of {table} broke"));
        }
        between.add(&reader);
        between.add(&writer);
    }
    Ok(between)
}
