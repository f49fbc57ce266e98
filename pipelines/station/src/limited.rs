//! Warnings that come as often as somebody outside wishes: the first is told in the log, those within a minute are
//! counted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// Time in which one of them is told.
const MINUTE: Duration = Duration::from_secs(60);

/// Longest warning that is told, in characters: somebody else may have written what was found.
const LONGEST: usize = 1000;

/// What was told, and what was not.
#[derive(Debug, Default)]
struct Told {
    at: Option<Instant>,
    /// Those since then, and the last of them.
    others: u64,
    last: String,
}

/// What is to be done about a warning.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    /// That is told.
    Tell(String),
    /// It is counted, and told after so long with those that follow.
    Wait(Duration),
    /// It is counted.
    Count,
}

impl Told {
    fn take(&mut self, mut text: String, now: Instant) -> Done {
        if let Some((end, _)) = text.char_indices().nth(LONGEST) {
            text.truncate(end);
        }
        let left = self.at.and_then(|at| MINUTE.checked_sub(now.saturating_duration_since(at)));
        match left.filter(|left| !left.is_zero()) {
            Some(left) => {
                self.others += 1;
                self.last = text;
                if self.others == 1 { Done::Wait(left) } else { Done::Count }
            }
            None => {
                let others = std::mem::take(&mut self.others);
                self.at = Some(now);
                Done::Tell(if others == 0 { text } else { format!("{text} ({others} more before it)") })
            }
        }
    }

    /// What is told of those that were counted.
    fn rest(&mut self, now: Instant) -> Option<String> {
        let others = std::mem::take(&mut self.others);
        let last = std::mem::take(&mut self.last);
        (others > 0).then(|| {
            self.at = Some(now);
            format!("{others} more within a minute, the last: {last}")
        })
    }
}

/// Warnings of one kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limited(Arc<Mutex<Told>>);

impl Limited {
    /// Tells of something in the log, at once or with others within a minute.
    pub(crate) fn warn(&self, text: String) {
        match self.told(|told| told.take(text, Instant::now())) {
            Done::Tell(text) => tracing::warn!("{text}"),
            Done::Wait(left) => {
                // Without threads that serve, the next one tells of those before it.
                let Ok(threads) = Handle::try_current() else { return };
                let all = self.clone();
                threads.spawn(async move {
                    tokio::time::sleep(left).await;
                    if let Some(text) = all.told(|told| told.rest(Instant::now())) {
                        tracing::warn!("{text}");
                    }
                });
            }
            Done::Count => {}
        }
    }

    fn told<T>(&self, ask: impl FnOnce(&mut Told) -> T) -> T {
        ask(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_others_are_counted_for_a_minute() {
        let (mut told, now) = (Told::default(), Instant::now());
        assert_eq!(told.take("a".into(), now), Done::Tell("a".into()));
        assert_eq!(told.take("b".into(), now + MINUTE / 2), Done::Wait(MINUTE / 2));
        assert_eq!(told.take("c".into(), now + MINUTE / 2), Done::Count);
        let rest = told.rest(now + MINUTE).unwrap();
        assert_eq!(rest, "2 more within a minute, the last: c");
        // What was counted was told, so that the next one waits again.
        assert_eq!(told.take("d".into(), now + MINUTE), Done::Wait(MINUTE));
        assert_eq!(told.take("e".into(), now + 2 * MINUTE), Done::Tell("e (1 more before it)".into()));
        assert_eq!(told.rest(now + 3 * MINUTE), None);
        let Done::Tell(text) = told.take("\u{fc}".repeat(2 * LONGEST), now + 4 * MINUTE) else {
            panic!("{told:?}")
        };
        assert_eq!(text.chars().count(), LONGEST);
    }
}
