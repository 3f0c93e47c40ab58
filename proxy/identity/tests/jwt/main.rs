//! Tokens from their bytes to a verdict: those of another library, attacks, rules, keys, and what is
//! remembered.
#![expect(clippy::unwrap_used, reason = "a test may stop at once")]
#![expect(clippy::string_slice, reason = "tokens are ASCII")]
#![expect(clippy::unchecked_time_subtraction, reason = "the times are written here")]

mod keys;
mod maker;
mod mutated;
mod remembered;
mod rules;
mod vectors;
