/// A connection URL; every part is percent-encoded as it needs.
#[must_use]
pub fn connection_url((host, port): (&str, u16), role: &str, password: &str, database: &str) -> String {
    let [role, password, database] = [role, password, database].map(percent_encoded);
    format!("postgres://{role}:{password}@{host}:{port}/{database}")
}

/// Text as one part of a URL.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_percent_encoded() {
        let url = connection_url(("127.0.0.1", 5432), "a b", "é@/:%", "x?y");
        assert_eq!(url, "postgres://a%20b:%C3%A9%40%2F%3A%25@127.0.0.1:5432/x%3Fy");
    }
}
