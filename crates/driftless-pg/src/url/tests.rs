use super::*;

fn parse(text: &str) -> ConnectConfig {
    ConnectConfig::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn password(text: &str) -> String {
    parse(text)
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
        ("postgres://u@h1,h2/d", "several values for `host`"),
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
