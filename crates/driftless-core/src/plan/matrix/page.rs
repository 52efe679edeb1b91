//! The matrix of types, between marks in a page whose other words are written by hand.

use super::{Class, Type, class, needs_zone};

const BEGIN: &str = "<!-- types -->\n";
/// What the page calls *texts*: the types that hold characters, where nearly everything is printed.
const TEXTS: &str = "`text` `varchar` `varchar(5)`? `char(5)`? `bpchar` `name`? `citext` `few`? `many`? `code`? `short_code`?";
/// What it calls *names of objects*.
const OBJECTS: &str = "`regclass` `regtype`? `regproc`? `regprocedure`? `regoper`? `regoperator`? `regrole`? `regnamespace`? \
     `regcollation`? `regconfig`? `regdictionary`?";
const END: &str = "<!-- end -->\n";

/// The page with its matrix made anew.
///
/// # Errors
/// The mark, or its end, is not there.
pub fn filled(page: &str) -> Result<String, String> {
    let (before, rest) = page
        .split_once(BEGIN)
        .ok_or("the mark of the types is not there")?;
    let (_, after) = rest.split_once(END).ok_or("the matrix of types has no end")?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", matrix()))
}

/// A row for each source type; those that become the same share one.
fn matrix() -> String {
    let mut rows: Vec<(Vec<Type>, [String; 3])> = Vec::new();
    for from in Type::all() {
        let cells = [
            cell(from, &[Class::Bytes, Class::BytesChecked]),
            cell(from, &[Class::Cast, Class::CastChecked]),
            cell(from, &[Class::Lossy]),
        ];
        match rows.iter_mut().find(|row| row.1 == cells) {
            Some(row) => row.0.push(from),
            None => rows.push((vec![from], cells)),
        }
    }
    let row = |(from, cells): &(Vec<Type>, [String; 3])| {
        let from: Vec<String> = from.iter().map(|one| format!("`{}`", one.sql())).collect();
        format!("| {} | {} |\n", from.join(" "), cells.join(" | "))
    };
    let head = "| from | copied as bytes | cast by the target | with `lossy` only |\n|---|---|---|---|\n";
    rows.iter().fold(head.to_owned(), |text, one| text + &row(one))
}

/// What a type becomes in these ways.
fn cell(from: Type, among: &[Class]) -> String {
    let into = Type::all().filter(|to| among.contains(&class(from, *to)));
    let names: Vec<String> = into.map(|to| named(from, to)).collect();
    let names = names.join(" ").replace(TEXTS, "*texts*");
    names.replace(OBJECTS, "*names of objects*")
}

/// A target type with the marks of the pair.
fn named(from: Type, to: Type) -> String {
    let name = if from == to {
        "*itself*".to_owned()
    } else {
        format!("`{}`", to.sql())
    };
    let checked = if class(from, to).is_checked() { "?" } else { "" };
    let zone = if needs_zone(from, to) { " (`zone`)" } else { "" };
    format!("{name}{checked}{zone}")
}
