use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::*;

/// Every byte but letters and digits as `%` and two digits.
fn percent_encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_both_forms(user in "\\PC{1,9}", secret in "\\PC{1,9}", database in "\\PC{1,9}", port in 1u16..) {
        let url = format!(
            "postgres://{}:{}@h:{port}/{}",
            percent_encoded(&user),
            percent_encoded(&secret),
            percent_encoded(&database)
        );
        let words = format!(
            "host=h port={port} user={} password = {}\tdbname={}",
            quoted(&user),
            quoted(&secret),
            quoted(&database)
        );
        for text in [url, words] {
            let config = parse(&text);
            prop_assert_eq!((config.user(), config.database(), config.port()), (&*user, &*database, port));
            prop_assert_eq!(password(&text), secret.clone());
        }
    }

    #[test]
    fn no_text_makes_it_panic(
        text in any::<String>(),
        parts in vec(proptest::sample::select(vec![
            "postgres://", "postgresql://", "@", "/", ":", "?", "&", "=", "%", "%4", "%41", "%00", "[", "]", "::1", ",", "'", "\\", " ", "é",
            "user=u", "host=", "port=", "5432", "hostaddr=1.1.1.1", "sslmode=", "require", "service=s", "passfile=/none", "\0", "\n",
        ]), 0..12),
    ) {
        for text in [text, parts.concat()] {
            match ConnectConfig::parse(&text) {
                Ok(config) => prop_assert!(!config.place().is_empty()),
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Url),
            }
        }
    }
}

#[test]
fn only_what_begins_as_a_url_is_one() {
    assert_eq!(password("host=h user=u password=://"), "://");
    assert_eq!(password("user=u password = 'http://x'"), "http://x");
    for text in ["mysql://u@h/d", "jdbc:postgresql://h/d", "git+ssh://h"] {
        let error = ConnectConfig::parse(text).expect_err("no URL of PostgreSQL");
        assert!(
            error.to_string().contains("URL of another kind"),
            "{text}: {error}"
        );
    }
}

fn parse(text: &str) -> ConnectConfig {
    ConnectConfig::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn password(text: &str) -> String {
    parse(text)
        .endpoint
        .password
        .map(|secret| secret.expose().to_owned())
        .unwrap_or_default()
}

#[test]
fn places() {
    for (text, place) in [
        ("postgres://u@h/d", "u@h:5432/d"),
        ("postgresql://u:p@h:6543/d?application_name=x", "u@h:6543/d"),
        ("postgres://u:p@[::1]:5433/d", "u@[::1]:5433/d"),
        ("postgres://u:p@[2001:db8::1]/d", "u@[2001:db8::1]:5432/d"),
        ("postgres://u@h", "u@h:5432/u"),
        ("postgres://u@h/", "u@h:5432/u"),
        (
            "postgres:///d?host=/run/postgresql&user=u",
            "u@/run/postgresql:5432/d",
        ),
        ("postgres://u@%2Frun%2Fpostgresql/d", "u@/run/postgresql:5432/d"),
        ("postgres://u%40corp:p@h/d%2Fe", "u@corp@h:5432/d/e"),
        (
            "postgres://postgres.abcdef:p@aws-1-eu.pooler.supabase.com:5432/postgres",
            "postgres.abcdef@aws-1-eu.pooler.supabase.com:5432/postgres",
        ),
        ("host=h user=u dbname=d port=1", "u@h:1/d"),
        ("  host = h\tuser='a b' dbname = 'it\\'s' ", "a b@h:5432/it's"),
        ("hostaddr=10.0.0.1 user=u", "u@10.0.0.1:5432/u"),
        ("user=u", "u@localhost:5432/u"),
        ("postgres://u@h1,h2:5433/d", "u@h1:5432,h2:5433/d"),
        ("postgres://u@[::1]:1,[::2]/d", "u@[::1]:1,[::2]:5432/d"),
        ("host=h1,h2 port=7 user=u", "u@h1:7,h2:7/u"),
        ("host=h1,/tmp,h3 port=1,2,3 user=u", "u@h1:1,/tmp:2,h3:3/u"),
        (
            "hostaddr=10.0.0.1,10.0.0.2 user=u",
            "u@10.0.0.1:5432,10.0.0.2:5432/u",
        ),
    ] {
        assert_eq!(parse(text).place(), place, "{text}");
    }
}

#[test]
fn passwords_of_every_kind() {
    for (text, expected) in [
        ("postgres://u:p%40ss%2Fw%3Ao%25rd@h/d", "p@ss/w:o%rd"),
        ("postgres://u:a:b:c@h/d", "a:b:c"),
        ("postgres://u:?#&=+@h/d", "?#&=+"),
        ("postgres://u:%F0%9F%94%91@h/d", "🔑"),
        ("postgres://u:schlüssel@h/d", "schlüssel"),
        ("postgres://u:@h/d", ""),
        ("postgres://u@h/d?password=x%20y", "x y"),
        (r"user=u password='it''", ""),
        (r"user=u password='it\'s \\ fine' host=h", r"it's \ fine"),
        (r"user=u password=back\\slash\ space", r"back\slash space"),
        ("user=u password=a=b", "a=b"),
    ] {
        let quoted_twice = text.contains("it''");
        if quoted_twice {
            assert!(ConnectConfig::parse(text).is_err(), "{text}");
        } else {
            assert_eq!(password(text), expected, "{text}");
        }
    }
}

#[test]
fn nothing_of_a_password_is_printed() {
    let config = parse("postgres://u:hunter2secret@h/d");
    assert!(!format!("{config:?} {}", config.place()).contains("hunter2"));
    for text in [
        "postgres://u:hunter2@hunter2@h/d",
        "postgres://u:hunter2/hunter2@h/d",
        "postgres://u:hunter2%ZZ@h/d",
        "postgres://u:hunter2%@h/d",
        "postgres://u:x/hunter2:hunter2@h/d",
        "user=u password='hunter2",
        "user=u password=hunter2 hunter2 host=h",
        "hunter2",
    ] {
        let Err(error) = ConnectConfig::parse(text) else {
            continue;
        };
        let shown = format!("{error} {error:?} {:?}", error.remedy());
        assert!(!shown.contains("hunter2"), "{text}: {shown}");
        assert_eq!(error.kind(), ErrorKind::Url);
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (text, part) in [
        ("", "names no user"),
        ("postgres://h/d", "names no user"),
        ("mysql://u@h/d", "another kind"),
        ("postgres://u@h/d?pgbouncer=true", "`pgbouncer`"),
        ("postgres://u@h/d?pgbouncer=", "`pgbouncer`"),
        ("postgres://u@h/d?sslmode=full", "verify-full"),
        ("postgres://u@h/d?sslmode", "without a value"),
        (
            "host=h1,h2 hostaddr=10.0.0.1 user=u",
            "as many hosts as addresses",
        ),
        ("host=h1,h2 port=1,2,3 user=u", "as many ports as hosts"),
        ("postgres://u@h/d?load_balance_hosts=yes", "`load_balance_hosts`"),
        ("postgres://u@h/d?sslnegotiation=direct", "`sslnegotiation`"),
        (
            "postgres://u@h/d?ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2",
            "is above",
        ),
        ("postgres://u@h/d?sslcrl=x", "`sslcrl`"),
        ("postgres://u@h/d?require_auth=md5", "`require_auth`"),
        ("postgres://u@h/d?service=nowhere", "no service `nowhere`"),
        ("postgres://u@h/d?service=x&servicefile=/nowhere", "/nowhere"),
        ("postgres://u@h:0/d", "port"),
        ("postgres://u@h:99999/d", "port"),
        ("postgres://u:pa/ss@h/d", "port"),
        ("postgres://u:p@ss@h/d", "contains `@`"),
        ("postgres://u@[::1/d", "without `]`"),
        ("postgres://u@h/d?connect_timeout=soon", "`connect_timeout`"),
        ("postgres://u@h/d?sslcert=x", "sslkey"),
        (
            "postgres://u@h/d?sslrootcert=system&sslmode=require",
            "verify-full",
        ),
        ("postgres://u@h/d?client_encoding=latin1", "`client_encoding`"),
        ("postgres://u@h/d?hostaddr=nowhere", "`hostaddr`"),
        ("host=h user", "neither a URL"),
        ("host=h user=u password='x", "not closed"),
    ] {
        let error = ConnectConfig::parse(text)
            .err()
            .unwrap_or_else(|| panic!("{text} was accepted"));
        assert!(error.cause().contains(part), "{text}: {error}");
    }
}

#[test]
fn encryption_unless_it_cannot_leave_this_machine() {
    for (text, mode) in [
        ("postgres://u@db.example.org/d", SslMode::Require),
        ("postgres://u@localhost/d", SslMode::Prefer),
        ("postgres://u@LocalHost/d", SslMode::Prefer),
        ("postgres://u@127.0.0.5/d", SslMode::Prefer),
        ("postgres://u@[::1]/d", SslMode::Prefer),
        ("host=/tmp user=u", SslMode::Prefer),
        ("postgres://u@localhost/d?hostaddr=10.0.0.1", SslMode::Require),
        ("postgres://u@db.example.org/d?sslmode=disable", SslMode::Disable),
        (
            "postgres://u@db.example.org/d?sslrootcert=system",
            SslMode::VerifyFull,
        ),
        ("postgres://u@localhost/d?ssl=true", SslMode::Require),
        ("postgres://u@localhost/d?sslmode=verify-ca", SslMode::VerifyCa),
    ] {
        assert_eq!(parse(text).ssl_mode(), mode, "{text}");
    }
}

#[test]
fn settings_and_their_defaults() {
    let config = parse("postgres://u@h/d");
    assert_eq!(config.connect_timeout, Some(Duration::from_secs(30)));
    assert!(config.keepalives.enabled);
    assert_eq!(config.keepalives.idle, Duration::from_secs(30));
    let config = parse(
        "postgres://u@h/d?connect_timeout=0&keepalives=0&options=-c%20jit%3Doff&sslrootcert=/a%20b.pem&gssencmode=disable\
         &channel_binding=require&target_session_attrs=read-write&tcp_user_timeout=1500&sslmode=verify-full&port=7",
    );
    assert_eq!(config.connect_timeout, None);
    assert!(!config.keepalives.enabled);
    assert_eq!(config.options.as_deref(), Some("-c jit=off"));
    assert_eq!(config.sslrootcert, Some(PathBuf::from("/a b.pem")));
    assert_eq!(config.channel_binding, ChannelBinding::Require);
    assert_eq!(config.session_attrs, SessionAttrs::ReadWrite);
    assert_eq!(config.keepalives.user_timeout, Some(Duration::from_millis(1500)));
    assert_eq!(config.port(), 7);
    assert_eq!(config.with_database("other").database(), "other");
}

/// A home with these files, which only their owner may read, and the variables of somebody who lives there.
fn at_home(files: &[(&str, &str)], variables: &[(&str, &str)]) -> (tempfile::TempDir, Surroundings) {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut all: Vec<(String, String)> = variables.iter().map(owned).collect();
    all.push(("HOME".to_owned(), home.path().display().to_string()));
    (home, Surroundings::of(all))
}

fn within(text: &str, surroundings: &Surroundings) -> ConnectConfig {
    ConnectConfig::parse_within(text, surroundings).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn passwords(config: &ConnectConfig) -> Vec<&str> {
    config
        .endpoints()
        .map(|endpoint| endpoint.password.as_ref().map_or("", Secret::expose))
        .collect()
}

#[test]
fn the_string_wins_over_the_service_and_that_over_variables() {
    let services = "[shop]\nhost=of-service\nport=1111\nuser=service_user\nsslmode=verify-full\n";
    let (_home, surroundings) = at_home(
        &[(".pg_service.conf", services)],
        &[
            ("PGSERVICE", "shop"),
            ("PGHOST", "of-variable"),
            ("PGPORT", "2222"),
            ("PGDATABASE", "variable_db"),
            ("PGPASSWORD", "hunter2"),
            ("PGAPPNAME", "loader"),
            ("PGCONNECT_TIMEOUT", "7"),
            ("PGTARGETSESSIONATTRS", "primary"),
            ("PGCLIENTENCODING", "LATIN1"),
        ],
    );
    let config = within("user=me", &surroundings);
    assert_eq!(config.place(), "me@of-service:1111/variable_db");
    assert_eq!(config.ssl_mode(), SslMode::VerifyFull);
    assert_eq!(passwords(&config), ["hunter2"]);
    assert_eq!(config.application_name.as_deref(), Some("loader"));
    assert_eq!(config.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(config.session_attrs, SessionAttrs::Primary);
    assert!(!format!("{config:?}{surroundings:?}").contains("hunter2"));
    let config = within("postgres://h:3/d?sslmode=disable&password=own", &surroundings);
    assert_eq!(config.place(), "service_user@h:3/d");
    assert_eq!(
        (config.ssl_mode(), passwords(&config)),
        (SslMode::Disable, vec!["own"])
    );
    // Everything from around, and a value that is explicitly nothing.
    assert_eq!(
        within("postgres://", &surroundings).place(),
        "service_user@of-service:1111/variable_db"
    );
    assert_eq!(
        within("port='' dbname=''", &surroundings).place(),
        "service_user@of-service:5432/service_user"
    );
}

#[test]
fn a_variable_with_an_impossible_value_is_named() {
    for (name, value, part) in [
        ("PGPORT", "many", "the variable PGPORT gives `port`"),
        ("PGSSLMODE", "on", "the variable PGSSLMODE gives `sslmode`"),
        ("PGREQUIREAUTH", "md5", "PGREQUIREAUTH is set"),
        ("PGSSLCRL", "/x", "PGSSLCRL is set"),
    ] {
        let (_home, surroundings) = at_home(&[], &[(name, value)]);
        let error = ConnectConfig::parse_within("user=u", &surroundings).unwrap_err();
        assert!(error.cause().contains(part), "{error}");
    }
    let (_home, surroundings) = at_home(&[(".pg_service.conf", "[a]\nhots=x\n")], &[]);
    let error = ConnectConfig::parse_within("user=u service=a", &surroundings).unwrap_err();
    assert!(
        error.cause().contains("the service `a` has the keyword `hots`"),
        "{error}"
    );
    // What nobody asks for is not looked at.
    let (_home, surroundings) = at_home(&[], &[("USER", "ann"), ("LANG", "x"), ("PGHOST", "")]);
    assert_eq!(within("", &surroundings).place(), "ann@localhost:5432/ann");
}

#[test]
fn each_server_has_its_own_line_in_the_password_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = "h1:5432:*:u:first\nh2:*:d:u:second\n10.0.0.9:*:*:u:ninth\nlocalhost:*:*:u:here\n";
    let (home, surroundings) = at_home(&[(".pgpass", file), ("other", "*:*:*:*:any\n")], &[]);
    let of = |text: &str| within(text, &surroundings);
    assert_eq!(passwords(&of("postgres://u@h1,h2,h3/d")), ["first", "second", ""]);
    assert_eq!(passwords(&of("hostaddr=10.0.0.9 user=u")), ["ninth"]);
    assert_eq!(passwords(&of("host=/var/run/postgresql user=u")), ["here"]);
    assert_eq!(passwords(&of("postgres://u:own@h1/d")), ["own"]);
    let other = home.path().join("other").display().to_string();
    assert_eq!(
        passwords(&of(&format!("host=h9 user=u passfile={other}"))),
        ["any"]
    );
    // A file that others may read is not used, and told where a password is missed.
    let path = home.path().join(".pgpass");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = of("postgres://u@h1/d");
    assert_eq!(passwords(&config), [""]);
    assert!(config.endpoint.password_note.unwrap().contains("chmod 600"));
}

#[test]
fn files_at_home_are_taken_where_they_are() {
    let names = [
        (".postgresql/root.crt", ""),
        (".postgresql/postgresql.crt", ""),
        (".postgresql/postgresql.key", ""),
    ];
    let (home, surroundings) = at_home(&names, &[]);
    let config = within("host=h user=u", &surroundings);
    let at = |name: &str| Some(home.path().join(name));
    assert_eq!(config.sslrootcert, at(".postgresql/root.crt"));
    assert_eq!(config.sslkey, at(".postgresql/postgresql.key"));
    assert_eq!(
        within("host=h user=u sslrootcert=system", &surroundings).sslrootcert,
        None
    );
    let (_home, bare) = at_home(&[], &[]);
    assert_eq!(within("host=h user=u", &bare).sslrootcert, None);
}

#[test]
fn servers_are_tried_in_order_or_shuffled() {
    let config = parse("postgres://u@h1,h2,h3/d");
    let places = |config: &ConnectConfig| -> Vec<String> {
        config.servers().iter().map(ConnectConfig::place).collect()
    };
    assert_eq!(places(&config), ["u@h1:5432/d", "u@h2:5432/d", "u@h3:5432/d"]);
    let shuffled = parse("postgres://u@h1,h2,h3/d?load_balance_hosts=random");
    let orders: std::collections::BTreeSet<Vec<String>> = (0..200).map(|_| places(&shuffled)).collect();
    assert_eq!(orders.len(), 6);
}

#[test]
fn all_servers_must_be_here_for_encryption_to_be_optional() {
    assert_eq!(
        parse("host=localhost,127.0.0.1 user=u").ssl_mode(),
        SslMode::Prefer
    );
    assert_eq!(
        parse("host=localhost,db.example.org user=u").ssl_mode(),
        SslMode::Require
    );
}
