//! How memory goes back to the system.

/// From how many bytes on a block is mapped by itself: batches of rows, and what is sent of them.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED: libc::c_int = 1 << 20;

/// How much may stay at the end of the heap for what is smaller. With a threshold that was set it would be 128 KiB, and the same pages
/// would come and go with every batch.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: libc::c_int = 8 << 20;

/// Lets blocks as large as batches go back to the system when they are free.
///
/// The C library of GNU would raise its threshold to the largest block that was ever freed, and from then on lay batches of several
/// lanes side by side into one heap. What such a heap takes at most grows with how long a load goes on. A threshold that was
/// set stays (`mallopt(3)`, `M_MMAP_THRESHOLD`).
pub(crate) fn return_batches() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    set(MAPPED, KEPT);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(
    unsafe_code,
    reason = "mallopt has no safe face; it is called before other threads begin, with a parameter that it knows"
)]
fn set(mapped: libc::c_int, kept: libc::c_int) {
    // SAFETY: mallopt takes two integers and touches nothing but the allocator's own settings. What it answers is whether it knows
    // the parameter; if it did not, memory would be as it is without it.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, mapped);
        libc::mallopt(libc::M_TRIM_THRESHOLD, kept);
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use std::fs;
    use std::hint::black_box;

    use super::*;

    const MB: usize = 1 << 20;

    fn resident_mb() -> usize {
        let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kb = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        kb.map_or(0, |kb: usize| kb / 1024)
    }

    /// Blocks one behind the other, so that a heap could not shrink from its end.
    fn blocks() -> Vec<Vec<u8>> {
        (0..24).map(|_| black_box(vec![1; 2 * MB])).collect()
    }

    #[test]
    fn free_batches_are_the_systems_again() {
        return_batches();
        // By the first that are freed the C library would learn that such blocks come and go.
        drop(blocks());
        let before = resident_mb();
        assert!(before > 0, "nothing is known of memory");
        let mut held = blocks();
        let last = held.pop();
        drop(held);
        let after = resident_mb();
        assert!(after < before + 16, "{before} MB before, {after} MB after");
        drop(last);
    }
}
