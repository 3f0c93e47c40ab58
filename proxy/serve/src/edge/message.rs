//! Messages as the edge hands them on: free of how they are written on a wire.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};
use marchproxy_decide::request::RequestHead;

use crate::upstream::Announced;

/// The head of a request as it was received.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The target; of HTTP/2, `:path`.
    pub target: Bytes,
    /// Of HTTP/2, `:authority`.
    pub authority: Option<Bytes>,
    /// The version it was received with.
    pub version: Version,
    /// The fields.
    pub headers: HeaderMap,
}

impl Request {
    /// What the checkpoints look at.
    pub fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: &self.method,
            target: &self.target,
            authority: self.authority.as_deref(),
            version: self.version,
            headers: &self.headers,
        }
    }
}

/// How long the body of a request is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OutboundBody {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// Its end will tell.
    Unknown,
}

/// The head of a request as it is sent to an endpoint.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// The fields, `Host` among them, without those that frame the body.
    pub headers: HeaderMap,
    /// How its body is framed.
    pub body: OutboundBody,
    /// Whether it asks for a WebSocket.
    pub is_websocket: bool,
    /// How the endpoint is spoken to.
    pub manner: Manner,
}

/// How the endpoints of an upstream are spoken to, whatever the request is.
#[derive(Clone, Debug)]
pub struct Manner {
    /// `http` or `https`, for versions that say it.
    pub scheme: &'static str,
    /// Whether the connection is kept after it.
    pub keeps_connection: bool,
    /// Present: the endpoint is told on the connection whose request it is.
    pub announced: Option<Announced>,
}

/// The head of an answer.
#[derive(Debug)]
pub struct AnswerHead {
    /// The status.
    pub status: StatusCode,
    /// The version it was received with.
    pub version: Version,
    /// The reason phrase, where there is one that is not the usual.
    pub phrase: Option<Bytes>,
    /// The fields.
    pub headers: HeaderMap,
}

impl AnswerHead {
    /// Whether another head follows (RFC 9110, section 15.2).
    pub fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// A part of a body.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Some of its bytes; never none.
    Data(Bytes),
    /// Its end, with the trailers if there are any.
    End(Option<Box<HeaderMap>>),
}
