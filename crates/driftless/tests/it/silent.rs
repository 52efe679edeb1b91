//! A server that says nothing any more, and whose connections nobody closes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::time::{Duration, Instant};

use driftless_testkit::{Direction, Fault, FaultProxy, wait_until};

use crate::desk::{Desk, end, signal};

/// How long somebody stays who wants to leave: five seconds, and what a loaded machine adds.
const LEAVING: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_a_silent_server_can_leave_and_the_load_continues() {
    for (of_the_target, way) in [(true, Direction::ToServer), (false, Direction::ToClient)] {
        let desk = Desk::new("cli_silent").await;
        let source = FaultProxy::start(&desk.source.url()).await;
        let target = FaultProxy::start(&desk.target.url()).await;
        let variables = format!("SHOP_SOURCE='{}'\nSHOP_TARGET='{}'\n", source.url(), target.url());
        desk.write(".env", &variables);
        let proxy = if of_the_target { &target } else { &source };
        let gate = desk.gate().await;
        let mut running = desk.start(&["migrate"]);
        desk.somebody_waits().await;
        proxy.arm(Fault::BlackHole(way, 0));
        gate.open().await;
        wait_until("the silence", async || proxy.fired()).await;
        let mut said = BufReader::new(running.stderr.take().unwrap());
        let mut err = String::new();
        if of_the_target {
            // Heartbeats tell of it.
            while !err.contains("the target has not answered for 15 s") {
                let read = tokio::task::block_in_place(|| said.read_line(&mut err));
                assert_ne!(read.unwrap(), 0, "{err}");
            }
        }
        let begin = Instant::now();
        signal(&running, "INT");
        // The silence lasts: what ends the program is its own.
        wait_until("the end of the program", async || {
            running.try_wait().unwrap().is_some()
        })
        .await;
        assert!(begin.elapsed() < LEAVING, "{:?}", begin.elapsed());
        end(running).expect(130);
        said.read_to_string(&mut err).unwrap();
        assert!(err.contains("error[DL0507]"), "{err}");
        let told = err.contains("could not be put back (DL0201");
        assert_eq!(told, of_the_target, "{err}");
        proxy.heal();
        desk.run(&["migrate"]).expect(1);
        assert_eq!(desk.count("SELECT count(*) FROM public.customers").await, 200);
        assert_eq!(desk.count("SELECT count(*) FROM public.orders").await, 998);
        assert_eq!(
            desk.count("SELECT count(*) FROM driftless.set_aside WHERE state <> 'restored'")
                .await,
            0
        );
    }
}
