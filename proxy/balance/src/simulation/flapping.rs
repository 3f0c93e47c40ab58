//! 200 endpoints, of which many fail and come back all the time.

use super::report::{Look, Report};
use super::*;
use crate::testing::numbers;

const ENDPOINTS: usize = 200;
const MINUTE: u64 = 60 * SECOND;

/// All of them up and down at random: so long down at a time, and up for twenty seconds.
fn flapping(seed: u64, down: u64) -> Setup {
    let mut chance: Numbers = Box::new(numbers(!seed));
    let length = 3 * MINUTE;
    let server = |_| Server::flapping(4, 20 * SECOND, down, length, &mut chance);
    let servers = (0..ENDPOINTS).map(server).collect();
    Setup { servers, rate: 1000, length, ..healthy(Balance::LeastRequests, ENDPOINTS) }
}

/// How often something was ejected in each minute.
fn each_minute(report: &Report, is: impl Fn(usize) -> bool) -> Vec<usize> {
    let count = |minute: u64| {
        let ejections = report.ejections.iter().filter(|(at, _)| at / MINUTE == minute);
        ejections.filter(|(_, endpoint)| is(*endpoint)).count()
    };
    (0..3).map(count).collect()
}

/// How many are usable, at least and at most, from a moment on.
fn swing(looks: &[Look], from: u64) -> (usize, usize) {
    let usable = || looks.iter().filter(|look| look.at >= from).map(|look| look.usable);
    (usable().min().unwrap(), usable().max().unwrap())
}

#[test]
fn never_are_more_ejected_than_may_be_and_nothing_swings() {
    for (seed, down) in [(1, 2 * SECOND), (2, SECOND), (3, 8 * SECOND)] {
        println!("seed {seed}");
        let report = run(&flapping(seed, down), seed);
        assert!(report.looks.iter().all(|look| look.ejected <= ENDPOINTS / 2));
        let failing = report.looks.iter().map(|look| look.failing).max().unwrap();
        let (least, most) = swing(&report.looks, MINUTE);
        println!("{least} to {most} usable, {failing} failing");
        assert!(most - least <= failing + 10, "{least} to {most} usable, {failing} failing");
        let minutes = each_minute(&report, |_| true);
        assert!(minutes[1] <= minutes[0] && minutes[2] <= minutes[1], "{minutes:?}");
        for endpoint in 0..ENDPOINTS {
            let minutes = each_minute(&report, |at| at == endpoint);
            assert!(minutes.iter().all(|ejections| *ejections <= 4), "{endpoint}: {minutes:?}");
        }
    }
}

#[test]
fn good_answers_come_within_twice_the_time() {
    for seed in 1..=2 {
        println!("seed {seed}");
        let flapping = Setup { length: MINUTE, ..flapping(seed, 2 * SECOND) };
        let well = vec![Server::new(4, Vec::new()); ENDPOINTS];
        let well = run(&Setup { servers: well, ..flapping.clone() }, seed);
        let flapping = run(&flapping, seed);
        let end = MINUTE - SECOND;
        let (p99, healthy) = (flapping.p99(0, end), well.p99(0, end));
        println!("p99 {} ms, healthy {} ms", p99 / MILLISECOND, healthy / MILLISECOND);
        assert!(flapping.ejections.len() > 100 && p99 <= 2 * healthy, "{p99} for {healthy}");
    }
}

#[test]
fn what_stays_dead_is_tried_less_and_less_and_the_others_are_left_alone() {
    for seed in 1..=2 {
        println!("seed {seed}");
        let mut setup = Setup { length: 3 * MINUTE, ..flapping(seed, SECOND) };
        let is_dead = |at: usize| at.is_multiple_of(5);
        let script = |at| if is_dead(at) { vec![(0, Fault::Killed)] } else { Vec::new() };
        setup.servers = (0..ENDPOINTS).map(|at| Server::new(4, script(at))).collect();
        let report = run(&setup, seed);
        assert_eq!(each_minute(&report, |at| !is_dead(at)), [0, 0, 0]);
        let minutes = each_minute(&report, is_dead);
        assert!(minutes[0] <= 4 * 40 && minutes[1] * 2 <= minutes[0], "{minutes:?}");
        assert!(minutes[2] <= minutes[1], "{minutes:?}");
        let (bad, all) = report.bad(MINUTE, 3 * MINUTE - SECOND);
        assert!(bad * 10_000 <= all, "{bad} bad answers of {all}");
    }
}

#[test]
fn after_a_moment_in_which_all_failed_all_come_back() {
    let mut setup = flapping(1, SECOND);
    let script = vec![(10 * SECOND, Fault::Killed), (11 * SECOND, Fault::None)];
    setup.servers = vec![Server::new(4, script); ENDPOINTS];
    setup.length = MINUTE;
    let report = run(&setup, 1);
    assert!(report.ejections.len() <= ENDPOINTS / 2, "each at most once");
    assert!(report.ejections.iter().all(|(at, _)| *at < 12 * SECOND));
    assert_eq!(report.looks.last().unwrap().usable, ENDPOINTS);
    assert_eq!(report.bad(11 * SECOND + SECOND / 2, 59 * SECOND).0, 0);
}
