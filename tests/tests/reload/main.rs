//! Changing the configuration and the binary under traffic, and stopping.
#![forbid(unsafe_code)]

mod drain;
mod listeners;
mod reloads;
mod streams;
mod under_load;
mod upgrade;
