//! What commands say, and whether it is so.

#![expect(clippy::unwrap_used, reason = "a test cannot go on either where these fail")]

use serde_json::Value;
use tempfile::tempdir;

use crate::desk::{Desk, end, program, run};

/// The entities of a document by name.
fn entity<'d>(document: &'d Value, name: &str) -> &'d Value {
    let entities = document["entities"].as_array().unwrap();
    entities.iter().find(|one| one["entity"] == name).unwrap()
}

fn number(entity: &Value, figure: &str) -> i64 {
    entity[figure].as_i64().unwrap()
}

#[tokio::test]
async fn a_plan_knows_rows_of_tables_that_nobody_analysed() {
    let desk = Desk::new("words_rows").await;
    let plan = desk.run(&["plan", "--json"]).expect(0).document();
    assert_eq!(entity(&plan, "customers")["estimated_rows"], 200);
    assert_eq!(entity(&plan, "orders")["estimated_rows"], 1000);
    // A view is never run for it: the planner guesses.
    desk.source
        .run(
            "ALTER TABLE public.customer RENAME TO people;
             CREATE FUNCTION public.halt(id integer) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
             $$ BEGIN RAISE 'read'; END $$;
             CREATE VIEW public.customer AS SELECT * FROM public.people WHERE public.halt(id);
             TRUNCATE public.customer_order",
        )
        .await;
    let key = "into = \"public.customers\"\nkey = [\"id\"]";
    desk.edit("entities/shop.toml", "into = \"public.customers\"", key);
    let plan = desk.run(&["plan", "--json"]).expect(0).document();
    assert!(number(entity(&plan, "customers"), "estimated_rows") > 0, "{plan}");
    assert_eq!(entity(&plan, "orders")["estimated_rows"], 0);
}

#[tokio::test]
async fn a_plan_says_what_migrate_would_refuse() {
    let desk = Desk::new("words_refused").await;
    let died = program(desk.dir(), &["migrate"])
        .env("DRIFTLESS_CRASH", "loaded")
        .spawn();
    end(died.unwrap());
    desk.edit(
        "entities/shop.toml",
        "amount::numeric(12,2)",
        "round(amount::numeric, 2)",
    );
    let plan = desk.run(&["plan"]).expect(4);
    assert!(plan.out.contains("refused: DL0505"), "{}", plan.out);
    assert!(
        plan.err.contains("error[DL0505]: entity orders") && plan.err.contains("--restart --entity orders"),
        "{}",
        plan.err
    );
    let plan = desk.run(&["plan", "--json"]).expect(4).document();
    assert_eq!(entity(&plan, "orders")["refused"], "DL0505");
    assert_eq!(entity(&plan, "customers")["refused"], Value::Null);
    let check = desk.run(&["check", "--json"]).expect(4).document();
    assert_eq!(
        (&check["ok"], &check["findings"][0]["code"]),
        (&Value::from(false), &Value::from("DL0505"))
    );
    let migrate = desk.run(&["migrate"]).expect(4);
    assert!(migrate.err.contains("error[DL0505]"), "{}", migrate.err);
}

#[tokio::test]
async fn figures_of_a_continued_run_add_up() {
    let desk = Desk::new("words_figures").await;
    for point in ["loaded", "references-proven"] {
        let died = program(desk.dir(), &["migrate"])
            .env("DRIFTLESS_CRASH", point)
            .spawn();
        end(died.unwrap());
    }
    desk.source
        .run(
            "UPDATE public.customer_order SET amount = '7.25' WHERE id IN (100, 200);
             DELETE FROM public.customer_order WHERE id = 300;
             INSERT INTO public.customer_order VALUES (2000, 5, '1.00')",
        )
        .await;
    let report = desk.run(&["migrate", "--json"]).expect(1).document();
    assert_eq!(report["resumed"], true);
    assert_eq!(report["on_record"], 2);
    for (name, read, written) in [("customers", 200, 0), ("orders", 1000, 1)] {
        let one = entity(&report, name);
        let parts = ["inserted", "kept", "adopted", "rejected", "parked"].map(|part| number(one, part));
        assert_eq!((number(one, "read"), parts[0]), (read, written), "{one}");
        assert_eq!(parts.iter().sum::<i64>(), read, "{one}");
    }
    assert_eq!(number(entity(&report, "orders"), "updated"), 2);
    assert_eq!(number(entity(&report, "orders"), "deleted"), 1);
    assert_eq!(desk.count("SELECT count(*) FROM public.orders").await, 998);
    let text = desk.run(&["migrate"]).expect(1).out;
    assert_eq!(
        text,
        "nothing to do: every entity is done; 2 rows on record as rejected: driftless rejects list\n"
    );
}

#[tokio::test]
async fn a_key_of_several_columns_is_given_in_parts() {
    let desk = Desk::new("words_parts").await;
    desk.edit(
        "entities/shop.toml",
        "into = \"public.orders\"",
        "into = \"public.orders\"\nkey = [\"id\", \"customer_id\"]",
    );
    desk.run(&["migrate"]).expect(1);
    let list = desk.run(&["rejects", "list", "orders", "9", "10"]).expect(0).out;
    assert!(
        list.contains("[\"9\",\"10\"]") && !list.contains("[\"7\""),
        "{list}"
    );
    desk.source
        .run("UPDATE public.customer_order SET amount = '11.25' WHERE id = 9")
        .await;
    let retry = desk.run(&["rejects", "retry", "orders", "9", "10"]).expect(0).out;
    assert!(retry.contains("1 row tried, 1 now in the target"), "{retry}");
    let retry = desk
        .run(&[
            "rejects",
            "retry",
            "--entity",
            "orders",
            "--key",
            "[\"7\",\"999\"]",
        ])
        .expect(1)
        .out;
    assert!(
        retry.contains("1 row tried, 0 now in the target, 1 still on record"),
        "{retry}"
    );
    let unknown = desk.run(&["rejects", "retry", "odrers"]).expect(2);
    assert!(unknown.err.contains("error[DL0009]"), "{}", unknown.err);
    let twice = desk
        .run(&["rejects", "retry", "orders", "--entity", "orders"])
        .expect(2);
    assert!(twice.err.contains("error[DL0600]"), "{}", twice.err);
}

#[tokio::test]
async fn the_caret_stands_under_the_misspelt_column() {
    let desk = Desk::new("words_caret").await;
    desk.edit("entities/shop.toml", "email = \"mail\"", "email = \"mial\"");
    let check = desk.run(&["check"]).expect(2);
    let expected = "error[DL0102]: entity customers, column email: public.customer has no column mial";
    assert!(check.err.contains(expected), "{}", check.err);
    assert!(check.err.contains("did you mean mail?"), "{}", check.err);
    let lines: Vec<&str> = check.err.lines().collect();
    let said = lines
        .iter()
        .position(|line| line.contains("email = \"mial\""))
        .unwrap();
    let (text, caret) = (lines[said], lines[said + 1]);
    assert_eq!(caret.find('^'), text.find("\"mial\""), "{}", check.err);
    assert_eq!(caret.matches('^').count(), "\"mial\"".len(), "{}", check.err);
}

#[tokio::test]
async fn a_halt_leaves_its_reasons_in_the_status() {
    let desk = Desk::new("words_halt").await;
    desk.edit("driftless.toml", "max_rejects = \"5%\"", "max_rejects = 0");
    let halt = desk.run(&["migrate"]).expect(4);
    assert!(halt.err.contains("error[DL0502]"), "{}", halt.err);
    let status = desk.run(&["status", "--json"]).expect(0).document();
    let aside = status["set_aside"].as_array().unwrap();
    let failed = aside.iter().find(|item| item[3] == "failed").unwrap();
    assert!(
        failed[4].as_str().unwrap().contains("orders_customer_id_fkey"),
        "{failed}"
    );
    // Of the entity that ended the run: others may have been at work still.
    assert!(halt.err.contains("entity orders"), "{}", halt.err);
    let counts = entity(&status["executions"][0], "orders");
    assert_eq!(counts["path"], "load");
    let text = desk.run(&["status"]).expect(0).out;
    assert!(
        text.contains("why") && text.contains("rows refer to rows that are not there"),
        "{text}"
    );
}

#[tokio::test]
async fn a_label_shows_in_every_report() {
    let desk = Desk::new("words_domain").await;
    desk.edit(
        "entities/shop.toml",
        "into = \"public.orders\"",
        "into = \"public.orders\"\ndomain = \"sales\"",
    );
    for command in ["plan", "migrate", "status", "validate"] {
        let text = match command {
            "migrate" => desk.run(&[command]).expect(1),
            _ => desk.run(&[command]).expect(0),
        };
        assert!(
            text.out.contains("domain") && text.out.contains("sales"),
            "{}",
            text.out
        );
        let document = desk.run(&[command, "--json"]).document();
        assert_eq!(entity(&document, "orders")["domain"], "sales", "{document}");
        assert_eq!(
            entity(&document, "customers")["domain"],
            Value::Null,
            "{document}"
        );
    }
}

#[tokio::test]
async fn a_teardown_says_what_it_does() {
    let desk = Desk::new("words_teardown").await;
    desk.run(&["migrate"]).expect(1);
    let done = desk.run(&["teardown", "--yes"]).expect(0);
    assert!(
        done.err
            .contains("teardown of pipeline shop, in schema driftless")
            && done.err.contains("emptied"),
        "{}",
        done.err
    );
    assert_eq!(
        done.out,
        "removed: what schema driftless had on record; the identities of 2 tables stay\n"
    );
    let again = desk.run(&["teardown"]).expect(0);
    assert_eq!(again.out, "nothing to remove: the state is empty\n");
    let all = desk.run(&["teardown", "--forget-identities", "--yes"]).expect(0);
    assert!(all.err.contains("dropped"), "{}", all.err);
    assert_eq!(all.out, "removed: schema driftless with everything in it\n");
}

#[tokio::test]
async fn keys_are_taken_as_they_are_and_counted() {
    let desk = Desk::new("words_keys").await;
    desk.source
        .run("INSERT INTO public.customer VALUES (-5, 'Below', NULL)")
        .await;
    desk.run(&["migrate"]).expect(1);
    let got = desk.run(&["ids", "get", "customers", "-5"]).expect(0).out;
    assert!(got.starts_with("customers -5\n"), "{got}");
    let two = desk.run(&["ids", "get", "customers", "1", "2"]).expect(2).err;
    assert!(
        two.contains("error[DL0600]: key of customers: 2 value(s) for a key of 1 column(s)")
            && two.contains("each of id"),
        "{two}"
    );
    let rejected = desk.run(&["ids", "get", "orders", "9"]).expect(2).err;
    assert!(
        rejected.contains("the row is on record as rejected, DL0404"),
        "{rejected}"
    );
    let meant = desk.run(&["ids", "get", "custmers", "1"]).expect(2).err;
    assert!(meant.contains("did you mean `customers`?"), "{meant}");
    // What is done is done: nothing would be set aside for it.
    let plan = desk.run(&["plan"]).expect(0).out;
    assert!(
        plan.contains("load: its load is done, and nothing is left to do"),
        "{plan}"
    );
}

#[test]
fn a_mapping_that_cannot_be_read_says_why() {
    let dir = tempdir().unwrap();
    std::fs::write(dir.path().join("bytes.toml"), b"# caf\xe9\n").unwrap();
    for (file, said) in [
        (
            "absent.toml",
            "error[DL0001]: absent.toml: cannot be read: no such file or directory\n",
        ),
        (".", "is no file but a directory\n"),
        (
            "bytes.toml",
            "error[DL0001]: bytes.toml: is not UTF-8 text: line 1 has a byte that is none\n",
        ),
    ] {
        let outcome = run(dir.path(), &["check", "--config", file]).expect(2);
        assert!(outcome.err.contains(said), "{}", outcome.err);
    }
}

#[test]
fn the_manual_is_printed_or_written() {
    let dir = tempdir().unwrap();
    let first = run(dir.path(), &["man"]).expect(0).out;
    assert!(first.contains(".TH driftless 1"), "{first}");
    let written = run(dir.path(), &["man", "deep/man1"]).expect(0);
    assert!(
        written.out.is_empty() && written.err.contains("pages in deep/man1"),
        "{}",
        written.err
    );
    let page = std::fs::read_to_string(dir.path().join("deep/man1/driftless-rejects-retry.1")).unwrap();
    assert!(page.contains("driftless rejects retry offers 3 120"), "{page}");
    std::fs::write(dir.path().join("file"), "").unwrap();
    let refused = run(dir.path(), &["man", "file/man1"]).expect(2);
    assert!(refused.err.contains("error[DL0602]"), "{}", refused.err);
}
