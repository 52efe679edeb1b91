//! Two databases with proxies before them, a mapping, and the program at work.

use std::fs;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use driftless_core::code::Exit;
use driftless_testkit::{FaultProxy, Server, TestDatabase, workload};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::choice::{Choice, Moment, Side};
use super::ground::{Ground, PASSWORD, ROLE};
use super::motion::Motion;

/// No load takes longer, however it is disturbed: whoever does hangs.
const LONGEST: Duration = Duration::from_secs(240);

/// Short waits for connections, so that their want is felt within a run.
const HEAD: &str = r#"include = ["entities.toml"]
[pipeline]
name = "chaos"
[source]
url = "${CHAOS_SOURCE}"
acquire_timeout = "3s"
[target]
url = "${CHAOS_TARGET}"
acquire_timeout = "3s"
"#;

/// Two databases on their way from one to the other.
pub(super) struct Desk {
    // The proxies go first: their connections keep databases from being dropped in peace.
    proxies: [FaultProxy; 2],
    pub(super) source: TestDatabase,
    pub(super) target: TestDatabase,
    /// Who writes into the source meanwhile.
    pub(super) motion: Motion,
    dir: TempDir,
    program: PathBuf,
}

/// The program at work.
pub(super) struct Running {
    child: Child,
    lines: UnboundedReceiver<String>,
    /// Everything that was said so far.
    pub(super) said: String,
}

/// How a program ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) said: String,
}

impl Desk {
    /// Fresh databases, filled, and a mapping.
    pub(super) async fn lay(ground: &Ground, choice: &Choice, on_small_disk: bool) -> Result<Desk, String> {
        let source = TestDatabase::create(&Server::of(&ground.source), "chaos").await;
        let target = TestDatabase::create(&Server::of(&ground.target), "chaos").await;
        if on_small_disk {
            let admin = TestDatabase::create(target.server(), "admin").await;
            admin
                .run(&format!("ALTER DATABASE {} SET TABLESPACE small", target.name()))
                .await;
        }
        workload::fill(workload::SEVERAL_CHUNKS, &source, &target).await;
        workload::give_to(ROLE, choice.silent, &source, &target).await;
        let proxies = [
            FaultProxy::start(&source.url_as(ROLE, PASSWORD)).await,
            FaultProxy::start(&target.url_as(ROLE, PASSWORD)).await,
        ];
        let dir = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
        let variables = format!(
            "CHAOS_SOURCE='{}'\nCHAOS_TARGET='{}'\n",
            proxies[0].url(),
            proxies[1].url()
        );
        for (name, text) in [
            ("driftless.toml", HEAD),
            ("entities.toml", workload::ENTITIES),
            (".env", &variables),
        ] {
            fs::write(dir.path().join(name), text).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(Desk {
            proxies,
            source,
            target,
            motion: Motion::none(),
            dir,
            program: ground.program.clone(),
        })
    }

    pub(super) fn proxy(&self, side: Side) -> &FaultProxy {
        &self.proxies[side as usize]
    }

    pub(super) fn database(&self, side: Side) -> &TestDatabase {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// Loads, from the beginning if a load is done already.
    pub(super) async fn load(&self, crash: Option<&str>) -> Result<Running, String> {
        self.motion.load_begins();
        if workload::is_done(&self.target).await {
            let times = crash.map(|point| match point {
                // Deleting what was loaded passes them, too.
                "state-made" | "lease-taken" => format!("{point}:2"),
                other => other.to_owned(),
            });
            return self.start(&["migrate", "--restart", "--yes"], times.as_deref());
        }
        self.start(&["migrate"], crash)
    }

    /// Starts the program and goes on.
    pub(super) fn start(&self, arguments: &[&str], crash: Option<&str>) -> Result<Running, String> {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("PG") || name.starts_with("DRIFTLESS") {
                command.env_remove(name);
            }
        }
        if let Some(point) = crash {
            command.env("DRIFTLESS_CRASH", point);
        }
        let mut child = command
            .spawn()
            .map_err(|error| format!("driftless does not start: {error}"))?;
        let (sender, lines) = unbounded_channel();
        if let Some(errors) = child.stderr.take() {
            tokio::spawn(async move {
                let mut errors = BufReader::new(errors).lines();
                while let Ok(Some(line)) = errors.next_line().await {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Running {
            child,
            lines,
            said: String::new(),
        })
    }

    /// Runs the program to its end.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<Ended, String> {
        self.start(arguments, None)?.end().await
    }
}

impl Running {
    /// Waits for a moment. Whether the program was still there then.
    pub(super) async fn reaches(&mut self, moment: Moment) -> bool {
        if let Some(step) = moment.step {
            loop {
                let Some(line) = self.lines.recv().await else {
                    return false;
                };
                let is_it = line == step;
                self.hear(&line);
                if is_it {
                    break;
                }
            }
        }
        sleep(Duration::from_millis(moment.after)).await;
        self.is_there()
    }

    fn hear(&mut self, line: &str) {
        self.said.push_str(line);
        self.said.push('\n');
    }

    /// Whether it still runs.
    pub(super) fn is_there(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its process, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends it a signal; whether it was there to get it.
    pub(super) fn signal(&mut self, name: &str) -> bool {
        let Some(pid) = self.pid().filter(|_| self.is_there()) else {
            return false;
        };
        // The shell's own: a small system has no other.
        let sent = std::process::Command::new("sh")
            .args(["-c", "kill -\"$0\" \"$1\" 2>/dev/null", name, &pid.to_string()])
            .status();
        sent.is_ok_and(|status| status.success())
    }

    /// Waits until a state is reached; whether it was, while the program was there.
    pub(super) async fn until(&mut self, mut reached: impl AsyncFnMut() -> bool) -> bool {
        loop {
            if reached().await {
                return true;
            }
            if !self.is_there() {
                return false;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits for its end.
    pub(super) async fn end(mut self) -> Result<Ended, String> {
        let status = match timeout(LONGEST, self.child.wait()).await {
            Ok(status) => status.map_err(|error| format!("driftless is lost: {error}"))?,
            Err(_) => {
                self.child.kill().await.ok();
                return Err(format!("driftless hangs; it said:\n{}", self.said));
            }
        };
        while let Some(line) = self.lines.recv().await {
            self.hear(&line);
        }
        Ok(Ended {
            status,
            said: self.said,
        })
    }
}

impl Ended {
    /// The exit code; `None` where a signal ended it.
    pub(super) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Whether the load is done, with or without rows on record.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.code(), Some(0 | 1))
    }

    /// Whether it went on by itself after connections were lost.
    pub(super) fn went_on(&self) -> bool {
        self.said.contains("going on by itself")
    }

    /// Whether it met a lost connection: it went on, or gave up for a server.
    pub(super) fn noticed(&self) -> bool {
        self.went_on() || self.code() == Some(Exit::Server as i32)
    }
}
