use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use driftless_testkit::Cluster;
use driftless_testkit::servers::start_pair;
use tempfile::TempDir;

use super::Wishes;
use crate::bench::program::{build, succeed};

const SOURCE: &str = include_str!("source.sql");
const SHAPED: &str = include_str!("shaped.sql");
const MAPPING: &str = include_str!("mapping.toml");

/// The target's tables, with their constraints.
pub(super) const TARGET: &str = include_str!("target.sql");

/// The database of every measured run, made anew each time.
pub(super) const DATABASE: &str = "bench";

/// Tables of the target in the order of their references.
pub(super) const TABLES: [&str; 3] = ["offices", "doctors", "patients"];

/// Three columns by name: as they are, and as expressions.
const COLUMNS: [(&str, &str, &str); 3] = [
    ("first_name", "first_name", "upper(first_name)"),
    ("last_name", "last_name", "initcap(last_name)"),
    ("email", "mail", "lower(mail)"),
];

/// Servers, files and programs of a measurement. All of it goes with the value.
pub(super) struct Ground {
    pub(super) source: Cluster,
    pub(super) target: Cluster,
    pub(super) rows: u64,
    /// The program that is measured.
    pub(super) driftless: PathBuf,
    /// Where mapping and log are.
    home: TempDir,
}

impl Ground {
    /// Builds driftless, starts and fills the servers.
    pub(super) fn prepare(wishes: &Wishes) -> Result<Ground, String> {
        let driftless = match &wishes.program {
            Some(program) => program.clone(),
            None => build(&wishes.profile)?,
        };
        let (source, target) =
            start_pair([None, None]).map_err(|error| format!("{error}\n  {}", error.remedy()))?;
        let home = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
        let ground = Ground {
            source,
            target,
            rows: wishes.rows,
            driftless,
            home,
        };
        fs::write(ground.mapping(), mapping(wishes.expressions))
            .map_err(|error| format!("the mapping cannot be written: {error}"))?;
        eprintln!("filling the source with {} patients", wishes.rows);
        let admin = ground.source.admin_url();
        ground.script(&admin, &[], &format!("CREATE DATABASE {DATABASE};"))?;
        let variables = [("rows", wishes.rows.to_string())];
        ground.script(&ground.source.url(DATABASE), &variables, SOURCE)?;
        let columns = COLUMNS.map(|(name, plain, expression)| {
            let shape = if wishes.expressions { expression } else { plain };
            (name, shape.to_owned())
        });
        ground.script(&ground.source.url(DATABASE), &columns, SHAPED)?;
        Ok(ground)
    }

    pub(super) fn mapping(&self) -> PathBuf {
        self.home.path().join("driftless.toml")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.home.path().join("driftless.log")
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

    /// Keeps what driftless loaded as files beside the server's data, and its schema in two parts.
    pub(super) fn keep_files(&self) -> Result<(), String> {
        for (table, file) in self.files()? {
            let script = format!("COPY {table} TO '{file}' (FORMAT binary);");
            self.script(&self.target.url(DATABASE), &[], &script)?;
        }
        for section in ["pre-data", "post-data"] {
            let mut dump = self.tool("pg_dump")?;
            let file = self.home.path().join(section);
            dump.arg(format!("--section={section}"))
                .arg("--file")
                .arg(file)
                .arg(self.target.url(DATABASE));
            succeed(&mut dump)?;
        }
        Ok(())
    }

    /// One part of the schema that was kept.
    pub(super) fn section(&self, section: &str) -> Result<String, String> {
        fs::read_to_string(self.home.path().join(section)).map_err(|error| format!("no {section}: {error}"))
    }

    /// Tables of rows and of identities, and the file of each.
    pub(super) fn files(&self) -> Result<Vec<(String, String)>, String> {
        let data = self.answer("SHOW data_directory")?;
        let identities = TABLES.map(|table| format!("driftless.identity_{table}"));
        let rows = TABLES.map(|table| format!("public.{table}"));
        let tables = rows.into_iter().chain(identities);
        Ok(tables
            .map(|table| {
                let file = format!("{data}/bench-{table}");
                (table, file)
            })
            .collect())
    }

    /// One value of the target.
    pub(super) fn answer(&self, sql: &str) -> Result<String, String> {
        let mut psql = self.psql(&self.target.url(DATABASE))?;
        Ok(succeed(psql.args(["-At", "-c", sql]))?.trim().to_owned())
    }

    /// Runs a script in one session.
    pub(super) fn script(&self, url: &str, variables: &[(&str, String)], sql: &str) -> Result<(), String> {
        let mut psql = self.psql(url)?;
        for (name, value) in variables {
            psql.arg("-v").arg(format!("{name}={value}"));
        }
        let running = psql
            .args(["-q", "-o", "/dev/null", "-f", "-"])
            .stdin(Stdio::piped())
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
            return Ok(());
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

    fn tool(&self, name: &str) -> Result<Command, String> {
        let tool = self.target.binaries().tool(name);
        tool.map(Command::new).ok_or(format!(
            "{name} is not installed: scripts/setup --tests installs it"
        ))
    }
}

/// The mapping, which reads the connection strings from the environment.
fn mapping(expressions: bool) -> String {
    let columns = COLUMNS.map(|(name, plain, expression)| {
        if expressions {
            format!("{name} = {{ sql = \"{expression}\" }}\n")
        } else {
            format!("{name} = \"{plain}\"\n")
        }
    });
    format!("{MAPPING}{}", columns.concat())
}
