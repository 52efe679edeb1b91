//! A connection string to keywords and values, by libpq's rules, without judging either.

use super::url_error;
use crate::error::PgError;

/// Keywords and values in the order in which they stand.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, PgError> {
    let rest = text
        .strip_prefix("postgres://")
        .or_else(|| text.strip_prefix("postgresql://"));
    match rest {
        Some(rest) => url(rest),
        None if has_scheme(text) => Err(url_error("the connection string is a URL of another kind")
            .remedy_is("begin it with postgres:// or postgresql://")),
        None => keywords(text),
    }
}

/// Whether a text begins as a URL does (RFC 3986, 3.1), or as one of JDBC (`jdbc:postgresql://`). Within a value `://` means nothing.
fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        let mark = |letter: char| letter.is_ascii_alphanumeric() || "+-.:".contains(letter);
        !scheme.is_empty() && scheme.chars().all(mark)
    })
}

/// What follows `postgres://`.
fn url(rest: &str) -> Result<Vec<(String, String)>, PgError> {
    let mut pairs = Vec::new();
    // A part that is left empty says nothing; a parameter behind the `?` that is empty says so.
    let mut push = |keyword: &str, value: &str| -> Result<(), PgError> {
        if !value.is_empty() {
            pairs.push((keyword.to_owned(), decode(keyword, value)?));
        }
        Ok(())
    };

    // Credentials end at the first `@`, if that comes before the first `/`.
    let credentials_end = rest.find(['@', '/']).filter(|at| rest.as_bytes()[*at] == b'@');
    let rest = match credentials_end {
        None => rest,
        Some(at) => {
            let (user, password) = match rest[..at].split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (&rest[..at], None),
            };
            push("user", user)?;
            if let Some(password) = password {
                push("password", password)?;
            }
            &rest[at + 1..]
        }
    };

    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (address, database) = match rest.split_once('/') {
        Some((address, database)) => (address, Some(database)),
        None => (rest, None),
    };
    let (hosts, ports) = hosts_and_ports(address)?;
    push("host", &hosts)?;
    push("port", &ports)?;
    if let Some(database) = database {
        push("dbname", database)?;
    }
    for parameter in query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|p| !p.is_empty())
    {
        let (keyword, value) = parameter
            .split_once('=')
            .ok_or_else(|| url_error("the connection string has a keyword without a value behind its `?`"))?;
        let keyword = decode("keyword", keyword)?;
        let value = decode(&keyword, value)?;
        pairs.push((keyword, value));
    }
    Ok(pairs)
}

/// `host:port,host:port…` as a list of hosts and one of ports; the latter is empty if no port is given.
fn hosts_and_ports(addresses: &str) -> Result<(String, String), PgError> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for address in addresses.split(',') {
        let (host, port) = host_and_port(address)?;
        hosts.push(host);
        ports.push(port);
    }
    let ports = if ports.iter().all(|port| port.is_empty()) {
        String::new()
    } else {
        ports.join(",")
    };
    Ok((hosts.join(","), ports))
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`; either may be empty.
fn host_and_port(address: &str) -> Result<(&str, &str), PgError> {
    if let Some(v6) = address.strip_prefix('[') {
        let (host, rest) = v6
            .split_once(']')
            .ok_or_else(|| url_error("the host of the connection string has `[` without `]`"))?;
        let port = match rest.strip_prefix(':') {
            Some(port) => port,
            None if rest.is_empty() => "",
            None => {
                return Err(url_error(
                    "something stands between `]` and `:` in the connection string",
                ));
            }
        };
        return Ok((host, port));
    }
    Ok(address.split_once(':').unwrap_or((address, "")))
}

/// Percent-decoding. A `+` is a plus.
fn decode(keyword: &str, text: &str) -> Result<String, PgError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let byte = tail
            .get(..2)
            .and_then(|digits| str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(|byte| *byte != 0)
            .ok_or_else(|| {
                url_error(format!(
                    "`%` in the {keyword} of the connection string is not followed by two hex digits"
                ))
                .remedy_is("write a percent sign as %25")
            })?;
        bytes.push(byte);
        rest = &tail[2..];
    }
    String::from_utf8(bytes)
        .map_err(|_| url_error(format!("the {keyword} of the connection string is not UTF-8")))
}

/// `keyword=value keyword = 'value with \' and \\'`.
fn keywords(text: &str) -> Result<Vec<(String, String)>, PgError> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (keyword, after) = rest.split_once('=').ok_or_else(|| {
            url_error("the connection string is neither a URL nor a list of keyword=value")
                .remedy_is("write postgres://USER:PASSWORD@HOST:PORT/DATABASE")
        })?;
        let (value, tail) = value(after.trim_start())?;
        pairs.push((keyword.trim_end().to_owned(), value));
        rest = tail.trim_start();
    }
    Ok(pairs)
}

/// One value, quoted or not, and what follows it.
fn value(text: &str) -> Result<(String, &str), PgError> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if !quoted && c.is_whitespace() => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted {
        return Err(url_error("the connection string has a quote that is not closed"));
    }
    Ok((value, ""))
}
