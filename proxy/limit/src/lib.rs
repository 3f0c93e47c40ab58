//! How often, and how many at one time: limits for each address, consumer, route or whatever else a
//! key is made of. No sockets, no clock and no randomness of its own.
//!
//! [`step`] is the rule. A [`Table`] keeps it for very many keys in fixed memory, for one proxy. A
//! [`Lease`] keeps it for one key that several proxies share: tokens come in small batches from a
//! store, which runs [`SCRIPT`]. What both promise is in [`CASES`]. [`Concurrency`] bounds how many
//! run at one time, and [`fields`] tells the client.
//!
//! Times are nanoseconds since a beginning that the caller chooses, on a clock that should not go
//! back. If it does, a limit is for so long stricter than it was to be, and nothing else.
#![forbid(unsafe_code)]

mod cases;
mod concurrency;
pub mod fields;
mod gcra;
mod key;
mod lease;
mod quota;
mod script;
mod several;
#[cfg(test)]
mod simulation;
mod table;
#[cfg(test)]
mod testing;

pub use cases::{CASES, Case, Step, Wait};
pub use concurrency::{Concurrency, Full, Running};
pub use gcra::{Verdict, step};
pub use key::{Key, KeyWriter, Keys};
pub use lease::{Answer, Ask, Away, Lease, Terms};
pub use quota::Quota;
pub use script::{Grant, SCRIPT, Stored, Wish};
pub use several::{Check, strictest};
pub use table::Table;
