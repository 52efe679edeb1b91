//! Rejects in bulk: filtered, tried again, dismissed, exported; and warnings.

#![expect(clippy::unwrap_used, reason = "a test cannot go on either where these fail")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use driftless_testkit::load_dump;
use serde_json::Value;

use crate::desk::Desk;

/// Two customers without a name, each with five orders that are left out with them; the two orders that are wrong by
/// themselves; and a rule that warns of three customers.
async fn loaded(hint: &str) -> Desk {
    let desk = Desk::new(hint).await;
    desk.source
        .run(
            "UPDATE public.customer SET name = NULL, mail = E'a,\"b\"\\r\\nc \\\\' WHERE id = 50;
             UPDATE public.customer SET name = NULL, mail = '' WHERE id = 51",
        )
        .await;
    let rule = "[[entities.customers.rules]]\nname = \"early\"\ncheck = \"id > 3\"\non_fail = \"warn\"\n\n[entities.orders]";
    desk.edit("entities/shop.toml", "[entities.orders]", rule);
    desk.run(&["migrate"]).expect(1);
    desk
}

/// How many rejects these filters find.
fn found(desk: &Desk, filters: &[&str]) -> i64 {
    let arguments = [&["rejects", "list", "--json", "--limit", "100"], filters].concat();
    let list = desk.run(&arguments).expect(0).document();
    let total = list["total"].as_i64().unwrap();
    assert_eq!(list["rejects"].as_array().unwrap().len() as i64, total);
    total
}

#[tokio::test]
async fn rejects_are_filtered_and_done_with_in_bulk() {
    let desk = loaded("cli_bulk").await;
    assert_eq!(found(&desk, &[]), 14);
    assert_eq!(found(&desk, &["--parent", "customers"]), 10);
    assert_eq!(found(&desk, &["--parent", "customers", "--parent-key", "50"]), 5);
    assert_eq!(found(&desk, &["--parent", "customers", "--code", "DL0404"]), 0);
    assert_eq!(found(&desk, &["--parent", "orders"]), 0);
    desk.target
        .run("UPDATE driftless.rejects SET last_seen = last_seen - interval '2 days' WHERE entity = 'orders' AND key = '9'")
        .await;
    assert_eq!(found(&desk, &["--since", "1d"]), 13);
    assert_eq!(found(&desk, &["--since", "3d"]), 14);
    assert_eq!(found(&desk, &["--since", "2999-12-31T23:59:59+01:00"]), 0);

    for wrong in [
        ["--since", "yesterday"],
        ["--state", "gone"],
        ["--parent-key", "50"],
    ] {
        desk.run(&["rejects", "list", wrong[0], wrong[1]]).expect(2);
    }
    let misspelt = desk.run(&["rejects", "list", "--parent", "customer"]).expect(2);
    assert!(
        misspelt.err.contains("did you mean `customers`?"),
        "{}",
        misspelt.err
    );

    let of_51 = ["--parent", "customers", "--parent-key", "51"];
    let silent = desk
        .run(&[&["rejects", "discard"], &of_51[..]].concat())
        .expect(2);
    assert!(
        silent.err.contains("this forgets") && silent.err.contains("5 rows open"),
        "{}",
        silent.err
    );
    assert_eq!(found(&desk, &["--state", "discarded"]), 0);
    let discarded = desk
        .run(&[&["rejects", "discard", "--yes"], &of_51[..]].concat())
        .expect(0);
    assert_eq!(discarded.out, "5 records discarded\n");
    assert_eq!(found(&desk, &["--state", "discarded"]), 5);
    assert_eq!(found(&desk, &["--state", "rejected", "--state", "parked"]), 9);

    desk.source
        .run("UPDATE public.customer SET name = 'Customer' WHERE id IN (50, 51)")
        .await;
    desk.run(&["rejects", "retry", "customers"]).expect(0);
    let children = ["rejects", "retry", "--parent", "customers"];
    let retried = desk.run(&children).expect(0).out;
    assert!(
        retried.contains("5 rows tried, 5 now in the target, 0 still on record"),
        "{retried}"
    );
    let named = desk
        .run(&["rejects", "retry", "--state", "discarded"])
        .expect(0)
        .out;
    assert!(named.contains("5 rows tried, 5 now in the target"), "{named}");
    assert_eq!(found(&desk, &[]), 2);
    assert_eq!(desk.count("SELECT count(*) FROM public.orders").await, 998);
}

/// Columns of the record, as an export has them.
const COLUMNS: &str = "entity, key, state, stage, code, sqlstate, category, message, column_name, constraint_name, rule, \
    parent_entity, parent_key, source_row, execution, to_char(first_seen AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
    to_char(last_seen AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";

#[tokio::test]
async fn an_export_is_read_back_as_it_stands_on_record() {
    let desk = loaded("cli_export").await;
    let told = desk
        .run(&["rejects", "export", "--output", "rejects.csv"])
        .expect(0);
    assert_eq!(
        (told.out.as_str(), told.err.as_str()),
        ("", "14 rows in rejects.csv\n")
    );
    let file = desk.dir().join("rejects.csv");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let csv = fs::read_to_string(&file).unwrap();
    assert_eq!(csv, desk.run(&["rejects", "export"]).expect(0).out);

    desk.target
        .run(
            "CREATE TABLE public.exported (entity text, key text, state text, stage text, code text, sqlstate text,
               category text, message text, \"column\" text, \"constraint\" text, rule text, parent_entity text,
               parent_key text, source_row jsonb, execution int8, first_seen text, last_seen text)",
        )
        .await;
    let script = format!("COPY public.exported FROM STDIN (FORMAT csv, HEADER);\n{csv}\\.\n");
    desk.write("back.sql", &script);
    load_dump(&desk.target.url(), &desk.dir().join("back.sql"));
    assert_eq!(desk.count("SELECT count(*) FROM public.exported").await, 14);
    let differing = format!(
        "SELECT count(*) FROM (SELECT {COLUMNS} FROM driftless.rejects EXCEPT SELECT * FROM public.exported) AS d"
    );
    assert_eq!(desk.count(&differing).await, 0);
    let mail = "SELECT source_row->>'mail' FROM public.exported WHERE entity = 'customers' AND key = '50'";
    assert_eq!(desk.target.value(mail).await.as_deref(), Some("a,\"b\"\r\nc \\"));

    let lines = desk
        .run(&["rejects", "export", "orders", "--as", "jsonl"])
        .expect(0)
        .out;
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 12);
    let mut shown = desk
        .run(&["rejects", "show", "orders", "9", "--json"])
        .expect(0)
        .document();
    shown.as_object_mut().unwrap().remove("schema");
    assert!(lines.contains(&shown), "{shown}");
}

#[tokio::test]
async fn an_export_replaces_a_file_only_when_told_to() {
    let desk = loaded("cli_replace").await;
    desk.write("out.jsonl", "mine");
    let to_file = ["rejects", "export", "orders", "9", "--output", "out.jsonl"];
    let refused = desk.run(&to_file).expect(2);
    assert!(refused.err.contains("this replaces out.jsonl"), "{}", refused.err);
    let text = || fs::read_to_string(desk.dir().join("out.jsonl")).unwrap();
    assert_eq!(text(), "mine");
    let document = desk
        .run(&[&to_file[..], &["--yes", "--json"]].concat())
        .expect(0)
        .document();
    assert_eq!(
        (&document["rows"], &document["file"]),
        (&Value::from(1), &Value::from("out.jsonl"))
    );
    let record: Value = serde_json::from_str(&text()).unwrap();
    assert_eq!(record["source_row"]["amount"], "n/a");

    let nowhere = desk
        .run(&["rejects", "export", "--output", "absent/out.csv"])
        .expect(2);
    assert!(nowhere.err.contains("error[DL0602]"), "{}", nowhere.err);
    let nothing = desk
        .run(&["rejects", "export", "--since", "2999-01-01"])
        .expect(0)
        .out;
    assert!(
        nothing.starts_with("entity,key,state,") && nothing.lines().count() == 1,
        "{nothing}"
    );
    let left: Vec<String> = fs::read_dir(desk.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn warnings_are_counted_filtered_and_exported() {
    let desk = loaded("cli_warnings").await;
    let list = desk
        .run(&["rejects", "list", "--warnings", "--json"])
        .expect(0)
        .document();
    assert_eq!(list["total"], 3);
    assert_eq!(list["groups"][0]["rule"], "early");
    assert_eq!(list["groups"][0]["rows"], 3);
    assert_eq!(list["warnings"][2]["key"], "3");
    let one = desk
        .run(&["rejects", "list", "customers", "2", "--warnings"])
        .expect(0)
        .out;
    assert!(one.contains("early") && !one.contains("--limit"), "{one}");
    let first = desk
        .run(&["rejects", "list", "--warnings", "--limit", "1"])
        .expect(0)
        .out;
    assert!(first.contains("1 of 3 rows"), "{first}");
    for none in [
        ["--entity", "orders"],
        ["--rule", "late"],
        ["--since", "2999-01-01"],
    ] {
        let text = desk
            .run(&["rejects", "list", "--warnings", none[0], none[1]])
            .expect(0)
            .out;
        assert_eq!(text, "no warnings\n");
    }
    desk.run(&["rejects", "list", "--warnings", "--code", "DL0404"])
        .expect(2);
    let csv = desk
        .run(&["rejects", "export", "--warnings", "--rule", "early"])
        .expect(0)
        .out;
    let keys: Vec<&str> = csv.lines().filter_map(|line| line.split(',').nth(1)).collect();
    assert_eq!(keys, ["key", "1", "2", "3"]);
}
