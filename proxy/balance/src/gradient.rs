//! How many requests an upstream bears at one time, found out by how long its answers take.

use std::time::Duration;

/// How much slower than usual answers may be before the limit falls.
const TOLERANCE: f64 = 1.5;
/// The steepest fall of one step.
const STEEPEST: f64 = 0.5;
/// How much of a new limit is taken at once.
const SMOOTHING: f64 = 0.2;
/// How much of a shorter time is taken into what is usual: the load has gone.
const SHORTER: f64 = 0.5;
/// How much of a longer one: under load for long, it would otherwise become usual itself.
const LONGER: f64 = 0.001;

/// A limit that grows as long as answers take what they usually do, and falls when they take longer:
/// requests wait then, and are better off waiting here (after the gradient limits of Netflix and Envoy).
#[derive(Debug)]
pub struct Gradient {
    least: f64,
    most: f64,
    limit: f64,
    /// What answers usually take, in seconds.
    usual: Option<f64>,
}

impl Gradient {
    /// Between these bounds, from the lower one on.
    pub fn new(least: u32, most: u32) -> Self {
        let least = least.max(1);
        let (least, most) = (f64::from(least), f64::from(most.max(least)));
        Self { least, most, limit: least, usual: None }
    }

    /// Between these bounds, from a limit on that was found before, as far as they allow it.
    pub fn beginning_at(limit: u32, least: u32, most: u32) -> Self {
        let new = Self::new(least, most);
        Self { limit: f64::from(limit).clamp(new.least, new.most), ..new }
    }

    /// The limit.
    pub fn limit(&self) -> u32 {
        whole(self.limit)
    }

    /// Takes into account that answers took so long on average since the last time, while so many
    /// requests ran; gives the limit.
    pub fn step(&mut self, took: Duration, running: u64) -> u32 {
        let took = took.as_secs_f64().max(1e-6);
        let usual = self.usual.get_or_insert(took);
        *usual += (took - *usual) * if took < *usual { SHORTER } else { LONGER };
        // With little to do nothing is learnt of how much could be borne.
        if f64::from(u32::try_from(running).unwrap_or(u32::MAX)) * 2.0 < self.limit {
            return self.limit();
        }
        let gradient = (TOLERANCE * *usual / took).clamp(STEEPEST, 1.0);
        let wanted = self.limit * gradient + self.limit.sqrt();
        self.limit += (wanted - self.limit) * SMOOTHING;
        self.limit = self.limit.clamp(self.least, self.most);
        self.limit()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held between bounds")]
fn whole(limit: f64) -> u32 {
    limit as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers `capacity` requests at a time in 10 ms; more of them wait in turn.
    fn answers_in(running: u32, capacity: u32) -> Duration {
        Duration::from_millis(10) * running.max(capacity) / capacity
    }

    /// The limit after so many steps under more load than is borne.
    fn settled(gradient: &mut Gradient, capacity: u32, steps: usize) -> u32 {
        for _ in 0..steps {
            let limit = gradient.limit();
            gradient.step(answers_in(limit, capacity), limit.into());
        }
        gradient.limit()
    }

    #[test]
    fn the_limit_settles_near_what_is_borne() {
        for capacity in [20, 100, 400] {
            let limit = settled(&mut Gradient::new(5, 10_000), capacity, 200);
            assert!((capacity..capacity * 4).contains(&limit), "{limit} for {capacity}");
        }
    }

    #[test]
    fn it_falls_when_less_is_borne_and_rises_again() {
        let mut gradient = Gradient::new(5, 10_000);
        let before = settled(&mut gradient, 100, 100);
        let fallen = settled(&mut gradient, 10, 20);
        assert!(fallen < before / 2, "{before}, then {fallen}");
        assert!(settled(&mut gradient, 100, 200) >= 100);
    }

    #[test]
    fn it_stays_within_its_bounds() {
        assert_eq!(settled(&mut Gradient::new(5, 50), 1000, 500), 50);
        let mut gradient = Gradient::new(5, 50);
        gradient.step(Duration::from_millis(1), 5);
        for _ in 0..100 {
            gradient.step(Duration::from_hours(1), u64::MAX);
        }
        assert!(gradient.limit() >= 5);
    }

    #[test]
    fn with_little_to_do_nothing_is_learnt() {
        let mut gradient = Gradient::new(100, 1000);
        assert_eq!(gradient.step(Duration::from_millis(1), 10), 100);
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        for (least, most) in [(0, 0), (10, 5), (u32::MAX, u32::MAX)] {
            let mut gradient = Gradient::new(least, most);
            for took in [Duration::ZERO, Duration::MAX] {
                assert!(gradient.step(took, u64::MAX) >= 1);
            }
        }
    }
}
