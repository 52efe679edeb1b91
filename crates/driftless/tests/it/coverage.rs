//! What becomes of the source as a whole, and settings from variables.

use crate::desk::{Desk, program};

#[tokio::test]
async fn every_table_and_column_is_mapped_left_out_or_forgotten() {
    let desk = Desk::new("coverage").await;
    desk.source
        .run(
            "CREATE TABLE public.log (at timestamptz, what text); CREATE TABLE public.lost (id int PRIMARY KEY);
             CREATE TABLE public.base (id int PRIMARY KEY); CREATE VIEW public.shown AS TABLE public.base;
             ALTER TABLE public.customer ADD fax text, ADD remark text;
             CREATE TABLE public.customer_vip () INHERITS (public.customer);",
        )
        .await;
    desk.target
        .run("CREATE TABLE public.bases (id uuid PRIMARY KEY)")
        .await;
    let more = "[entities.bases]\nsql = \"SELECT id FROM public.shown\"\nkey = [\"id\"]\ninto = \"public.bases\"\n\
                columns = { id = { id = true } }\n\
                [ignore]\n\"public.log\" = \"technical\"\n\"public.customer.fax\" = \"nobody has one\"\n";
    desk.write("entities/more.toml", more);
    let outcome = desk.run(&["coverage"]).expect(1);
    for line in [
        "public.lost",
        "forgotten",
        "public.customer.remark",
        "nobody has one",
        "technical",
    ] {
        assert!(outcome.out.contains(line), "{line}: {}", outcome.out);
    }
    for mapped in [
        "public.customer_order",
        "public.customer_vip",
        "public.customer.name",
        "public.base ",
        "public.shown",
    ] {
        assert!(!outcome.out.contains(mapped), "{mapped}: {}", outcome.out);
    }
    assert!(
        outcome
            .out
            .contains("3 tables mapped, 1 left out with a reason, 1 forgotten; 1 columns"),
        "{}",
        outcome.out
    );
    let all = desk.run(&["coverage", "--all"]).expect(1);
    assert!(all.out.contains("public.customer.name"), "{}", all.out);
    desk.write(
        "entities/more.toml",
        &format!("{more}\"public.lost\" = \"empty\"\n\"public.customer.remark\" = \"kept in the archive\"\n"),
    );
    let outcome = desk.run(&["coverage", "--json"]).expect(0);
    let document: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(document["schema"], "driftless/coverage/1");
    let found = document["relations"].as_array().unwrap();
    let lost = found.iter().find(|one| one["relation"] == "public.lost").unwrap();
    assert_eq!(
        (lost["fate"].as_str(), lost["reason"].as_str()),
        (Some("ignored"), Some("empty"))
    );
}

#[tokio::test]
async fn a_variable_makes_a_setting_over_the_files() {
    let desk = Desk::new("variables").await;
    // Order 7 has no customer and order 9 no amount: two of a thousand.
    let mut strict = program(desk.dir(), &["migrate"]);
    let output = strict
        .env("DRIFTLESS_DEFAULTS__MAX_REJECTS", "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("DL0502"), "{told}");
    let mut generous = program(desk.dir(), &["migrate"]);
    let output = generous
        .env("DRIFTLESS_DEFAULTS__MAX_REJECTS", "2")
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
