//! JSON Web Tokens (RFC 7515, 7519, 8725): signed ones in the compact form, and no others.

mod algorithm;
mod claims;
mod header;
mod refused;
mod revoked;
mod rules;
mod signature;
mod token;
mod verify;

pub use algorithm::{Algorithm, Algorithms};
pub use claims::Claims;
pub use header::Header;
pub use refused::Refused;
pub use revoked::Revoked;
pub use rules::{Required, Rules};
pub use token::LARGEST_TOKEN;
pub use verify::{Check, Verified};
