//! What tests of several modules need.

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

/// How often each of `endpoints` came up in `picks` picks.
pub(crate) fn counted(
    endpoints: usize,
    picks: u32,
    mut pick: impl FnMut() -> Option<usize>,
) -> Vec<u32> {
    let mut counts = vec![0; endpoints];
    for _ in 0..picks {
        counts[pick().unwrap()] += 1;
    }
    counts
}

/// That each share of the picks is at most `tolerance` (of all picks) from what the weights say.
pub(crate) fn assert_shares(counts: &[u32], weights: &[u32], tolerance: f64, seed: u64) {
    let picks = f64::from(counts.iter().sum::<u32>());
    let sum = f64::from(weights.iter().sum::<u32>());
    for (count, weight) in counts.iter().zip(weights) {
        let (share, due) = (f64::from(*count) / picks, f64::from(*weight) / sum);
        assert!(
            (share - due).abs() <= tolerance,
            "seed {seed}: {share} for {due}, of {counts:?} for {weights:?}"
        );
    }
}
