//! The order in which both servers send keys, so that two streams can be merged.

use crate::plan::{Canonical, IdentityPlan, KeyText};
use crate::value::{self, ShortText};

/// How an entity's keys are ordered on both sides. A key is carried as bytes that compare as the keys do; `None`, the
/// null key, comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrder {
    /// By the value of one integer: servers read it off an index.
    Integer,
    /// By the bytes of one uuid, which is its own order in PostgreSQL.
    Uuid,
    /// By the UTF-8 bytes of the canonical key text: the order of texts differs between servers and collations.
    Text,
}

impl KeyOrder {
    /// The order for an identity's key.
    pub fn of(identity: &IdentityPlan) -> KeyOrder {
        match identity.key.as_slice() {
            [part] => match part.text {
                KeyText::Input(_, Canonical::Integer) => KeyOrder::Integer,
                KeyText::Input(_, Canonical::Uuid) => KeyOrder::Uuid,
                _ => KeyOrder::Text,
            },
            _ => KeyOrder::Text,
        }
    }

    /// Writes the comparable bytes of a key (an integer of any width, a uuid, canonical text) over `out`. `false` if the bytes
    /// are no such key.
    pub fn comparable(self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        match self {
            KeyOrder::Integer => match value::integer(bytes) {
                // Flipping the sign bit makes the order of bytes that of numbers.
                Some(number) => out.extend_from_slice(&(number ^ i64::MIN).to_be_bytes()),
                None => return false,
            },
            KeyOrder::Uuid if bytes.len() != 16 => return false,
            KeyOrder::Uuid | KeyOrder::Text => out.extend_from_slice(bytes),
        }
        true
    }

    /// The canonical text of a key in comparable form; `null` for the null key.
    pub fn text(self, comparable: Option<&[u8]>) -> String {
        let Some(bytes) = comparable else {
            return "null".to_owned();
        };
        match (self, <[u8; 8]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
            (KeyOrder::Integer, Ok(bytes), _) => (i64::from_be_bytes(bytes) ^ i64::MIN).to_string(),
            (KeyOrder::Uuid, _, Ok(bytes)) => {
                String::from_utf8_lossy(ShortText::uuid(bytes).as_bytes()).into_owned()
            }
            _ => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    fn comparable(order: KeyOrder, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![1, 2, 3];
        assert!(order.comparable(bytes, &mut out));
        out
    }

    proptest! {
        #[test]
        fn bytes_compare_as_integers_do_whatever_their_width(a in any::<i32>(), b in any::<i64>()) {
            let (one, other) = (
                comparable(KeyOrder::Integer, &a.to_be_bytes()),
                comparable(KeyOrder::Integer, &b.to_be_bytes()),
            );
            assert_eq!(one.cmp(&other), i64::from(a).cmp(&b));
            assert_eq!(KeyOrder::Integer.text(Some(&one)), a.to_string());
            assert_eq!(KeyOrder::Integer.text(Some(&other)), b.to_string());
        }
    }

    #[test]
    fn keys_of_other_forms_are_told_apart() {
        let mut out = Vec::new();
        assert!(!KeyOrder::Integer.comparable(b"abc", &mut out));
        assert!(!KeyOrder::Uuid.comparable(b"abc", &mut out));
        assert_eq!(
            KeyOrder::Uuid.text(Some(&[0x11; 16])),
            "11111111-1111-1111-1111-111111111111"
        );
        assert_eq!(KeyOrder::Text.text(Some(br#"["a","b"]"#)), r#"["a","b"]"#);
        assert_eq!(KeyOrder::Integer.text(None), "null");
    }
}
