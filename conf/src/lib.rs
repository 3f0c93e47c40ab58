//! The configuration language of MarchProxy: from text to typed, checked values, with the place of
//! everything that is wrong.
#![forbid(unsafe_code)]

pub mod model;
pub mod problem;
pub mod values;
