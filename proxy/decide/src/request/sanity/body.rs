//! What a head says of its body.

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use crate::exchange::DeclaredBody;
use crate::verdict::Reason;
use crate::wire::head::{content_length, transfer_coding};

/// The declared length. On HTTP/1 the wire has been checked already; this holds for whatever parser
/// the head went through since, and for HTTP/2.
pub(super) fn declared(headers: &HeaderMap) -> Result<DeclaredBody, Reason> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next();
    if lengths.next().is_some() {
        return Err(Reason::LengthInvalid);
    }
    match (length, coding) {
        (None, None) => Ok(DeclaredBody::None),
        (Some(length), None) => {
            content_length(length.as_bytes()).map(DeclaredBody::Length).ok_or(Reason::LengthInvalid)
        }
        (None, Some(coding)) if codings.next().is_none() => {
            transfer_coding(coding.as_bytes()).map(|()| DeclaredBody::Chunked)
        }
        (_, Some(_)) => Err(Reason::FramingConflict),
    }
}
