//! The characters of a key, and their checksum.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The last digit of a number.
pub(super) fn digit(number: u64) -> u8 {
    let last = usize::try_from(number % 62).unwrap_or(0);
    DIGITS.get(last).copied().unwrap_or(b'0')
}

/// Whether there is nothing but digits.
pub(super) fn is(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

const TABLE: [u32; 256] = table();

#[expect(clippy::indexing_slicing, reason = "found out when it is compiled")]
#[expect(clippy::cast_possible_truncation, reason = "it is less than 256")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut value, mut bit) = (byte as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

/// CRC-32 as of ISO/IEC 3309, like that of zlib.
pub(super) fn crc32(text: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        let [low, ..] = (sum ^ u32::from(*byte)).to_le_bytes();
        sum >> 8 ^ TABLE.get(usize::from(low)).copied().unwrap_or(0)
    };
    !text.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn digits_are_in_the_order_of_ascii() {
        let digits: Vec<_> = (0..62).map(digit).collect();
        assert!(digits.is_sorted() && digits == DIGITS);
        assert_eq!(digit(62 * 7 + 61), b'z');
    }
}
