//! A thread that analyses one frame at a time while the stream goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::lock;

/// What the thread is at.
enum Slot<J, O> {
    Idle,
    Todo(J),
    Running,
    Done(O),
    Quit,
}

/// Shared by the thread and its users.
struct Desk<J, O> {
    slot: Mutex<Slot<J, O>>,
    changed: Condvar,
}

/// The thread; it starts with the first job and ends with [`Worker::stop`].
pub(super) struct Worker<J, O> {
    desk: Arc<Desk<J, O>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<J, O> Default for Worker<J, O> {
    fn default() -> Self {
        let desk = Desk { slot: Mutex::new(Slot::Idle), changed: Condvar::new() };
        Self { desk: Arc::new(desk), thread: Mutex::new(None) }
    }
}

impl<J: Send + 'static, O: Send + 'static> Worker<J, O> {
    /// Hands over a job; there is none before. `work` does a job; `told` is called in the thread when its outcome can be
    /// taken. Both are used by the thread that this starts if there is none.
    pub(super) fn begin(
        &self,
        job: J,
        work: impl Fn(J) -> O + Send + 'static,
        told: impl Fn() + Send + 'static,
    ) -> std::io::Result<()> {
        let mut thread = lock(&self.thread);
        if thread.is_none() {
            let desk = self.desk.clone();
            *lock(&desk.slot) = Slot::Idle;
            let builder = std::thread::Builder::new().name("snarmdetect".into());
            *thread = Some(builder.spawn(move || desk.run(work, told))?);
        }
        *lock(&self.desk.slot) = Slot::Todo(job);
        self.desk.changed.notify_all();
        Ok(())
    }

    /// The outcome of the job, if it is done.
    pub(super) fn take(&self) -> Option<O> {
        let mut slot = lock(&self.desk.slot);
        match std::mem::replace(&mut *slot, Slot::Idle) {
            Slot::Done(outcome) => Some(outcome),
            other => {
                *slot = other;
                None
            }
        }
    }

    /// Waits until the job, if there is one, is done. One that the thread has not begun is done here: it may be telling of
    /// the one before, and wait for whoever waits for this one.
    pub(super) fn wait(&self, work: impl FnOnce(J) -> O) {
        let mut slot = lock(&self.desk.slot);
        match std::mem::replace(&mut *slot, Slot::Running) {
            Slot::Todo(job) => {
                drop(slot);
                let outcome = work(job);
                *lock(&self.desk.slot) = Slot::Done(outcome);
                self.desk.changed.notify_all();
            }
            other => {
                *slot = other;
                self.wait_while_running(slot);
            }
        }
    }

    /// Gives up the job, if there is one; waits for it if it was begun.
    pub(super) fn discard(&self) {
        let mut slot = lock(&self.desk.slot);
        if matches!(*slot, Slot::Todo(_)) {
            *slot = Slot::Idle;
        }
        self.wait_while_running(slot);
        drop(self.take());
    }

    fn wait_while_running(&self, slot: MutexGuard<'_, Slot<J, O>>) {
        let running = |slot: &mut Slot<J, O>| matches!(slot, Slot::Running);
        drop(self.desk.changed.wait_while(slot, running).unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends the thread after the job it is at.
    pub(super) fn stop(&self) {
        let Some(thread) = lock(&self.thread).take() else { return };
        self.discard();
        *lock(&self.desk.slot) = Slot::Quit;
        self.desk.changed.notify_all();
        // Told of the end by the thread itself, an application may stop the element from there.
        if thread.thread().id() != std::thread::current().id() {
            // Panics of jobs are outcomes, and those of `told` have been printed.
            let _ = thread.join();
        }
    }
}

impl<J, O> Desk<J, O> {
    fn run(&self, work: impl Fn(J) -> O, told: impl Fn()) {
        loop {
            let slot = lock(&self.slot);
            let waiting = |slot: &mut Slot<J, O>| !matches!(slot, Slot::Todo(_) | Slot::Quit);
            let mut slot = self.changed.wait_while(slot, waiting).unwrap_or_else(PoisonError::into_inner);
            let job = match std::mem::replace(&mut *slot, Slot::Running) {
                Slot::Todo(job) => job,
                other => {
                    // Nothing runs any more, as whoever waits before the next job has to see.
                    *slot = other;
                    return;
                }
            };
            drop(slot);
            let outcome = work(job);
            *lock(&self.slot) = Slot::Done(outcome);
            self.changed.notify_all();
            // The jobs that follow need the thread.
            let _ = catch_unwind(AssertUnwindSafe(&told));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn outcomes_are_told_and_taken_once() {
        let worker = Worker::<u32, u32>::default();
        let [done, told] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        for n in 0..100 {
            let (doing, telling) = (done.clone(), told.clone());
            let work = move |n| {
                doing.fetch_add(1, Ordering::SeqCst);
                n * 2
            };
            worker.begin(n, work, move || _ = telling.fetch_add(1, Ordering::SeqCst)).unwrap();
            // Half of the jobs are left to the thread; whoever waits may do one of the others.
            let outcome = if n % 2 == 0 {
                std::iter::repeat_with(|| worker.take()).flatten().next()
            } else {
                worker.wait(|n| n * 2);
                worker.take()
            };
            assert_eq!((outcome, worker.take()), (Some(2 * n), None));
        }
        worker.stop();
        assert_eq!(count(&told), count(&done), "each outcome of the thread is told of once");
        assert!((50..=100).contains(&count(&done)), "{} jobs done by the thread", count(&done));
        worker.begin(7, |n| n, || {}).unwrap();
        worker.wait(|n| n);
        assert_eq!(worker.take(), Some(7), "it starts again");
        worker.stop();
    }

    #[test]
    fn a_job_behind_a_teller_that_waits_is_done_by_whoever_waits_for_it() {
        let worker = Worker::<u32, u32>::default();
        let order = Arc::new(Mutex::new(()));
        let held = order.lock().unwrap();
        let (told, before) = std::sync::mpsc::channel();
        let teller = order.clone();
        let tell = move || {
            // The receiver has gone after the first time.
            let _ = told.send(());
            drop(teller.lock());
        };
        worker.begin(1, |n| n, tell).unwrap();
        before.recv().unwrap();
        assert_eq!(worker.take(), Some(1));
        worker.begin(2, |n| n, || {}).unwrap();
        worker.wait(|n| n * 10);
        assert_eq!(worker.take(), Some(20));
        drop(held);
        worker.stop();
    }

    #[test]
    fn a_teller_that_panics_ends_no_thread() {
        let worker = Worker::<u32, u32>::default();
        let (told, heard) = std::sync::mpsc::channel();
        let tell = move || {
            told.send(()).unwrap();
            panic!("told");
        };
        worker.begin(1, |n| n, tell).unwrap();
        heard.recv().unwrap();
        assert_eq!(worker.take(), Some(1));
        worker.begin(2, |n| n, || {}).unwrap();
        assert_eq!(
            heard.recv_timeout(std::time::Duration::from_secs(60)),
            Ok(()),
            "nobody does the second job"
        );
        assert_eq!(worker.take(), Some(2));
        worker.stop();
    }

    #[test]
    fn nobody_waits_for_a_worker_that_has_stopped() {
        let worker = Arc::new(Worker::<u32, u32>::default());
        for n in 0..3 {
            worker.begin(n, |n| n, || {}).unwrap();
            worker.wait(|n| n);
            assert_eq!(worker.take(), Some(n));
            worker.stop();
            let (waited, heard) = std::sync::mpsc::channel();
            let waiter = worker.clone();
            let thread = std::thread::Builder::new().name("waiter".into());
            thread
                .spawn(move || {
                    waiter.wait(|n| n);
                    waiter.discard();
                    waited.send(waiter.take()).unwrap();
                })
                .unwrap();
            assert_eq!(heard.recv_timeout(std::time::Duration::from_secs(10)), Ok(None), "after stop {n}");
        }
    }

    #[test]
    fn an_idle_worker_waits_for_nothing_and_stops() {
        let worker = Worker::<u32, u32>::default();
        worker.wait(|n| n);
        worker.discard();
        assert_eq!(worker.take(), None);
        worker.stop();
    }
}
