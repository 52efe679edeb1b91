use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use driftless_testkit::Cluster;
use driftless_testkit::servers::{start_durable_pair, start_pair};
use tempfile::TempDir;

use super::Wishes;
use crate::bench::program::{build, succeed};

/// The target's database of every measured run, made anew each time.
pub(super) const DATABASE: &str = "bench";

/// Servers and programs of a measurement. All of it goes with the value.
pub(super) struct Ground {
    pub(super) source: Cluster,
    pub(super) target: Cluster,
    /// The program that is measured.
    pub(super) driftless: PathBuf,
    /// Whether the servers write to the disk as production does.
    pub(super) durable: bool,
    /// Where mappings, logs and schemas are.
    home: TempDir,
}

impl Ground {
    /// Builds driftless and starts the servers.
    pub(super) fn prepare(wishes: &Wishes) -> Result<Ground, String> {
        let driftless = match &wishes.program {
            Some(program) => program.clone(),
            None => build(&wishes.profile)?,
        };
        let started = if wishes.durable {
            start_durable_pair()
        } else {
            start_pair([None, None])
        };
        let (source, target) = started.map_err(|error| format!("{error}\n  {}", error.remedy()))?;
        let home = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
        Ok(Ground {
            source,
            target,
            driftless,
            durable: wishes.durable,
            home,
        })
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(super) fn log(&self) -> PathBuf {
        self.home.path().join("driftless.log")
    }

    /// Writes a file that goes with the measurement; where it is.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.home.path().join(name);
        fs::write(&path, text).map_err(|error| format!("{name} cannot be written: {error}"))?;
        Ok(path)
    }

    /// An empty database on the target, and both servers at rest: no run pays for what the one before has left to write.
    pub(super) fn fresh_target(&self) -> Result<(), String> {
        let admin = self.target.admin_url();
        let script = format!(
            "DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE);\nCREATE DATABASE {DATABASE};\nCHECKPOINT;"
        );
        self.script(&admin, &[], &script)?;
        self.script(&self.source.admin_url(), &[], "CHECKPOINT;")
    }

    /// Makes a database of the source; false where it is there already.
    pub(super) fn make_source(&self, database: &str) -> Result<bool, String> {
        let admin = self.source.admin_url();
        let known = format!("SELECT count(*) FROM pg_database WHERE datname = '{database}'");
        if self.answer(&admin, &known)? != "0" {
            return Ok(false);
        }
        self.script(&admin, &[], &format!("CREATE DATABASE {database};"))?;
        Ok(true)
    }

    /// What a query tells, without headings; columns are separated by `|`.
    pub(super) fn answer(&self, url: &str, sql: &str) -> Result<String, String> {
        let mut psql = self.psql(url)?;
        Ok(succeed(psql.args(["-At", "-c", sql]))?.trim().to_owned())
    }

    /// Runs a script in one session.
    pub(super) fn script(&self, url: &str, variables: &[(&str, String)], sql: &str) -> Result<(), String> {
        self.answers(url, variables, sql).map(drop)
    }

    /// Runs a script in one session; what its queries tell.
    pub(super) fn answers(
        &self,
        url: &str,
        variables: &[(&str, String)],
        sql: &str,
    ) -> Result<String, String> {
        let mut psql = self.psql(url)?;
        for (name, value) in variables {
            psql.arg("-v").arg(format!("{name}={value}"));
        }
        let running = psql
            .args(["-q", "-At", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut running = running.map_err(|error| format!("psql does not start: {error}"))?;
        if let Some(mut input) = running.stdin.take() {
            // Where psql stops early it says why; that the rest was not read is no news.
            input.write_all(sql.as_bytes()).ok();
        }
        let output = running
            .wait_with_output()
            .map_err(|error| format!("psql is lost: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!(
            "psql: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }

    /// `psql` at a database, which stops at the first error.
    pub(super) fn psql(&self, url: &str) -> Result<Command, String> {
        let mut psql = self.tool("psql")?;
        psql.args(["-X", "-v", "ON_ERROR_STOP=1", "-d", url]);
        Ok(psql)
    }

    pub(super) fn tool(&self, name: &str) -> Result<Command, String> {
        let tool = self.target.binaries().tool(name);
        tool.map(Command::new).ok_or(format!(
            "{name} is not installed: scripts/setup --tests installs it"
        ))
    }
}
