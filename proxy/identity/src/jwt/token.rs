//! A token in its three parts.

use super::Refused;
use crate::base64url;

/// Bytes that a token has at most. What is larger is not looked at.
pub const LARGEST_TOKEN: usize = 16 * 1024;
/// Bytes of the decoded header. One with a chain of certificates (`x5c`), which is not used, fits.
const LARGEST_HEADER: usize = 8 * 1024;

/// The three parts of the compact form (RFC 7515 section 7.1).
#[derive(Debug)]
pub(crate) struct Token<'a> {
    pub header: &'a [u8],
    pub claims: &'a [u8],
    pub signature: &'a [u8],
    /// The first two and the dot between them: what is signed.
    pub signed: &'a [u8],
}

impl<'a> Token<'a> {
    /// Finds the parts, and decodes none.
    pub fn split(token: &'a [u8]) -> Result<Self, Refused> {
        if token.len() > LARGEST_TOKEN {
            return Err(Refused::TooLarge);
        }
        let dot = |byte: &u8| *byte == b'.';
        let mut parts = token.split(dot);
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            // Five parts would be an encrypted token (RFC 7516).
            return Err(Refused::Malformed);
        };
        let end = token.len().saturating_sub(signature.len().saturating_add(1));
        let signed = token.get(..end).ok_or(Refused::Malformed)?;
        if header.len() > LARGEST_HEADER / 3 * 4 {
            return Err(Refused::TooLarge);
        }
        Ok(Self { header, claims, signature, signed })
    }

    /// The bytes of one of the parts.
    pub fn decode(part: &[u8]) -> Result<Vec<u8>, Refused> {
        base64url::decode(part).ok_or(Refused::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_three_parts() {
        let token = Token::split(b"aa.bb.cc").unwrap();
        assert_eq!(
            (token.header, token.claims, token.signature),
            (&b"aa"[..], &b"bb"[..], &b"cc"[..])
        );
        assert_eq!(token.signed, b"aa.bb");
        for other in ["", ".", "aa.bb", "aa.bb.cc.dd", "aa.bb.cc.dd.ee"] {
            assert_eq!(Token::split(other.as_bytes()).err(), Some(Refused::Malformed), "{other}");
        }
    }

    #[test]
    fn a_large_token_is_not_looked_at() {
        let fits = [b'.'; LARGEST_TOKEN];
        assert_eq!(Token::split(&fits).err(), Some(Refused::Malformed));
        let token = vec![b'.'; LARGEST_TOKEN + 1];
        assert_eq!(Token::split(&token).err(), Some(Refused::TooLarge));
        let header = format!("{}.bb.cc", "a".repeat(LARGEST_HEADER * 4 / 3 + 4));
        assert_eq!(Token::split(header.as_bytes()).err(), Some(Refused::TooLarge));
    }
}
