//! The hash of keys and identities.

use std::hash::Hasher;
#[expect(
    deprecated,
    reason = "its successor may change its algorithm; this one is SipHash-2-4"
)]
use std::hash::SipHasher;

/// The same for the same bytes and seed in every process and version, so that a fleet with one seed
/// agrees on where a key goes.
///
/// Keys come from clients. Without the seed nobody can work out many keys that all go to the endpoint
/// they want to bring down (Aumasson and Bernstein, "`SipHash`: a fast short-input PRF", 2012).
pub fn hash(seed: u128, bytes: &[u8]) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the seed")]
    let (low, high) = (seed as u64, (seed >> 64) as u64);
    #[expect(deprecated, reason = "as above")]
    let mut hasher = SipHasher::new_with_keys(low, high);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the paper and its reference implementation: the key is the bytes 0 to 15.
    #[test]
    fn it_is_siphash_2_4() {
        let seed = u128::from_le_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let bytes: Vec<u8> = (0..15).collect();
        assert_eq!(hash(seed, &[]), 0x726f_db47_dd0e_0e31);
        assert_eq!(hash(seed, &bytes), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn another_seed_gives_another_hash() {
        let hashes = [0, 1, 1 << 64].map(|seed| hash(seed, b"key"));
        assert!(hashes[0] != hashes[1] && hashes[0] != hashes[2] && hashes[1] != hashes[2]);
    }
}
