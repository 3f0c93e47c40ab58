//! The configuration: what is refused and how it is told, the commands that look at it, and the
//! examples.
#![forbid(unsafe_code)]

mod check;
mod commands;
mod examples;
mod start;
