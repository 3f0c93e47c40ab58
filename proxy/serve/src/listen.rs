//! The accept side: from listening sockets to requests that Pingora runs.

mod accept;
mod connection;
mod descriptors;
pub mod drain;
mod gather;
mod guard;
mod http1;
mod http2;
mod linger;
pub mod link;
mod memory;
mod refuse;
mod socket;
pub mod table;
pub mod tls;
pub mod worker;
