//! All endpoints of an upstream fail.

use marchproxy_conf::model::Breaker;

use super::report::Report;
use super::*;

const FROM: u64 = 5 * SECOND;
const UNTIL: u64 = 45 * SECOND;
const FAULTS: [Fault; 3] = [Fault::Killed, Fault::Frozen, Fault::Errors(100)];

fn outage(fault: Fault) -> Setup {
    let servers = vec![Server::new(16, vec![(FROM, fault), (UNTIL, Fault::None)]); 10];
    let mut setup = Setup { servers, length: 75 * SECOND, ..healthy(Balance::LeastRequests, 10) };
    setup.policy.ejection.share = Share::percent(100);
    setup
}

fn each(check: impl Fn(Fault, &Setup, &Report)) {
    for fault in FAULTS {
        for seed in 1..=3 {
            println!("seed {seed}: {fault:?}");
            let setup = outage(fault);
            check(fault, &setup, &run(&setup, seed));
        }
    }
}

#[test]
fn retries_stay_within_the_budget() {
    each(|_, setup, report| {
        let budget = &setup.retry;
        for from in (0..setup.length).step_by(1_000_000_000) {
            let within = from..from + 10 * SECOND;
            let retries = report.retries.iter().filter(|at| within.contains(at)).count();
            // The window of the budget is of whole seconds, so at its ends one more may count.
            let requests = report.over(from.saturating_sub(SECOND), within.end).count();
            let most = usize::from(budget.budget.as_percent()) * requests / 100;
            let most = most + 11 * usize::try_from(budget.floor).unwrap();
            assert!(retries <= most, "{retries} retries, {most} at most");
        }
    });
}

#[test]
fn in_panic_the_load_stays_spread_and_all_is_well_at_once_when_it_ends() {
    each(|fault, setup, report| {
        let looks = report.looks.iter();
        // Where all answer 500 nobody is ejected: that may well be the clients' fault.
        let is_panic = looks.clone().any(|look| look.is_panic);
        assert_eq!(is_panic, fault != Fault::Errors(100));
        let mut within = looks.filter(|look| (FROM + 3 * SECOND..UNTIL).contains(&look.at));
        assert!(within.all(|look| look.shares.iter().filter(|share| **share > 0).count() >= 5));
        let shares = (0..10).map(|at| report.share(at, FROM + 3 * SECOND, UNTIL));
        let shares: Vec<usize> = shares.collect();
        assert!(shares.iter().all(|share| (50..=200).contains(share)), "{shares:?}");
        assert_eq!(report.bad(UNTIL + SECOND, setup.length - SECOND).0, 0);
    });
}

#[test]
fn breakers_that_all_opened_close_soon_after() {
    for fault in FAULTS {
        for seed in 1..=3 {
            println!("seed {seed}: {fault:?}");
            let mut setup = outage(fault);
            let open = Time::from_secs(3);
            setup.policy.breaker = Some(Breaker { open, ..Breaker::default() });
            let report = run(&setup, seed);
            let tried = report.tried(FROM + 5 * SECOND, UNTIL);
            assert!(tried <= 100, "{tried} attempts for 1000 requests");
            assert_eq!(report.bad(UNTIL + 8 * SECOND, setup.length - SECOND).0, 0);
        }
    }
}
