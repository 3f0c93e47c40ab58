//! HTTP/1 messages on a stream: what the client's side and the endpoint's have in common.

pub mod fields;
mod incoming;
mod outgoing;

pub use incoming::{Arriving, Broken, Incoming};
pub use outgoing::{Leaving, Outgoing};
