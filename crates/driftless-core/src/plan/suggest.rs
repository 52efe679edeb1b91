//! What to say about a name that does not exist.

use crate::spec::nearest::nearest;

/// The nearest name there is, or all of them where they are few.
pub(super) fn suggestion<S: AsRef<str>>(written: &str, known: &[S]) -> String {
    if let Some(name) = nearest(written, known.iter().map(AsRef::as_ref)) {
        return format!("did you mean {name}?");
    }
    if known.is_empty() || known.len() > 12 {
        return "check the name: it is exact, with its case as stored".to_owned();
    }
    let names: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    format!("there are: {}", names.join(", "))
}
