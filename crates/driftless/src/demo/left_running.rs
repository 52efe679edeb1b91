//! A demonstration that outlives its command, and its end.

use std::fs;
use std::io;
use std::path::Path;

use driftless_cluster::detached::{load, save};
use driftless_cluster::stop_detached;
use driftless_core::code::Exit;

use super::home::{Home, place, refused};
use super::laboratory::{Laboratory, failure};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// The record of the servers, in the directory of the mapping.
const RECORD: &str = "servers.json";

/// Leaves servers and mapping behind, and says how to reach them.
pub(super) fn keep(
    laboratory: Laboratory,
    home: Home,
    mapping: &Path,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let urls = (laboratory.source_url(), laboratory.target_url());
    let source = laboratory.source.detach().map_err(|error| failure(&error))?;
    let outcome = laboratory.target.detach().and_then(|target| {
        let servers = [source.clone(), target];
        save(&place().join(RECORD), &servers).inspect_err(|_| {
            // Nobody could find it any more.
            let _ = stop_detached(&servers[1]);
        })
    });
    if let Err(error) = outcome {
        let _ = stop_detached(&source);
        return Err(failure(&error));
    }
    home.keep();
    let mapping = mapping.display();
    terminal.print(&format!(
        "\nBoth servers are left running.\n\n  source   {}\n  target   {}\n  mapping  {mapping}\n\n\
         Try, for example:\n\n  driftless --config {mapping} status\n  psql '{}'\n  driftless demo --stop\n",
        urls.0, urls.1, urls.1,
    ))
}

/// Ends what was left running. Nothing left running is no error.
pub(super) fn stop(terminal: &Terminal) -> Result<Exit, Failure> {
    let place = place();
    let record = place.join(RECORD);
    if !place.is_dir() {
        terminal.print("no demonstration is running\n")?;
        return Ok(Exit::Done);
    }
    if record.is_file() {
        for server in load(&record).map_err(|error| failure(&error))? {
            stop_detached(&server).map_err(|error| failure(&error))?;
        }
    }
    match fs::remove_dir_all(&place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(&place, &error)),
        _ => {}
    }
    terminal.print("both servers are stopped and gone\n")?;
    Ok(Exit::Done)
}
