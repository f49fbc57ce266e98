//! Failed sign-ins: after a few, an address or a name has to wait.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures that are allowed.
const ALLOWED: usize = 5;

/// Time in which they are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Addresses and names that are remembered.
const REMEMBERED: usize = 10_000;

/// Longest key that is told apart from others, in characters: longer than any address and any name that is known.
const LONGEST: usize = 64;

/// What is remembered of a key.
fn cut(key: &str) -> &str {
    key.char_indices().nth(LONGEST).map_or(key, |(end, _)| &key[..end])
}

/// Failures of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Tries(Mutex<HashMap<String, VecDeque<Instant>>>);

impl Tries {
    /// How long somebody has to wait, if at all. Keys are an address and a name.
    pub(crate) fn wait(&self, keys: &[&str]) -> Option<Duration> {
        self.wait_at(keys, Instant::now())
    }

    /// A try failed.
    pub(crate) fn failed(&self, keys: &[&str]) {
        self.failed_at(keys, Instant::now());
    }

    fn wait_at(&self, keys: &[&str], now: Instant) -> Option<Duration> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = |key: &&str| {
            let recent = all.get(cut(key))?.iter().filter(|at| now.duration_since(**at) < WINDOW);
            let recent: Vec<&Instant> = recent.collect();
            let decides = recent.len().checked_sub(ALLOWED)?;
            Some(WINDOW.saturating_sub(now.duration_since(**recent.get(decides)?)))
        };
        keys.iter().filter_map(wait).max()
    }

    fn failed_at(&self, keys: &[&str], now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.retain(|_, failures| failures.back().is_some_and(|last| now.duration_since(*last) < WINDOW));
        }
        for key in keys {
            // Whoever fills the list waits with everybody else: names share what is left.
            let key = cut(key);
            let key = if all.len() < REMEMBERED || all.contains_key(key) { key } else { "" };
            let failures = all.entry(key.to_owned()).or_default();
            failures.push_back(now);
            if failures.len() > ALLOWED {
                failures.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_minute_are_allowed_by_address_and_by_name() {
        let (tries, now) = (Tries::default(), Instant::now());
        for _ in 0..ALLOWED {
            assert_eq!(tries.wait_at(&["10.0.0.1", "ann"], now), None);
            tries.failed_at(&["10.0.0.1", "ann"], now);
        }
        assert_eq!(tries.wait_at(&["10.0.0.1", "bob"], now), Some(WINDOW));
        assert_eq!(tries.wait_at(&["10.0.0.2", "ann"], now), Some(WINDOW));
        assert_eq!(tries.wait_at(&["10.0.0.2", "bob"], now), None);
        assert_eq!(tries.wait_at(&["10.0.0.1", "ann"], now + WINDOW), None);
    }

    #[test]
    fn of_a_long_key_as_much_is_remembered_as_tells_names_apart() {
        let (tries, now) = (Tries::default(), Instant::now());
        let long = "x".repeat(65_000);
        (0..ALLOWED).for_each(|_| tries.failed_at(&[&long], now));
        assert!(tries.0.lock().unwrap().keys().all(|key| key.len() == LONGEST));
        assert_eq!(tries.wait_at(&[&long], now), Some(WINDOW));
    }
}
