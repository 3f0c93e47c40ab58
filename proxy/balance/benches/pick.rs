//! A pick among 1,000 endpoints, and the circle of a consistent hash over as many.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop at once")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use marchproxy_balance::{
    Bound, ConsistentHash, Latency, LeastRequests, PeakEwma, RoundRobin, hash,
};

const ENDPOINTS: u32 = 1000;

/// Numbers as cheap as those of any quick generator: `SplitMix64`.
fn numbers() -> impl FnMut(u64) -> u64 {
    let mut state = 0_u64;
    move |bound| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)) % bound
    }
}

fn picks(bench: &mut Criterion) {
    let weights: Vec<u32> = (1..=ENDPOINTS).collect();
    let running: Vec<u32> = weights.iter().map(|weight| weight % 7).collect();
    let latencies: Vec<Latency> = weights
        .iter()
        .map(|weight| {
            let latency = Latency::new(Duration::from_secs(10));
            latency.observe(0, u64::from(*weight));
            latency
        })
        .collect();
    let running = |at: usize| *running.get(at).unwrap();
    let mut below = numbers();

    let balancer = RoundRobin::new(&weights);
    bench.bench_function("round robin", |bench| bench.iter(|| balancer.pick()));

    let balancer = LeastRequests::new(&weights);
    bench.bench_function("least requests", |bench| {
        bench.iter(|| balancer.pick(&mut below, running));
    });

    let balancer = PeakEwma::new(&weights);
    let cost = |at: usize, weight| latencies.get(at).unwrap().cost(1_000_000, running(at), weight);
    bench.bench_function("peak EWMA", |bench| bench.iter(|| balancer.pick(&mut below, cost)));

    bench.bench_function("an answer observed", |bench| {
        let latency = latencies.first().unwrap();
        bench.iter(|| latency.observe(black_box(5_000_000), black_box(1_000_000)));
    });
}

fn consistent_hash(bench: &mut Criterion) {
    let identity = |at: u32| hash(0, &at.to_le_bytes());
    let endpoints = || (1..=ENDPOINTS).map(|at| (identity(at), at));
    let circle = ConsistentHash::new(endpoints());
    let mut below = numbers();
    bench.bench_function("consistent hash", |bench| {
        bench.iter(|| circle.pick(below(u64::MAX), |_| false));
    });
    bench.bench_function("consistent hash, a key of 32 bytes hashed", |bench| {
        let mut key = [0_u8; 32];
        bench.iter(|| {
            key = [key.first().unwrap().wrapping_add(1); 32];
            circle.pick(hash(1, &key), |_| false)
        });
    });
    bench.bench_function("consistent hash, half of them full", |bench| {
        let bound = Bound::new(125, 1000, u64::from(ENDPOINTS));
        bench.iter(|| {
            circle.pick(below(u64::MAX), |at| bound.is_full(if at % 2 == 0 { 9 } else { 0 }, 1))
        });
    });
    bench.bench_function("consistent hash, one of them not full", |bench| {
        bench.iter(|| circle.pick(below(u64::MAX), |at| at != 500));
    });
    bench.bench_function("consistent hash, the circle", |bench| {
        bench.iter(|| black_box(ConsistentHash::new(endpoints())));
    });
}

criterion_group!(benches, picks, consistent_hash);
criterion_main!(benches);
