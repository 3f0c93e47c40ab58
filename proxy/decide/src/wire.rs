//! What stands on the wire, before any parser has made a message of it: HTTP/1, and what is in front of it.

pub mod answer;
pub mod body;
pub mod chars;
pub mod client_hello;
pub mod head;
pub mod proxy_protocol;
