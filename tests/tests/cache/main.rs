//! Answers that are kept, and given to others who ask for the same.
#![forbid(unsafe_code)]

mod freshness;
mod operator;
mod sharing;
mod site;
mod storing;
