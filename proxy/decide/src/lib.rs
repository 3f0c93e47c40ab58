//! What the proxy decides about a request, from bytes to log line, without a socket, a runtime or a
//! clock of its own: a [`snapshot::Snapshot`] is what was configured, an [`exchange::Exchange`] is
//! what is known of one request, and the checkpoints in [`request`] turn both into a
//! [`verdict::Verdict`].
#![forbid(unsafe_code)]

pub mod answer;
pub(crate) mod authority;
pub mod coding;
pub mod exchange;
pub mod grpc_web;
pub mod limiter;
pub mod path;
pub mod request;
pub mod router;
pub mod snapshot;
#[cfg(test)]
mod testing;
pub mod verdict;
pub mod wire;
