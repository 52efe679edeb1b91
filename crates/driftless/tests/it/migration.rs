//! A whole migration, by its commands.

use std::fs;

use crate::desk::Desk;

#[tokio::test]
async fn a_shop_moves() {
    let desk = Desk::new("cli_moves").await;
    let check = desk.run(&["check"]).expect(0);
    assert!(
        check.out.contains("checked: 2 entities, no errors"),
        "{}",
        check.out
    );
    let plan = desk.run(&["plan", "--json"]).expect(0).document();
    assert_eq!(plan["schema"], "driftless/plan/1");
    let detail = desk.run(&["plan", "--entity", "orders"]).expect(0).out;
    assert!(
        detail.contains("amount") && !detail.contains("customers\n  from"),
        "{detail}"
    );
    let status = desk.run(&["status"]).expect(0);
    assert!(
        status.out.contains("nothing of it is in the target yet"),
        "{}",
        status.out
    );

    let migrate = desk.run(&["migrate"]).expect(1);
    assert!(
        migrate.out.contains("2 rows on record as rejected"),
        "{}",
        migrate.out
    );
    assert!(migrate.err.contains("orders: done"), "{}", migrate.err);
    assert_eq!(desk.count("SELECT count(*) FROM public.customers").await, 200);
    assert_eq!(desk.count("SELECT count(*) FROM public.orders").await, 998);

    let again = desk.run(&["migrate", "--json"]).expect(1).document();
    assert_eq!(again["schema"], "driftless/migrate/1");
    assert_eq!(again["nothing_to_do"], true);

    let validate = desk.run(&["validate"]).expect(0);
    assert!(validate.err.is_empty(), "{}", validate.err);
    desk.target
        .run("UPDATE public.orders SET amount = amount + 0.01 WHERE amount = 12.50")
        .await;
    let validate = desk.run(&["validate", "--json"]).expect(1).document();
    assert_eq!(validate["schema"], "driftless/validate/1");
}

#[tokio::test]
async fn quiet_says_nothing_but_data() {
    let desk = Desk::new("cli_quiet").await;
    let migrate = desk.run(&["migrate", "--quiet", "--json"]).expect(1);
    assert!(migrate.err.is_empty(), "{}", migrate.err);
    assert_eq!(migrate.document()["schema"], "driftless/migrate/1");
}

#[tokio::test]
async fn the_log_is_lines_of_json_without_row_values() {
    let desk = Desk::new("cli_log").await;
    desk.run(&["migrate"]).expect(1);
    let text = fs::read_to_string(desk.dir().join(".driftless/shop.log")).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines
            .iter()
            .any(|line| line["message"] == "began" && line["command"] == "migrate"),
        "{text}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line["message"] == "ended" && line["exit"] == 1),
        "{text}"
    );
    for value in ["n/a", "@example.org", "Customer 1"] {
        assert!(!text.contains(value), "{value}: {text}");
    }
}

#[tokio::test]
async fn starting_over_asks_first() {
    let desk = Desk::new("cli_restart").await;
    desk.run(&["migrate"]).expect(1);
    let refused = desk
        .run(&["migrate", "--restart", "--entity", "customers"])
        .expect(2);
    assert!(
        refused.err.contains("error[DL0601]") && refused.err.contains("public.orders"),
        "{}",
        refused.err
    );
    assert_eq!(desk.count("SELECT count(*) FROM public.orders").await, 998);
    desk.target.run("UPDATE public.orders SET amount = 0").await;
    desk.run(&["migrate", "--restart", "--yes"]).expect(1);
    assert_eq!(
        desk.count("SELECT count(*) FROM public.orders WHERE amount > 0")
            .await,
        998
    );
}

#[tokio::test]
async fn unknown_entities_are_refused_by_name() {
    let desk = Desk::new("cli_unknown").await;
    for arguments in [
        &["migrate", "--entity", "odrers"][..],
        &["ids", "get", "odrers", "1"],
        &["rejects", "show", "odrers", "1"],
    ] {
        let outcome = desk.run(arguments).expect(2);
        assert!(
            outcome.err.contains("error[DL0009]") && outcome.err.contains("customers, orders"),
            "{}",
            outcome.err
        );
    }
}

#[tokio::test]
async fn teardown_names_what_goes_and_asks() {
    let desk = Desk::new("cli_teardown").await;
    desk.run(&["migrate"]).expect(1);
    let refused = desk.run(&["teardown"]).expect(2);
    assert!(
        refused.err.contains("error[DL0601]") && refused.err.contains("identities"),
        "{}",
        refused.err
    );
    let all = desk
        .run(&["teardown", "--forget-identities", "--yes", "--json"])
        .expect(0);
    assert_eq!(all.document()["schema"], "driftless/teardown/1");
    assert_eq!(
        desk.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'driftless'")
            .await,
        0
    );
    assert_eq!(desk.count("SELECT count(*) FROM public.orders").await, 998);
    let nothing = desk.run(&["teardown"]).expect(2);
    assert!(nothing.err.contains("error[DL0510]"), "{}", nothing.err);
}
