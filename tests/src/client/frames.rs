//! HTTP/2 frames by hand (RFC 9113), for what no library would send.

use std::net::SocketAddr;

use super::answer::Broken;
use super::connection::Connection;
use crate::bounded::within;

/// What a client says first (RFC 9113, section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (RFC 9113, section 6).
pub mod kind {
    #![expect(missing_docs, reason = "the names are those of the RFC")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Error codes (RFC 9113, section 7).
pub mod code {
    #![expect(missing_docs, reason = "the names are those of the RFC")]
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    pub const STREAM_CLOSED: u32 = 5;
    pub const FRAME_SIZE_ERROR: u32 = 6;
    pub const REFUSED_STREAM: u32 = 7;
    pub const COMPRESSION_ERROR: u32 = 9;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// `END_STREAM` of DATA and HEADERS; ACK of SETTINGS and PING.
pub const END_STREAM: u8 = 1;
/// ACK of SETTINGS and PING.
pub const ACK: u8 = 1;
/// `END_HEADERS` of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 4;
/// PADDED of DATA and HEADERS.
pub const PADDED: u8 = 8;

/// One frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What is after the 9 octets.
    pub payload: Vec<u8>,
}

/// How a stream, or the whole connection, came to its end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    /// The status in the answer's head, if one came.
    pub status: Option<u16>,
    /// The data of the answer.
    pub body: Vec<u8>,
    /// The code of a `RST_STREAM`.
    pub reset: Option<u32>,
    /// The code of a GOAWAY.
    pub goaway: Option<u32>,
    /// Whether the connection was closed.
    pub closed: bool,
}

impl Outcome {
    /// Whether the peer treated what it got as an error of this stream or of the connection.
    pub fn refused(&self) -> bool {
        let bad = |code: Option<u32>| code.is_some_and(|code| code != code::NO_ERROR);
        bad(self.reset) || bad(self.goaway) || self.status.is_some_and(|status| status >= 400)
    }

    /// Whether the peer treated what it got as an error of the connection.
    pub fn connection_error(&self) -> bool {
        self.goaway.is_some_and(|code| code != code::NO_ERROR)
            || (self.closed && self.status.is_none())
    }
}

impl Frame {
    /// A frame of any kind.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// HEADERS with all its fields, `END_HEADERS` set.
    pub fn headers(stream: u32, fields: &[(&str, &str)], flags: u8) -> Self {
        Self::new(kind::HEADERS, flags | END_HEADERS, stream, block(fields))
    }

    /// DATA.
    pub fn data(stream: u32, data: &[u8], flags: u8) -> Self {
        Self::new(kind::DATA, flags, stream, data)
    }

    /// SETTINGS with these values.
    pub fn settings(values: &[(u16, u32)]) -> Self {
        let mut payload = Vec::new();
        for (name, value) in values {
            payload.extend_from_slice(&name.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        Self::new(kind::SETTINGS, 0, 0, payload)
    }

    /// `RST_STREAM`.
    pub fn reset(stream: u32, code: u32) -> Self {
        Self::new(kind::RST_STREAM, 0, stream, code.to_be_bytes())
    }

    /// `WINDOW_UPDATE`.
    pub fn window(stream: u32, more: u32) -> Self {
        Self::new(kind::WINDOW_UPDATE, 0, stream, more.to_be_bytes())
    }

    /// The octets on the wire.
    ///
    /// # Panics
    /// When the payload is longer than a frame can say.
    pub fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a frame's payload is short");
        let [high, rest @ ..] = length.to_be_bytes();
        assert_eq!(high, 0, "the length has 24 bits");
        let mut octets = rest.to_vec();
        octets.extend_from_slice(&[self.kind, self.flags]);
        octets.extend_from_slice(&self.stream.to_be_bytes());
        octets.extend_from_slice(&self.payload);
        octets
    }

    /// The code of a `RST_STREAM` or GOAWAY.
    fn code(&self) -> Option<u32> {
        let at = if self.kind == kind::GOAWAY { 4 } else { 0 };
        let octets = self.payload.get(at..at + 4)?;
        Some(u32::from_be_bytes(octets.try_into().ok()?))
    }
}

/// Fields of a GET for `path`, in the order RFC 9113 wants.
pub fn get_fields(path: &str) -> Vec<(&str, &str)> {
    vec![(":method", "GET"), (":scheme", "http"), (":authority", "test.example"), (":path", path)]
}

/// A field block: literals, never indexed, without Huffman coding (RFC 7541, section 6.2.3).
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut octets = Vec::new();
    for (name, value) in fields {
        octets.push(0x10);
        string(name.as_bytes(), &mut octets);
        string(value.as_bytes(), &mut octets);
    }
    octets
}

/// A string literal of RFC 7541, section 5.2.
fn string(text: &[u8], into: &mut Vec<u8>) {
    let mut rest = text.len();
    if rest < 127 {
        into.push(u8::try_from(rest).expect("less than 127"));
    } else {
        into.push(127);
        rest -= 127;
        while rest >= 128 {
            into.push(u8::try_from(rest % 128).expect("less than 128") | 128);
            rest /= 128;
        }
        into.push(u8::try_from(rest).expect("less than 128"));
    }
    into.extend_from_slice(text);
}

/// A connection that speaks in frames.
pub struct RawHttp2 {
    connection: Connection,
}

impl RawHttp2 {
    /// Connects, and sends the preface and empty settings.
    pub async fn open(address: SocketAddr) -> Self {
        let connection = Connection::open(address).await;
        Self::over(connection).await
    }

    /// Sends the preface and empty settings on `connection`.
    pub async fn over(mut connection: Connection) -> Self {
        connection.send([PREFACE, &Frame::settings(&[]).encode()].concat()).await;
        Self { connection }
    }

    /// Speaks on a connection whose start is the caller's work.
    pub fn bare(connection: Connection) -> Self {
        Self { connection }
    }

    /// Sends frames in one piece; a peer that has gone is no error.
    pub async fn send(&mut self, frames: &[Frame]) {
        let octets: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        self.send_octets(&octets).await;
    }

    /// Sends octets; a peer that has gone is no error.
    pub async fn send_octets(&mut self, octets: &[u8]) {
        let _ = self.connection.try_send(octets).await;
    }

    /// The next frame.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn next(&mut self) -> Result<Frame, Broken> {
        let head = self.connection.bytes(9).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.connection.bytes(usize::try_from(length).expect("24 bits")).await?;
        Ok(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame that is not SETTINGS, `WINDOW_UPDATE` or PING; those are answered.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn next_of_interest(&mut self) -> Result<Frame, Broken> {
        loop {
            let frame = self.next().await?;
            match frame.kind {
                kind::SETTINGS if frame.flags & ACK == 0 => {
                    self.send(&[Frame::new(kind::SETTINGS, ACK, 0, [])]).await;
                }
                kind::PING if frame.flags & ACK == 0 => {
                    self.send(&[Frame::new(kind::PING, ACK, 0, frame.payload)]).await;
                }
                kind::SETTINGS | kind::WINDOW_UPDATE => {}
                _ => return Ok(frame),
            }
        }
    }

    /// How `stream` ends: answered, reset, or with the connection.
    pub async fn outcome(&mut self, stream: u32) -> Outcome {
        within("a stream ends", self.read_outcome(stream)).await
    }

    async fn read_outcome(&mut self, stream: u32) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            let Ok(frame) = self.next_of_interest().await else {
                outcome.closed = true;
                return outcome;
            };
            match frame.kind {
                kind::GOAWAY => {
                    outcome.goaway = frame.code();
                    if outcome.goaway != Some(code::NO_ERROR) {
                        return outcome;
                    }
                }
                kind::RST_STREAM if frame.stream == stream => {
                    outcome.reset = frame.code();
                    return outcome;
                }
                kind::HEADERS if frame.stream == stream => {
                    outcome.status = outcome.status.or_else(|| status_of(&frame.payload));
                }
                kind::DATA if frame.stream == stream => {
                    outcome.body.extend_from_slice(&frame.payload);
                }
                _ => continue,
            }
            let can_end = frame.kind == kind::HEADERS || frame.kind == kind::DATA;
            if can_end && frame.stream == stream && frame.flags & END_STREAM != 0 {
                return outcome;
            }
        }
    }
}

/// The status at the front of a field block: indexed, or a literal after the indexed name
/// (RFC 7541, appendix A has `:status` at 8 to 14).
fn status_of(block: &[u8]) -> Option<u16> {
    let indexed = [200, 204, 206, 304, 400, 404, 500];
    // Changes of the table's size may come first (section 6.3).
    let at = block.iter().position(|octet| octet & 0xe0 != 0x20)?;
    let block = block.get(at..)?;
    let first = *block.first()?;
    if first & 0x80 != 0 {
        return indexed.get(usize::from(first & 0x7f).checked_sub(8)?).copied();
    }
    let named = [0x48, 0x08, 0x18].contains(&first) || (0x48..=0x4e).contains(&first);
    let length = *block.get(1)?;
    let text = block.get(2..2 + usize::from(length & 0x7f))?;
    if !named {
        return None;
    }
    let digits = if length & 0x80 == 0 { text.to_vec() } else { huffman_digits(text) };
    String::from_utf8(digits).ok()?.parse().ok()
}

/// Three digits in the Huffman code of RFC 7541, appendix B: `0` to `2` are 00000 to 00010, `3` to
/// `9` are 011001 to 011111.
fn huffman_digits(octets: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> =
        octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1)).collect();
    let mut at = 0;
    let mut digits = Vec::new();
    while digits.len() < 3 {
        let value = |from: usize, count: usize| {
            bits.get(from..from + count).map(|bits| bits.iter().fold(0, |sum, bit| sum * 2 + bit))
        };
        match (value(at, 5), value(at, 6)) {
            (Some(low @ 0..=2), _) => {
                digits.push(b'0' + low);
                at += 5;
            }
            (_, Some(high @ 25..=31)) => {
                digits.push(b'3' + high - 25);
                at += 6;
            }
            _ => break,
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_each_of_its_forms() {
        assert_eq!(status_of(&[0x88]), Some(200));
        assert_eq!(status_of(&[0x20, 0x8c, 0x40]), Some(400));
        assert_eq!(status_of(&[0x48, 3, b'4', b'1', b'3']), Some(413));
        // The example of RFC 7541, appendix C.6.1: 302.
        assert_eq!(status_of(&[0x48, 0x82, 0x64, 0x02]), Some(302));
    }

    #[test]
    fn a_long_string_has_its_length_in_several_octets() {
        let mut octets = Vec::new();
        string(&[b'x'; 1337 + 127], &mut octets);
        assert_eq!(octets[..3], [127, 0b1011_1001, 0b0000_1010]);
        assert_eq!(octets.len(), 3 + 1337 + 127);
    }
}
