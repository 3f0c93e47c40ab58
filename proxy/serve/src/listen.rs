//! The accept side: from listening sockets to requests.

mod accept;
mod bind;
mod caller;
mod connection;
mod descriptors;
mod gather;
mod http1;
mod http2;
mod linger;
mod memory;
pub mod passthrough;
mod places;
pub mod proxied;
mod refuse;
mod socket;
mod stream;
pub mod table;
pub mod tls;
mod transport;
pub mod worker;

pub use stream::Stream;
