//! The checkpoints, in the order a request meets them: sanity, route, identity, access, limit,
//! forward, respond, record.

pub mod access;
pub mod forward;
pub mod identity;
pub mod limit;
pub mod record;
pub mod respond;
pub mod route;
pub mod sanity;

use http::{HeaderMap, Method, Version};

/// The head of a request as a parser hands it over; nothing in it is believed yet.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target as received: origin-form, absolute-form or `*`. For HTTP/2, `:path`.
    pub target: &'a [u8],
    /// HTTP/2's `:authority`; absent in HTTP/1.
    pub authority: Option<&'a [u8]>,
    /// The version it was received with.
    pub version: Version,
    /// The fields as received. Pseudo-fields are not among them.
    pub headers: &'a HeaderMap,
}

#[cfg(test)]
mod tests;
