//! The configuration: what is refused and how it is told, the commands that look at it, and the
//! examples.
#![forbid(unsafe_code)]

mod check;
mod commands;
mod effects;
mod effects_process;
mod effects_resolver;
mod examples;
mod keys;
mod start;
