//! Threads that work at one CPU level, and the device that they work on.

use std::fmt;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::simd::{self, Isa};
use crate::error::{Error, Result};

/// What executes operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The processor, at one of its levels.
    Cpu(Isa),
}

/// `cpu` and the level.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(isa) => write!(f, "cpu ({})", isa.name()),
        }
    }
}

/// A place for work: named threads, apart from rayon's global pool, so that a plugin does not take over the one of its
/// host. Operations that run on them use the queue's level. A process has one queue that is shared, see
/// [`super::threads`]; tests and measurements make others beside it.
#[derive(Debug)]
pub struct Queue {
    device: Device,
    pool: ThreadPool,
}

impl Queue {
    /// Starts `threads` threads, or one for each core with 0, that work at that level.
    ///
    /// # Errors
    /// When the machine lacks the level, or the operating system refuses the threads.
    pub fn new(isa: Isa, threads: usize) -> Result<Self> {
        if !Isa::available().contains(&isa) {
            return Err(Error::Threads(format!("expected a level of this processor, found {}", isa.name())));
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("snarm-{i}"))
            .start_handler(move |_| simd::set_level(isa))
            .build()
            .map_err(|refused| {
                let expected =
                    if threads == 0 { "one thread a core".into() } else { format!("{threads} threads") };
                Error::Threads(format!("expected {expected}, found the system to refuse one: {refused}"))
            })?;
        Ok(Self { device: Device::Cpu(isa), pool })
    }

    /// What executes its work.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `body` on its threads; the operations it calls share them.
    pub fn run<R: Send>(&self, body: impl FnOnce() -> R + Send) -> R {
        self.pool.install(body)
    }

    /// The threads.
    pub fn pool(&self) -> &ThreadPool {
        &self.pool
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;
    use crate::linear::{Panels, Then, linear};
    use crate::testing::{assert_close, noise};

    #[test]
    fn every_thread_of_a_queue_works_at_its_level() {
        for isa in Isa::available() {
            let queue = Queue::new(isa, 2).unwrap();
            assert_eq!((queue.device(), queue.threads()), (Device::Cpu(isa), 2));
            let seen: Vec<Isa> = queue.run(|| (0..64).into_par_iter().map(|_| simd::isa()).collect());
            assert_eq!(seen, vec![isa; 64]);
        }
    }

    #[test]
    fn levels_stand_side_by_side_and_weights_keep_theirs() {
        let (m, n, k) = (37, 45, 64);
        let (x, w, bias) = (noise(m * k, 1), noise(n * k, 2), noise(n, 3));
        let product = |panels: &Panels| {
            let mut y = vec![0.0; m * n];
            linear(&x, panels, &bias, Then::Gelu, &mut y).unwrap();
            y
        };
        let queues: Vec<Queue> =
            Isa::available().into_iter().map(|isa| Queue::new(isa, 2).unwrap()).collect();
        let packed: Vec<Panels> =
            queues.iter().map(|queue| queue.run(|| Panels::from_transposed(&w, n, k))).collect();
        let all: Vec<Vec<f32>> =
            queues.iter().zip(&packed).map(|(q, panels)| q.run(|| product(panels))).collect();
        for (panels, own) in packed.iter().zip(&all) {
            assert_close(&all[0], own, 2e-5);
            // The product is that of the panels' level wherever it runs.
            for queue in &queues {
                assert_eq!(&queue.run(|| product(panels)), own);
            }
        }
    }

    #[test]
    fn work_within_a_queue_stays_there() {
        let queue = Queue::new(Isa::Portable, 1).unwrap();
        let seen = queue.run(|| super::super::threads::install(simd::isa).unwrap());
        assert_eq!(seen, Isa::Portable);
    }
}
