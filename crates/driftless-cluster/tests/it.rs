//! Throw-away servers against the real programs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use driftless_cluster::detached::{load, save};
use driftless_cluster::{Binaries, Cluster, ClusterError, ClusterOptions, MAJORS, stop_detached, wait_until};

/// What `psql` answers to `sql`, or what it complains about.
fn ask(cluster: &Cluster, sql: &str) -> Result<String, String> {
    ask_url(
        &cluster.binaries().tool("psql").expect("psql is installed"),
        &cluster.admin_url(),
        sql,
    )
}

fn ask_url(psql: &Path, url: &str, sql: &str) -> Result<String, String> {
    let output = Command::new(psql)
        .args(["-X", "-A", "-t", "-c", sql, url])
        .output()
        .expect("psql runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

fn directory(cluster: &Cluster) -> PathBuf {
    let data = ask(cluster, "show data_directory").expect("the server answers");
    Path::new(&data).parent().expect("data has a parent").to_owned()
}

fn gone(dir: &Path, pid: u32) -> bool {
    let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    !dir.exists() && cmdline.is_empty()
}

fn wait_for(what: &str, done: impl FnMut() -> bool) {
    assert!(wait_until(Duration::from_secs(30), done), "in vain: {what}");
}

#[test]
fn a_server_answers_as_configured_and_leaves_nothing_behind() {
    let options = ClusterOptions {
        max_connections: 33,
        superuser: "chief of all".to_owned(),
        settings: vec![("work_mem".to_owned(), "5MB".to_owned())],
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(&options).expect("a server");
    let shown = ask(
        &cluster,
        "select concat_ws(' ', current_user, current_setting('max_connections'), current_setting('work_mem'), \
         current_setting('wal_level'), current_setting('fsync'))",
    );
    assert_eq!(shown.as_deref(), Ok("chief of all 33 5MB logical off"));
    let wrong = cluster.url_as("chief of all", "wrong", "postgres");
    let psql = cluster.binaries().tool("psql").expect("psql");
    let refusal = ask_url(&psql, &wrong, "select 1").expect_err("a wrong password is refused");
    assert!(refusal.contains("password authentication failed"), "{refusal}");
    let (dir, pid) = (directory(&cluster), cluster.pid().expect("it runs"));
    drop(cluster);
    assert!(gone(&dir, pid));
}

#[test]
fn a_crash_keeps_what_was_committed() {
    let mut cluster = Cluster::start(&ClusterOptions::default()).expect("a server");
    ask(&cluster, "create table kept as select 42 as n").expect("created");
    let first = cluster.pid();
    cluster.stop_immediate();
    assert_eq!(cluster.pid(), None);
    assert!(ask(&cluster, "select 1").is_err());
    cluster.restart().expect("it recovers");
    assert_ne!(cluster.pid(), first);
    assert_eq!(ask(&cluster, "select n from kept").as_deref(), Ok("42"));
    cluster.restart().expect("it restarts while it runs");
    assert_eq!(ask(&cluster, "select n from kept").as_deref(), Ok("42"));
    cluster
        .restart_on_a_new_timeline()
        .expect("it recovers to the end");
    let timeline = "select substr(pg_walfile_name(pg_current_wal_lsn()), 8, 1), n from kept";
    assert_eq!(ask(&cluster, timeline).as_deref(), Ok("2|42"));
    cluster.restart().expect("it restarts on it");
    assert_eq!(ask(&cluster, timeline).as_deref(), Ok("2|42"));
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing_behind() {
    let options = ClusterOptions {
        settings: vec![("shared_buffers".to_owned(), "nonsense".to_owned())],
        ..ClusterOptions::default()
    };
    let error = Cluster::start(&options).expect_err("the setting is refused");
    let ClusterError::Server { dir, log, .. } = &error else {
        panic!("{error}")
    };
    assert!(log.contains("shared_buffers"), "{log}");
    assert!(!dir.exists());
}

#[test]
fn a_detached_server_lives_on_until_it_is_stopped() {
    let cluster = Cluster::start(&ClusterOptions::default()).expect("a server");
    let psql = cluster.binaries().tool("psql").expect("psql");
    let detached = cluster.detach().expect("it is left running");
    let folder = tempfile::tempdir().expect("a directory");
    let record = folder.path().join("servers.json");
    save(&record, std::slice::from_ref(&detached)).expect("recorded");
    let loaded = load(&record).expect("read back");
    assert_eq!(loaded, std::slice::from_ref(&detached));
    assert!(
        !format!("{detached:?}").contains("postgres://"),
        "a password would print"
    );
    assert_eq!(
        ask_url(&psql, &loaded[0].admin_url, "select 1").as_deref(),
        Ok("1")
    );
    stop_detached(&loaded[0]).expect("it ends");
    assert!(gone(&detached.dir, detached.pid));
    stop_detached(&loaded[0]).expect("ending it twice is no error");
}

#[test]
fn a_record_that_names_a_foreign_directory_removes_nothing() {
    let folder = tempfile::tempdir().expect("a directory");
    let record = folder.path().join("servers.json");
    let text = format!(
        r#"[{{"dir": "{}", "pid": 1, "port": 1, "admin_url": ""}}]"#,
        folder.path().display()
    );
    std::fs::write(&record, text).expect("written");
    let servers = load(&record).expect("read");
    assert!(matches!(
        stop_detached(&servers[0]),
        Err(ClusterError::NotOurs { .. })
    ));
    assert!(record.exists());
    std::fs::write(&record, "{}").expect("written");
    assert!(matches!(load(&record), Err(ClusterError::NotOurs { .. })));
}

/// Environment variable that makes [`holder`] hold a server; only the test below sets it.
const HOLD: &str = "DRIFTLESS_CLUSTER_TEST_HOLD";

/// Not a test of its own: the process that the next test kills.
#[test]
fn holder() {
    let Ok(report) = std::env::var(HOLD) else { return };
    let cluster = Cluster::start(&ClusterOptions::default()).expect("a server");
    let line = format!(
        "{} {}\n",
        cluster.pid().expect("it runs"),
        directory(&cluster).display()
    );
    std::fs::write(report, line).expect("reported");
    wait_until(Duration::from_secs(300), || false);
}

#[test]
fn a_killed_process_takes_its_server_with_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let report = folder.path().join("report");
    let mut process = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "holder"])
        .env(HOLD, &report)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    wait_for("the server of the other process", || {
        line = std::fs::read_to_string(&report).unwrap_or_default();
        line.ends_with('\n')
    });
    process.kill().expect("killed");
    process.wait().expect("reaped");
    let (pid, dir) = line.trim().split_once(' ').expect("two words");
    let pid = pid.parse().expect("a number");
    wait_for("the server's end", || gone(Path::new(dir), pid));
}

#[test]
fn every_major_that_is_tested_can_be_started() {
    for (major, _) in MAJORS {
        let binaries =
            Binaries::of_major(major).unwrap_or_else(|error| panic!("{error}; {}", error.remedy()));
        let options = ClusterOptions {
            binaries: Some(binaries),
            ..ClusterOptions::default()
        };
        let cluster = Cluster::start(&options).expect("a server");
        let version = ask(
            &cluster,
            "select current_setting('server_version_num')::int / 10000",
        );
        assert_eq!(version, Ok(major.to_string()));
    }
    let error = Binaries::of_major(13).expect_err("it is too old");
    assert!(error.remedy().contains("cargo xtask postgres"), "{error}");
}
