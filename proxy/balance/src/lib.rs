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
mod ejection;
mod least_requests;
mod review;
mod roster;
mod round_robin;
mod standing;

pub use breaker::Trip;
pub use budget::Budget;
pub use check::Checked;
pub use ejection::Cause;
pub use least_requests::LeastRequests;
pub use review::{Event, Member, Policy, Review, review};
pub use roster::{Place, Roster, State};
pub use round_robin::RoundRobin;
pub use standing::{Mode, Outcome, Standing};
