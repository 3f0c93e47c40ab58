//! The keys that tokens are verified with: where they come from, and which of them a token may have
//! been signed with.

mod jwks;
mod key;
mod key_set;
mod pem;
#[cfg(test)]
mod tests;

pub use jwks::{Jwks, JwksFault, LARGEST_JWKS, MOST_KEYS, Oct, Skipped, Why, parse_jwks};
pub(crate) use key::Material;
pub use key::{Digest, Key, KeyFault};
pub use key_set::KeySet;
pub use pem::{LARGEST_PEM, PemFault, parse_pem};
