//! A proxy before its endpoints, with a clock and a chance of its own: what happens, event by event.

use std::collections::BTreeMap;
use std::time::Duration;

use marchproxy_conf::model::{Retry, RetryOn};
use marchproxy_conf::values::Time;
use marchproxy_decide::exchange::Moment;

use super::picker::{Balance, Picker};
use super::report::{Look, Report, Request};
use super::server::{Fault, Reply, Server};
use super::{MILLISECOND, Numbers, SECOND};
use crate::testing::numbers;
use crate::{Budget, Entered, Event, Member, Outcome, Policy, Standing, review};

/// However much fails, endpoints are looked at no more often.
const PAUSE: u64 = 5 * MILLISECOND;

/// What is simulated.
#[derive(Clone)]
pub struct Setup {
    pub balance: Balance,
    pub servers: Vec<Server>,
    pub policy: Policy,
    pub retry: Retry,
    /// Requests a second, at random.
    pub rate: u64,
    /// So many of a hundred are POST.
    pub posts: u64,
    pub length: u64,
}

#[derive(Clone, Copy)]
enum Happening {
    Arrives,
    Tries(usize),
    Replies(usize, usize, Reply),
    /// The attempt takes too long.
    Late(usize, usize),
    Looks,
}

struct World {
    setup: Setup,
    chance: Numbers,
    now: u64,
    /// What is to come, by time, and among what comes at one time by order.
    agenda: BTreeMap<(u64, u64), Happening>,
    order: u64,
    standings: Vec<Standing>,
    /// The places of the requests that run.
    entered: BTreeMap<usize, Entered>,
    budget: Budget,
    picker: Picker,
    /// When the keeper looks next, and whether that is since something was noted.
    next_look: (u64, bool),
    /// Something was noted since.
    is_woken: bool,
    report: Report,
}

/// Runs it; the same for the same seed.
pub fn run(setup: &Setup, seed: u64) -> Report {
    let endpoints = setup.servers.len();
    let mut world = World {
        setup: setup.clone(),
        chance: Box::new(numbers(seed)),
        now: 0,
        agenda: BTreeMap::new(),
        order: 0,
        standings: (0..endpoints).map(|_| Standing::default()).collect(),
        entered: BTreeMap::new(),
        budget: Budget::default(),
        picker: Picker::new(setup.balance, endpoints),
        next_look: (0, false),
        is_woken: false,
        report: Report::new(seed),
    };
    world.look();
    world.plan(0, Happening::Arrives);
    while let Some(((now, _), happening)) = world.agenda.pop_first() {
        if now >= setup.length {
            break;
        }
        world.now = now;
        world.happens(happening);
    }
    world.report
}

impl World {
    fn plan(&mut self, at: u64, happening: Happening) {
        self.order += 1;
        self.agenda.insert((at, self.order), happening);
    }

    fn moment(&self) -> Moment {
        Moment::from_nanos(self.now)
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives => self.arrive(),
            Happening::Tries(request) => self.try_it(request),
            Happening::Replies(request, attempt, reply) => {
                if self.report.requests[request].is_at(attempt) {
                    self.reply(request, reply);
                }
            }
            Happening::Late(request, attempt) => {
                if self.report.requests[request].is_at(attempt) {
                    self.fail(request, RetryOn::Timeout);
                }
            }
            Happening::Looks => {
                if self.next_look.0 == self.now {
                    self.look();
                }
            }
        }
    }

    fn arrive(&mut self) {
        let part = u32::try_from((self.chance)(1 << 32)).unwrap();
        let wait = -(1.0 - f64::from(part) / 4_294_967_296.0).ln();
        let wait = Duration::from_nanos(SECOND / self.setup.rate).mul_f64(wait);
        self.plan(self.moment().after(wait).nanos(), Happening::Arrives);
        let is_post = (self.chance)(100) < self.setup.posts;
        let mut request = Request::new(self.now, is_post, (self.chance)(u64::MAX));
        let number = self.report.requests.len();
        let Some((at, entered)) = self.pick(&request) else {
            self.report.requests.push(request);
            return self.finish(number, false);
        };
        request.seat = Some(at);
        self.report.requests.push(request);
        self.entered.insert(number, entered);
        if self.setup.retry.attempts > 1 {
            self.budget.request(self.moment());
        }
        self.try_it(number);
    }

    fn pick(&mut self, request: &Request) -> Option<(usize, Entered)> {
        self.picker.pick(&self.standings, &request.tried, request.key, self.now, &mut self.chance)
    }

    fn try_it(&mut self, number: usize) {
        let request = &mut self.report.requests[number];
        let (at, attempt) = (request.seat.unwrap(), request.tried.len());
        request.began = self.now;
        let (reply, end) = self.setup.servers[at].take(self.now, &mut self.chance);
        request.sent += usize::from(reply != Reply::NoConnection);
        self.report.tries.push((self.now, at));
        let time = self.setup.retry.attempt_time.map_or(Duration::from_mins(1), Time::duration);
        if reply != Reply::Never {
            self.plan(end, Happening::Replies(number, attempt, reply));
        }
        self.plan(self.moment().after(time).nanos(), Happening::Late(number, attempt));
    }

    fn reply(&mut self, number: usize, reply: Reply) {
        let status = match reply {
            Reply::NoConnection => return self.fail(number, RetryOn::Connect),
            Reply::Broken | Reply::Never => return self.fail(number, RetryOn::Reset),
            Reply::Status(status) => status,
        };
        let request = &self.report.requests[number];
        let took = self.moment().since(Moment::from_nanos(request.began));
        let is_post = request.is_post;
        self.note(number, if status < 500 { Outcome::Good(took) } else { Outcome::Error(took) });
        let is_unwanted = self.setup.retry.statuses.contains(&status) && !is_post;
        if !is_unwanted || !self.find_another(number) {
            self.finish(number, status < 500);
        }
    }

    fn fail(&mut self, number: usize, kind: RetryOn) {
        self.note(number, Outcome::Broken);
        let may_go_twice = kind == RetryOn::Connect || !self.report.requests[number].is_post;
        let is_wanted = self.setup.retry.on.contains(&kind) && may_go_twice;
        if !is_wanted || !self.find_another(number) {
            self.finish(number, false);
        }
    }

    fn note(&mut self, number: usize, outcome: Outcome) {
        let at = self.report.requests[number].seat.unwrap();
        let took = match outcome {
            Outcome::Good(took) => Some(u64::try_from(took.as_nanos()).unwrap()),
            Outcome::Error(_) | Outcome::Broken | Outcome::Left(_) => None,
        };
        self.picker.learn(at, self.now, took);
        if self.standings[at].note(&self.entered[&number], outcome) {
            // The first wakes the keeper, what comes while it waits has it look once more.
            self.is_woken = self.next_look.1;
            self.plan_look(None);
        }
    }

    /// What `edge/attempts.rs` does.
    fn find_another(&mut self, number: usize) -> bool {
        let retry = self.setup.retry.clone();
        let request = &mut self.report.requests[number];
        let left = request.seat.unwrap();
        request.tried.push(left);
        let tries = request.tried.len();
        if tries >= usize::try_from(retry.attempts).unwrap() {
            return false;
        }
        let request = request.clone();
        let Some((next, entered)) = self.pick(&request) else { return false };
        if !self.budget.retry(retry.budget, retry.floor, self.moment()) {
            self.standings[next].leave(&entered);
            return false;
        }
        self.standings[left].leave(&self.entered[&number]);
        self.entered.insert(number, entered);
        self.report.requests[number].seat = Some(next);
        self.report.retries.push(self.now);
        let pause = retry.pause.duration() * (1 << (tries - 1));
        let longest = u64::try_from(pause.as_nanos()).unwrap();
        let pause = longest / 2 + (self.chance)(longest / 2 + 1);
        self.plan(self.now + pause, Happening::Tries(number));
        true
    }

    fn finish(&mut self, number: usize, is_good: bool) {
        let request = &mut self.report.requests[number];
        request.end = Some((self.now, is_good));
        if let Some(at) = request.seat.take() {
            self.standings[at].leave(&self.entered.remove(&number).unwrap());
        }
    }

    /// What `upstream/keeper.rs` does: after whatever wakes it, it waits for `PAUSE`, and looks.
    fn plan_look(&mut self, again: Option<Moment>) {
        let wake =
            again.map_or(self.now, |again| again.nanos().max(self.now)).saturating_add(PAUSE);
        if again.is_none() && self.next_look.1 {
            return;
        }
        let earlier = if again.is_none() { wake.min(self.next_look.0) } else { wake };
        self.next_look = (earlier, again.is_none());
        self.plan(earlier, Happening::Looks);
    }

    fn look(&mut self) {
        let members: Vec<_> = self
            .standings
            .iter()
            .map(|standing| Member { standing, weight: 1, is_local: false })
            .collect();
        let review = review(&members, &self.setup.policy, self.moment());
        self.picker.follow(&review.roster);
        for (at, event) in &review.events {
            if matches!(event, Event::Ejected(_)) {
                self.report.ejections.push((self.now, *at));
            }
        }
        let servers = self.setup.servers.iter();
        let failing = servers.filter(|server| server.fault(self.now) != Fault::None).count();
        self.report.looks.push(Look::new(self.now, &review, failing));
        self.next_look = (u64::MAX, false);
        if std::mem::take(&mut self.is_woken) {
            self.plan_look(None);
        } else {
            self.plan_look(Some(review.again.unwrap_or(Moment::from_nanos(u64::MAX))));
        }
    }
}
