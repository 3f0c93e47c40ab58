//! How many retries an upstream bears.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use marchproxy_conf::values::Share;
use marchproxy_decide::exchange::Moment;

/// The window is this many seconds, each counted by itself.
const SECONDS: usize = 10;
/// A second's place: what second it is (20 bits), its requests (24 bits), its retries (20 bits).
const RETRY: u64 = 1;
const REQUEST: u64 = 1 << 20;
const SECOND: u64 = 1 << 44;
const MOST_RETRIES: u64 = REQUEST - 1;
const MOST_REQUESTS: u64 = (1 << 24) - 1;

/// How many retries an upstream bears: a share of its requests over the last ten seconds, and a few
/// each second besides. An upstream that fails as a whole is not beaten while it is down.
#[derive(Debug)]
pub struct Budget {
    seconds: [AtomicU64; SECONDS],
}

impl Default for Budget {
    fn default() -> Self {
        Self { seconds: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl Budget {
    /// Counts a request, which may earn retries.
    pub fn request(&self, now: Moment) {
        self.count(now, REQUEST);
    }

    /// Whether there may be one more retry; it is counted then. `share` is of the requests that
    /// were counted, `floor` is so many a second besides.
    pub fn retry(&self, share: Share, floor: u32, now: Moment) -> bool {
        let window = second_of(now).saturating_sub(SECONDS as u64 - 1);
        let (mut requests, mut retries) = (0_u64, 0_u64);
        for second in &self.seconds {
            let (second, some_requests, some_retries) = parts(second.load(Ordering::Relaxed));
            if is_within(second, window, now) {
                requests = requests.saturating_add(some_requests);
                retries = retries.saturating_add(some_retries);
            }
        }
        let floor = u64::from(floor).saturating_mul(SECONDS as u64);
        if retries >= share.of(requests).saturating_add(floor) {
            return false;
        }
        self.count(now, RETRY);
        true
    }

    fn count(&self, now: Moment, what: u64) {
        let number = second_of(now);
        let place = usize::try_from(number % SECONDS as u64).unwrap_or(0);
        let Some(place) = self.seconds.get(place) else { return };
        let label = number & (u64::MAX >> 44);
        let add = |found: u64| {
            let (second, requests, retries) = parts(found);
            let is_full = match what {
                RETRY => retries >= MOST_RETRIES,
                _ => requests >= MOST_REQUESTS,
            };
            if second != label {
                return Some(label.wrapping_mul(SECOND) | what);
            }
            // What is more than that in a second counts no more.
            (!is_full).then(|| found.wrapping_add(what))
        };
        let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

fn second_of(now: Moment) -> u64 {
    // From one on: a place that was never used is no second's.
    now.since(Moment::default()).saturating_add(Duration::from_secs(1)).as_secs()
}

fn parts(place: u64) -> (u64, u64, u64) {
    (place >> 44, (place >> 20) & MOST_REQUESTS, place & MOST_RETRIES)
}

/// Whether a second, of which the low bits are known, is one of the last ten.
fn is_within(label: u64, first: u64, now: Moment) -> bool {
    (first..=second_of(now)).any(|second| second & (u64::MAX >> 44) == label)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    fn granted(budget: &Budget, percent: u8, floor: u32, now: Moment) -> usize {
        (0..10_000).take_while(|_| budget.retry(Share::percent(percent), floor, now)).count()
    }

    #[test]
    fn retries_are_a_share_of_the_requests() {
        let budget = Budget::default();
        for request in 0..1000 {
            budget.request(at(request));
        }
        assert_eq!(granted(&budget, 20, 0, at(1000)), 200);
    }

    #[test]
    fn a_few_are_there_when_traffic_is_thin() {
        assert_eq!(granted(&Budget::default(), 20, 3, at(5)), 30);
    }

    #[test]
    fn with_neither_there_are_none() {
        let budget = Budget::default();
        budget.request(at(0));
        assert_eq!(granted(&budget, 0, 0, at(0)), 0);
    }

    #[test]
    fn what_was_spent_comes_back_after_ten_seconds() {
        let budget = Budget::default();
        assert_eq!(granted(&budget, 0, 1, at(0)), 10);
        assert_eq!(granted(&budget, 0, 1, at(9_999)), 0);
        assert_eq!(granted(&budget, 0, 1, at(10_000)), 10);
    }

    #[test]
    fn requests_of_long_ago_earn_nothing() {
        let budget = Budget::default();
        for _ in 0..100 {
            budget.request(at(0));
        }
        assert_eq!(granted(&budget, 50, 0, at(3_600_000)), 0);
    }

    /// Who asks at the same moment as others may not see theirs: each at most once.
    #[test]
    fn asked_by_many_at_once_it_grants_no_more_than_one_each_above_itself() {
        let (budget, granted) = (Budget::default(), AtomicU64::new(0));
        (0..1000).for_each(|_| budget.request(at(0)));
        let begin = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    begin.wait();
                    for _ in 0..1000 {
                        let is_granted = budget.retry(Share::percent(20), 0, at(1));
                        granted.fetch_add(u64::from(is_granted), Ordering::Relaxed);
                    }
                });
            }
        });
        assert!((200..208).contains(&granted.into_inner()));
    }

    #[test]
    fn counted_by_many_at_once_no_request_is_lost() {
        let budget = Budget::default();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1000).for_each(|request| budget.request(at(request * 2))));
            }
        });
        assert_eq!(granted(&budget, 10, 0, at(2000)), 800);
    }

    #[test]
    fn more_than_a_place_can_count_is_not_carried_into_its_neighbour() {
        let budget = Budget::default();
        budget.seconds[1].store(SECOND | (MOST_REQUESTS << 20) | 3, Ordering::Relaxed);
        budget.request(at(0));
        assert_eq!(parts(budget.seconds[1].load(Ordering::Relaxed)), (1, MOST_REQUESTS, 3));
    }

    proptest! {
        #[test]
        fn no_clock_and_no_share_do_harm(
            moments in prop::collection::vec(any::<u64>(), 1..50),
            percent in any::<u8>(),
            floor in any::<u32>(),
        ) {
            let budget = Budget::default();
            for nanos in moments {
                budget.request(Moment::from_nanos(nanos));
                budget.retry(Share::percent(percent), floor, Moment::from_nanos(nanos));
            }
        }
    }
}
