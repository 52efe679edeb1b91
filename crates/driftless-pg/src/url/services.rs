//! Service files: named sets of keywords.

use std::io;
use std::path::{Path, PathBuf};

use super::surroundings::Surroundings;
use super::{outside, url_error};
use crate::error::PgError;

/// The file in the directory of the system.
const SYSTEM_FILE: &str = "pg_service.conf";

/// Where Debian and its kin keep that file, if `PGSYSCONFDIR` does not say otherwise.
const SYSTEM_DIRECTORY: &str = "/etc/postgresql-common";

/// The keywords of a service: from the file that is named, else from the user's, then from the system's.
pub(super) fn find(
    name: &str,
    file: Option<&str>,
    surroundings: &Surroundings,
) -> Result<Vec<(String, String)>, PgError> {
    let user = match file {
        Some(file) => Some(PathBuf::from(file)),
        None => surroundings.at_home(".pg_service.conf"),
    };
    let system = Path::new(surroundings.get("PGSYSCONFDIR").unwrap_or(SYSTEM_DIRECTORY)).join(SYSTEM_FILE);
    for path in user.into_iter().chain([system]) {
        let text = match text_of(&path) {
            Ok(text) => text,
            // One that is named must be there.
            Err(error) if file.is_some_and(|file| Path::new(file) == path) => {
                return Err(unreadable(&path, &error).remedy_is("correct `servicefile` or PGSERVICEFILE"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(&path, &error).remedy_is("mend that file, or move it away")),
        };
        if let Some(found) = section(&text, name).map_err(|line| broken(&path, line))? {
            return Ok(found);
        }
    }
    Err(url_error(format!("there is no service `{name}`"))
        .remedy_is("add the section to ~/.pg_service.conf, or name the file that has it in PGSERVICEFILE"))
}

fn text_of(path: &Path) -> io::Result<String> {
    String::from_utf8(outside::whole(path)?).map_err(|_| io::Error::other("it is not UTF-8 text"))
}

fn unreadable(path: &Path, error: &io::Error) -> PgError {
    url_error(format!(
        "the service file {} cannot be read: {error}",
        path.display()
    ))
}

fn broken(path: &Path, line: usize) -> PgError {
    url_error(format!(
        "line {line} of the service file {} is not keyword=value",
        path.display()
    ))
    .remedy_is("write one keyword=value per line below [service]; a service cannot name another service")
}

/// The keywords of one section, or the number of the line in it that cannot be understood.
fn section(text: &str, name: &str) -> Result<Option<Vec<(String, String)>>, usize> {
    let mut found: Option<Vec<(String, String)>> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(heading) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if heading.strip_suffix(']') == Some(name) {
                found = Some(Vec::new());
            }
        } else if let Some(pairs) = &mut found {
            match line.split_once('=') {
                Some((keyword, value)) if !matches!(keyword.trim(), "service" | "servicefile") => {
                    pairs.push((keyword.trim().to_owned(), value.to_owned()));
                }
                _ => return Err(number + 1),
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::section;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            name in "[a-z ]{1,5}",
            pairs in vec(("[a-r_]{1,6}", "[a-z=#\\[\\] ]{0,5}[a-z]"), 0..5),
            others in "(#[a-z]{0,5}\n|\\[X[a-z]{0,3}\\]\n|y=z\n){0,4}",
        ) {
            let lines: String = pairs.iter().map(|(keyword, value)| format!("{keyword}={value}\n")).collect();
            let text = format!("{others}[{name}]\n{lines}\n{others}[Z]\n{others}");
            let mut expected = pairs;
            // What stands behind the section, up to the next, is of it too.
            let behind = others.lines().take_while(|line| !line.starts_with('[')).filter(|line| line.starts_with('y'));
            expected.extend(behind.map(|_| ("y".to_owned(), "z".to_owned())));
            prop_assert_eq!(section(&text, &name), Ok(Some(expected)));
        }

        #[test]
        fn any_text_is_a_service_file(text in any::<String>(), lines in "[\\[\\]a=#\n]{0,40}") {
            for text in [text, lines] {
                if let Err(line) = section(&text, "a") {
                    prop_assert!(line <= text.lines().count());
                }
            }
        }
    }

    #[test]
    fn one_section_is_read() {
        let text = "# all\n[a]\nhost=x\n\n[b]\n host = y \nport=1\n# c\noptions=-c a=b\n[c]\nnonsense\n";
        let read = |name| section(text, name);
        let pair = |keyword: &str, value: &str| (keyword.to_owned(), value.to_owned());
        assert_eq!(read("a"), Ok(Some(vec![pair("host", "x")])));
        assert_eq!(
            read("b"),
            Ok(Some(vec![
                pair("host", " y"),
                pair("port", "1"),
                pair("options", "-c a=b")
            ]))
        );
        assert_eq!(read("c"), Err(11));
        assert_eq!(read("d"), Ok(None));
        assert_eq!(section("[a]\nservice=b\n", "a"), Err(2));
    }
}
