//! What the control thread does when something fails, for 1,000 endpoints.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop at once")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use marchproxy_balance::{
    Entered, LeastRequests, Member, Outcome, Policy, RoundRobin, Standing, review,
};
use marchproxy_conf::model::{Breaker, Ejection};
use marchproxy_conf::values::Share;
use marchproxy_decide::exchange::Moment;

const ENDPOINTS: usize = 1000;

fn policy() -> Policy {
    Policy {
        local: Share::percent(0),
        ejection: Ejection {
            failures: Some(Share::percent(20)),
            slow: Some(5),
            ..Ejection::default()
        },
        breaker: Some(Breaker::default()),
        panic: Share::percent(50),
        slow_start: Duration::from_secs(10),
    }
}

/// Looks every 5 ms, while each endpoint is used and one of them fails.
fn reviews(bench: &mut Criterion, name: &str, policy: &Policy, failing: usize) {
    let standings: Vec<Standing> = (0..ENDPOINTS).map(|_| Standing::default()).collect();
    let members: Vec<Member<'_>> =
        standings.iter().map(|standing| Member { standing, weight: 1, is_local: false }).collect();
    let entered = standings.iter().map(|standing| standing.enter(u32::MAX).unwrap());
    let entered: Vec<Entered> = entered.collect();
    let mut now = Moment::default();
    bench.bench_function(name, |bench| {
        bench.iter(|| {
            now = now.after(Duration::from_millis(5));
            for (standing, entered) in standings.iter().zip(&entered).take(failing) {
                standing.note(entered, Outcome::Broken);
            }
            black_box(review(&members, policy, now))
        });
    });
}

fn all(bench: &mut Criterion) {
    reviews(bench, "review, one of 1,000 fails", &policy(), 1);
    reviews(bench, "review, all of 1,000 fail", &policy(), ENDPOINTS);
    let plain = Policy { breaker: None, ejection: Ejection::default(), ..policy() };
    reviews(bench, "review by the default policy, one of 1,000 fails", &plain, 1);

    let even = vec![1_u32; ENDPOINTS];
    let warming: Vec<u32> = (0..1000).map(|at| 1000 - at % 10 * 100).collect();
    for (name, weights) in [("even", even), ("warming", warming)] {
        bench.bench_function(&format!("round robin made anew, {name}"), |bench| {
            bench.iter(|| RoundRobin::new(black_box(&weights)));
        });
        bench.bench_function(&format!("least requests made anew, {name}"), |bench| {
            bench.iter(|| LeastRequests::new(black_box(&weights)));
        });
    }
    let standing = Standing::default();
    bench.bench_function("a request enters, is noted and leaves", |bench| {
        bench.iter(|| {
            let entered = standing.enter(black_box(1000)).unwrap();
            standing.note(&entered, Outcome::Good(Duration::from_millis(1)));
            standing.leave(&entered);
        });
    });
}

criterion_group!(benches, all);
criterion_main!(benches);
