//! HTTP/1 as it stands on the wire, before any parser has made a message of it.

pub mod answer;
pub mod body;
pub mod chars;
pub mod client_hello;
pub mod head;
