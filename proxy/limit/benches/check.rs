//! A check with 1,000,000 live keys, and the memory that they take.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a benchmark may stop, and tells")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use marchproxy_limit::{Key, Keys, Quota, Table};

const LIVE: usize = 1_000_000;
const NOW: u64 = 1_000_000_000;

/// Numbers as cheap as those of any quick generator: `SplitMix64`.
fn numbers(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^ (z >> 27)
    }
}

/// The key of one of a million networks.
fn key(keys: &Keys, number: u64) -> Key {
    let network = (0x2001_0db8_u128 << 96) | (u128::from(number % LIVE as u64) << 64);
    keys.write(1).network(IpAddr::V6(Ipv6Addr::from_bits(network)), 32, 64).finish()
}

/// A table in which all are live for long.
fn filled(keys: &Keys, quota: &Quota) -> Table {
    let table = Table::new(LIVE);
    for number in 0..LIVE as u64 {
        table.check(key(keys, number), quota, 1, NOW);
    }
    table
}

fn all(bench: &mut Criterion) {
    let keys = Keys::new(&[7; 16]);
    let quota = Quota::new(1_000, Duration::from_hours(1), 100_000).unwrap();
    let table = filled(&keys, &quota);
    eprintln!(
        "{} keys are live and {} forgotten in {} MiB",
        table.live(NOW),
        table.forgotten(),
        table.bytes() >> 20
    );
    let mut next = numbers(1);
    bench.bench_function("a key made of an address", |bench| {
        bench.iter(|| key(&keys, black_box(next())));
    });
    bench.bench_function("a check of one key", |bench| {
        let key = key(&keys, 5);
        let mut now = NOW;
        bench.iter(|| {
            now += quota.interval();
            table.check(black_box(key), &quota, 1, now)
        });
    });
    let check = |number| table.check(key(&keys, number), &quota, 1, NOW);
    bench.bench_function("a key made and checked, of 1,000,000 live ones", |bench| {
        bench.iter(|| check(next()));
    });
    let fresh = Table::new(LIVE);
    let mut number = 0_u64;
    bench.bench_function("a new key made and checked, in a table that is full", |bench| {
        bench.iter(|| {
            number += 1;
            let key = keys.write(number).finish();
            fresh.check(key, &quota, 1, NOW)
        });
    });
    two_threads(bench, &check);
}

/// While another thread does the same.
fn two_threads(bench: &mut Criterion, check: &(impl Fn(u64) -> marchproxy_limit::Verdict + Sync)) {
    for (name, mask) in [("any keys", u64::MAX), ("one key", 0)] {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut next = numbers(2);
                while !is_over.load(Ordering::Relaxed) {
                    check(next() & mask);
                }
            });
            let mut next = numbers(3);
            bench.bench_function(&format!("two threads, {name}"), |bench| {
                bench.iter(|| check(next() & mask));
            });
            is_over.store(true, Ordering::Relaxed);
        });
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
