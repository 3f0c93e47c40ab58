//! Whom a limit counts for: keys made of an address, a consumer, a header or several of them.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip128::{Hasher128, SipHasher13};

/// What an address begins with. No text is that long.
const V4: u64 = u64::MAX;
const V6: u64 = u64::MAX - 1;

/// Makes keys. Clients choose what keys are made of (a header's value, the low half of an address),
/// so they are hashed with a secret: without it nobody can find values that meet in one place of a
/// table and push one another out, or that count for somebody else. `SipHash` is made for that
/// (Aumasson and Bernstein, 2012); 1-3 is the variant that Rust's own maps use, and with 128 bits no
/// two keys are the same by chance.
#[derive(Clone, Debug)]
pub struct Keys(SipHasher13);

/// A key. Proxies with the same secret agree on it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key {
    pub(crate) first: u64,
    pub(crate) second: u64,
}

/// A key that is being made. Each part is kept apart from the next: `ab` and `c` are not `a` and `bc`.
#[derive(Clone, Debug)]
#[must_use = "it is not a key yet"]
pub struct KeyWriter(SipHasher13);

impl Keys {
    /// Keys hashed with this secret, which should be drawn at random, for each process or, when
    /// proxies share a store, for each cluster.
    pub fn new(secret: &[u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(secret))
    }

    /// Begins a key of the limit with this number: the same parts under another limit are another key.
    pub fn write(&self, limit: u64) -> KeyWriter {
        let mut hasher = self.0;
        hasher.write_u64(limit.to_le());
        KeyWriter(hasher)
    }
}

impl KeyWriter {
    /// Adds a consumer's name, a route's name, the value of a header or a claim.
    pub fn text(mut self, part: &[u8]) -> Self {
        self.0.write_u64(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le());
        self.0.write(part);
        self
    }

    /// Adds the network of an address, `v4` or `v6` bits long. Usual are 32 and 64: who has one
    /// address of IPv6 has the 2^64 beside it too. An IPv4 address written as IPv6 is IPv4.
    pub fn network(mut self, address: IpAddr, v4: u8, v6: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(v4.into())).unwrap_or(0);
                self.0.write_u64(V4);
                self.0.write_u64(u64::from(address.to_bits() & mask).to_le());
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(v6.into())).unwrap_or(0);
                self.0.write_u64(V6);
                self.0.write(&(address.to_bits() & mask).to_le_bytes());
            }
        }
        self
    }

    /// The key of all parts.
    pub fn finish(self) -> Key {
        let hash = self.0.finish128();
        Key { first: hash.h1, second: hash.h2 }
    }
}

impl Key {
    /// Its 32 hexadecimal digits, as a part of its name in a store.
    pub fn hex(self) -> String {
        format!("{:016x}{:016x}", self.first, self.second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new(&[7; 16])
    }

    fn of(address: &str) -> Key {
        keys().write(1).network(address.parse().unwrap(), 32, 64).finish()
    }

    #[test]
    fn neighbours_in_a_64_count_together_and_others_do_not() {
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn an_address_of_ipv4_is_the_same_however_it_is_written() {
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    }

    #[test]
    fn a_network_may_be_everything_or_one_address() {
        let of = |address: &str, v4, v6| {
            keys().write(1).network(address.parse().unwrap(), v4, v6).finish()
        };
        assert_eq!(of("192.0.2.1", 0, 0), of("203.0.113.9", 0, 0));
        assert_eq!(of("2001:db8::1", 0, 0), of("::5", 0, 0));
        assert_ne!(of("2001:db8::1", 0, 128), of("2001:db8::2", 0, 128));
        assert_ne!(of("192.0.2.1", 255, 255), of("192.0.2.2", 255, 255));
    }

    #[test]
    fn parts_limits_and_secrets_are_kept_apart() {
        let made = [
            keys().write(1).text(b"ab").text(b"c").finish(),
            keys().write(1).text(b"a").text(b"bc").finish(),
            keys().write(1).text(b"abc").finish(),
            keys().write(2).text(b"abc").finish(),
            Keys::new(&[8; 16]).write(1).text(b"abc").finish(),
            keys().write(1).finish(),
            keys().write(1).text(b"").finish(),
        ];
        for (at, key) in made.iter().enumerate() {
            assert!(!made[..at].contains(key), "{at}");
        }
    }

    #[test]
    fn its_name_is_32_digits() {
        let name = of("192.0.2.1").hex();
        assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
