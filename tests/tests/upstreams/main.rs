//! Upstreams of which a part fails: balancing, ejection, breakers, health checks, retries, limits.
#![forbid(unsafe_code)]

mod balance;
mod breaker;
mod ejection;
mod group;
mod health;
mod limits;
mod one_of_four;
mod operator;
mod retry;
mod second;
