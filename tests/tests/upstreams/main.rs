//! Upstreams of which a part fails: balancing, ejection, breakers, health checks, retries, limits.
#![forbid(unsafe_code)]

mod balance;
mod breaker;
mod ejection;
mod group;
mod health;
mod limits;
mod operator;
mod retry;
mod second;
