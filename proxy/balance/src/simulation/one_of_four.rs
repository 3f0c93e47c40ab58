//! One endpoint of four fails, and comes back.

use super::report::Report;
use super::*;

/// The endpoint that fails, from when, and until when.
const FAILING: usize = 2;
const FROM: u64 = 5 * SECOND;
const UNTIL: u64 = 30 * SECOND;

const FAULTS: [Fault; 4] =
    [Fault::Killed, Fault::Frozen, Fault::Slower(2 * SECOND), Fault::Errors(50)];

fn with(balance: Balance, fault: Fault) -> Setup {
    let mut setup = healthy(balance, 4);
    setup.servers[FAILING] = Server::new(16, vec![(FROM, fault), (UNTIL, Fault::None)]);
    setup.length = 70 * SECOND;
    setup
}

/// Runs it with all faults, balancers and a few seeds.
fn each(check: impl Fn(Balance, &Setup, &Report)) {
    for fault in FAULTS {
        for balance in Balance::ALL {
            for seed in 1..=2 {
                println!("seed {seed}: {fault:?}, {balance:?}");
                let setup = with(balance, fault);
                check(balance, &setup, &run(&setup, seed));
            }
        }
    }
}

fn assert_9999(report: &Report, from: u64, to: u64) {
    let (bad, all) = report.bad(from, to);
    assert!(all > 10_000 && bad * 10_000 <= all, "{bad} bad answers of {all}");
}

#[test]
fn idempotent_requests_are_answered_well_and_post_is_never_sent_twice() {
    each(|_, setup, report| {
        assert_9999(report, FROM + 2 * SECOND, setup.length - SECOND);
        let posts = report.requests.iter().filter(|request| request.is_post);
        assert_eq!(posts.map(|request| request.sent).max(), Some(1));
    });
}

#[test]
fn retries_add_a_tenth_to_the_load_at_most() {
    each(|_, _, report| {
        for from in (FROM..UNTIL).step_by(10_000_000_000) {
            let within = from..from + 10 * SECOND;
            let retries = report.retries.iter().filter(|at| within.contains(at)).count();
            let requests = report.over(within.start, within.end).count();
            assert!(retries * 10 <= requests, "{retries} retries for {requests} requests");
        }
    });
}

#[test]
fn the_endpoint_is_used_no_more_while_it_fails() {
    each(|_, _, report| {
        let share = report.share(FAILING, FROM + 2 * SECOND, UNTIL);
        assert!(share <= 20, "{share} of 1000");
    });
}

#[test]
fn it_comes_back_in_steps_and_never_gets_more_than_its_due() {
    each(|balance, setup, report| {
        let back = report.looks.iter().filter(|look| look.at > UNTIL);
        let shares: Vec<u64> = back.map(|look| look.shares[FAILING]).collect();
        assert!(shares.is_sorted() && shares.last() == Some(&250), "{shares:?}");
        let mut steps = shares.clone();
        steps.dedup();
        // By peak EWMA it may fail too seldom to be ejected once more.
        assert!(steps.len() >= 10 || steps == [250] && balance == Balance::PeakEwma, "{steps:?}");
        // A circle is not drawn by weight, and slow start says nothing to it.
        if balance == Balance::ConsistentHash {
            return;
        }
        for (second, count) in report.each_second(FAILING, 69).into_iter().enumerate().skip(31) {
            let second = u64::try_from(second).unwrap() * SECOND;
            let last = report.looks.iter().rfind(|look| look.at <= second + SECOND).unwrap();
            let due = f64::from(u32::try_from(last.shares[FAILING] * setup.rate).unwrap()) / 1000.0;
            // One that looks quicker than the others wins both places of a pair.
            let due = if balance == Balance::PeakEwma { due * 2.0 } else { due };
            let count = f64::from(u32::try_from(count).unwrap());
            assert!(count <= due + 4.5 * due.sqrt() + 1.0, "{count} for {due}, {second}");
        }
    });
}

#[test]
fn the_defaults_bear_an_endpoint_that_is_killed() {
    for balance in Balance::ALL {
        for seed in 1..=3 {
            println!("seed {seed}: {balance:?}");
            let mut setup = with(balance, Fault::Killed);
            setup.policy.ejection = Ejection::default();
            setup.retry = Retry::default();
            assert_9999(&run(&setup, seed), FROM + 2 * SECOND, setup.length - SECOND);
        }
    }
}

#[test]
fn an_endpoint_that_is_only_slow_is_ejected_as_well() {
    for seed in 1..=3 {
        println!("seed {seed}");
        let mut setup = with(Balance::RoundRobin, Fault::Slower(SECOND));
        setup.policy.ejection.slow = Some(5);
        setup.retry.attempt_time = None;
        let report = run(&setup, seed);
        assert!(report.ejections.iter().all(|(_, at)| *at == FAILING));
        let share = report.share(FAILING, FROM + 3 * SECOND, UNTIL);
        assert!(share <= 60, "{share} of 1000");
        assert_9999(&report, 0, setup.length - 2 * SECOND);
    }
}
