//! Which endpoint a request goes to. No sockets, no clock of its own.
#![forbid(unsafe_code)]

mod round_robin;

pub use round_robin::RoundRobin;
