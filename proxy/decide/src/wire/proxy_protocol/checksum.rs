//! The checksum CRC-32C (RFC 9260, appendix A; the specification names its forerunner, RFC 4960).

/// The polynomial, its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// A checksum in the making. Bit by bit: headers are short, and those with a checksum rare.
#[derive(Clone, Copy)]
pub(super) struct Crc32c(u32);

impl Crc32c {
    pub(super) const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Takes in more bytes.
    pub(super) fn add(self, bytes: &[u8]) -> Self {
        let sum = bytes.iter().fold(self.0, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
                let is_odd = sum & 1;
                (sum >> 1) ^ (POLYNOMIAL * is_odd)
            })
        });
        Self(sum)
    }

    /// The checksum of all that was taken in.
    pub(super) const fn sum(self) -> u32 {
        !self.0
    }
}
