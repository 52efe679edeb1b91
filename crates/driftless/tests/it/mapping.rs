//! Finding and reading the mapping.

use std::fs;

use crate::desk::{end, program, run};
use tempfile::tempdir;

const SMALL: &str = r#"[pipeline]
name = "shop"

[source]
url = "${SHOP_SOURCE}"

[target]
url = "postgres://owner:hidden@127.0.0.1:1/target"

[entities.customers]
form = "public.customer"
into = "public.customers"
"#;

#[test]
fn a_missing_mapping_is_told_with_what_to_do() {
    let dir = tempdir().unwrap();
    let outcome = run(dir.path(), &["check"]).expect(2);
    assert!(
        outcome.err.contains("error[DL0001]") && outcome.err.contains("--config FILE"),
        "{}",
        outcome.err
    );
    let named = run(dir.path(), &["check", "--config", "lab.toml"]).expect(2);
    assert!(named.err.contains("lab.toml: cannot be read"), "{}", named.err);
}

#[test]
fn everything_wrong_is_shown_at_once_with_its_place() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("below")).unwrap();
    fs::write(dir.path().join("driftless.toml"), SMALL).unwrap();
    let outcome = run(&dir.path().join("below"), &["check"]).expect(2);
    assert!(
        outcome.err.contains("error[DL0003]") && outcome.err.contains("driftless.toml:11:1"),
        "{}",
        outcome.err
    );
    assert!(outcome.err.contains("^^^^"), "{}", outcome.err);
    assert!(
        outcome.err.contains("error[DL0008]") && outcome.err.contains("SHOP_SOURCE"),
        "{}",
        outcome.err
    );
    assert!(!outcome.err.contains("hidden"), "{}", outcome.err);
}

#[test]
fn includes_that_match_nothing_show_their_place() {
    let dir = tempdir().unwrap();
    fs::write(
        dir.path().join("driftless.toml"),
        "include = [\"entities/*.toml\"]\n",
    )
    .unwrap();
    let outcome = run(dir.path(), &["check"]).expect(2);
    assert!(
        outcome.err.contains("error[DL0001]") && outcome.err.contains("driftless.toml:1:"),
        "{}",
        outcome.err
    );
}

#[test]
fn a_variable_of_the_process_wins_over_the_file() {
    let dir = tempdir().unwrap();
    fs::write(
        dir.path().join("driftless.toml"),
        SMALL.replace("form =", "from ="),
    )
    .unwrap();
    let variables = "SHOP_SOURCE=postgres://reader@127.0.0.1:1/source\n\
                     DRIFTLESS_TARGET__URL=postgres://owner@127.0.0.1:1/of_file\n";
    fs::write(dir.path().join(".env"), variables).unwrap();
    let outcome = run(dir.path(), &["status"]).expect(3);
    assert!(
        outcome.err.contains("error[DL0201]") && outcome.err.contains("of_file"),
        "{}",
        outcome.err
    );
    let child = program(dir.path(), &["status"])
        .env("DRIFTLESS_TARGET__URL", "postgres://owner@127.0.0.1:1/of_process")
        .spawn();
    let outcome = end(child.unwrap()).expect(3);
    assert!(outcome.err.contains("of_process"), "{}", outcome.err);
}

#[test]
fn a_log_that_was_asked_for_must_be_written() {
    let dir = tempdir().unwrap();
    fs::write(
        dir.path().join("driftless.toml"),
        SMALL.replace("form =", "from ="),
    )
    .unwrap();
    fs::write(
        dir.path().join(".env"),
        "SHOP_SOURCE=postgres://reader@127.0.0.1:1/source\n",
    )
    .unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let outcome = run(dir.path(), &["check", "--log-file", "file/below.log"]).expect(2);
    assert!(outcome.err.contains("error[DL0602]"), "{}", outcome.err);
    // Where nobody asked, a log that cannot be written is worth a word and no more.
    fs::write(dir.path().join(".driftless"), "").unwrap();
    let outcome = run(dir.path(), &["check"]).expect(3);
    assert!(outcome.err.contains("no log is written"), "{}", outcome.err);
}
