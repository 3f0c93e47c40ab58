use marchproxy_conf::values::{Share, Time};
use proptest::prelude::*;

use super::*;

/// Half of at least ten requests within a second; open for five.
fn policy() -> Breaker {
    Breaker {
        failures: Share::percent(50),
        window: Time::from_secs(1),
        requests: 10,
        open: Time::from_secs(5),
        probes: 3,
    }
}

fn at(millis: u64) -> Moment {
    Moment::from_nanos(millis * 1_000_000)
}

/// A breaker, what was counted, and how many may enter, whenever that was said.
#[derive(Default)]
struct Bench {
    circuit: Circuit,
    counts: Counts,
    probes: Vec<Option<u32>>,
}

impl Bench {
    /// So many requests more, of which so many fail, and a look.
    fn look(&mut self, requests: u64, failures: u64, millis: u64) -> Option<Trip> {
        self.counts.answered += requests;
        self.counts.failed += failures;
        if self.circuit.is_half_open() {
            self.counts.probed += requests;
            self.counts.probes_failed += failures;
        }
        let probes = &mut self.probes;
        self.circuit.look(&policy(), self.counts, at(millis), |these| probes.push(these))
    }

    /// One that opened at the beginning, and is half open after five seconds.
    fn half_open() -> Self {
        let mut bench = Self::default();
        bench.look(0, 0, 0);
        assert_eq!(bench.look(10, 5, 0), Some(Trip::Opened));
        assert_eq!(bench.look(0, 0, 5000), Some(Trip::HalfOpened));
        bench
    }
}

#[test]
fn it_opens_when_the_share_of_failures_is_reached_and_not_before() {
    for (requests, failures, trip) in [
        (10, 5, Some(Trip::Opened)),
        (11, 5, None),
        (9, 9, None),
        (1000, 499, None),
        (1000, 500, Some(Trip::Opened)),
    ] {
        let mut bench = Bench::default();
        bench.look(0, 0, 0);
        assert_eq!(bench.look(requests, failures, 500), trip, "{failures} of {requests}");
        assert_eq!(bench.circuit.is_open(), trip.is_some());
        assert!(!bench.circuit.is_half_open());
        assert_eq!(bench.probes, [], "who is in may stay");
    }
}

#[test]
fn a_share_of_all_opens_when_all_fail() {
    let all = Breaker { failures: Share::percent(100), ..policy() };
    let (mut circuit, none) = (Circuit::default(), |_| {});
    let counts = |answered, failed| Counts { answered, failed, ..Counts::default() };
    circuit.look(&all, counts(0, 0), at(0), none);
    assert_eq!(circuit.look(&all, counts(20, 19), at(1), none), None);
    circuit.reset();
    circuit.look(&all, counts(20, 19), at(2), none);
    assert_eq!(circuit.look(&all, counts(40, 39), at(3), none), Some(Trip::Opened));
}

#[test]
fn failures_from_before_the_window_do_not_count() {
    let mut bench = Bench::default();
    bench.look(0, 0, 0);
    assert_eq!(bench.look(9, 9, 0), None);
    for millis in (100..1200).step_by(100) {
        assert_eq!(bench.look(0, 0, millis), None);
    }
    assert_eq!(bench.look(9, 9, 1200), None, "nine and nine, and never ten within a second");
    assert_eq!(bench.look(1, 1, 1200), Some(Trip::Opened));
}

#[test]
fn what_was_counted_before_it_was_first_looked_at_does_not_count() {
    let mut bench = Bench::default();
    assert_eq!(bench.look(100, 100, 0), None);
}

#[test]
fn it_is_half_open_when_its_time_is_over() {
    let mut bench = Bench::default();
    bench.look(0, 0, 0);
    bench.look(10, 10, 100);
    assert_eq!(bench.circuit.next(&policy(), at(100)), at(5100));
    assert_eq!(bench.look(5, 5, 5099), None, "what fails late does not make it longer");
    assert!(bench.circuit.is_open());
    assert_eq!(bench.look(0, 0, 5100), Some(Trip::HalfOpened));
    assert!(bench.circuit.is_half_open() && !bench.circuit.is_open());
    assert_eq!(bench.probes, [Some(3)]);
}

#[test]
fn it_closes_when_all_probes_succeed_and_begins_anew() {
    let mut bench = Bench::half_open();
    assert_eq!(bench.look(2, 0, 5001), None);
    assert_eq!(bench.look(1, 0, 5002), Some(Trip::Closed));
    assert!(!bench.circuit.is_half_open() && !bench.circuit.is_open());
    assert_eq!(bench.probes, [Some(3), None], "everyone may come");
    bench.look(0, 0, 5003);
    assert_eq!(bench.look(9, 9, 5004), None, "what opened it is forgotten");
    assert_eq!(bench.look(1, 1, 5005), Some(Trip::Opened));
}

#[test]
fn it_opens_for_as_long_again_when_one_probe_fails() {
    let mut bench = Bench::half_open();
    assert_eq!(bench.look(2, 1, 5100), Some(Trip::Opened));
    assert_eq!(bench.look(0, 0, 10_099), None);
    assert_eq!(bench.look(0, 0, 10_100), Some(Trip::HalfOpened));
}

#[test]
fn probes_that_never_end_leave_room_for_others_in_time() {
    let mut bench = Bench::half_open();
    assert_eq!(bench.look(1, 0, 9999), None);
    assert_eq!(bench.probes, [Some(3)]);
    assert_eq!(bench.circuit.next(&policy(), at(9999)), at(10_000));
    assert_eq!(bench.look(0, 0, 10_000), None);
    assert_eq!(bench.probes, [Some(3); 2]);
    assert_eq!(bench.look(3, 0, 10_001), Some(Trip::Closed));
}

#[test]
fn while_the_clock_stands_still_it_stays_as_it_is() {
    let mut bench = Bench::default();
    bench.look(0, 0, 7);
    bench.look(10, 10, 7);
    for _ in 0..1000 {
        assert_eq!(bench.look(1, 1, 7), None);
    }
    assert!(bench.circuit.is_open());
}

proptest! {
    #[test]
    fn no_counts_and_no_clock_do_harm(
        looks in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 1..50),
    ) {
        let mut circuit = Circuit::default();
        for (answered, failed, now) in looks {
            let now = Moment::from_nanos(now);
            circuit.look(&policy(), Counts { answered, failed, ..Counts::default() }, now, |_| {});
            circuit.next(&policy(), now);
            prop_assert!(!circuit.is_open() || !circuit.is_half_open());
        }
    }

    #[test]
    fn a_window_keeps_a_sample_for_each_of_its_parts(
        steps in prop::collection::vec(0_u64..300, 1..500),
    ) {
        let (mut bench, mut now) = (Bench::default(), 0);
        for step in steps {
            now += step;
            bench.look(1, 0, now);
            prop_assert!(bench.circuit.samples.len() <= 11);
        }
    }
}
