//! A directory with a mapping, two databases, and the program.

#![expect(clippy::unwrap_used, reason = "a test cannot go on either where these fail")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use driftless_pg::{ConnectConfig, Session};
use driftless_testkit::{TestDatabase, servers};
use serde_json::Value;
use tempfile::TempDir;

/// What a program came to.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    /// Fails with everything that was said unless the exit code is this.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Outcome {
        let Outcome { code: got, out, err } = &self;
        assert_eq!(*got, code, "\n--- stdout\n{out}\n--- stderr\n{err}");
        self
    }

    /// The document that was printed, of a schema that the reference describes.
    #[track_caller]
    pub(crate) fn document(&self) -> Value {
        let document: Value = serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err));
        let heading = format!("## {}\n", document["schema"].as_str().unwrap_or("no schema"));
        let reference = include_str!("../../../../docs/reference/json.md");
        assert!(reference.contains(&heading), "{heading}");
        document
    }
}

/// The program with these arguments in this directory, with nothing of the tester's own settings.
pub(crate) fn program(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
    command
        .current_dir(dir)
        .args(arguments)
        .env_remove("NO_COLOR")
        .env_remove("TERM")
        .env("HOME", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the program to its end.
pub(crate) fn run(dir: &Path, arguments: &[&str]) -> Outcome {
    end(program(dir, arguments).spawn().unwrap())
}

/// Waits for the end of a program.
pub(crate) fn end(child: Child) -> Outcome {
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Customers and their orders, with some dirt.
const SOURCE: &str = "
CREATE TABLE public.customer (id integer PRIMARY KEY, name text, mail text);
CREATE TABLE public.customer_order (id integer PRIMARY KEY, customer_id integer, amount text);
INSERT INTO public.customer SELECT i, 'Customer ' || i, 'c' || i || '@example.org' FROM generate_series(1, 200) AS i;
INSERT INTO public.customer_order
SELECT i, CASE i WHEN 7 THEN 999 ELSE 1 + i % 200 END, CASE i WHEN 9 THEN 'n/a' ELSE (i * 1.25)::text END
FROM generate_series(1, 1000) AS i;
";

const TARGET: &str = "
CREATE TABLE public.customers (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL, email text);
CREATE TABLE public.orders (
  id uuid PRIMARY KEY, customer_id uuid NOT NULL REFERENCES public.customers, amount numeric(12,2) NOT NULL);
CREATE INDEX orders_customer_idx ON public.orders (customer_id);
";

const MAPPING: &str = r#"include = ["entities/*.toml"]

[pipeline]
name = "shop"

[source]
url = "${SHOP_SOURCE}"

[target]
url = "${SHOP_TARGET}"

[defaults]
max_rejects = "5%"
"#;

const ENTITIES: &str = r#"[entities.customers]
from = "public.customer"
into = "public.customers"

[entities.customers.columns]
id = { id = true }
legacy_id = "id"
email = "mail"

[entities.orders]
from = "public.customer_order"
into = "public.orders"

[entities.orders.columns]
id = { id = true }
customer_id = { ref = "customers", from = "customer_id" }
amount = { sql = "amount::numeric(12,2)" }
"#;

/// A shop on its way from one database to another.
pub(crate) struct Desk {
    dir: TempDir,
    pub(crate) source: TestDatabase,
    pub(crate) target: TestDatabase,
}

impl Desk {
    /// Both databases filled, the mapping written, the connection strings in `.env`.
    pub(crate) async fn new(hint: &str) -> Desk {
        let desk = Desk::bare(hint).await;
        desk.source.run(SOURCE).await;
        desk.target.run(TARGET).await;
        desk.write("entities/shop.toml", ENTITIES);
        desk
    }

    /// Empty databases, a mapping without entities, the connection strings in `.env`.
    pub(crate) async fn bare(hint: &str) -> Desk {
        let servers = servers();
        let desk = Desk {
            dir: tempfile::tempdir().unwrap(),
            source: TestDatabase::create(&servers.source, hint).await,
            target: TestDatabase::create(&servers.target, hint).await,
        };
        desk.write("driftless.toml", MAPPING);
        let variables = format!(
            "SHOP_SOURCE='{}'\nSHOP_TARGET='{}'\n",
            desk.source.url(),
            desk.target.url()
        );
        desk.write(".env", &variables);
        desk
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.dir().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes something else in a file.
    pub(crate) fn edit(&self, name: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.dir().join(name)).unwrap();
        assert!(text.contains(old), "{old} is not in {name}");
        self.write(name, &text.replace(old, new));
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        run(self.dir(), arguments)
    }

    /// Starts the program and goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        program(self.dir(), arguments).spawn().unwrap()
    }

    /// One number of the target.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.target.value(sql).await.unwrap().parse().unwrap()
    }

    /// Replaces the customers of the source by a view that stops at one of them until [`Gate::open`].
    pub(crate) async fn gate(&self) -> Gate {
        let config = ConnectConfig::parse(&self.source.url()).unwrap();
        let holder = Session::connect(&config, "gate").await.unwrap();
        holder.batch("SELECT pg_advisory_lock(42)").await.unwrap();
        self.source
            .run(
                "ALTER TABLE public.customer RENAME TO customer_table;
                 CREATE FUNCTION public.pass(id integer) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
                 BEGIN
                   IF id = 100 THEN PERFORM pg_advisory_xact_lock_shared(42); END IF;
                   RETURN true;
                 END $$;
                 CREATE VIEW public.customer AS SELECT * FROM public.customer_table WHERE public.pass(id);",
            )
            .await;
        let entities = ENTITIES.replace(
            "into = \"public.customers\"",
            "into = \"public.customers\"\nkey = [\"id\"]",
        );
        self.write("entities/shop.toml", &entities);
        Gate(holder)
    }

    /// Waits until somebody stands before the gate.
    pub(crate) async fn somebody_waits(&self) {
        let waiting = format!(
            "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
             WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = '{}'",
            self.source.name()
        );
        driftless_testkit::wait_until("a reader at the gate", async || {
            self.source.value(&waiting).await.as_deref() != Some("0")
        })
        .await;
    }
}

/// A closed gate in the source.
pub(crate) struct Gate(Session);

impl Gate {
    /// Lets everybody pass from now on.
    pub(crate) async fn open(self) {
        self.0.batch("SELECT pg_advisory_unlock(42)").await.unwrap();
    }
}

/// Sends a signal to a running program.
pub(crate) fn signal(child: &Child, name: &str) {
    // The shell's own: a small system has no other.
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -{name} {}", child.id()))
        .status();
    assert!(status.unwrap().success());
}
