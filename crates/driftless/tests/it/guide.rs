//! The guide as it stands: its SQL prepares two servers, its mapping is the mapping, and its commands run as the roles that it
//! makes and as nobody else.

#![expect(clippy::unwrap_used, reason = "a test cannot go on either where these fail")]

use std::path::Path;

use driftless_testkit::{Cluster, ClusterOptions, Server, TestDatabase};
use tempfile::TempDir;

use crate::desk::{Outcome, run};

const GUIDE: &str = include_str!("../../../../docs/guide/first-migration.md");

/// The password that the guide tells its reader to choose.
const PASSWORD: &str = "choose one";

/// The blocks of one language below a heading, in order.
fn blocks(heading: &str, language: &str) -> Vec<String> {
    let section = GUIDE
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap_or_else(|| panic!("the guide has no section {heading}"));
    let opening = format!("```{language}\n");
    section
        .split(&opening)
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap().to_owned())
        .collect()
}

struct Reader {
    dir: TempDir,
    source: TestDatabase,
    target: TestDatabase,
    // Dropped last: the databases live there.
    _servers: [Cluster; 2],
}

impl Reader {
    /// Has done what the guide says up to the mapping, with this block of rights on the target.
    async fn prepared(rights: usize) -> Reader {
        let start = || Cluster::start(&ClusterOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        let servers = [start(), start()];
        let reader = Reader {
            source: TestDatabase::create(&Server::of(&servers[0]), "legacy").await,
            target: TestDatabase::create(&Server::of(&servers[1]), "app").await,
            dir: tempfile::tempdir().unwrap(),
            _servers: servers,
        };
        let sides = blocks("The two sides", "sql");
        let granted = blocks("Rights", "sql");
        reader.source.run(&sides[0]).await;
        reader.source.run(&granted[0]).await;
        reader.target.run(&sides[1]).await;
        let on_database = format!("ON DATABASE {}", reader.target.name());
        reader
            .target
            .run(&granted[rights].replace("ON DATABASE app", &on_database))
            .await;
        std::fs::write(
            reader.dir.path().join("driftless.toml"),
            &blocks("The mapping", "toml")[0],
        )
        .unwrap();
        reader
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes the connection strings of these roles.
    fn connects_as(&self, target: &str) {
        let variables = format!(
            "SOURCE_DATABASE_URL='{}'\nTARGET_DATABASE_URL='{}'\n",
            self.source.url_as("reader", PASSWORD),
            self.target.url_as(target, PASSWORD)
        );
        std::fs::write(self.dir().join(".env"), variables).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        run(self.dir(), arguments)
    }

    /// Everything that the guide does behind the mapping.
    async fn goes_on(&self) {
        self.run(&["check"]).expect(0);
        self.run(&["plan"]).expect(0);
        self.run(&["migrate"]).expect(1);
        let listed = self.run(&["rejects", "list"]).expect(0);
        for (key, code) in [("3", "DL0406"), ("3", "DL0404"), ("4", "DL0400")] {
            let there = listed
                .out
                .lines()
                .any(|line| line.contains(key) && line.contains(code));
            assert!(there, "{code} of {key}\n{}", listed.out);
        }
        self.source
            .run("UPDATE invoice SET amount = '9.90' WHERE id = 3")
            .await;
        self.run(&["rejects", "retry", "--entity", "invoices", "--key", "3", "--yes"]);
        self.run(&["rejects", "discard", "--code", "DL0400", "--yes"])
            .expect(0);
        let amount =
            "SELECT amount FROM invoices i JOIN driftless.identity_invoices d ON d.t1 = i.id WHERE d.k1 = 3";
        assert_eq!(self.target.value(amount).await.as_deref(), Some("9.90"));
        let looked_up = self.run(&["ids", "get", "customers", "1"]).expect(0);
        let id = self
            .target
            .value("SELECT driftless.uuid_for('customers', '1')")
            .await
            .unwrap();
        assert!(looked_up.out.contains(&id), "{}", looked_up.out);
        assert!(
            GUIDE.contains(&id),
            "the guide shows the UUID that comes out: {id}"
        );
        self.run(&["ids", "find", &id]).expect(0);
        self.run(&["validate"]).expect(0);
        self.run(&["status"]).expect(0);
        self.run(&["teardown", "--forget-identities", "--yes"]).expect(0);
        assert_eq!(
            self.target
                .value("SELECT count(*) FROM customers")
                .await
                .as_deref(),
            Some("2")
        );
    }
}

#[tokio::test]
async fn a_first_migration_as_the_owner_of_the_tables() {
    let reader = Reader::prepared(1).await;
    reader.connects_as("app_owner");
    reader.goes_on().await;
}

#[tokio::test]
async fn a_first_migration_as_a_role_that_owns_nothing() {
    let reader = Reader::prepared(2).await;
    reader.connects_as("loader");
    reader.goes_on().await;
}
