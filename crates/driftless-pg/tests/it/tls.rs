use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use driftless_pg::{ErrorKind, Param};
use driftless_testkit::{Cluster, ClusterOptions, wait_until};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::{connect, one, refused, try_connect};

/// A certificate with its key, in PEM.
struct Identity {
    certificate: String,
    key: String,
}

/// A CA that signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Authority {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    fn sign(&self, common_name: &str, hosts: &[&str]) -> Identity {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        Identity {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A server with this certificate that, over TLS, wants one of this CA from the role `certified`.
fn server(identity: &Identity, clients: &Authority) -> Cluster {
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    Cluster::start(&ClusterOptions {
        settings: vec![setting("ssl", "on"), setting("ssl_ca_file", "clients.pem")],
        access: [
            "hostssl all certified 0.0.0.0/0 cert",
            "hostssl all in_clear 0.0.0.0/0 reject",
            "hostnossl all encrypted 0.0.0.0/0 reject",
        ]
        .map(str::to_owned)
        .to_vec(),
        files: vec![
            file("server.crt", &identity.certificate),
            file("server.key", &identity.key),
            file("clients.pem", &clients.certificate),
        ],
        ..ClusterOptions::default()
    })
    .unwrap_or_else(|error| panic!("{error}"))
}

/// Files on the client's side.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        // Keys are refused that others may read.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    }
}

/// The URL by another host name.
fn by_name(cluster: &Cluster, host: &str) -> String {
    cluster.admin_url().replace("127.0.0.1", host)
}

/// `allow` and `prefer` get roles in that the server admits in one way only.
async fn the_other_way_is_tried_where_encryption_is_a_matter_of_taste(cluster: &Cluster) {
    let admin = connect(&cluster.admin_url()).await;
    let roles = "CREATE ROLE in_clear LOGIN PASSWORD 'x'; CREATE ROLE encrypted LOGIN PASSWORD 'x'";
    admin.batch(roles).await.unwrap();
    for (role, mode, encrypted) in [
        ("in_clear", "prefer", Some(false)),
        ("in_clear", "allow", Some(false)),
        ("in_clear", "require", None),
        ("encrypted", "prefer", Some(true)),
        ("encrypted", "allow", Some(true)),
        ("encrypted", "disable", None),
    ] {
        let url = format!(
            "postgres://{role}:x@127.0.0.1:{}/postgres?sslmode={mode}",
            cluster.port()
        );
        match encrypted {
            Some(encrypted) => assert_eq!(connect(&url).await.is_encrypted(), encrypted, "{url}"),
            None => {
                let error = refused(try_connect(&url).await);
                assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
                assert!(error.remedy().unwrap().contains("pg_hba.conf"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn certificates_are_checked_as_far_as_demanded() {
    let (ours, other) = (Authority::new("our root"), Authority::new("another root"));
    let cluster = server(&ours.sign("db", &["localhost"]), &ours);
    let files = Files::new();
    let root = files.write("root.pem", &ours.certificate);
    let wrong = files.write("wrong.pem", &other.certificate);
    let both = files.write("both.pem", &format!("{}{}", other.certificate, ours.certificate));
    let (named, numbered) = (by_name(&cluster, "localhost"), by_name(&cluster, "127.0.0.1"));

    for (url, encrypted) in [
        (format!("{numbered}?sslmode=disable"), false),
        (numbered.clone(), true),
        (format!("{numbered}?sslmode=require"), true),
        (format!("{numbered}?sslmode=require&sslrootcert={root}"), true),
        (format!("{numbered}?sslmode=verify-ca&sslrootcert={root}"), true),
        (format!("{named}?sslmode=verify-full&sslrootcert={root}"), true),
        (format!("{named}?sslmode=verify-full&sslrootcert={both}"), true),
        (
            format!("{named}?sslmode=verify-full&sslrootcert={root}&hostaddr=127.0.0.1"),
            true,
        ),
        (
            format!("{named}?sslmode=verify-full&sslrootcert={root}&channel_binding=require"),
            true,
        ),
        (format!("{named}?sslmode=require&channel_binding=disable"), true),
        (format!("{numbered}?sslmode=allow"), false),
        (format!("{numbered}?sslmode=prefer"), true),
    ] {
        let session = connect(&url).await;
        assert_eq!(session.is_encrypted(), encrypted, "{url}");
        let there: bool = one(
            &session,
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        )
        .await;
        assert_eq!(there, encrypted, "{url}");
    }

    the_other_way_is_tried_where_encryption_is_a_matter_of_taste(&cluster).await;

    let version = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    for (bound, expected) in [
        ("ssl_max_protocol_version=TLSv1.2", "TLSv1.2"),
        ("ssl_min_protocol_version=TLSv1.3", "TLSv1.3"),
    ] {
        let session = connect(&format!("{named}?sslmode=require&{bound}")).await;
        assert_eq!(one::<String>(&session, version).await, expected);
    }

    for (url, part, remedy) in [
        (
            format!("{numbered}?sslmode=verify-full&sslrootcert={root}"),
            "it names localhost",
            "verify-ca",
        ),
        (
            format!("{named}?sslmode=verify-full&sslrootcert={wrong}"),
            "not issued by a root",
            "sslrootcert",
        ),
        (
            format!("{named}?sslmode=verify-ca&sslrootcert={wrong}"),
            "not issued by a root",
            "sslrootcert",
        ),
        (
            format!("{named}?sslmode=require&sslrootcert={wrong}"),
            "not issued by a root",
            "sslrootcert",
        ),
        (
            format!("{named}?sslrootcert=system"),
            "not issued by a root",
            "sslrootcert",
        ),
        (
            format!("{named}?sslmode=verify-full&sslrootcert=/nowhere.pem"),
            "/nowhere.pem",
            "PEM",
        ),
    ] {
        let error = refused(try_connect(&url).await);
        assert_eq!(error.kind(), ErrorKind::Tls, "{url}: {error}");
        assert!(error.to_string().contains(part), "{url}: {error}");
        assert!(
            error.remedy().unwrap().contains(remedy),
            "{url}: {:?}",
            error.remedy()
        );
    }
}

#[tokio::test]
async fn clients_show_certificates_and_cancel_over_tls() {
    let ours = Authority::new("our root");
    // Only a common name, as old certificates have.
    let cluster = server(&ours.sign("localhost", &[]), &ours);
    let files = Files::new();
    let root = files.write("root.pem", &ours.certificate);
    let client = ours.sign("certified", &[]);
    let (certificate, key) = (
        files.write("client.crt", &client.certificate),
        files.write("client.key", &client.key),
    );
    let admin = connect(&format!("{}?sslmode=require", cluster.admin_url())).await;
    admin.batch("CREATE ROLE certified LOGIN").await.unwrap();

    let url = format!(
        "postgres://certified@127.0.0.1:{}/postgres?sslmode=verify-ca&sslrootcert={root}",
        cluster.port()
    );
    let session = connect(&format!("{url}&sslcert={certificate}&sslkey={key}")).await;
    assert_eq!(
        one::<String>(&session, "SELECT current_user::text").await,
        "certified"
    );
    let error = refused(try_connect(&url).await);
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    let error = refused(try_connect(&format!("{url}&sslcert={certificate}&sslkey={certificate}")).await);
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = refused(try_connect(&format!("{url}&sslcert={certificate}&sslkey={key}")).await);
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    assert!(error.remedy().unwrap().contains("chmod 600"), "{error}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let error = refused(
        try_connect(&format!(
            "{}?sslmode=verify-full&sslrootcert={root}",
            cluster.admin_url()
        ))
        .await,
    );
    assert!(error.to_string().contains("names no host at all"), "{error}");

    let canceller = session.canceller();
    let pid = session.backend_pid();
    let waited = tokio::spawn(async move { refused(session.batch("SELECT pg_sleep(600)").await) });
    wait_until("the statement to run", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
        let row = admin.query_one(sql, &[Param::int4(pid)]).await;
        row.and_then(|row| row.get::<i64>(0)).unwrap() == 1
    })
    .await;
    canceller.cancel().await.unwrap();
    assert_eq!(waited.await.unwrap().sqlstate(), Some("57014"));
}

#[tokio::test]
async fn a_self_signed_server_can_be_trusted_by_its_own_certificate() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let identity = Identity {
        certificate: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    };
    let other = Authority::new("another root");
    let cluster = server(&identity, &other);
    let files = Files::new();
    let own = files.write(
        "own.pem",
        &format!("{}{}", other.certificate, identity.certificate),
    );
    let wrong = files.write("wrong.pem", &other.certificate);
    let named = by_name(&cluster, "localhost");

    for url in [
        format!("{named}?sslmode=verify-full&sslrootcert={own}"),
        format!("{}?sslmode=verify-ca&sslrootcert={own}", cluster.admin_url()),
    ] {
        assert!(connect(&url).await.is_encrypted());
    }
    for url in [
        format!("{}?sslmode=verify-full&sslrootcert={own}", cluster.admin_url()),
        format!("{named}?sslmode=verify-ca&sslrootcert={wrong}"),
    ] {
        assert_eq!(refused(try_connect(&url).await).kind(), ErrorKind::Tls, "{url}");
    }
}
