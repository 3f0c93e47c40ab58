//! TLS: what listeners offer and refuse, certificates chosen and changed, and TLS to origins.
#![forbid(unsafe_code)]

mod certificates;
mod clients;
mod listener;
mod ocsp;
mod passthrough;
mod policies;
mod tickets;
mod upstream;
