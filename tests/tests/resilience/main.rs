//! Bad origins, bad clients, limits, and running out of things.
#![forbid(unsafe_code)]

mod clients;
mod connections;
mod limits;
mod memory;
mod origins;
