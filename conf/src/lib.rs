//! The configuration language of `MarchProxy`: from text to typed, checked values, with the place of
//! everything that is wrong.
//!
//! The one way in is [`load`] (a file or a folder) or [`parse_str`] (text): both read, check against
//! the language, decode, validate, and give either a [`Loaded`] configuration with its digest, or a
//! [`Refused`] one with every problem found, which [`report::render`] prints.
#![forbid(unsafe_code)]

mod check;
mod decode;
pub mod dump;
pub mod load;
pub mod model;
mod nearest;
pub mod problem;
pub mod reference;
pub mod report;
pub mod schema;
mod shape;
pub mod source;
#[cfg(test)]
mod testing;
mod tree;
mod validate;
pub mod values;

pub use load::{Digest, Loaded, Refused, files, load, parse_str};
pub use problem::{Part, Place, Problem, Severity, Step};
pub use reference::reference_markdown;
pub use schema::schema_json;
pub use source::{Position, Sources, Span};
