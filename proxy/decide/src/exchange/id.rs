use std::fmt;

const MAX_LENGTH: usize = 64;

/// A request's id: 1 to 64 of letters, digits, `-`, `_` and `.`, kept in place.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct RequestId {
    length: u8,
    bytes: [u8; MAX_LENGTH],
}

impl RequestId {
    /// A ULID: 48 bits of `unix_millis`, then 80 bits of `random`, in 26 characters that sort by
    /// time.
    pub fn ulid(unix_millis: u64, random: [u64; 2]) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let [low, high] = random;
        let time = u128::from(unix_millis & ((1 << 48) - 1));
        let mut value = time << 80 | u128::from(high & 0xffff) << 64 | u128::from(low);
        let mut bytes = [0; MAX_LENGTH];
        for place in bytes.iter_mut().take(26).rev() {
            *place = u8::try_from(value & 31)
                .ok()
                .and_then(|digit| ALPHABET.get(usize::from(digit)))
                .copied()
                .unwrap_or(b'0');
            value >>= 5;
        }
        Self { length: 26, bytes }
    }

    /// An id that someone else made; `None` when it is empty, too long, or holds anything but
    /// letters, digits, `-`, `_` and `.`, so that it can be logged and forwarded as it is.
    pub fn accept(text: &[u8]) -> Option<Self> {
        let allowed = |c: &u8| c.is_ascii_alphanumeric() || b"-_.".contains(c);
        if text.is_empty() || text.len() > MAX_LENGTH || !text.iter().all(allowed) {
            return None;
        }
        let mut bytes = [0; MAX_LENGTH];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { length: u8::try_from(text.len()).ok()?, bytes })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
