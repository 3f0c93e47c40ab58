//! Who a request comes from: JWTs, API keys, and names with passwords. No sockets, no files, no clock
//! and no randomness of its own: bytes, times and random bytes are passed in.
//!
//! [`bearer::find`] finds the token of a request. A JWT is verified against a [`keys::KeySet`] and
//! judged by [`jwt::Rules`]; [`Remembered`] does the same and keeps what was found, so that the
//! signature of a token is verified once. An API key is looked up in an [`api_key::Table`], a name
//! and a password in [`basic::Users`]. What is refused says why in one word, which does not change
//! from one version to the next, and [`challenge`] says it to the client.
//!
//! Times are [`std::time::Duration`]s since 1970-01-01 UTC, without leap seconds: what RFC 7519
//! calls `NumericDate`.
#![forbid(unsafe_code)]

pub mod api_key;
mod base64url;
pub mod basic;
pub mod bearer;
mod bounded;
pub mod challenge;
mod json;
pub mod jwt;
pub mod keys;
mod remembered;
mod secret;

pub use bounded::{Figures, Limits};
pub use remembered::Remembered;
pub use secret::{HashKey, Secret, TooShort};
