//! Named crash points: where a test lets the process die, to show that the next start continues without loss.
//!
//! `DRIFTLESS_CRASH=name` or `name:3` (the third time) ends the process there at once, as kill -9 would: nothing is flushed,
//! no destructor runs. Without the variable a point is one atomic load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Crash points of `rejects retry`: behind its rows, and behind their proof.
pub const RETRY_POINTS: &[&str] = &["retried", "retry-proven"];

/// Every crash point of a load, in the order in which it passes them.
pub const POINTS: &[&str] = &[
    "state-made",
    "lease-taken",
    "entities-begun",
    "uuids-recorded",
    "aside-before-commit",
    "aside-dropped",
    "before-checkpoint",
    "before-commit",
    "after-commit",
    "loaded",
    "mend-before-commit",
    "mended",
    "keys-restored",
    "references-proven",
    "attached",
    "all-restored",
    "before-done",
    "done",
];

struct Wish {
    point: String,
    times: AtomicU32,
}

/// Dies here if the environment wishes so.
pub fn point(name: &'static str) {
    static WISH: OnceLock<Option<Wish>> = OnceLock::new();
    debug_assert!(
        POINTS.contains(&name) || RETRY_POINTS.contains(&name),
        "an unnamed crash point"
    );
    let wish = WISH.get_or_init(|| {
        let text = std::env::var("DRIFTLESS_CRASH").ok()?;
        let (point, times) = text.split_once(':').unwrap_or((&text, "1"));
        Some(Wish {
            point: point.to_owned(),
            times: AtomicU32::new(times.parse().unwrap_or(1)),
        })
    });
    if let Some(wish) = wish
        && wish.point == name
        && wish.times.fetch_sub(1, Ordering::SeqCst) == 1
    {
        eprintln!("crash point {name}");
        std::process::abort();
    }
}
