//! Lines of a `.env` file: `NAME=value`, where `$NAME` stands for the value of an earlier line or of the environment. Uses nothing
//! of this crate: a fuzz target reads the same file.

use std::collections::BTreeMap;
use std::env;

/// Most bytes that values may add where names of others stand. Without a bound, thirty lines of which each holds the one before twice
/// would be a gigabyte.
const MOST_ADDED: usize = 16 << 20;

/// Why lines cannot be understood. Holds none of them: a line may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// They are no UTF-8.
    Bytes,
    /// A line is none of a `.env` file, seen at this character of it.
    Line(usize),
    /// Values within values would become too large.
    Swollen,
    /// Something else.
    Otherwise,
}

/// What the lines set; of a name that is set twice the last value.
pub(crate) fn read(bytes: &[u8]) -> Result<BTreeMap<String, String>, Broken> {
    let text = std::str::from_utf8(bytes).map_err(|_| Broken::Bytes)?;
    // Editors put it before the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let places = text.matches('$').count();
    let mut longest = if places == 0 {
        0
    } else {
        longest_of_environment(text)
    };
    let mut all = BTreeMap::new();
    let mut lines = dotenvy::from_read_iter(text.as_bytes());
    loop {
        // Asked before a line is read: what stands there may be long by then.
        if places.saturating_mul(longest) > MOST_ADDED {
            return Err(Broken::Swollen);
        }
        let Some(line) = lines.next() else {
            return Ok(all);
        };
        let (name, value) = line.map_err(|error| match error {
            dotenvy::Error::LineParse(_, at) => Broken::Line(at),
            _ => Broken::Otherwise,
        })?;
        longest = longest.max(value.len());
        all.insert(name, value);
    }
}

/// The length of the longest value among variables of the process that the text may name.
fn longest_of_environment(text: &str) -> usize {
    env::vars_os()
        .filter(|(name, _)| name.to_str().is_some_and(|name| text.contains(name)))
        .map(|(_, value)| value.len())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_within_values_do_not_swell() {
        assert_eq!(read(b"A=1\nB=$A$A\n").unwrap()["B"], "11");
        let doubled: String = (1..40)
            .map(|n| format!("A{n}=$A{}$A{}\n", n - 1, n - 1))
            .collect();
        assert_eq!(read(format!("A0=ab\n{doubled}").as_bytes()), Err(Broken::Swollen));
        let (long, many) = ("x".repeat(500_000), "$A".repeat(200_000));
        assert_eq!(
            read(format!("A={long}\nB={many}\n").as_bytes()),
            Err(Broken::Swollen)
        );
        // Nothing is put in place of what is quoted so, but that is not known before it is read.
        let quoted = format!("A={long}\nB='{}'\n", "$".repeat(30));
        assert_eq!(read(quoted.as_bytes()).unwrap()["B"].len(), 30);
    }

    #[test]
    fn a_mark_before_the_first_line_belongs_to_no_name() {
        assert_eq!(read("\u{feff}A=1\n".as_bytes()).unwrap()["A"], "1");
        assert_eq!(read(b"A=\xff\n"), Err(Broken::Bytes));
        assert!(matches!(read(b"A=1\nB='\n"), Err(Broken::Line(_))));
    }
}
