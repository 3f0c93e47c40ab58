//! What the RFCs on HTTP ask of a proxy, each test with the section it stands for. The bytes are
//! written by hand: no library stands between the test and the wire.
#![forbid(unsafe_code)]

mod answers;
mod body;
mod fields;
mod frames;
mod frames_fields;
mod head;
mod persistence;
mod refusal;
mod semantics;
