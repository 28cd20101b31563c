//! Patience with other operators' workers: who did not answer in time is left alone for a while, and what nobody served is
//! looked for less and less often. Otherwise one operator whose worker takes connections and never answers would hold up all
//! others, for seconds with each of its commitments.

use anchor_lang::prelude::Pubkey;
use device_protocol::Hash;
use std::collections::HashMap;
use std::hash::Hash as Key;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a peer that did not answer in time is not asked.
const REST: Duration = Duration::from_secs(30);
/// Seconds from a look in vain to the next one, the first time.
const FIRST_WAIT: i64 = 15;
/// Seconds from a look for what nobody served to the next one, at most.
pub const LONGEST_WAIT: i64 = 600;

/// Seconds from one look at what others put on the chain to the next: much less than any challenge window.
const INTERVAL: i64 = 15;

/// When what others put on the chain was looked at, which takes reading all of it.
#[derive(Debug, Default)]
pub struct Turns(AtomicI64);

impl Turns {
    /// Whether it is time to look, at `now` (unix seconds): if so, the next time comes later. A time that was too late once
    /// does not put it off.
    pub fn is_next(&self, now: i64) -> bool {
        let is_next = now.abs_diff(self.0.load(Ordering::SeqCst)) >= INTERVAL.unsigned_abs();
        if is_next {
            self.0.store(now, Ordering::SeqCst);
        }
        is_next
    }
}

/// When to look again for what could not be had.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// Not before this time, unix seconds.
    next_look: i64,
    /// Its length in seconds.
    seconds: i64,
}

impl Wait {
    /// The wait after a look in vain at `now` (unix seconds): double the one before, and at most `longest` seconds.
    pub fn after(before: Option<Self>, longest: i64, now: i64) -> Self {
        let seconds = before.map_or(FIRST_WAIT, |before| before.seconds.saturating_mul(2));
        let seconds = seconds.min(longest);
        Self {
            next_look: now.saturating_add(seconds),
            seconds,
        }
    }

    /// Whether it is over at `now` (unix seconds), or began at a time that was none.
    pub fn is_over(&self, now: i64) -> bool {
        now >= self.next_look || now < self.next_look.saturating_sub(self.seconds)
    }
}

/// What is looked at again and again in vain, each less and less often.
#[derive(Debug, Default)]
pub struct Waits<K>(HashMap<K, Wait>);

impl<K: Copy + Eq + Key> Waits<K> {
    /// Whether to look at `key` at `now` (unix seconds).
    pub fn is_due(&self, key: &K, now: i64) -> bool {
        self.0.get(key).is_none_or(|wait| wait.is_over(now))
    }

    /// A look at `key` at `now` (unix seconds) was in vain: the next comes later than after the one before, and at most `longest`
    /// seconds from now. Returns whether it was the first.
    pub fn put_off(&mut self, key: K, longest: i64, now: i64) -> bool {
        let wait = Wait::after(self.0.get(&key).copied(), longest, now);
        self.0.insert(key, wait).is_none()
    }

    /// There is no need to look at `key` any more.
    pub fn end(&mut self, key: &K) {
        self.0.remove(key);
    }

    /// Ends the waits for all but these.
    pub fn keep(&mut self, is_kept: impl Fn(&K) -> bool) {
        self.0.retain(|key, _| is_kept(key));
    }
}

/// Who did not answer, and what nobody served. Lost with the process.
#[derive(Debug, Default)]
pub struct Patience {
    resting: Mutex<HashMap<Pubkey, Instant>>,
    missing: Mutex<Waits<Hash>>,
}

impl Patience {
    /// Whether the worker of `pool` did not answer in time a moment ago.
    pub fn rests(&self, pool: &Pubkey) -> bool {
        lock(&self.resting)
            .get(pool)
            .is_some_and(|since| since.elapsed() < REST)
    }

    /// Leaves the worker of `pool` alone for a while.
    pub fn rest(&self, pool: &Pubkey) {
        lock(&self.resting).insert(*pool, Instant::now());
    }

    /// Whether to look for a payload at `now` (unix seconds).
    pub fn is_due(&self, payload: &Hash, now: i64) -> bool {
        lock(&self.missing).is_due(payload, now)
    }

    /// A look for a payload at `now` (unix seconds) was in vain.
    pub fn missed(&self, payload: &Hash, now: i64) {
        lock(&self.missing).put_off(*payload, LONGEST_WAIT, now);
    }

    /// A payload was found.
    pub fn found(&self, payload: &Hash) {
        lock(&self.missing).end(payload);
    }
}

/// What is looked at less and less often: to look, or to ask, once too often does no harm.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_ten_minutes_and_end_when_a_payload_is_found() {
        let (patience, payload) = (Patience::default(), [7; 32]);
        let mut now = 1_000;
        for seconds in [15, 30, 60, 120, 240, 480, 600, 600] {
            assert!(patience.is_due(&payload, now));
            patience.missed(&payload, now);
            assert!(!patience.is_due(&payload, now + seconds - 1));
            assert!(patience.is_due(&[8; 32], now));
            now += seconds;
        }
        patience.missed(&payload, now);
        patience.found(&payload);
        assert!(patience.is_due(&payload, now));
        patience.missed(&payload, now);
        assert!(patience.is_due(&payload, now + 15));
    }

    #[test]
    fn a_time_far_in_the_future_puts_nothing_off() {
        let (turns, patience, payload) = (Turns::default(), Patience::default(), [7; 32]);
        assert!(turns.is_next(i64::MAX));
        patience.missed(&payload, i64::MAX);
        assert!(turns.is_next(1_000));
        assert!(patience.is_due(&payload, 1_000));
        for (now, is_next) in [(1_014, false), (1_015, true), (1_029, false), (1_030, true)] {
            assert_eq!(turns.is_next(now), is_next);
        }
    }

    #[test]
    fn only_who_did_not_answer_rests() {
        let (patience, [silent, other]) = (Patience::default(), [[1; 32], [2; 32]]);
        patience.rest(&Pubkey::from(silent));
        assert!(patience.rests(&Pubkey::from(silent)));
        assert!(!patience.rests(&Pubkey::from(other)));
    }
}
