//! Whole upstreams in a clock of their own: what is promised of endpoints that fail, for any seed.
//!
//! A failure names its seed; the same seed gives the same run.

mod flapping;
mod one_of_four;
mod outage;
mod picker;
mod report;
mod server;
mod world;

use std::time::Duration;

use marchproxy_conf::model::{Ejection, Retry, RetryOn};
use marchproxy_conf::values::{Share, Time};

use crate::Policy;
use picker::Balance;
use server::{Fault, Server};
use world::{Setup, run};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;

/// Draws numbers below its argument.
type Numbers = Box<dyn FnMut(u64) -> u64>;

/// By what they are judged here if nothing else is said.
fn policy() -> Policy {
    Policy {
        local: Share::percent(0),
        ejection: Ejection {
            failures: Some(Share::percent(20)),
            period: Time::from_secs(1),
            ..Ejection::default()
        },
        breaker: None,
        panic: Share::percent(50),
        slow_start: Duration::from_secs(10),
    }
}

/// Every condition under which a request may be tried again.
fn retry() -> Retry {
    Retry {
        attempts: 3,
        on: vec![RetryOn::Connect, RetryOn::Reset, RetryOn::Timeout],
        statuses: vec![500, 502, 503, 504],
        attempt_time: Some(Time::from_millis(500)),
        ..Retry::default()
    }
}

fn healthy(balance: Balance, endpoints: usize) -> Setup {
    Setup {
        balance,
        servers: vec![Server::new(16, Vec::new()); endpoints],
        policy: policy(),
        retry: retry(),
        rate: 500,
        posts: 10,
        length: 30 * SECOND,
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for balance in Balance::ALL {
        let mut setup = healthy(balance, 4);
        setup.servers[1] = Server::new(16, vec![(2 * SECOND, Fault::Errors(50))]);
        assert_eq!(run(&setup, 7), run(&setup, 7));
        assert_ne!(run(&setup, 7).requests, run(&setup, 8).requests);
    }
}

#[test]
fn where_nothing_fails_nothing_is_retried_or_ejected() {
    for balance in Balance::ALL {
        let mut setup = healthy(balance, 4);
        setup.policy.ejection.slow = Some(3);
        let report = run(&setup, 3);
        assert_eq!(report.bad(0, setup.length - SECOND).0, 0);
        assert!(report.retries.is_empty() && report.ejections.is_empty(), "{balance:?}");
    }
}
