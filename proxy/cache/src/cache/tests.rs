//! The whole of it, as the data path uses it: cases of the public cache tests that take more than one
//! request, with the identifiers they have there, and guarantees of our own.

mod freshening;
mod invalidation;
mod sharing;
mod simulation;
mod storing;
