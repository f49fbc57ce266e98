//! The process-wide compute pool: named threads, apart from rayon's global pool, so that a plugin does not take
//! over the one of its host.

use once_cell::sync::OnceCell;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

static POOL: OnceCell<ThreadPool> = OnceCell::new();

/// The compute pool, started by the first call. `SNARM_THREADS` sets its size; the default is one thread for
/// each core.
///
/// # Errors
/// When the operating system refuses the threads; a later call tries again.
pub fn pool() -> Result<&'static ThreadPool> {
    POOL.get_or_try_init(|| {
        let n = std::env::var("SNARM_THREADS").ok().and_then(|v| v.parse().ok()).unwrap_or(0);
        ThreadPoolBuilder::new()
            .num_threads(n)
            .thread_name(|i| format!("snarm-{i}"))
            .build()
            .map_err(|e| Error::Threads(e.to_string()))
    })
}

/// Runs `body` on the compute pool; the kernels it calls share the pool's threads.
///
/// # Errors
/// As [`pool`].
pub fn install<R: Send>(body: impl FnOnce() -> R + Send) -> Result<R> {
    Ok(pool()?.install(body))
}

/// Rows for one task when `rows` are shared among the threads of the current pool: at most `max`, and such that
/// the number of tasks is a multiple of the number of threads.
pub(crate) fn rows_per_task(rows: usize, max: usize) -> usize {
    let threads = rayon::current_num_threads();
    let tasks = rows.div_ceil(max).next_multiple_of(threads);
    rows.div_ceil(tasks).max(1)
}

/// Adds up partial sums, `parts` being as many of them as fill whole `sums`, in order.
pub(crate) fn add_parts(parts: &[f32], sums: &mut [f32]) {
    sums.fill(0.0);
    for part in parts.chunks_exact(sums.len().max(1)) {
        sums.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
    }
}
