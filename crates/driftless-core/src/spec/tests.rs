use std::collections::BTreeMap;

use super::*;

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

fn complete() -> Sources {
    let mut sources = Sources::single("driftless.toml", include_str!("tests/complete.toml"));
    sources.add("entities/orders.toml", include_str!("tests/included.toml"));
    sources
}

#[test]
fn a_complete_mapping_says_what_it_says() {
    let environment = environment(&[("SOURCE_DATABASE_URL", "postgres://somewhere/legacy")]);
    let (spec, findings) = read(&complete(), &environment).unwrap_or_else(|findings| panic!("{findings:#?}"));
    assert_eq!(findings, vec![]);
    assert_eq!(spec.source.url.expose(), "postgres://somewhere/legacy");
    assert_eq!(spec.target.url.expose(), "postgres://localhost/lab");
    let names: Vec<&str> = spec.entities.iter().map(|entity| entity.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "offices",
            "doctors",
            "patients",
            "orders",
            "order_files",
            "order_copies",
            "tags"
        ]
    );
}
