//! Over which endpoints requests are spread, and with which weights.

use std::time::Duration;

use marchproxy_conf::values::Share;
use marchproxy_decide::exchange::Moment;

/// Steps in which an endpoint comes to its full share.
const STEPS: u32 = 10;
/// A share with a fraction is a weight times this.
const SCALE: u64 = 1000;
/// What is kept of a weight at least.
const LEAST_PERMILLE: u64 = 100;

/// What an endpoint is fit for at this moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// An operator has taken it out.
    Disabled,
    /// An operator wants it to get nothing new.
    Draining,
    /// Checks say that it is not well.
    Unhealthy,
    /// It is out for a time because of what requests met there.
    Ejected,
    /// Its breaker is open.
    Open,
    /// Its breaker lets a few requests through.
    HalfOpen,
    /// It comes to its full share.
    Warming,
    /// It serves.
    Serving,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Serving,
        Self::Warming,
        Self::HalfOpen,
        Self::Open,
        Self::Ejected,
        Self::Unhealthy,
        Self::Draining,
        Self::Disabled,
    ];

    /// As it is told and labelled.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Draining => "draining",
            Self::Unhealthy => "unhealthy",
            Self::Ejected => "ejected",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Warming => "warming",
            Self::Serving => "serving",
        }
    }

    /// Whether requests are sent to it when all is in order.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::HalfOpen | Self::Warming | Self::Serving)
    }

    /// Whether requests are sent to it when too few others are usable.
    const fn is_last_resort(self) -> bool {
        self.is_usable() || matches!(self, Self::Unhealthy | Self::Ejected)
    }

    /// Whether it is here to be used at all.
    const fn is_wanted(self) -> bool {
        !matches!(self, Self::Disabled | Self::Draining)
    }
}

/// One endpoint of a roster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Its position among all endpoints of the upstream.
    pub position: usize,
    /// Its share of requests, relative to the others.
    pub weight: u32,
}

/// Over which endpoints requests are spread.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Roster {
    /// They.
    pub places: Vec<Place>,
    /// Too few are usable, so that all are used.
    pub is_panic: bool,
}

/// What is known of an endpoint when a roster is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub state: State,
    pub weight: u32,
    /// How much of its weight it gets, in thousandths.
    pub permille: u64,
    /// Whether it is in the proxy's own zone.
    pub is_local: bool,
}

impl Roster {
    /// A roster of those that are usable, or of all that are wanted when their share is less than
    /// `panic`.
    ///
    /// Those of the own zone come first, as long as the share `local` of them, by weight, is there, and
    /// not all are used.
    pub(crate) fn of(candidates: &[Candidate], panic: Share, local: Share) -> Self {
        let count = |is: fn(State) -> bool| {
            let states = candidates.iter().filter(|candidate| is(candidate.state));
            u64::try_from(states.count()).unwrap_or(u64::MAX)
        };
        let (usable, wanted) = (count(State::is_usable), count(State::is_wanted));
        let least = u64::from(panic.as_percent()).saturating_mul(wanted);
        let has_too_few = usable.saturating_mul(100) < least;
        // Unless there is nobody else to be used.
        let is_panic = has_too_few
            && candidates.iter().any(|one| one.state.is_last_resort() && !one.state.is_usable());
        let is_in = if is_panic { State::is_last_resort } else { State::is_usable };
        let are_even = candidates.iter().all(|candidate| candidate.permille == SCALE);
        let places = candidates.iter().enumerate().filter(|(_, candidate)| is_in(candidate.state));
        let places = places.map(|(position, candidate)| {
            let Candidate { weight, permille, .. } = *candidate;
            let scaled = || u64::from(weight).saturating_mul(permille).max(1);
            // When all are used none is held back, least of all for those that fail.
            let weight = if are_even || is_panic { weight } else { narrow(scaled()) };
            Place { position, weight }
        });
        let places: Vec<Place> = places.collect();
        // When too few are well, those of the own zone may be none of them.
        let places = if is_panic { places } else { prefer_local(places, candidates, local) };
        Self { places, is_panic }
    }
}

/// Takes the places of other zones away when enough of the own are there, or gives them what the
/// own ones are short of.
fn prefer_local(places: Vec<Place>, candidates: &[Candidate], local: Share) -> Vec<Place> {
    let is_local = |place: &Place| candidates.get(place.position).is_some_and(|one| one.is_local);
    let sum = |weights: &mut dyn Iterator<Item = u32>| weights.map(u128::from).sum::<u128>();
    let (own, others): (Vec<Place>, Vec<Place>) = places.iter().partition(|place| is_local(place));
    if own.is_empty() || others.is_empty() || local.as_percent() == 0 {
        return places;
    }
    let wanted = candidates.iter().filter(|one| one.is_local && one.state.is_wanted());
    let all = sum(&mut wanted.map(|one| one.weight));
    let usable = own.iter().filter_map(|place| candidates.get(place.position));
    let there = sum(&mut usable.map(|one| one.weight)).saturating_mul(100);
    let needed = all.saturating_mul(u128::from(local.as_percent()));
    let Some(missing) = needed.checked_sub(there).filter(|missing| *missing > 0) else {
        return own;
    };
    // The others get `missing` for what `there` is to the own ones.
    let own_weight = sum(&mut own.iter().map(|place| place.weight));
    let other_weight = sum(&mut others.iter().map(|place| place.weight));
    let scale = u128::from(SCALE);
    let spread = |place: &Place| {
        let weight = u128::from(place.weight).saturating_mul(scale);
        let weight = if is_local(place) {
            weight
        } else {
            let due = own_weight.saturating_mul(missing).saturating_mul(weight);
            due.checked_div(there.saturating_mul(other_weight)).unwrap_or(weight)
        };
        Place { weight: u32::try_from(weight).unwrap_or(u32::MAX).max(1), ..*place }
    };
    places.iter().map(spread).collect()
}

fn narrow(weight: u64) -> u32 {
    u32::try_from(weight).unwrap_or(u32::MAX)
}

/// How much of its weight, in thousandths, an endpoint gets that is warming since then, and when
/// that changes; `None`: it has come to all of it.
pub(crate) fn warmth(since: Moment, over: Duration, now: Moment) -> Option<(u64, Moment)> {
    let step = over / STEPS;
    let steps = now.since(since).as_nanos().checked_div(step.as_nanos())?;
    let steps = u32::try_from(steps).ok().filter(|steps| *steps < STEPS)?;
    let permille = (u64::from(steps) * SCALE / u64::from(STEPS)).max(LEAST_PERMILLE);
    Some((permille, since.after(step.saturating_mul(steps.saturating_add(1)))))
}

#[cfg(test)]
mod tests;
