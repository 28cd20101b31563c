//! Threads for work that keeps a processor busy, such as verifying what devices sent.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::io;
use tokio::sync::oneshot;

/// As many threads as there are processors. A thread that is done takes what waits without sleeping in between: to wake one
/// for each body costs the system as much as several of its signatures do.
pub struct Processors(ThreadPool);

/// Some work panicked.
#[derive(Debug, thiserror::Error)]
#[error("this could not be worked through: the worker's log says why")]
pub struct Panicked;

impl Processors {
    /// Starts the threads.
    ///
    /// # Errors
    /// When they can't be started.
    pub fn new() -> io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|_| "processor".to_owned())
            // Who waits for the work is told.
            .panic_handler(|_| ())
            .build();
        Ok(Self(pool.map_err(io::Error::other)?))
    }

    /// Does `work` when its turn has come, in the order in which it is brought; if nobody waits for it any more by then, it is
    /// dropped.
    ///
    /// # Errors
    /// [`Panicked`].
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (done, result) = oneshot::channel();
        self.0.spawn_fifo(move || {
            // Who does not wait any more asks again.
            if !done.is_closed() {
                let _ = done.send(work());
            }
        });
        result.await.map_err(|_| Panicked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Barrier};

    #[tokio::test]
    async fn tell_of_work_that_panics_and_go_on() {
        let processors = Processors::new().expect("threads");
        for number in 0..10 {
            let panics = number % 2 == 0;
            let done = processors
                .run(move || assert!(!panics, "as it should"))
                .await;
            assert_eq!(done.is_err(), panics);
        }
    }

    #[tokio::test]
    async fn leave_out_what_nobody_waits_for() {
        let processors = Processors::new().expect("threads");
        let threads = processors.0.current_num_threads();
        let busy = Arc::new(Barrier::new(threads + 1));
        for _ in 0..threads {
            let busy = busy.clone();
            processors.0.spawn_fifo(move || {
                busy.wait();
            });
        }
        let done = Arc::new(AtomicBool::new(false));
        let doing = done.clone();
        let gone = processors.run(move || doing.store(true, Ordering::SeqCst));
        assert!(gone.now_or_never().is_none());
        busy.wait();
        while Arc::strong_count(&done) > 1 {
            tokio::task::yield_now().await;
        }
        assert!(!done.load(Ordering::SeqCst));
    }
}
