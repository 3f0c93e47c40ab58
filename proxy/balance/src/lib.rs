//! Which endpoint a request goes to. No sockets, no clock of its own.
#![forbid(unsafe_code)]

mod consistent_hash;
mod hash;
mod latency;
mod least_requests;
mod pair;
mod peak_ewma;
mod round_robin;
#[cfg(test)]
mod testing;

pub use consistent_hash::{Bound, ConsistentHash};
pub use hash::hash;
pub use latency::Latency;
pub use least_requests::LeastRequests;
pub use peak_ewma::PeakEwma;
pub use round_robin::RoundRobin;
