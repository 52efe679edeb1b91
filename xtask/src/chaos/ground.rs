//! The servers of all runs, and a disk that can be filled.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use driftless_testkit::{Cluster, ClusterOptions, Server, TestDatabase, Traffic};

use super::choice::Side;

/// The role that loads: an ordinary one, as migrations should have.
pub(super) const ROLE: &str = "mover";

/// The role of whoever takes all connections.
pub(super) const FILLER: &str = "filler";

/// The password of both.
pub(super) const PASSWORD: &str = "chaos";

/// Size of the small disk: a database and several loads of the workload.
const DISK: &str = "size=160m";

/// Few enough connections to be taken in a moment.
const CONNECTIONS: u16 = 50;

/// The servers, and what a load that nothing disturbs sends between them.
pub(super) struct Ground {
    /// Goes before its server does.
    pub(super) disk: Option<SmallDisk>,
    pub(super) source: Cluster,
    pub(super) target: Cluster,
    pub(super) program: PathBuf,
    /// Of the source, and of the target.
    pub(super) traffic: [Traffic; 2],
    /// Whether the fault of the run at hand has fired.
    pub(super) fired: bool,
}

/// A file system of the target that can be filled.
pub(super) struct SmallDisk {
    path: PathBuf,
}

impl Ground {
    /// Starts the servers and makes the roles; and the disk, where this user may.
    pub(super) async fn prepare(program: PathBuf) -> Result<Ground, String> {
        let options = ClusterOptions {
            max_connections: CONNECTIONS,
            ..ClusterOptions::default()
        };
        let start = || Cluster::start(&options).map_err(|error| format!("{error}\n  {}", error.remedy()));
        let (source, target) = (start()?, start()?);
        for cluster in [&source, &target] {
            let admin = TestDatabase::create(&Server::of(cluster), "roles").await;
            for role in [ROLE, FILLER] {
                admin
                    .run(&format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"))
                    .await;
            }
        }
        let disk = match SmallDisk::mount(&target).await {
            Ok(disk) => Some(disk),
            Err(reason) => {
                println!("no disk can be filled here ({reason}): that needs root; kills are drawn instead");
                None
            }
        };
        Ok(Ground {
            disk,
            source,
            target,
            program,
            traffic: [Traffic::default(), Traffic::default()],
            fired: false,
        })
    }

    pub(super) fn cluster(&mut self, side: Side) -> &mut Cluster {
        match side {
            Side::Source => &mut self.source,
            Side::Target => &mut self.target,
        }
    }

    /// After a run that broke off: both servers run, and the disk has room.
    pub(super) fn mend(&mut self) -> Result<(), String> {
        for cluster in [&mut self.source, &mut self.target] {
            if cluster.pid().is_none() {
                cluster.restart().map_err(|error| error.to_string())?;
            }
        }
        self.disk.as_ref().map_or(Ok(()), SmallDisk::clear)
    }
}

impl SmallDisk {
    /// Mounts it and makes a tablespace of it.
    async fn mount(target: &Cluster) -> Result<SmallDisk, String> {
        let admin = TestDatabase::create(&Server::of(target), "disk").await;
        let data = admin.value("SELECT current_setting('data_directory')").await;
        let data = PathBuf::from(data.unwrap_or_default());
        let path = data.parent().unwrap_or(Path::new("/")).join("disk");
        fs::create_dir(&path).map_err(|error| error.to_string())?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", DISK, "none"])
            .arg(&path)
            .output()
            .map_err(|error| format!("mount: {error}"))?;
        if !mounted.status.success() {
            return Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned());
        }
        let disk = SmallDisk { path };
        let owner = fs::metadata(&data).map_err(|error| error.to_string())?;
        let space = disk.path.join("space");
        fs::create_dir(&space).map_err(|error| error.to_string())?;
        chown(&space, Some(owner.uid()), Some(owner.gid())).map_err(|error| error.to_string())?;
        admin
            .run(&format!("CREATE TABLESPACE small LOCATION '{}'", space.display()))
            .await;
        Ok(disk)
    }

    /// Fills it, but for so many kilobytes.
    pub(super) fn fill(&self, but_kilobytes: u64) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("the disk cannot be filled: {error}");
        let mut ballast = File::create(self.ballast()).map_err(failed)?;
        let block = [1_u8; 1 << 16];
        while ballast.write_all(&block).is_ok() {}
        let size = ballast.metadata().map_err(failed)?.len();
        ballast
            .set_len(size.saturating_sub(but_kilobytes << 10))
            .map_err(failed)
    }

    /// Makes room again.
    pub(super) fn clear(&self) -> Result<(), String> {
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server still has files of it open.
        let unmounted = Command::new("umount").arg("-l").arg(&self.path).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.path.display());
        }
    }
}
