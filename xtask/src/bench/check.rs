use std::fmt::Write as _;
use std::fs;
use std::process::{Command, ExitCode};
use std::time::Instant;

use driftless_testkit::Cluster;
use driftless_testkit::servers::start_pair;

use super::program::{build, succeed};

/// What is measured.
pub(crate) struct Wishes {
    /// Tables of each side, and entities of the mapping. The default is what Chado has.
    tables: usize,
    /// With which profile driftless is built.
    profile: String,
}

/// How often it is measured.
const RUNS: usize = 3;

impl Wishes {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Wishes, String> {
        let mut wishes = Wishes {
            tables: 213,
            profile: "release".to_owned(),
        };
        while let Some(argument) = arguments.next() {
            let value = arguments.next().ok_or(format!("{argument} needs a value"))?;
            match argument.as_str() {
                "--tables" => {
                    let tables = value.parse().ok().filter(|tables| *tables > 0);
                    wishes.tables = tables.ok_or(format!("--tables {value}: a number above 0 is needed"))?;
                }
                "--profile" => wishes.profile = value,
                _ => return Err(format!("bench check knows no {argument}")),
            }
        }
        Ok(wishes)
    }
}

/// Measures `driftless check` of a mapping in which every table has a reference, an expression and a unique column.
pub(crate) fn run(wishes: &Wishes) -> Result<ExitCode, String> {
    let driftless = build(&wishes.profile)?;
    let (source, target) =
        start_pair([None, None]).map_err(|error| format!("{error}\n  {}", error.remedy()))?;
    fill(&source, "int", wishes.tables)?;
    fill(&target, "uuid", wishes.tables)?;
    let home = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
    fs::write(
        home.path().join("driftless.toml"),
        mapping(&source, &target, wishes.tables),
    )
    .map_err(|error| format!("the mapping cannot be written: {error}"))?;
    println!(
        "{} tables of each side, profile {}:",
        wishes.tables, wishes.profile
    );
    for number in 1..=RUNS {
        let started = Instant::now();
        succeed(Command::new(&driftless).arg("check").current_dir(home.path()))?;
        println!(
            "check {number} of {RUNS}: {:.2} s",
            started.elapsed().as_secs_f64()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn fill(cluster: &Cluster, key: &str, tables: usize) -> Result<(), String> {
    let psql = cluster.binaries().tool("psql");
    let psql = psql.ok_or("psql is not installed: scripts/setup --tests installs it".to_owned())?;
    let script = format!(
        "DO $$ BEGIN FOR n IN 1..{tables} LOOP EXECUTE format(
             'CREATE TABLE t%s (id {key} PRIMARY KEY, parent {key} REFERENCES t%s, a text, b numeric(10,2), d jsonb, e uuid UNIQUE,
                                CHECK (a <> ''''))', n, greatest(n - 1, 1)); END LOOP; END $$"
    );
    let url = cluster.admin_url();
    succeed(Command::new(psql).args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", &script]))?;
    Ok(())
}

fn mapping(source: &Cluster, target: &Cluster, tables: usize) -> String {
    let mut mapping = format!(
        "[pipeline]\nname = \"many\"\n[source]\nurl = \"{}\"\n[target]\nurl = \"{}\"\n",
        source.admin_url(),
        target.admin_url()
    );
    for n in 1..=tables {
        let parent = (n - 1).max(1);
        write!(
            mapping,
            "[entities.t{n}]\nfrom = \"public.t{n}\"\ninto = \"public.t{n}\"\n[entities.t{n}.columns]\nid = {{ id = true }}\n\
             parent = {{ ref = \"t{parent}\", from = \"parent\" }}\nb = {{ sql = \"b * 2\" }}\n"
        )
        .ok();
    }
    mapping
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_wrong_ones_refused() {
        let read = |line: &str| Wishes::read(line.split_whitespace().map(str::to_owned));
        assert_eq!(read("").unwrap().tables, 213);
        assert_eq!(read("--tables 7 --profile demo").unwrap().tables, 7);
        for wrong in ["--tables", "--tables 0", "--rows 5"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
