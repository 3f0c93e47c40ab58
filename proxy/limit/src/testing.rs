//! What tests of several modules need.

use std::time::Duration;

use crate::{Key, Keys, Quota};

pub(crate) const MILLISECOND: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MILLISECOND;

/// `count` a second.
pub(crate) fn a_second(count: u32, burst: u32) -> Quota {
    Quota::new(count, Duration::from_secs(1), burst).unwrap()
}

pub(crate) fn key(number: u64) -> Key {
    Keys::new(&[7; 16]).write(number).finish()
}

/// Draws numbers below its argument, the same for a seed, so that a failure can be seen again:
/// `SplitMix64`.
pub(crate) fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |bound| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
