//! Two throw-away servers: the legacy database on one, the new application's on the other.

use std::time::Instant;

use driftless_cluster::{Cluster, ClusterError, ClusterOptions};
use driftless_core::code;
use driftless_pg::{ConnectConfig, PgError, Session};
use uuid::Uuid;

use crate::failure::Failure;
use crate::render;
use crate::terminal::Terminal;

/// Creates and fills the legacy database.
const LEGACY: &str = include_str!("../../../../examples/dental-lab/legacy.sql");

/// Creates the target: roles, platform, the new application's tables.
const TARGET: &str = include_str!("../../../../examples/dental-lab/target.sql");

/// Both servers, up and filled. They end with this value.
pub(super) struct Laboratory {
    pub(super) source: Cluster,
    pub(super) target: Cluster,
    /// Of the two roles that the demonstration works as.
    password: String,
}

impl Laboratory {
    /// Starts and fills both.
    pub(super) async fn start(terminal: &Terminal) -> Result<Laboratory, Failure> {
        let begin = Instant::now();
        let (source, target) = tokio::try_join!(start_one(), start_one())?;
        let laboratory = Laboratory {
            source,
            target,
            password: Uuid::new_v4().simple().to_string(),
        };
        let version = laboratory.source.binaries().major();
        terminal.print(&format!(
            "  two PostgreSQL {version} servers are up       {}\n",
            since(begin)
        ))?;
        let begin = Instant::now();
        tokio::try_join!(
            laboratory.fill(&laboratory.source, "legacy", LEGACY),
            laboratory.fill(&laboratory.target, "target", TARGET),
        )?;
        terminal.print(&format!(
            "  the legacy database is filled      {}\n",
            since(begin)
        ))?;
        Ok(laboratory)
    }

    async fn fill(&self, cluster: &Cluster, database: &str, script: &str) -> Result<(), PgError> {
        let admin = Session::connect(&ConnectConfig::parse(&cluster.admin_url())?, "demo").await?;
        admin.batch(&format!("CREATE DATABASE {database}")).await?;
        let inside = Session::connect(&ConnectConfig::parse(&cluster.url(database))?, "demo").await?;
        inside
            .batch(&format!("SET lab.password = '{}'", self.password))
            .await?;
        inside.batch(script).await
    }

    /// Leads to the legacy database, as the role that may only read.
    pub(super) fn source_url(&self) -> String {
        self.source.url_as("lab_reader", &self.password, "legacy")
    }

    /// Leads to the new application's database, as its owner, who is no superuser.
    pub(super) fn target_url(&self) -> String {
        self.target.url_as("lab_owner", &self.password, "target")
    }
}

fn since(begin: Instant) -> String {
    render::duration(i64::try_from(begin.elapsed().as_millis()).unwrap_or(i64::MAX))
}

async fn start_one() -> Result<Cluster, Failure> {
    let started = tokio::task::spawn_blocking(|| Cluster::start(&ClusterOptions::default())).await;
    match started {
        Ok(outcome) => outcome.map_err(|error| failure(&error)),
        Err(error) => Err(Failure::new(
            code::INTERNAL,
            "demo",
            format!("a server was not started: {error}"),
        )
        .remedy("report this with the message")),
    }
}

/// What went wrong with a server, and what to do about it.
pub(super) fn failure(error: &ClusterError) -> Failure {
    Failure::new(code::DEMO_SERVERS, "demo", error.to_string()).remedy(error.remedy())
}
