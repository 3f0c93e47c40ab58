//! What a limit promises, as a table: the local limiter and the shared one pass the same.

use std::time::Duration;

use crate::Quota;

/// One sequence of requests of one key that nobody has used before.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What it shows.
    pub name: &'static str,
    /// Tokens that come back each [`Case::per`].
    pub count: u32,
    /// The time in which they do.
    pub per: Duration,
    /// Tokens that can be there at once.
    pub burst: u32,
    /// The requests, in the order of time.
    pub steps: &'static [Step],
}

/// One request, and what is said to it.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Microseconds since the first request.
    pub at: u64,
    /// The tokens that it costs.
    pub cost: u32,
    /// Whether it passes.
    pub is_allowed: bool,
    /// The tokens that are there afterwards.
    pub remaining: u32,
    /// Until it would pass.
    pub wait: Wait,
}

/// Until a request would pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wait {
    /// So many microseconds, rounded up; 0 when it passes.
    Micros(u64),
    /// Never.
    Never,
}

impl Case {
    /// How much is allowed.
    pub fn quota(&self) -> Option<Quota> {
        Quota::new(self.count, self.per, self.burst)
    }
}

const fn passes(at: u64, cost: u32, remaining: u32) -> Step {
    Step { at, cost, is_allowed: true, remaining, wait: Wait::Micros(0) }
}

const fn refused(at: u64, cost: u32, remaining: u32, micros: u64) -> Step {
    Step { at, cost, is_allowed: false, remaining, wait: Wait::Micros(micros) }
}

const fn never(at: u64, cost: u32, remaining: u32) -> Step {
    Step { at, cost, is_allowed: false, remaining, wait: Wait::Never }
}

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 86_400 * SECOND;

/// The table.
pub const CASES: &[Case] = &[
    Case {
        name: "a burst passes at once, and then one for each that comes back",
        count: 10,
        per: Duration::from_secs(1),
        burst: 3,
        steps: &[
            passes(0, 1, 2),
            passes(0, 1, 1),
            passes(0, 1, 0),
            refused(0, 1, 0, 100_000),
            refused(99_999, 1, 0, 1),
            passes(100_000, 1, 0),
            refused(150_000, 1, 0, 50_000),
            passes(SECOND, 1, 2),
        ],
    },
    Case {
        name: "who is refused has paid nothing",
        count: 1,
        per: Duration::from_secs(1),
        burst: 2,
        steps: &[
            passes(0, 1, 1),
            passes(0, 1, 0),
            refused(1, 1, 0, 999_999),
            refused(2, 1, 0, 999_998),
            refused(3, 2, 0, 1_999_997),
            passes(SECOND, 1, 0),
        ],
    },
    Case {
        name: "after any pause there is no more than the burst",
        count: 100,
        per: Duration::from_secs(1),
        burst: 2,
        steps: &[passes(0, 1, 1), passes(DAY, 1, 1), passes(DAY, 1, 0), refused(DAY, 1, 0, 10_000)],
    },
    Case {
        name: "a request weighs what it costs",
        count: 60,
        per: Duration::from_mins(1),
        burst: 10,
        steps: &[
            passes(0, 7, 3),
            refused(0, 4, 3, SECOND),
            passes(0, 3, 0),
            refused(4 * SECOND, 5, 4, SECOND),
            passes(5 * SECOND, 5, 0),
            passes(15 * SECOND, 10, 0),
        ],
    },
    Case {
        name: "what costs more than the burst never passes and takes nothing",
        count: 60,
        per: Duration::from_mins(1),
        burst: 10,
        steps: &[never(0, 11, 10), passes(0, 10, 0), never(MINUTE, 11, 10), passes(MINUTE, 1, 9)],
    },
    Case {
        name: "one a day",
        count: 1,
        per: Duration::from_hours(24),
        burst: 1,
        steps: &[
            passes(0, 1, 0),
            refused(DAY / 2, 1, 0, DAY / 2),
            refused(DAY - 1, 1, 0, 1),
            passes(DAY, 1, 0),
        ],
    },
    Case {
        name: "a million a second",
        count: 1_000_000,
        per: Duration::from_secs(1),
        burst: 2,
        steps: &[
            passes(0, 1, 1),
            passes(0, 1, 0),
            refused(0, 1, 0, 1),
            passes(1, 1, 0),
            passes(3, 2, 0),
        ],
    },
    Case {
        name: "a rate that is no whole number of microseconds",
        count: 3,
        per: Duration::from_secs(1),
        burst: 1,
        steps: &[
            passes(0, 1, 0),
            refused(333_333, 1, 0, 1),
            passes(333_334, 1, 0),
            refused(666_667, 1, 0, 1),
            passes(666_668, 1, 0),
        ],
    },
    Case {
        name: "a large burst is there to the last token",
        count: 100,
        per: Duration::from_secs(1),
        burst: 200,
        steps: &[
            passes(0, 50, 150),
            passes(0, 50, 100),
            passes(0, 98, 2),
            passes(0, 1, 1),
            passes(0, 1, 0),
            refused(0, 1, 0, 10_000),
            passes(10_000, 1, 0),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, Away, Grant, Keys, Lease, Stored, Table, Terms, Verdict};

    fn check(name: &str, mut ask: impl FnMut(&Case, &Quota, &Step) -> Verdict) {
        for case in CASES {
            let quota = case.quota().unwrap();
            for step in case.steps {
                let verdict = ask(case, &quota, step);
                let place = format!("{name}: {}, {step:?}: {verdict:?}", case.name);
                assert_eq!(verdict.is_allowed, step.is_allowed, "{place}");
                assert_eq!(verdict.remaining, step.remaining, "{place}");
                let micros = |wait: Duration| wait.as_nanos().div_ceil(1_000);
                let wait = match step.wait {
                    Wait::Micros(micros) => Some(u128::from(micros)),
                    Wait::Never => None,
                };
                assert_eq!(verdict.retry_after.map(micros), wait, "{place}");
            }
        }
    }

    /// Each case has a state of its own.
    fn fresh<T: Default>(kept: &mut (&'static str, T), case: &Case) {
        if kept.0 != case.name {
            *kept = (case.name, T::default());
        }
    }

    #[test]
    fn the_local_limiter_passes_the_table() {
        let table = Table::new(100);
        check("local", |case, quota, step| {
            let key = Keys::new(&[7; 16]).write(1).text(case.name.as_bytes()).finish();
            table.check(key, quota, step.cost, (SECOND + step.at) * 1_000)
        });
    }

    #[test]
    fn the_shared_limiter_passes_the_table() {
        let mut kept = ("", (Lease::default(), None::<Stored>));
        check("shared", |case, quota, step| {
            fresh(&mut kept, case);
            let (lease, stored) = &mut kept.1;
            let (now, terms) = ((SECOND + step.at) * 1_000, Terms::new(*quota, Away::Closed, 2));
            let mut store = |ask: crate::Ask| -> Grant {
                Stored::grant(stored, quota, ask.wish, 1_700_000_000 * SECOND + step.at)
            };
            match lease.take(&terms, step.cost, now) {
                Answer::Taken(verdict, ask) => {
                    if let Some(ask) = ask {
                        let grant = store(ask);
                        lease.answered(&terms, ask, &grant, now);
                    }
                    verdict
                }
                Answer::Refused(verdict) => verdict,
                Answer::Ask(ask) => {
                    let grant = store(ask);
                    lease.answered(&terms, ask, &grant, now)
                }
            }
        });
    }
}
