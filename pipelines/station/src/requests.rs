//! How many requests a client may send: far more than pages and programs need, and fewer than would keep a station from
//! serving others. A client is an address; of IPv6 a network of 64 bits, as one machine has all of its addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests a second that are allowed all the time.
pub(crate) const RATE: u32 = 200;

/// Requests that are allowed at once.
pub(crate) const AT_ONCE: u32 = 2_000;

/// Clients that are remembered.
const REMEMBERED: usize = 10_000;

/// Time between two looks at who may be forgotten.
const SWEEP: Duration = Duration::from_secs(1);

/// What a client may send still, and when that was so.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { left: f64::from(AT_ONCE), at: now }
    }

    /// What is left at a later time.
    fn later(self, now: Instant) -> Self {
        let grown = now.saturating_duration_since(self.at).as_secs_f64() * f64::from(RATE);
        Self { left: (self.left + grown).min(f64::from(AT_ONCE)), at: now }
    }
}

/// Clients that sent something, and when those were forgotten last that were silent for long.
#[derive(Debug, Default)]
struct Known {
    all: HashMap<IpAddr, Allowance>,
    swept: Option<Instant>,
}

/// The requests of all clients.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<Known>);

impl Requests {
    /// Counts a request. How long its client has to wait, if at all.
    pub(crate) fn take(&self, from: IpAddr) -> Option<Duration> {
        self.take_at(from, Instant::now())
    }

    fn take_at(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { all, swept } = &mut *known;
        let mut client = client(from);
        if all.len() >= REMEMBERED && !all.contains_key(&client) {
            // Whoever was silent for so long that all is allowed again needs no memory.
            if swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP) {
                *swept = Some(now);
                all.retain(|_, allowance| allowance.later(now).left < f64::from(AT_ONCE));
            }
            if all.len() >= REMEMBERED {
                // Whoever fills the list waits with everybody else: new clients share what is left.
                client = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            }
        }
        let allowance = all.entry(client).or_insert_with(|| Allowance::new(now));
        *allowance = allowance.later(now);
        if allowance.left < 1.0 {
            return Some(Duration::from_secs_f64((1.0 - allowance.left) / f64::from(RATE)));
        }
        allowance.left -= 1.0;
        None
    }
}

/// The client of an address.
pub(crate) fn client(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_that_sends_too_much_waits_and_others_do_not() {
        let (requests, now) = (Requests::default(), Instant::now());
        let take = |from: &str, now| requests.take_at(address(from), now);
        for _ in 0..AT_ONCE {
            assert_eq!(take("10.0.0.1", now), None);
        }
        let wait = take("10.0.0.1", now).unwrap();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1) / RATE, "{wait:?}");
        assert_eq!(take("::ffff:10.0.0.1", now), Some(wait), "the same address");
        assert_eq!(take("10.0.0.2", now), None);
        // What is allowed grows again with time, and never beyond what is allowed at once.
        let later = now + Duration::from_secs(1);
        let taken = (0..AT_ONCE).filter(|_| take("10.0.0.1", later).is_none()).count();
        assert_eq!(taken, RATE as usize);
        let much_later = now + Duration::from_secs(3600);
        let taken = (0..2 * AT_ONCE).filter(|_| take("10.0.0.1", much_later).is_none()).count();
        assert_eq!(taken, AT_ONCE as usize);
        // A machine has all addresses of its network.
        assert!((0..AT_ONCE).all(|n| take(&format!("fd00::1:{n:x}"), now).is_none()));
        assert!(take("fd00::2", now).is_some() && take("fd00:0:0:1::2", now).is_none());
    }

    #[test]
    fn who_fills_the_list_shares_what_is_left() {
        let (requests, now) = (Requests::default(), Instant::now());
        let take = |n: u32, now| requests.take_at(IpAddr::V4(n.into()), now);
        let many = REMEMBERED as u32;
        assert!((0..many + AT_ONCE).all(|n| take(n, now).is_none()));
        assert!(take(many + AT_ONCE, now).is_some() && take(0, now).is_none());
        assert!(requests.0.lock().unwrap().all.len() <= REMEMBERED + 1);
        let later = now + Duration::from_secs(60);
        assert_eq!(take(many + AT_ONCE, later), None);
        assert!(requests.0.lock().unwrap().all.len() <= 2, "the others are forgotten");
    }
}
