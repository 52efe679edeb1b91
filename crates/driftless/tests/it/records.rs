//! Rejects and identities.

use crate::desk::Desk;

#[tokio::test]
async fn rejects_are_listed_shown_retried_and_discarded() {
    let desk = Desk::new("cli_rejects").await;
    let early = desk.run(&["rejects", "list"]).expect(2);
    assert!(early.err.contains("error[DL0510]"), "{}", early.err);
    desk.run(&["migrate"]).expect(1);

    let list = desk.run(&["rejects", "list", "--json"]).expect(0).document();
    assert_eq!(list["schema"], "driftless/rejects/1");
    assert_eq!(list["total"], 2);
    assert_eq!(list["rejects"].as_array().unwrap().len(), 2);
    let one = desk
        .run(&["rejects", "list", "--key", "9", "--code", "dl0404"])
        .expect(0)
        .out;
    assert!(one.contains("DL0404") && !one.contains("DL0400"), "{one}");
    let first = desk.run(&["rejects", "list", "--limit", "1"]).expect(0).out;
    assert!(first.contains("1 of 2 rows"), "{first}");

    let shown = desk.run(&["rejects", "show", "orders", "9"]).expect(0).out;
    assert!(shown.contains("source row") && shown.contains("n/a"), "{shown}");
    let absent = desk.run(&["rejects", "show", "orders", "10"]).expect(2);
    assert!(absent.err.contains("error[DL0603]"), "{}", absent.err);

    desk.source
        .run("UPDATE public.customer_order SET amount = '11.25' WHERE id = 9")
        .await;
    let retry = desk.run(&["rejects", "retry"]).expect(1).out;
    assert!(
        retry.contains("2 rows tried, 1 now in the target, 1 still on record"),
        "{retry}"
    );
    assert_eq!(desk.count("SELECT count(*) FROM public.orders").await, 999);

    desk.run(&["rejects", "discard"]).expect(2);
    let discarded = desk.run(&["rejects", "discard", "--yes"]).expect(0).out;
    assert_eq!(discarded, "1 record discarded\n");
    let list = desk.run(&["rejects", "list", "--groups"]).expect(0).out;
    assert!(list.contains("0 rows open; 1 discarded"), "{list}");
    let again = desk.run(&["rejects", "discard"]).expect(0).out;
    assert_eq!(again, "0 records discarded\n");
}

#[tokio::test]
async fn identities_are_found_in_both_directions() {
    let desk = Desk::new("cli_ids").await;
    desk.run(&["migrate"]).expect(1);
    let uuid = desk
        .target
        .value("SELECT id FROM public.customers WHERE legacy_id = 17")
        .await
        .unwrap();
    let got = desk
        .run(&["ids", "get", "customers", "17", "--json"])
        .expect(0)
        .document();
    assert_eq!(got["schema"], "driftless/identity/1");
    assert!(got["target"].to_string().contains(&uuid), "{got}");
    let found = desk.run(&["ids", "find", &uuid]).expect(0).out;
    assert!(found.contains("customers") && found.contains("17"), "{found}");
    let absent = desk.run(&["ids", "get", "customers", "1717"]).expect(2);
    assert!(absent.err.contains("error[DL0603]"), "{}", absent.err);
    let strange = desk
        .run(&["ids", "find", "00000000-0000-4000-8000-000000000000"])
        .expect(2);
    assert!(strange.err.contains("error[DL0603]"), "{}", strange.err);
}
