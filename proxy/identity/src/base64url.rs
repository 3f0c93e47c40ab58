//! base64url as RFC 7515 section 2 has it: no padding, and one way only to write any bytes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The bytes of `text`. None when it is padded, holds anything else, or its last character has bits
/// that stand for nothing: then several texts would stand for the same bytes, and a token could be
/// changed without its signature knowing.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_are_written_in_one_way_only() {
        assert_eq!(decode(b"AQ"), Some(vec![1]));
        for other in ["AR", "AQ=", "AQ==", "A", "A Q", "AQ\n", "AQA=", "A+", "A/", "\u{e4}"] {
            assert_eq!(decode(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(decode(b"-_8"), Some(vec![0xfb, 0xff]));
        assert_eq!(decode(b""), Some(vec![]));
    }

    proptest! {
        #[test]
        fn what_is_decoded_is_encoded_to_the_same_text(text in "[A-Za-z0-9_-]{0,40}") {
            if let Some(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(URL_SAFE_NO_PAD.encode(bytes), text);
            }
        }
    }
}
