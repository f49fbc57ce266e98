//! The queue that a process shares, and how work is cut for threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use once_cell::sync::OnceCell;
use rayon::ThreadPool;

use super::Queue;
use super::simd;
use crate::error::{Error, Result};

static SHARED: OnceCell<Queue> = OnceCell::new();

/// Threads that the shared queue will have; 0 is one for each core.
static SIZE: AtomicUsize = AtomicUsize::new(0);

/// Threads that it may have on a machine of few cores.
const MOST: usize = 256;

/// The queue that all streams of the process share, started by the first call, with one thread for each core unless
/// [`set_size`] was called before.
///
/// # Errors
/// When the operating system refuses the threads; a later call tries again.
pub fn shared() -> Result<&'static Queue> {
    SHARED.get_or_try_init(|| {
        let size = match SIZE.load(Ordering::Relaxed) {
            0 => cores(),
            size => size,
        };
        Queue::new(simd::isa(), size)
    })
}

/// The threads of the shared queue.
///
/// # Errors
/// As [`shared`].
pub fn pool() -> Result<&'static ThreadPool> {
    Ok(shared()?.pool())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The most threads that the shared queue may have: 256, or four for each core where that is more.
pub fn most() -> usize {
    MOST.max(4 * cores())
}

/// Sets the number of threads of the shared queue; 0 is one for each core. One that runs stays as it is.
///
/// # Errors
/// When there are more than [`most`]; then nothing changes.
pub fn set_size(threads: usize) -> Result<()> {
    if threads > most() {
        return Err(Error::Threads(format!("expected at most {} threads, found {threads}", most())));
    }
    SIZE.store(threads, Ordering::Relaxed);
    Ok(())
}

/// Runs `body` on the queue that this thread belongs to, else on the shared one; the kernels it calls share its threads.
///
/// # Errors
/// As [`shared`].
pub fn install<R: Send>(body: impl FnOnce() -> R + Send) -> Result<R> {
    Ok(if simd::has_level() { body() } else { shared()?.run(body) })
}

/// Rows for one task when `rows` are shared among the threads of the current pool: at most `max`, and as
/// near to a number of equal tasks that is a multiple of that of the threads as whole rows allow.
pub(crate) fn rows_per_task(rows: usize, max: usize) -> usize {
    let threads = rayon::current_num_threads();
    let tasks = rows.div_ceil(max).max(1).next_multiple_of(threads);
    rows.div_ceil(tasks).max(1)
}

/// Units for one task, at most `most`, such that the busiest thread of the current pool has as few as can be; of sizes
/// that are equal in that the largest. For units that are few and large; [`rows_per_task`] is for many small ones.
pub(crate) fn even_tasks(units: usize, most: usize) -> usize {
    let threads = rayon::current_num_threads();
    let busiest = |size: usize| units.div_ceil(size).div_ceil(threads) * size;
    (1..=most.max(1)).rev().min_by_key(|size| busiest(*size)).unwrap_or(1)
}

/// Adds up partial sums, `parts` being as many of them as fill whole `sums`, in order.
pub(crate) fn add_parts(parts: &[f32], sums: &mut [f32]) {
    sums.fill(0.0);
    for part in parts.chunks_exact(sums.len().max(1)) {
        sums.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_machine_is_flooded_with_threads() {
        let refused = set_size(1_000_000).unwrap_err().to_string();
        let expected = format!("thread pool: expected at most {} threads, found 1000000", most());
        assert_eq!(refused, expected);
        assert!(most() >= 256);
    }

    #[test]
    fn no_thread_has_much_more_to_do_than_its_share() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        for (units, size) in [(50, 5), (72, 6), (16, 8), (1, 1), (0, 8)] {
            assert_eq!(pool.install(|| even_tasks(units, 8)), size, "{units}");
        }
    }

    #[test]
    fn tasks_cover_all_rows() {
        let threads = rayon::current_num_threads();
        for (rows, max) in [(0, 8), (1, 8), (5, 256), (1000, 192), (12_345, 48)] {
            let block = rows_per_task(rows, max);
            assert!(
                (1..=max).contains(&block)
                    && rows.div_ceil(block) <= rows.div_ceil(max).next_multiple_of(threads)
            );
        }
    }
}
