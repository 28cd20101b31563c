//! The chain's time, as far as a worker knows it.
//!
//! It is known when it is read, and goes on whether or not it can be read. Until it is read again it lies between what was
//! read and that plus what has passed here: what a device captured meanwhile is not from the future.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the chain may not answer until monitors are told.
const MAX_SILENCE: Duration = Duration::from_secs(60);
/// How long the chain's time may stand still, or not be read, until nothing is judged by it any more.
const MAX_STANDSTILL: Duration = Duration::from_secs(300);

/// The chain's time can't be told, and so nobody can tell which readings are from the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chain's time has not moved for five minutes: nothing was taken, send again later")]
pub struct UnknownTime;

/// The chain's time as it was read last.
#[derive(Debug)]
pub struct Time(Mutex<Told>);

#[derive(Debug, Clone, Copy)]
struct Told {
    /// Unix seconds.
    now: i64,
    /// When it was read.
    read: Instant,
    /// When it was read first that it is `now`.
    moved: Instant,
}

impl Time {
    /// The time `now`, unix seconds, read at this moment.
    pub fn new(now: i64) -> Self {
        let read = Instant::now();
        Self(Mutex::new(Told {
            now,
            read,
            moved: read,
        }))
    }

    /// It was `now`, unix seconds, at `read` or later. A server that lags behind what was read before says nothing new.
    pub fn set(&self, now: i64, read: Instant) {
        let mut told = self.lock();
        told.read = read;
        if now > told.now {
            (told.now, told.moved) = (now, read);
        }
    }

    /// The latest that was read, unix seconds.
    pub fn now(&self) -> i64 {
        self.lock().now
    }

    /// The earliest and the latest that it can be now, unix seconds.
    ///
    /// # Errors
    /// [`UnknownTime`].
    pub fn span(&self) -> Result<RangeInclusive<i64>, UnknownTime> {
        let Told { now, moved, .. } = *self.lock();
        let passed = moved.elapsed();
        if passed > MAX_STANDSTILL {
            return Err(UnknownTime);
        }
        let passed = i64::try_from(passed.as_secs()).unwrap_or(i64::MAX);
        Ok(now..=now.saturating_add(passed))
    }

    /// Whether the chain has not told its time for a minute.
    pub fn is_silent(&self) -> bool {
        self.lock().read.elapsed() > MAX_SILENCE
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // It is written as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(seconds: u64) -> Instant {
        let past = Instant::now().checked_sub(Duration::from_secs(seconds));
        past.expect("the machine runs for longer")
    }

    #[test]
    fn goes_on_while_it_is_not_read() {
        let time = Time::new(0);
        time.set(1_000, ago(45));
        assert_eq!(time.now(), 1_000);
        let span = time.span().expect("known");
        assert!(*span.start() == 1_000 && (1_045..1_060).contains(span.end()));
        assert!(!time.is_silent());
        time.set(1_000, ago(61));
        assert!(time.is_silent());
    }

    #[test]
    fn that_stands_still_is_unknown_however_often_it_is_read() {
        let time = Time::new(0);
        time.set(1_000, ago(301));
        time.set(1_000, Instant::now());
        assert_eq!((time.span(), time.is_silent()), (Err(UnknownTime), false));
        // Nor does a server that lags behind another make it move.
        time.set(999, Instant::now());
        assert_eq!((time.now(), time.span()), (1_000, Err(UnknownTime)));
        time.set(1_001, Instant::now());
        assert!(time.span().is_ok());
    }
}
