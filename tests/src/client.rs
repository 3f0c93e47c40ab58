//! Clients that say exactly what they are told to say, and read answers strictly.

pub mod answer;
pub mod connection;
pub mod curl;
pub mod frames;
pub mod http2;
pub mod openssl;
pub mod tls;
pub mod websocket;

pub use answer::{Answer, Broken, parse_head};
pub use connection::{Connection, get, request};
pub use http2::Http2;
pub use openssl::{Openssl, Shaken};
pub use tls::{Negotiated, TlsClient};
pub use websocket::{Message, WebSocket, accept_value};
