//! Connections: from a malformed string to a server that only reads.

#![expect(clippy::unwrap_used, reason = "a test cannot go on either where these fail")]

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use driftless_pg::ConnectConfig;
use driftless_testkit::{Cluster, ClusterOptions, FaultProxy, PoolMode, Pooler, wait_until};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::desk::{Desk, Outcome, end, program};

/// A desk whose target is somewhere else.
struct Elsewhere {
    desk: Desk,
    /// What differs from machine to machine, and what stands for it.
    replaced: Vec<(String, &'static str)>,
}

impl Elsewhere {
    async fn new(hint: &str) -> Elsewhere {
        let desk = Desk::new(hint).await;
        let port = |url: &str| ConnectConfig::parse(url).unwrap().port().to_string();
        let replaced = vec![
            (desk.target.name().to_owned(), "TARGET"),
            (desk.source.name().to_owned(), "SOURCE"),
            (port(&desk.target.url()), "PORT"),
            (port(&desk.source.url()), "PORT"),
        ];
        Elsewhere { desk, replaced }
    }

    /// The target's URL with another beginning: `user:password@host:port`.
    fn at(&self, authority: &str) -> String {
        format!("postgres://{authority}/{}", self.desk.target.name())
    }

    fn authority(&self) -> String {
        let url = self.desk.target.url();
        let after = url.split_once("://").unwrap().1;
        after.rsplit_once('/').unwrap().0.to_owned()
    }

    /// `host:port` of the target's server.
    fn address(&self) -> String {
        self.authority().rsplit_once('@').unwrap().1.to_owned()
    }

    fn replace(&mut self, text: impl Into<String>, by: &'static str) {
        self.replaced.push((text.into(), by));
    }

    /// Runs `check` with this target, and what it said, comparable.
    fn check(&self, target: &str) -> String {
        self.check_with(target, &[])
    }

    fn check_with(&self, target: &str, variables: &[(&str, &str)]) -> String {
        let source = self.desk.source.url();
        let lines = format!(
            "SHOP_SOURCE='{source}'\nSHOP_TARGET='{target}'\nDRIFTLESS_TARGET__ACQUIRE_TIMEOUT=300ms\n"
        );
        self.desk.write(".env", &lines);
        let mut command = program(self.desk.dir(), &["check"]);
        command.envs(variables.iter().copied());
        self.told(&run(command))
    }

    fn told(&self, outcome: &Outcome) -> String {
        let mut text = format!("exit code {}\n{}", outcome.code, outcome.err);
        for (found, by) in &self.replaced {
            text = text.replace(found, by);
        }
        assert!(!text.contains("secret"), "{text}");
        text
    }
}

fn run(mut command: Command) -> Outcome {
    end(command.spawn().unwrap())
}

#[tokio::test]
async fn malformed_strings_and_missing_variables() {
    let there = Elsewhere::new("malformed").await;
    insta::assert_snapshot!(
        "malformed_url",
        there.check("postgres://ann:sec/ret@db.example.org/shop")
    );
    insta::assert_snapshot!(
        "unknown_keyword",
        there.check("postgres://ann:secret@db.example.org/shop?pgbouncer=true")
    );
    there.desk.write(".env", "SHOP_SOURCE='x'\n");
    let missing = there.told(&there.desk.run(&["check"]));
    insta::assert_snapshot!("missing_variable", missing);
}

// The proxy works while the program runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_users() {
    let mut there = Elsewhere::new("refused").await;
    let proxy = FaultProxy::start(&there.at(&format!("postgres:secret_but_wrong@{}", there.address()))).await;
    there.replace(
        ConnectConfig::parse(proxy.url()).unwrap().port().to_string(),
        "PORT",
    );
    insta::assert_snapshot!("wrong_password", there.check(proxy.url()));
    assert_eq!(proxy.connections(), 1, "a wrong password is tried once");
    let none = there.at(&format!("postgres@{}", there.address()));
    insta::assert_snapshot!("no_password", there.check(&none));
    insta::assert_snapshot!(
        "wrong_password_of_variable",
        there.check_with(&none, &[("PGPASSWORD", "secret_but_wrong")])
    );
    // A password file that others may read.
    let file = there.desk.dir().join("passwords");
    std::fs::write(&file, "*:*:*:*:secret\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    there.replace(there.desk.dir().display().to_string(), "DIR");
    let named = file.display().to_string();
    insta::assert_snapshot!(
        "open_password_file",
        there.check_with(&none, &[("PGPASSFILE", named.as_str())])
    );
}

#[tokio::test]
async fn poolers() {
    let mut there = Elsewhere::new("poolers").await;
    let admin = there.desk.target.server().admin_url();
    let session = Pooler::start(&admin, PoolMode::Session, "");
    let transaction = Pooler::start(&admin, PoolMode::Transaction, "");
    let name = there.desk.target.name().to_owned();
    for pooler in [&session, &transaction] {
        there.replace(
            ConnectConfig::parse(&pooler.url(&name))
                .unwrap()
                .port()
                .to_string(),
            "PORT",
        );
    }
    insta::assert_snapshot!(
        "wrong_user_at_a_pooler",
        there.check(&session.url_as("nobody_here", "secret", &name))
    );
    insta::assert_snapshot!("transaction_pooler", there.check(&transaction.url(&name)));
    // In session mode everything goes through a pooler, on both sides.
    let source = Pooler::start(&there.desk.source.server().admin_url(), PoolMode::Session, "");
    let lines = format!(
        "SHOP_SOURCE='{}'\nSHOP_TARGET='{}'\n",
        source.url(there.desk.source.name()),
        session.url(&name)
    );
    there.desk.write(".env", &lines);
    there.desk.run(&["migrate"]).expect(1);
    assert_eq!(there.desk.count("SELECT count(*) FROM public.orders").await, 998);
}

#[tokio::test]
async fn servers_that_are_not_there() {
    let mut there = Elsewhere::new("nothere").await;
    let authority = there.authority();
    let user = authority.rsplit_once('@').unwrap().0;
    insta::assert_snapshot!(
        "wrong_host",
        there.check(&there.at(&format!("{user}@no.such.host.invalid:5432")))
    );
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    there.replace(closed.port().to_string(), "PORT");
    insta::assert_snapshot!("server_down", there.check(&there.at(&format!("{user}@{closed}"))));
    insta::assert_snapshot!(
        "only_ipv6",
        there
            .check(&there.at(&format!("{user}@[2001:db8::1]:5432")))
            .replace(&ipv6_reason(), "REASON")
    );
    insta::assert_snapshot!(
        "wrong_database",
        there.check(&format!("postgres://{authority}/no_such_database"))
    );
}

/// Why this machine cannot reach the documentation's addresses of IPv6.
fn ipv6_reason() -> String {
    let address = "[2001:db8::1]:5432".parse().unwrap();
    match std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_millis(270)) {
        Ok(_) => panic!("somebody answers at an address that is for documentation only"),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => "no answer within 27 s".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn servers_that_refuse_for_now() {
    let mut there = Elsewhere::new("fornow").await;
    let role = format!("r_{}", there.desk.target.name());
    there
        .desk
        .target
        .run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'secret' CONNECTION LIMIT 0"
        ))
        .await;
    there.replace(role.clone(), "ROLE");
    // The role's name holds the database's.
    there.replaced.rotate_right(1);
    insta::assert_snapshot!(
        "out_of_connections",
        there.check(&there.desk.target.url_as(&role, "secret"))
    );
    let target = &there.desk.target;
    target
        .run(&format!(
            "DROP ROLE {role}; ALTER DATABASE {} SET default_transaction_read_only = on",
            target.name()
        ))
        .await;
    insta::assert_snapshot!("read_only_target", there.check(&target.url()));
    insta::assert_snapshot!(
        "not_in_the_state_asked_for",
        there.check(&format!("{}?target_session_attrs=read-write", target.url()))
    );
}

/// Files of a server with TLS whose certificates, a valid one and an expired one, name `db.example.org`; and the roots.
struct Certificates {
    files: Vec<(String, String)>,
    root: String,
    other_root: String,
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), root)
}

fn certificates() -> Certificates {
    let (issuer, root) = authority("our root");
    let (_, other_root) = authority("another root");
    let key = KeyPair::generate().unwrap();
    let signed = |until: i32| {
        let mut params = CertificateParams::new(vec!["db.example.org".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.signed_by(&key, &issuer).unwrap().pem()
    };
    let file = |name: &str, text: String| (name.to_owned(), text);
    Certificates {
        files: vec![
            file("server.crt", signed(2999)),
            file("expired.crt", signed(2002)),
            file("server.key", key.serialize_pem()),
        ],
        root,
        other_root,
    }
}

#[tokio::test]
async fn encryption() {
    let mut there = Elsewhere::new("encryption").await;
    let plain = there.desk.target.url();
    insta::assert_snapshot!(
        "tls_required_and_absent",
        there.check(&format!("{plain}?sslmode=require"))
    );

    let certificates = certificates();
    let cluster = Cluster::start(&ClusterOptions {
        settings: vec![("ssl".to_owned(), "on".to_owned())],
        files: certificates.files.clone(),
        ..ClusterOptions::default()
    })
    .unwrap_or_else(|error| panic!("{error}"));
    there.replace(cluster.port().to_string(), "PORT");
    there.desk.write("root.pem", &certificates.root);
    there.desk.write("other.pem", &certificates.other_root);
    let url = |host: &str, root: &str| {
        let url = cluster.admin_url().replace("127.0.0.1", host);
        format!(
            "{url}?sslmode=verify-full&sslrootcert={}&hostaddr=127.0.0.1",
            there.desk.dir().join(root).display()
        )
    };
    insta::assert_snapshot!("wrong_ca", there.check(&url("db.example.org", "other.pem")));
    insta::assert_snapshot!("wrong_host_name", there.check(&url("localhost", "root.pem")));
    let config = ConnectConfig::parse(&url("db.example.org", "root.pem")).unwrap();
    let admin = driftless_pg::Session::connect(&config, "test").await.unwrap();
    admin
        .batch("ALTER SYSTEM SET ssl_cert_file = 'expired.crt'")
        .await
        .unwrap();
    admin.batch("SELECT pg_reload_conf()").await.unwrap();
    wait_until("the other certificate", async || {
        driftless_pg::Session::connect(&config, "test").await.is_err()
    })
    .await;
    insta::assert_snapshot!(
        "expired_certificate",
        there.check(&url("db.example.org", "root.pem"))
    );
}

#[tokio::test]
async fn variables_and_files_of_libpq_serve() {
    let there = Elsewhere::new("libpq").await;
    let authority = there.authority();
    let (credentials, address) = authority.rsplit_once('@').unwrap();
    let (user, password) = credentials.split_once(':').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    // The source by a service whose password stands in a file; the target by variables of the `.env` file.
    let source = ConnectConfig::parse(&there.desk.source.url()).unwrap();
    let services = format!(
        "[legacy]\nhost={}\nport={}\ndbname={}\nuser={user}\n",
        source.host(),
        source.port(),
        there.desk.source.name()
    );
    there.desk.write("services", &services);
    there.desk.write(
        ".pgpass",
        &format!("*:*:*:{user}:{}\n", source_password(&there.desk.source.url())),
    );
    let file = there.desk.dir().join(".pgpass");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let lines = format!(
        "SHOP_SOURCE='service=legacy servicefile={}'\nSHOP_TARGET='postgres://:{password}@/'\nPGHOST={host}\nPGPORT={port}\n\
         PGUSER={user}\nPGDATABASE={}\n",
        there.desk.dir().join("services").display(),
        there.desk.target.name()
    );
    there.desk.write(".env", &lines);
    let mut command = program(there.desk.dir(), &["check"]);
    command.env("HOME", there.desk.dir());
    run(command).expect(0);
}

fn source_password(url: &str) -> String {
    let credentials = url.split_once("://").unwrap().1.rsplit_once('@').unwrap().0;
    credentials.split_once(':').unwrap().1.to_owned()
}
