//! Derived identities: the same key of the same entity gives the same UUID, on every machine and in every run.
//!
//! Byte by byte: SHA-1 over
//!
//! 1. the 16 bytes of the pipeline's namespace,
//! 2. the length of the entity's name in bytes, as 4 bytes, big endian,
//! 3. the name, in UTF-8,
//! 4. the canonical key text, in UTF-8, up to the end.
//!
//! The first 16 bytes of the digest become a UUID of version 5: the high half of byte 6 is set to 5, the two highest bits of
//! byte 8 to `10`. The length before the name keeps names and keys apart: entity `order` with key `s1` and entity
//! `orders` with key `1` never meet.
//!
//! The canonical text of a key of one column is what PostgreSQL prints for it (an integer's digits, a text itself, a uuid in
//! lower case). Of several columns it is a JSON array of those texts without white space: `["7","a \"b\""]`, escaped as
//! [`crate::value::write_json_string`] says.
//!
//! PostgreSQL has no SHA-1 of its own, so there is no SQL twin of this function; `docs/reference/identity.md` shows
//! one for databases with the extension pgcrypto, and test vectors.

use sha1::{Digest, Sha1};
use uuid::{Builder, Uuid};

use crate::value::write_json_string;

/// Derives UUIDs of one entity. Namespace and name are hashed once.
#[derive(Debug, Clone)]
pub struct Deriver {
    prefix: Sha1,
}

impl Deriver {
    /// For the entity whose name in the derivation is `name`.
    pub fn new(namespace: Uuid, name: &str) -> Deriver {
        let prefix = Sha1::new()
            .chain_update(namespace.as_bytes())
            .chain_update((name.len() as u32).to_be_bytes())
            .chain_update(name.as_bytes());
        Deriver { prefix }
    }

    /// The UUID of the row with this canonical key text.
    pub fn derive(&self, key: &[u8]) -> Uuid {
        let digest = self.prefix.clone().chain_update(key).finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Builder::from_sha1_bytes(bytes).into_uuid()
    }
}

/// The UUID of one row: see [`Deriver`].
pub fn derive(namespace: Uuid, name: &str, key: &[u8]) -> Uuid {
    Deriver::new(namespace, name).derive(key)
}

/// Writes the canonical text of one key, part by part.
#[derive(Debug)]
pub struct KeyWriter<'o> {
    out: &'o mut Vec<u8>,
    composite: bool,
    empty: bool,
}

impl<'o> KeyWriter<'o> {
    /// Begins the text of a key with so many parts at the end of `out`.
    pub fn new(parts: usize, out: &'o mut Vec<u8>) -> KeyWriter<'o> {
        let composite = parts != 1;
        if composite {
            out.push(b'[');
        }
        KeyWriter {
            out,
            composite,
            empty: true,
        }
    }

    /// Adds the next part.
    pub fn part(&mut self, text: &[u8]) {
        if !self.composite {
            self.out.extend_from_slice(text);
            return;
        }
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        write_json_string(text, self.out);
    }

    /// Ends the text.
    pub fn finish(self) {
        if self.composite {
            self.out.push(b']');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by Python's hashlib and uuid, not by this crate. The same table stands in `docs/reference/identity.md`.
    const VECTORS: [(&str, &str, &str); 10] = [
        ("patients", "1", "d3491203-82d5-59dc-a202-8a1057f6ffa6"),
        (
            "patients",
            "-9223372036854775808",
            "64ebf4be-6f20-56b6-bac8-c5ee599a85d9",
        ),
        ("orders", "1", "21661b9e-8bf0-562c-bbb3-5c2f147d0ff7"),
        ("order", "s1", "68538200-09c8-5a5d-aa73-d4aad337abca"),
        ("patients", "", "9ea19d3f-b8b2-5d3f-b57e-c28a2cef6219"),
        (
            "patients",
            "2f1d6f9e-5f0c-4a0b-9a55-1f1de5a6b0aa",
            "b6b845ee-17ab-536b-98da-1d64f3e661f6",
        ),
        ("länder", "Zoë 😀", "2137c1cc-0bd6-5a71-b0ea-db59db09b5a1"),
        (
            "lines",
            r#"["7","a \"b\""]"#,
            "ceae7687-20cb-517e-99eb-b756baab3f12",
        ),
        (
            "lines",
            r#"["7","tab\there","\u0001"]"#,
            "7ff065f9-19ba-5016-8236-ba3cbaf9b11b",
        ),
        // Longer than one block of SHA-1.
        (
            "patients",
            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
            "9c4841f9-798b-5e6e-97da-c1c838a6afca",
        ),
    ];

    #[test]
    fn derivation_is_as_documented() {
        for (name, key, expected) in VECTORS {
            let uuid = derive(Uuid::NAMESPACE_OID, name, key.as_bytes());
            assert_eq!(uuid.to_string(), expected, "{name} {key}");
        }
        assert_eq!(
            derive(Uuid::nil(), "patients", b"1").to_string(),
            "ae50b32a-5f37-5015-a7f5-024030f1dd9d"
        );
    }

    #[test]
    fn the_page_shows_the_same_vectors() {
        let page = include_str!("../../../docs/reference/identity.md");
        for (name, _, expected) in VECTORS {
            let row = page.lines().find(|line| line.contains(expected));
            assert!(
                row.is_some_and(|row| row.contains(&format!("`{name}`"))),
                "{expected}"
            );
        }
        assert!(page.contains(&Uuid::NAMESPACE_OID.to_string()));
    }

    #[test]
    fn keys_of_several_columns_are_json_arrays() {
        let written = |parts: &[&str]| {
            let mut out = Vec::new();
            let mut writer = KeyWriter::new(parts.len(), &mut out);
            parts.iter().for_each(|part| writer.part(part.as_bytes()));
            writer.finish();
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(written(&["7"]), "7");
        assert_eq!(written(&["[\"7\"]"]), "[\"7\"]");
        assert_eq!(written(&["7", "a \"b\""]), r#"["7","a \"b\""]"#);
        assert_eq!(
            written(&["7", "tab\there", "\u{1}"]),
            r#"["7","tab\there","\u0001"]"#
        );
    }
}
