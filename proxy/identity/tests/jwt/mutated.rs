//! Tokens that were changed somewhere.

use std::sync::LazyLock;

use marchproxy_identity::jwt::{Check, Revoked, Rules};
use marchproxy_identity::keys::KeySet;
use proptest::prelude::*;

use super::vectors::{Vectors, vectors};

static VECTORS: LazyLock<(Vectors, KeySet, Rules)> = LazyLock::new(|| {
    let vectors = vectors();
    let (keys, rules) = (vectors.keys(), vectors.rules());
    (vectors, keys, rules)
});

fn is_taken(token: &[u8]) -> bool {
    let (vectors, keys, rules) = &*VECTORS;
    let revoked = Revoked::default();
    Check { keys, rules, revoked: &revoked, now: vectors.now() }.verify(token).is_ok()
}

fn tokens() -> impl Iterator<Item = &'static [u8]> {
    // Those of the algorithms come first.
    VECTORS.0.valid.iter().take(13).map(|case| case.token.as_bytes())
}

#[test]
fn one_bit_anywhere_makes_another_token() {
    for token in tokens() {
        assert!(is_taken(token));
        for place in 0..token.len() {
            for bit in 0..8 {
                let mut changed = token.to_vec();
                changed[place] ^= 1 << bit;
                let text = String::from_utf8_lossy(&changed);
                assert!(!is_taken(&changed), "bit {bit} of byte {place}: {text}");
            }
        }
    }
}

#[test]
fn a_token_that_was_cut_or_has_more_is_refused() {
    for token in tokens() {
        assert!((0..token.len()).all(|end| !is_taken(&token[..end])));
        assert!((1..token.len()).all(|start| !is_taken(&token[start..])));
        for more in [&b"A"[..], b"AAAA", b"=", b".", b"\0", b" ", b"\xff"] {
            assert!(!is_taken(&[token, more].concat()), "{more:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(token in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!is_taken(&token));
    }

    #[test]
    fn nothing_that_looks_like_a_token_panics(
        token in "[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,90}"
    ) {
        prop_assert!(!is_taken(token.as_bytes()));
    }

    #[test]
    fn no_splice_of_two_tokens_is_taken(
        first in 0_usize..13, second in 0_usize..13, cut in 1_usize..200, at in 1_usize..200
    ) {
        let (first, second) = (tokens().nth(first).unwrap(), tokens().nth(second).unwrap());
        let spliced = [&first[..cut], &second[at..]].concat();
        let is_one_of_ours = VECTORS.0.valid.iter().any(|case| case.token.as_bytes() == spliced);
        // Two of the same key and algorithm with the same claims may share what is signed.
        prop_assume!(!is_one_of_ours);
        prop_assert!(!is_taken(&spliced));
    }
}
