//! Which endpoint a request goes to, and which endpoints may be used at all. No sockets, no clock
//! and no randomness of its own.
//!
//! Workers note in an endpoint's [`Standing`] what requests meet there. One keeper looks at all
//! endpoints of an upstream together and decides ([`review`]); what it finds is what requests are
//! spread over.
#![forbid(unsafe_code)]

mod breaker;
mod budget;
mod check;
mod consistent_hash;
mod ejection;
mod gradient;
mod hash;
mod latency;
mod least_requests;
mod pair;
mod peak_ewma;
mod review;
mod roster;
mod round_robin;
#[cfg(test)]
mod simulation;
mod standing;
#[cfg(test)]
mod testing;

pub use breaker::Trip;
pub use budget::Budget;
pub use check::Checked;
pub use consistent_hash::{Bound, ConsistentHash};
pub use ejection::Cause;
pub use gradient::Gradient;
pub use hash::hash;
pub use latency::Latency;
pub use least_requests::LeastRequests;
pub use peak_ewma::PeakEwma;
pub use review::{Event, Member, Policy, Review, review};
pub use roster::{Place, Roster, State};
pub use round_robin::RoundRobin;
pub use standing::{Entered, Mode, Outcome, Standing};
