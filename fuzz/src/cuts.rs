//! Ways to cut an input into the pieces in which a network might deliver it.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The most cuts of the uneven way.
const MOST_CUTS: u64 = 7;

/// Where the pieces end, each way in ascending order, the last end being that of the input: every
/// byte alone; and a few uneven pieces, the same ones whenever the input is the same.
pub fn ways(bytes: &[u8]) -> [Vec<usize>; 2] {
    [(1..=bytes.len()).collect(), uneven(bytes)]
}

fn uneven(bytes: &[u8]) -> Vec<usize> {
    let places = bytes.len() as u64 + 1;
    let mut ends: Vec<usize> =
        (0..MOST_CUTS).map(|cut| (hash_of(&(cut, bytes)) % places) as usize).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    ends
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
