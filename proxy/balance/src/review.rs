//! Looking at all endpoints of an upstream together, to decide which may be used.

use std::time::Duration;

use marchproxy_conf::model::{Breaker, Ejection};
use marchproxy_conf::values::Share;
use marchproxy_decide::exchange::Moment;

use crate::breaker::Trip;
use crate::ejection::{self, Cause};
use crate::roster::{Candidate, Roster, State, warmth};
use crate::standing::{Judged, Mode, Standing};

/// An endpoint as it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// What is known of it.
    pub standing: &'a Standing,
    /// Its weight as configured.
    pub weight: u32,
    /// Whether it is in the proxy's own zone.
    pub is_local: bool,
}

/// By what an upstream's endpoints are judged.
#[derive(Clone, Debug)]
pub struct Policy {
    /// When they are ejected.
    pub ejection: Ejection,
    /// When their breakers open; absent: there are none.
    pub breaker: Option<Breaker>,
    /// With a smaller share of usable ones all are used.
    pub panic: Share,
    /// Over how long one that is new, or back, comes to its full share.
    pub slow_start: Duration,
    /// Those of the own zone are preferred as long as this share of them may be used.
    pub local: Share,
}

/// What came of looking.
#[derive(Clone, Debug)]
pub struct Review {
    /// Over which endpoints requests are spread.
    pub roster: Roster,
    /// What each is fit for, in their order.
    pub states: Vec<State>,
    /// What has changed: whose position, and what.
    pub events: Vec<(usize, Event)>,
    /// When to look again if nothing calls for it earlier.
    pub again: Option<Moment>,
}

/// A change of one endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// It is out for a time.
    Ejected(Cause),
    /// It is back.
    Returned,
    /// Its breaker has changed.
    Tripped(Trip),
}

/// Looks at all endpoints of an upstream, at `now`. Whoever does must be the only one.
pub fn review(members: &[Member<'_>], policy: &Policy, now: Moment) -> Review {
    let mut all = Reviewing { policy, now, events: Vec::new(), again: None };
    let mut judged: Vec<_> = members.iter().map(|member| member.standing.judged()).collect();
    for (at, (member, judged)) in members.iter().zip(&mut judged).enumerate() {
        all.circuit(at, member.standing, judged);
    }
    let mut views: Vec<&mut Judged> = judged.iter_mut().map(|judged| &mut **judged).collect();
    all.ejection(members, &mut views);
    let is_new = views.iter().all(|judged| !judged.is_known);
    let states = members.iter().zip(&views).map(|(member, judged)| state(member.standing, judged));
    let states: Vec<State> = states.collect();
    let warmed =
        states.iter().zip(&mut views).map(|(state, judged)| all.warm(*state, judged, is_new));
    let warmed: Vec<(State, u64)> = warmed.collect();
    let candidates: Vec<Candidate> = members
        .iter()
        .zip(&warmed)
        .map(|(member, (state, permille))| Candidate {
            state: *state,
            weight: member.standing.weight(member.weight),
            permille: *permille,
            is_local: member.is_local,
        })
        .collect();
    Review {
        roster: Roster::of(&candidates, policy.panic, policy.local),
        states: candidates.iter().map(|candidate| candidate.state).collect(),
        events: all.events,
        again: all.again,
    }
}

fn state(standing: &Standing, judged: &Judged) -> State {
    match standing.mode() {
        Mode::Disabled => return State::Disabled,
        Mode::Draining => return State::Draining,
        Mode::Serving => {}
    }
    if standing.checked().is_healthy() == Some(false) {
        State::Unhealthy
    } else if judged.ejected.is_out() {
        State::Ejected
    } else if judged.circuit.is_open() {
        State::Open
    } else if judged.circuit.is_half_open() {
        State::HalfOpen
    } else {
        State::Serving
    }
}

struct Reviewing<'a> {
    policy: &'a Policy,
    now: Moment,
    events: Vec<(usize, Event)>,
    again: Option<Moment>,
}

impl Reviewing<'_> {
    fn look_again(&mut self, at: Moment) {
        self.again = Some(self.again.map_or(at, |again| again.min(at)));
    }

    fn circuit(&mut self, at: usize, standing: &Standing, judged: &mut Judged) {
        let Some(policy) = &self.policy.breaker else {
            judged.circuit.reset();
            return standing.set_probes(None);
        };
        let probe = |probes| standing.set_probes(probes);
        let trip = judged.circuit.look(policy, standing.counts(), self.now, probe);
        let next = judged.circuit.next(policy, self.now);
        self.events.extend(trip.map(|trip| (at, Event::Tripped(trip))));
        self.look_again(next);
    }

    fn ejection(&mut self, members: &[Member<'_>], judged: &mut [&mut Judged]) {
        let (policy, now) = (&self.policy.ejection, self.now);
        for (at, judged) in judged.iter_mut().enumerate() {
            if judged.ejected.release(now) {
                self.events.push((at, Event::Returned));
            }
        }
        for (at, cause) in candidates(policy, members, judged, now) {
            let out = judged.iter().filter(|judged| judged.ejected.is_out()).count();
            let most = policy.share.of(u64::try_from(members.len()).unwrap_or(u64::MAX));
            if u64::try_from(out).unwrap_or(u64::MAX) >= most {
                break;
            }
            if let Some(judged) = judged.get_mut(at) {
                judged.ejected.eject(policy, now);
                self.events.push((at, Event::Ejected(cause)));
            }
        }
        let ends: Vec<Moment> = judged.iter().filter_map(|judged| judged.ejected.until()).collect();
        for end in ends {
            self.look_again(end);
        }
        if policy.failures.is_some() || policy.slow.is_some() {
            self.look_again(now.after(policy.period.duration()));
        }
    }

    /// The state with slow start looked at, and how much of the weight there is in thousandths.
    fn warm(&mut self, state: State, judged: &mut Judged, is_new: bool) -> (State, u64) {
        let is_usable = state.is_usable();
        if is_usable && !judged.was_usable && !is_new {
            judged.warming_since = Some(self.now);
        }
        judged.was_usable = is_usable;
        judged.is_known = true;
        let over = self.policy.slow_start;
        let warmth = judged.warming_since.and_then(|since| warmth(since, over, self.now));
        match warmth {
            Some((permille, next)) if is_usable => {
                self.look_again(next);
                let state = if state == State::Serving { State::Warming } else { state };
                (state, permille)
            }
            _ => {
                judged.warming_since = None;
                (state, 1000)
            }
        }
    }
}

/// Who should be ejected, and why.
fn candidates(
    policy: &Ejection,
    members: &[Member<'_>],
    judged: &mut [&mut Judged],
    now: Moment,
) -> Vec<(usize, Cause)> {
    let mut found = Vec::new();
    let mut periods = Vec::with_capacity(members.len());
    for (at, (member, judged)) in members.iter().zip(judged).enumerate() {
        let period = judged.ejected.period(policy, member.standing.counts(), now);
        if judged.ejected.is_out() {
            // What fails while it is out is of before.
            member.standing.forget_row();
            periods.push(None);
            continue;
        }
        periods.push(period);
        let is_enough = member.standing.broken_in_a_row() >= policy.consecutive;
        if policy.consecutive > 0 && is_enough {
            member.standing.forget_row();
            found.push((at, Cause::Consecutive));
        }
    }
    if policy.failures.is_some() || policy.slow.is_some() {
        let outliers = ejection::outliers(policy, &periods).into_iter();
        let known: Vec<usize> = found.iter().map(|(at, _)| *at).collect();
        found.extend(outliers.filter(|(at, _)| !known.contains(at)));
    }
    found
}

#[cfg(test)]
mod tests;
