//! The bodies of gRPC-Web (PROTOCOL-WEB.md of gRPC).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;

use super::change::{Broken, Change, Due};

/// The flags of a frame that holds trailers, not compressed.
const TRAILERS: u8 = 0x80;

/// The body of an answer: messages stay as they are, and trailers become the last frame. As text,
/// each piece is base64 of its own, padding and all.
pub(super) struct ToWeb {
    is_text: bool,
    data: Bytes,
    last: Bytes,
}

impl ToWeb {
    pub(super) fn new(is_text: bool) -> Self {
        Self { is_text, data: Bytes::new(), last: Bytes::new() }
    }
}

impl Change for ToWeb {
    fn push(&mut self, bytes: Bytes) {
        self.data = bytes;
    }

    fn pull(&mut self, due: Due) -> Result<Option<Bytes>, Broken> {
        let mut piece = std::mem::take(&mut self.data);
        if piece.is_empty() && due == Due::All {
            piece = std::mem::take(&mut self.last);
        }
        if piece.is_empty() {
            return Ok(None);
        }
        Ok(Some(if self.is_text { STANDARD.encode(&piece).into() } else { piece }))
    }

    fn end(&mut self, trailers: Option<Box<HeaderMap>>) -> Option<Box<HeaderMap>> {
        self.last = trailers.map(|trailers| frame(&trailers)).unwrap_or_default();
        None
    }
}

/// Trailers as a frame: names in lower case.
fn frame(trailers: &HeaderMap) -> Bytes {
    let mut lines = BytesMut::new();
    for (name, value) in trailers {
        lines.put_slice(name.as_str().as_bytes());
        lines.put_u8(b':');
        lines.put_slice(value.as_bytes());
        lines.put_slice(b"\r\n");
    }
    let mut frame = BytesMut::with_capacity(lines.len().saturating_add(5));
    frame.put_u8(TRAILERS);
    // What a head may hold is far less.
    frame.put_u32(u32::try_from(lines.len()).unwrap_or(u32::MAX));
    frame.put_slice(&lines);
    frame.freeze()
}

/// The body of a request that is text: base64, with padding wherever a piece ended.
#[derive(Default)]
pub(super) struct FromText {
    /// Less than four digits.
    rest: Vec<u8>,
    data: Vec<u8>,
    is_broken: bool,
}

impl FromText {
    fn take(&mut self, bytes: &[u8]) -> Option<()> {
        self.rest.extend_from_slice(bytes);
        let text = std::mem::take(&mut self.rest);
        let (mut whole, rest) = text.split_at_checked(text.len() / 4 * 4)?;
        self.rest = rest.to_vec();
        while !whole.is_empty() {
            // To the end of the group that has padding, if there is one.
            let padding = memchr::memchr(b'=', whole);
            let end =
                padding.map_or(whole.len(), |at| (at / 4).saturating_add(1).saturating_mul(4));
            let (part, after) = whole.split_at_checked(end)?;
            STANDARD.decode_vec(part, &mut self.data).ok()?;
            whole = after;
        }
        Some(())
    }
}

impl Change for FromText {
    fn push(&mut self, bytes: Bytes) {
        self.is_broken |= self.take(&bytes).is_none();
    }

    fn pull(&mut self, due: Due) -> Result<Option<Bytes>, Broken> {
        if self.is_broken || due == Due::All && !self.rest.is_empty() {
            return Err(Broken::Malformed);
        }
        let data = std::mem::take(&mut self.data);
        Ok((!data.is_empty()).then(|| data.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulled(change: &mut impl Change, due: Due) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(bytes) = change.pull(due).unwrap() {
            assert!(!bytes.is_empty());
            all.extend_from_slice(&bytes);
        }
        all
    }

    #[test]
    fn text_is_decoded_wherever_it_is_cut_and_padded() {
        let text = b"aGVsbG8=IHdvcg==bGQhISE=";
        for size in 1..text.len() {
            let mut change = FromText::default();
            let mut all = Vec::new();
            for piece in text.chunks(size) {
                change.push(Bytes::copy_from_slice(piece));
                all.extend(pulled(&mut change, Due::Flushed));
            }
            all.extend(pulled(&mut change, Due::All));
            assert_eq!(all, b"hello world!!!", "{size}");
        }
    }

    #[test]
    fn text_that_is_no_base64_or_ends_early_is_refused() {
        for text in ["aGVs!G8=", "aG=s", "====", "aGVsb", "aGVs\n", "a"] {
            let mut change = FromText::default();
            change.push(Bytes::copy_from_slice(text.as_bytes()));
            let pulled = std::iter::repeat_with(|| change.pull(Due::All)).take(3);
            assert!(pulled.into_iter().any(|piece| piece == Err(Broken::Malformed)), "{text}");
        }
    }

    #[test]
    fn trailers_become_the_last_frame() {
        let trailers = HeaderMap::from_iter([
            ("grpc-status".parse().unwrap(), "0".parse().unwrap()),
            ("grpc-message".parse().unwrap(), "ok".parse().unwrap()),
        ]);
        let frame = b"\x80\0\0\0\x20grpc-status:0\r\ngrpc-message:ok\r\n";
        for is_text in [false, true] {
            let mut change = ToWeb::new(is_text);
            change.push(Bytes::from_static(b"\0\0\0\0\x01a"));
            let data = pulled(&mut change, Due::Enough);
            assert!(change.end(Some(Box::new(trailers.clone()))).is_none());
            let last = pulled(&mut change, Due::All);
            let read =
                |bytes: Vec<u8>| if is_text { STANDARD.decode(bytes).unwrap() } else { bytes };
            assert_eq!((read(data), read(last)), (b"\0\0\0\0\x01a".to_vec(), frame.to_vec()));
        }
    }
}
