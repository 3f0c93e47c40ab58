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

impl Member<'_> {
    /// Whether it counts among those that may be ejected: one that is taken out carries no load.
    fn is_wanted(&self) -> bool {
        self.standing.mode() == Mode::Serving
    }
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
    // Taken out and put back, so that never two locks are held: a name that is configured in two
    // ways can make two members of one endpoint.
    let take = |member: &Member<'_>| std::mem::take(&mut *member.standing.judged());
    let mut judged: Vec<Judged> = members.iter().map(take).collect();
    for (at, (member, judged)) in members.iter().zip(&mut judged).enumerate() {
        all.circuit(at, member.standing, judged);
    }
    all.ejection(members, &mut judged);
    let is_new = judged.iter().all(|judged| !judged.is_known);
    let mut candidates = Vec::with_capacity(members.len());
    for (member, judged) in members.iter().zip(&mut judged) {
        let (state, permille) = all.warm(state(member.standing, judged), judged, is_new);
        let weight = member.standing.weight(member.weight);
        let is_local = member.is_local;
        candidates.push(Candidate { state, weight, permille, is_local });
    }
    for (member, judged) in members.iter().zip(judged).rev() {
        *member.standing.judged() = judged;
    }
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

    fn ejection(&mut self, members: &[Member<'_>], judged: &mut [Judged]) {
        let (policy, now) = (&self.policy.ejection, self.now);
        let (mut wanted, mut out) = (0_u64, 0_u64);
        for (at, (member, judged)) in members.iter().zip(&mut *judged).enumerate() {
            if judged.ejected.release(now) {
                // What has failed until now is of before.
                member.standing.forget_row();
                self.events.push((at, Event::Returned));
            }
            if member.is_wanted() {
                wanted = wanted.saturating_add(1);
                out = out.saturating_add(u64::from(judged.ejected.is_out()));
            }
        }
        let room = policy.share.of(wanted).saturating_sub(out);
        let found = candidates(policy, members, judged, now).into_iter();
        for (at, cause) in found.take(usize::try_from(room).unwrap_or(usize::MAX)) {
            if let Some(judged) = judged.get_mut(at) {
                judged.ejected.eject(policy, cause, now);
                self.events.push((at, Event::Ejected(cause)));
            }
        }
        for end in judged.iter().filter_map(|judged| judged.ejected.until()) {
            self.look_again(end);
        }
        if policy.failures.is_some() || policy.slow.is_some() {
            self.look_again(ejection::period_end(policy, now));
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
    judged: &mut [Judged],
    now: Moment,
) -> Vec<(usize, Cause)> {
    let mut found = Vec::new();
    let mut periods = Vec::with_capacity(members.len());
    for (at, (member, judged)) in members.iter().zip(judged).enumerate() {
        let period = judged.ejected.period(policy, member.standing.counts(), now);
        if judged.ejected.is_out() || !member.is_wanted() {
            // What fails while it is out is of before. One that drains still has clients.
            if member.standing.mode() != Mode::Draining {
                member.standing.forget_row();
            }
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
        // In the order they were found, so by position.
        let consecutive = found.len();
        let is_known = |found: &[(usize, Cause)], at: usize| {
            let known = found.get(..consecutive).unwrap_or(found);
            known.binary_search_by_key(&at, |(at, _)| *at).is_ok()
        };
        for (at, cause) in ejection::outliers(policy, &periods) {
            if !is_known(&found, at) {
                found.push((at, cause));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
