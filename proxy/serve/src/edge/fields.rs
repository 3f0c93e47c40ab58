//! Pingora's messages as fields that checkpoints can change.

use http::{HeaderMap, HeaderName, HeaderValue};
use marchproxy_decide::fields::FieldsMut;
use pingora_http::{RequestHeader, ResponseHeader};

/// A request that is forwarded.
pub(super) struct RequestFields<'a>(pub(super) &'a mut RequestHeader);
/// An answer on its way to the client.
pub(super) struct AnswerFields<'a>(pub(super) &'a mut ResponseHeader);

macro_rules! fields {
    ($type:ty) => {
        impl FieldsMut for $type {
            fn fields(&self) -> &HeaderMap {
                &self.0.headers
            }

            fn remove(&mut self, name: &HeaderName) {
                self.0.remove_header(name);
            }

            fn set(&mut self, name: HeaderName, value: HeaderValue) {
                // Name and value are valid already; only a map at its size limit refuses them.
                let _ = self.0.insert_header(name, value);
            }

            fn add(&mut self, name: HeaderName, value: HeaderValue) {
                let _ = self.0.append_header(name, value);
            }
        }
    };
}

fields!(RequestFields<'_>);
fields!(AnswerFields<'_>);
