//! Values, judged: what all keywords together say, with the defaults.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::draft::{Draft, Origin, bad_value};
use super::passwords::{Asked, Found, look_up};
use super::surroundings::Surroundings;
use super::{
    ChannelBinding, ConnectConfig, Endpoint, Host, Keepalives, Secret, SessionAttrs, SslMode, TlsVersion,
    url_error,
};
use crate::error::PgError;

const DEFAULT_PORT: u16 = 5432;

/// What the keywords come to.
pub(super) fn judge(draft: &Draft, surroundings: &Surroundings) -> Result<ConnectConfig, PgError> {
    let mut endpoints = endpoints(draft)?;
    let user = draft
        .text("user")
        .or_else(|| surroundings.get("USER").map(str::to_owned))
        .ok_or_else(|| {
            url_error("the connection string names no user")
                .remedy_is("write postgres://USER:PASSWORD@HOST:PORT/DATABASE")
        })?;
    let database = draft.text("dbname").unwrap_or_else(|| user.clone());
    passwords(draft, surroundings, &mut endpoints, (&database, &user));
    refuse_unsupported(draft)?;
    let local = endpoints.iter().all(Endpoint::is_loopback);
    let security = security(draft, surroundings, local)?;
    let mut endpoints = endpoints.into_iter();
    let endpoint = endpoints.next().ok_or_else(|| url_error("no server is named"))?;
    Ok(ConnectConfig {
        endpoint,
        others: endpoints.collect(),
        shuffled: draft
            .read("load_balance_hosts", "disable or random", |value| match value {
                "disable" => Some(false),
                "random" => Some(true),
                _ => None,
            })?
            .unwrap_or(false),
        database,
        user,
        sslmode: security.mode,
        sni: flag(draft, "sslsni")?.unwrap_or(true),
        tls_versions: tls_versions(draft)?,
        sslrootcert: security.root,
        sslcert: security.certificate,
        sslkey: security.key,
        channel_binding: draft
            .read("channel_binding", "disable, prefer or require", channel_binding)?
            .unwrap_or(ChannelBinding::Prefer),
        connect_timeout: Some(seconds(draft, "connect_timeout")?.unwrap_or(Duration::from_secs(30)))
            .filter(|timeout| !timeout.is_zero()),
        application_name: draft
            .text("application_name")
            .or_else(|| draft.text("fallback_application_name")),
        options: draft.text("options"),
        session_attrs: draft
            .read(
                "target_session_attrs",
                "any, read-write, read-only, primary, standby or prefer-standby",
                session_attrs,
            )?
            .unwrap_or(SessionAttrs::Any),
        keepalives: keepalives(draft)?,
    })
}

/// The servers, from lists of hosts, addresses and ports.
fn endpoints(draft: &Draft) -> Result<Vec<Endpoint>, PgError> {
    let (hosts, addresses, ports) = (list(draft, "host"), list(draft, "hostaddr"), list(draft, "port"));
    let count = hosts.len().max(addresses.len()).max(1);
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(
            url_error("the connection string has not as many hosts as addresses (`hostaddr`)")
                .remedy_is("give each host its address, in the same order; one may be left empty"),
        );
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(url_error("the connection string has not as many ports as hosts")
            .remedy_is("give one port for all hosts, or one for each"));
    }
    let at = |list: &[String], number: usize| list.get(number).cloned().filter(|item| !item.is_empty());
    (0..count)
        .map(|number| {
            let address = match at(&addresses, number) {
                Some(text) => Some(
                    text.parse::<IpAddr>()
                        .map_err(|_| wrong(draft, "hostaddr", "an IP address"))?,
                ),
                None => None,
            };
            let port = match at(&ports, if ports.len() == 1 { 0 } else { number }) {
                Some(text) => port(draft, &text)?,
                None => DEFAULT_PORT,
            };
            Ok(Endpoint {
                host: host(at(&hosts, number), address)?,
                hostaddr: address,
                port,
                password: None,
                password_note: None,
            })
        })
        .collect()
}

fn list(draft: &Draft, keyword: &str) -> Vec<String> {
    draft.get(keyword).map_or_else(Vec::new, |(value, _)| {
        value.split(',').map(|item| item.trim().to_owned()).collect()
    })
}

fn wrong(draft: &Draft, keyword: &str, wanted: &str) -> PgError {
    let origin = draft
        .get(keyword)
        .map_or(Origin::Text, |(_, origin)| origin.clone());
    bad_value(&origin, keyword, wanted)
}

fn host(named: Option<String>, address: Option<IpAddr>) -> Result<Host, PgError> {
    match named {
        Some(name) if name.contains('@') && !name.starts_with('/') => {
            // The value is not shown: what stands before the last `@` is the rest of a password.
            Err(
                url_error("the host of the connection string contains `@`").remedy_is(
                    "in a URL write `@` within the password as %40, `/` as %2F, `:` as %3A, `%` as %25",
                ),
            )
        }
        // Linux has sockets without a file, whose names libpq writes with an `@` in front.
        Some(path) if path.starts_with('/') => Ok(Host::Unix(path.into())),
        Some(name) => Ok(Host::Tcp(name)),
        None => Ok(Host::Tcp(
            address.map_or_else(|| "localhost".to_owned(), |address| address.to_string()),
        )),
    }
}

fn port(draft: &Draft, value: &str) -> Result<u16, PgError> {
    value.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
        wrong(draft, "port", "a number from 1 to 65535")
            .remedy_is("if the password contains `/`, `@`, `:` or `%`, write them as %2F, %40, %3A and %25")
    })
}

/// The password of the string or of a variable for all servers; else each server's own of the password file.
fn passwords(
    draft: &Draft,
    surroundings: &Surroundings,
    endpoints: &mut [Endpoint],
    (database, user): (&str, &str),
) {
    let given = draft.get("password");
    let file = draft
        .text("passfile")
        .map(PathBuf::from)
        .or_else(|| surroundings.at_home(".pgpass"));
    for endpoint in endpoints {
        if let Some((password, origin)) = given {
            endpoint.password = Some(Secret::new(password));
            endpoint.password_note =
                (*origin != Origin::Text).then(|| format!("the password comes from {origin}"));
            continue;
        }
        let Some(file) = &file else { continue };
        let host = match &endpoint.host {
            Host::Tcp(name) => name.clone(),
            // The directory that PostgreSQL itself takes stands for this machine.
            Host::Unix(path) if matches!(path.to_str(), Some("/tmp" | "/var/run/postgresql")) => {
                "localhost".to_owned()
            }
            Host::Unix(path) => path.display().to_string(),
        };
        let asked = Asked {
            host: &host,
            port: endpoint.port,
            database,
            user,
        };
        match look_up(file, &asked) {
            Found::Nothing => {}
            Found::Ignored(why) => endpoint.password_note = Some(why),
            Found::Password(password) => {
                endpoint.password = Some(password);
                endpoint.password_note = Some(format!(
                    "the password comes from the password file {}",
                    file.display()
                ));
            }
        }
    }
}

/// What is demanded of TLS, and with which files.
struct Security {
    mode: SslMode,
    root: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

fn security(draft: &Draft, surroundings: &Surroundings, local: bool) -> Result<Security, PgError> {
    // Files that libpq takes without being told, where they exist.
    let usual = |name: &str| {
        surroundings
            .at_home(&format!(".postgresql/{name}"))
            .filter(|path| path.is_file())
    };
    let named = draft.text("sslrootcert");
    // `system` is libpq's word for the roots that the system trusts, and makes no sense without a full check.
    let system = named.as_deref() == Some("system");
    let default_mode = match (system, local) {
        (true, _) => SslMode::VerifyFull,
        (false, true) => SslMode::Prefer,
        (false, false) => SslMode::Require,
    };
    let wanted = "disable, allow, prefer, require, verify-ca or verify-full";
    let said = draft.read("sslmode", wanted, ssl_mode)?;
    // Only URLs of the JDBC driver have it; libpq takes it for `sslmode=require` too.
    let ssl = draft.read("ssl", "true", |value| {
        (value == "true").then_some(SslMode::Require)
    })?;
    let mode = said.or(ssl).unwrap_or(default_mode);
    if system && mode != SslMode::VerifyFull {
        return Err(url_error("sslrootcert=system needs sslmode=verify-full"));
    }
    let (mut certificate, mut key) = (draft.text("sslcert"), draft.text("sslkey"));
    if certificate.is_some() != key.is_some() {
        return Err(url_error("sslcert and sslkey need each other"));
    }
    if certificate.is_none()
        && let (Some(usual_certificate), Some(usual_key)) = (usual("postgresql.crt"), usual("postgresql.key"))
    {
        certificate = Some(usual_certificate.display().to_string());
        key = Some(usual_key.display().to_string());
    }
    let root = match named {
        Some(_) if system => None,
        Some(path) => Some(PathBuf::from(path)),
        None => usual("root.crt"),
    };
    Ok(Security {
        mode,
        root,
        certificate: certificate.map(PathBuf::from),
        key: key.map(PathBuf::from),
    })
}

fn tls_versions(draft: &Draft) -> Result<(TlsVersion, TlsVersion), PgError> {
    let wanted = "TLSv1.2 or TLSv1.3";
    let lowest = draft.read("ssl_min_protocol_version", wanted, |value| match value {
        // Older ones are never spoken, so that they are a bound which always holds.
        "TLSv1" | "TLSv1.1" | "TLSv1.2" => Some(TlsVersion::V12),
        "TLSv1.3" => Some(TlsVersion::V13),
        _ => None,
    })?;
    let highest = draft.read("ssl_max_protocol_version", wanted, |value| match value {
        "TLSv1.2" => Some(TlsVersion::V12),
        "TLSv1.3" => Some(TlsVersion::V13),
        _ => None,
    })?;
    let versions = (
        lowest.unwrap_or(TlsVersion::V12),
        highest.unwrap_or(TlsVersion::V13),
    );
    if versions.0 > versions.1 {
        return Err(url_error(
            "ssl_min_protocol_version is above ssl_max_protocol_version",
        ));
    }
    Ok(versions)
}

fn keepalives(draft: &Draft) -> Result<Keepalives, PgError> {
    Ok(Keepalives {
        enabled: number(draft, "keepalives")?.is_none_or(|value| value != 0),
        idle: seconds(draft, "keepalives_idle")?.unwrap_or(Duration::from_secs(30)),
        interval: seconds(draft, "keepalives_interval")?.unwrap_or(Duration::from_secs(10)),
        count: number(draft, "keepalives_count")?.unwrap_or(3),
        user_timeout: number(draft, "tcp_user_timeout")?
            .map(|milliseconds| Duration::from_millis(milliseconds.into()))
            .filter(|timeout| !timeout.is_zero()),
    })
}

/// Keywords whose only values that are supported change nothing.
fn refuse_unsupported(draft: &Draft) -> Result<(), PgError> {
    draft.read("gssencmode", "supported (disable, prefer)", |value| {
        matches!(value, "disable" | "prefer").then_some(())
    })?;
    draft.read("sslnegotiation", "supported (postgres)", |value| {
        (value == "postgres").then_some(())
    })?;
    draft.read("sslcompression", "supported (0)", |value| {
        (value == "0").then_some(())
    })?;
    draft.read("client_encoding", "supported (utf8, auto)", |value| {
        let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
        matches!(plain.to_ascii_lowercase().as_str(), "utf8" | "unicode" | "auto").then_some(())
    })?;
    Ok(())
}

fn number(draft: &Draft, keyword: &str) -> Result<Option<u32>, PgError> {
    draft.read(keyword, "a whole number", |value| value.parse().ok())
}

fn flag(draft: &Draft, keyword: &str) -> Result<Option<bool>, PgError> {
    draft.read(keyword, "0 or 1", |value| match value {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    })
}

fn seconds(draft: &Draft, keyword: &str) -> Result<Option<Duration>, PgError> {
    Ok(number(draft, keyword)?.map(|seconds| Duration::from_secs(seconds.into())))
}

fn ssl_mode(value: &str) -> Option<SslMode> {
    Some(match value {
        "disable" => SslMode::Disable,
        "allow" => SslMode::Allow,
        "prefer" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        _ => return None,
    })
}

fn channel_binding(value: &str) -> Option<ChannelBinding> {
    Some(match value {
        "disable" => ChannelBinding::Disable,
        "prefer" => ChannelBinding::Prefer,
        "require" => ChannelBinding::Require,
        _ => return None,
    })
}

fn session_attrs(value: &str) -> Option<SessionAttrs> {
    Some(match value {
        "any" => SessionAttrs::Any,
        "read-write" => SessionAttrs::ReadWrite,
        "read-only" => SessionAttrs::ReadOnly,
        "primary" => SessionAttrs::Primary,
        "standby" => SessionAttrs::Standby,
        "prefer-standby" => SessionAttrs::PreferStandby,
        _ => return None,
    })
}
