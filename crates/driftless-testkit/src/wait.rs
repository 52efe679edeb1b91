use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a state may take to come about on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);

/// How often it is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Waits until `reached` says yes.
///
/// # Panics
///
/// It does not say so within a minute; `what` tells the reader what was waited for.
pub async fn wait_until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !reached().await {
        assert!(Instant::now() < end, "waited {LIMIT:?} in vain: {what}");
        sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_state_is_awaited() {
        let mut looks = 0;
        wait_until("the third look", async || {
            looks += 1;
            looks == 3
        })
        .await;
        assert_eq!(looks, 3);
    }
}
