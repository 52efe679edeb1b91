use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_postgres::{Client, NoTls};

use crate::database::TestDatabase;
use crate::random::Random;

/// Between two transactions: some dozens of them meet every step of a load.
const PACE: Duration = Duration::from_millis(4);

/// Between two attempts to reach a server that is away.
const RETRY: Duration = Duration::from_millis(50);

/// An application that goes on writing, through restarts of its server.
pub struct Application {
    ended: Arc<AtomicBool>,
    changes: Arc<AtomicU64>,
    writing: JoinHandle<()>,
}

impl Application {
    /// Writes from now on into a source that was filled with so many customers; the seed decides what.
    #[must_use]
    pub fn start(rows: u64, source: &TestDatabase, seed: u64) -> Application {
        let ended = Arc::new(AtomicBool::new(false));
        let changes = Arc::new(AtomicU64::new(0));
        let random = Random::from_seed(seed);
        let counted = (Arc::clone(&ended), Arc::clone(&changes));
        let writing = tokio::spawn(write(source.url(), rows, random, counted));
        Application {
            ended,
            changes,
            writing,
        }
    }

    /// How many transactions it has committed so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Ends; how many transactions it committed.
    ///
    /// # Panics
    ///
    /// It committed none, or the server refused one.
    pub async fn end(self) -> u64 {
        self.ended.store(true, Ordering::SeqCst);
        self.writing.await.expect("the application goes on to its end");
        let changes = self.changes.load(Ordering::SeqCst);
        assert!(changes > 0, "the source never changed");
        changes
    }
}

async fn write(
    url: String,
    rows: u64,
    mut random: Random,
    (ended, changes): (Arc<AtomicBool>, Arc<AtomicU64>),
) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut client = None;
    while !ended.load(Ordering::SeqCst) {
        pace.tick().await;
        let Some(connected) = &client else {
            client = connect(&url).await;
            continue;
        };
        let sql = change(rows, &mut random);
        match connected.batch_execute(&sql).await {
            Ok(()) => drop(changes.fetch_add(1, Ordering::SeqCst)),
            Err(error) => match error.as_db_error() {
                // The server ends the session.
                Some(refused) if !refused.code().code().starts_with("57P") => {
                    panic!("{}: {}\n{sql}", refused.code().code(), refused.message())
                }
                _ => client = None,
            },
        }
    }
}

async fn connect(url: &str) -> Option<Client> {
    match tokio_postgres::connect(url, NoTls).await {
        Ok((client, connection)) => {
            tokio::spawn(connection);
            Some(client)
        }
        Err(_) => {
            sleep(RETRY).await;
            None
        }
    }
}

/// A transaction of the application.
fn change(rows: u64, random: &mut Random) -> String {
    // A tenth more than there are at first: some are new.
    let (most, badges) = (rows + rows / 10, rows / 3);
    let (customer, other) = (1 + random.below(most), 1 + random.below(most));
    let (order, device, agent) = (
        1 + random.below(2 * most),
        1 + random.below(most / 7),
        1 + random.below(45),
    );
    let (remark, bits) = (1 + random.below(most), random.bits());
    match random.below(20) {
        0 => format!("UPDATE public.customer SET name = name || '.' WHERE id = {customer}"),
        1 => format!("DELETE FROM public.customer WHERE id = {customer}"),
        2 => format!(
            "INSERT INTO public.customer VALUES ({customer}, 'New {customer}', 'n{bits}@example.org', 'b{}', {other}, {order}, {agent}, repeat('y', 900)) \
             ON CONFLICT (id) DO NOTHING",
            other % badges
        ),
        // A unique value goes from one row to another and back.
        3 | 4 => format!(
            "UPDATE public.customer AS a SET mail = b.mail FROM public.customer AS b \
             WHERE a.id IN ({customer}, {other}) AND b.id IN ({customer}, {other}) AND a.id <> b.id"
        ),
        5 => format!(
            "UPDATE public.customer SET badge = 'B{}' WHERE id = {customer}",
            other % badges
        ),
        6 => format!("UPDATE public.customer SET badge = NULL WHERE id = {customer}"),
        7 => format!(
            "UPDATE public.customer SET referrer_id = {other}, favourite_id = {order}, agent_id = {agent} WHERE id = {customer}"
        ),
        8 => format!(
            "UPDATE public.customer_order SET amount = '{}.{:02}' WHERE id = {order}",
            bits % 3000,
            bits % 97
        ),
        9 => format!("UPDATE public.customer_order SET amount = 'n/a' WHERE id = {order} AND id % 9 = 0"),
        10 => format!("DELETE FROM public.customer_order WHERE id = {order}"),
        11 | 12 => format!(
            "INSERT INTO public.customer_order VALUES ({order}, {customer}, {device}, '1.25', repeat('y', 900)) \
             ON CONFLICT (id) DO UPDATE SET customer_id = {customer}, device_id = {device}"
        ),
        13 => format!(
            "UPDATE public.remark SET order_id = {order}, body = body || '.' WHERE code = 'r{remark}'"
        ),
        14 => format!("DELETE FROM public.remark WHERE code = 'r{remark}'"),
        15 => format!(
            "INSERT INTO public.remark VALUES ('r{remark}', {order}, 'New {remark}', repeat('y', 900)) ON CONFLICT DO NOTHING"
        ),
        16 => format!("UPDATE public.device SET customer_id = {customer} WHERE id = {device}"),
        17 => format!(
            "BEGIN; DELETE FROM public.device WHERE id = {device}; \
             INSERT INTO public.device VALUES ({device}, md5('{bits}')::uuid, {customer}); COMMIT"
        ),
        18 => format!(
            "BEGIN; DELETE FROM public.remark WHERE order_id = {order}; DELETE FROM public.customer_order WHERE id = {order}; \
             DELETE FROM public.agent WHERE id = {agent} AND id > 15; COMMIT"
        ),
        _ => format!(
            "INSERT INTO public.agent VALUES ({agent}, 'New agent') ON CONFLICT (id) DO UPDATE SET name = public.agent.name || '.'"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_the_transactions() {
        let drawn = |seed| {
            let mut random = Random::from_seed(seed);
            (0..100).map(|_| change(300, &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(3), drawn(3));
        assert_ne!(drawn(3), drawn(4));
    }
}
