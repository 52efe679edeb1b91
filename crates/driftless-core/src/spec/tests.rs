use std::collections::BTreeMap;

use super::*;
use crate::error::Finding;

mod anything;
mod columns;
mod environment;
mod example;
mod huge;
mod mistakes;
mod settings;

/// What every mapping needs, so that a test can speak of one thing.
const HEAD: &str = "\
[pipeline]
name = \"lab\"
[source]
url = \"postgres://a\"
[target]
url = \"postgres://b\"
";

/// An entity to refer to.
const OFFICES: &str = "\
[entities.offices]
from = \"old.office\"
into = \"public.offices\"
columns.id = { id = true }
";

fn variables(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

/// A mapping of the head, offices, and this.
fn sources(text: &str) -> Sources {
    Sources::single("driftless.toml", format!("{HEAD}{OFFICES}{text}"))
}

/// What a mapping says that must be right.
fn said(sources: &Sources, environment: &[(&str, &str)]) -> Spec {
    match read(sources, &variables(environment)) {
        Ok((spec, findings)) => {
            assert_eq!(findings, vec![]);
            spec
        }
        Err(findings) => panic!("{}", render(&findings, sources, Style::default())),
    }
}

/// What is said about a mapping that must be wrong.
fn refused(sources: &Sources, environment: &[(&str, &str)]) -> Vec<Finding> {
    match read(sources, &variables(environment)) {
        Ok(_) => panic!("no finding in {sources:#?}"),
        Err(findings) => {
            assert!(
                findings.iter().all(|finding| !finding.remedy.is_empty()),
                "{findings:#?}"
            );
            findings
        }
    }
}
