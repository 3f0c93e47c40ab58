//! What whole-system tests are made of: the real binary under test, origins that behave and origins
//! that do not, clients that say exactly what they are told to, and certificates.
//!
//! This crate knows the binaries by their command lines, ports and files only.
#![forbid(unsafe_code)]

pub mod binary;
pub mod bounded;
pub mod certs;
pub mod client;
pub mod fault;
pub mod folder;
pub mod load;
pub mod ocsp;
pub mod origin;
pub mod otlp;
pub mod ports;
pub mod proxy;
pub mod repository;
pub mod template;

pub use bounded::{eventually, within};
pub use client::{Answer, Connection};
pub use fault::{Fault, FaultProxy};
pub use origin::Origin;
pub use proxy::Proxy;
