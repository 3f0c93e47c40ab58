//! How long one endpoint takes to answer, as far as that tells which to send the next request to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The cost of an endpoint that has not answered yet, and already has a request: it waits for that
/// answer before it gets much more. Nanoseconds.
const UNKNOWN: f64 = 1e9;

/// The cost of an endpoint that asked to be left alone: above that of any that did not, yet a number,
/// so that the only endpoint still serves. Nanoseconds; 30 years.
const AVOIDED: f64 = 1e18;

/// The longest that an answer is taken to last. Nanoseconds; a day.
const LONGEST: f64 = 86.4e12;

/// The peak of what an endpoint's answers took, falling with time: a slow answer is believed at once,
/// and half forgotten after 0.7 of the decay. So an endpoint that was slow is tried again by and by.
///
/// The time of an answer is kept as `ln(took) + now / decay`. What it counts for later is then the
/// same for all answers, whenever they came, so the one that counts most is the greatest number: a
/// single atomic maximum, which no race can lose or tear.
///
/// All times are nanoseconds of one clock, which begins anywhere. Should it stand still or go back,
/// all costs stay where they were or rise together.
#[derive(Debug)]
pub struct Latency {
    /// The bits of a number that is not negative, so they order as it does. 0: no answer yet.
    peak: AtomicU64,
    avoided_until: AtomicU64,
    /// Nanoseconds, in which the peak falls to 1 / e.
    decay: f64,
}

impl Latency {
    /// For an endpoint that has not answered yet. After `decay` a peak counts for 1 / e, or 37 %.
    pub fn new(decay: Duration) -> Self {
        let decay = decay.as_secs_f64() * 1e9;
        Self { peak: AtomicU64::new(0), avoided_until: AtomicU64::new(0), decay: decay.max(1.0) }
    }

    /// An answer took so long, as of now.
    pub fn observe(&self, now_nanos: u64, took_nanos: u64) {
        let took = float(took_nanos).clamp(2.0, LONGEST);
        let counts = took.ln() + float(now_nanos) / self.decay;
        self.peak.fetch_max(counts.to_bits(), Ordering::Relaxed);
    }

    /// A refusal (429, 5xx, no answer at all) counts as one that took so long, lest an endpoint that
    /// fails fast look like the best one.
    pub fn penalise(&self, now_nanos: u64, penalty_nanos: u64) {
        self.observe(now_nanos, penalty_nanos);
    }

    /// The endpoint asked to be left alone until then (`Retry-After`, RFC 9110 section 10.2.3), of
    /// which the caller believes no more than is good. A later time stands against an earlier.
    pub fn avoid_until(&self, until_nanos: u64) {
        self.avoided_until.fetch_max(until_nanos, Ordering::Relaxed);
    }

    /// What another request would cost, in nanoseconds: the peak for each request that runs and this
    /// one. `weight` is relative to the mean weight, as [`PeakEwma`](crate::PeakEwma) passes it.
    /// Always finite.
    ///
    /// Of endpoints that idle the weight says nothing, as the faster is better whatever it can bear.
    pub fn cost(&self, now_nanos: u64, running: u32, weight: f64) -> f64 {
        if !weight.is_normal() || weight < 0.0 {
            return f64::MAX;
        }
        let queue = f64::from(running) / weight + 1.0;
        (self.one(now_nanos, running) * queue).min(f64::MAX)
    }

    /// What a request alone would cost.
    fn one(&self, now_nanos: u64, running: u32) -> f64 {
        if now_nanos < self.avoided_until.load(Ordering::Relaxed) {
            return AVOIDED;
        }
        match self.peak.load(Ordering::Relaxed) {
            0 if running == 0 => 0.0,
            0 => UNKNOWN,
            peak => (f64::from_bits(peak) - float(now_nanos) / self.decay).exp().min(LONGEST),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a peak need not be known to the nanosecond")]
fn float(nanos: u64) -> f64 {
    nanos as f64
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const DECAY: Duration = Duration::from_secs(10);

    fn seen(now: u64, took: u64) -> Latency {
        let latency = Latency::new(DECAY);
        latency.observe(now, took);
        latency
    }

    fn assert_near(cost: f64, nanos: f64) {
        assert!((cost / nanos - 1.0).abs() < 1e-6, "{cost} is not {nanos}");
    }

    #[test]
    fn a_rise_is_taken_at_once() {
        let latency = seen(SECOND, 1_000_000);
        assert_near(latency.cost(SECOND, 0, 1.0), 1e6);
        latency.observe(SECOND, 70_000_000);
        assert_near(latency.cost(SECOND, 0, 1.0), 7e7);
    }

    #[test]
    fn a_fall_takes_the_time_of_the_decay() {
        let latency = seen(SECOND, 70_000_000);
        latency.observe(SECOND, 1_000_000);
        assert_near(latency.cost(SECOND, 0, 1.0), 7e7);
        latency.observe(11 * SECOND, 1_000_000);
        assert_near(latency.cost(11 * SECOND, 0, 1.0), 7e7 / std::f64::consts::E);
        latency.observe(60 * SECOND, 1_000_000);
        assert_near(latency.cost(60 * SECOND, 0, 1.0), 1e6);
    }

    #[test]
    fn what_runs_counts_against_the_weight() {
        let latency = seen(0, 1_000_000);
        assert_near(latency.cost(0, 3, 1.0), 4e6);
        assert_near(latency.cost(0, 3, 3.0), 2e6);
        assert_near(latency.cost(0, 0, 3.0), 1e6);
    }

    #[test]
    fn an_endpoint_never_seen_gets_one_request_and_waits_for_its_answer() {
        let latency = Latency::new(DECAY);
        let other = seen(0, 200_000_000);
        assert!(latency.cost(0, 0, 1.0) < other.cost(0, 0, 1.0));
        assert!(latency.cost(0, 1, 1.0) > other.cost(0, 1, 1.0));
    }

    #[test]
    fn an_answer_in_no_time_at_the_first_moment_counts_as_seen() {
        assert!(seen(0, 0).cost(0, 1, 1.0) < 10.0);
    }

    #[test]
    fn a_refusal_in_no_time_costs_the_penalty() {
        let latency = seen(0, 1000);
        latency.penalise(0, SECOND);
        latency.observe(0, 1000);
        assert_near(latency.cost(0, 0, 1.0), 1e9);
    }

    #[test]
    fn an_endpoint_that_asked_for_it_is_avoided_until_then() {
        let latency = seen(0, 1_000_000);
        latency.avoid_until(5 * SECOND);
        latency.avoid_until(2 * SECOND);
        let avoided = latency.cost(5 * SECOND - 1, 0, 1.0);
        assert!(avoided.is_finite());
        assert!(avoided > seen(0, u64::MAX).cost(0, 1000, 1.0));
        assert!(latency.cost(5 * SECOND, 0, 1.0) < 1e6);
    }

    #[test]
    fn a_clock_that_goes_back_keeps_the_order_of_costs() {
        let (fast, slow) = (seen(50 * SECOND, 1_000_000), seen(50 * SECOND, 9_000_000));
        let (fast, slow) = (fast.cost(40 * SECOND, 0, 1.0), slow.cost(40 * SECOND, 0, 1.0));
        assert_near(slow / fast, 9.0);
    }

    #[test]
    fn no_clock_makes_an_answer_cost_more_than_being_avoided() {
        let (slow, avoided) = (seen(u64::MAX / 2, SECOND), Latency::new(DECAY));
        avoided.avoid_until(u64::MAX);
        assert!(slow.cost(0, 1000, 1.0) < avoided.cost(0, 0, 1.0));
    }

    #[test]
    fn of_answers_that_race_the_peak_stays() {
        let latency = Latency::new(DECAY);
        thread::scope(|scope| {
            for worker in 0..4 {
                let latency = &latency;
                scope.spawn(move || {
                    for took in 1..=10_000 {
                        latency.observe(SECOND, took * 4 + worker);
                        let cost = latency.cost(SECOND, 0, 1.0);
                        assert!((3.9..40_003.1).contains(&cost), "{cost} was never observed");
                    }
                });
            }
        });
        assert_near(latency.cost(SECOND, 0, 1.0), 40_003.0);
    }

    proptest! {
        #[test]
        fn every_cost_is_a_finite_number(
            decay in any::<u64>(),
            answers in prop::collection::vec((any::<u64>(), any::<u64>()), 0..5),
            until in any::<u64>(),
            now in any::<u64>(),
            running in any::<u32>(),
            weight in any::<f64>(),
        ) {
            let latency = Latency::new(Duration::from_nanos(decay));
            for (then, took) in answers {
                latency.observe(then, took);
            }
            latency.avoid_until(until);
            let cost = latency.cost(now, running, weight);
            prop_assert!(cost.is_finite() && cost >= 0.0, "{}", cost);
        }
    }
}
