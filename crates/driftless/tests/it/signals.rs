//! Interruption and company.

use std::time::{Duration, Instant};

use crate::desk::{Desk, end, signal};

#[tokio::test]
async fn an_interrupted_migration_ends_soon_and_continues() {
    for name in ["INT", "TERM"] {
        let desk = Desk::new("cli_signal").await;
        let gate = desk.gate().await;
        let running = desk.start(&["migrate"]);
        desk.somebody_waits().await;
        let begin = Instant::now();
        signal(&running, name);
        let outcome = end(running).expect(130);
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        assert!(outcome.err.contains("error[DL0507]"), "{}", outcome.err);
        gate.open().await;
        desk.run(&["migrate"]).expect(1);
        assert_eq!(desk.count("SELECT count(*) FROM public.customers").await, 200);
        assert_eq!(desk.count("SELECT count(*) FROM public.orders").await, 998);
    }
}

#[tokio::test]
async fn a_second_instance_is_sent_away() {
    let desk = Desk::new("cli_company").await;
    let gate = desk.gate().await;
    let running = desk.start(&["migrate"]);
    desk.somebody_waits().await;
    let second = desk.run(&["migrate"]).expect(5);
    assert!(second.err.contains("error[DL0500]"), "{}", second.err);
    let status = desk.run(&["status"]).expect(0);
    assert!(!status.out.contains("held by   nobody"), "{}", status.out);
    gate.open().await;
    end(running).expect(1);
}
