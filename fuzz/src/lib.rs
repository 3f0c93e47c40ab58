//! What must hold for any input, whoever made it up: the bodies of the fuzz targets.
//!
//! `fuzz_targets/` hands them to libFuzzer, which needs a nightly compiler; `tests/corpus.rs` runs
//! them on the stored corpus and on inputs made from it, with any compiler. Each panics when its
//! input breaks a promise.
#![forbid(unsafe_code)]

mod answer_head;
mod client_hello;
mod configuration;
mod cuts;
mod proxy_header;
mod request_body;
mod request_head;

pub use answer_head::answer_head;
pub use client_hello::client_hello;
pub use configuration::configuration;
pub use proxy_header::proxy_header;
pub use request_body::request_body;
pub use request_head::request_head;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All of them, with the names of their folders in `corpus/`.
pub const TARGETS: [(&str, Target); 6] = [
    ("configuration", configuration),
    ("request_head", request_head),
    ("request_body", request_body),
    ("answer_head", answer_head),
    ("proxy_header", proxy_header),
    ("client_hello", client_hello),
];
