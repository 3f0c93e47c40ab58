//! The beginning of a request's body, kept so that it can be sent again.

use bytes::{Bytes, BytesMut};

use super::Piece;

/// A piece of this length is kept as it is. One that is shorter is copied: it may hold on to a buffer
/// that is much longer, and of a slow client each byte may be a piece.
const LONG: usize = 16 << 10;

/// The beginning of a request's body, kept so that it can be sent again.
#[derive(Debug)]
pub struct Replay {
    data: Vec<Bytes>,
    /// What comes after that, of short pieces.
    tail: BytesMut,
    end: Option<Piece>,
    /// How many more bytes are kept.
    room: u64,
    /// Whether all that came was kept.
    is_whole: bool,
    /// How many pieces have been sent, when the body is sent again.
    sent: usize,
}

impl Replay {
    /// Keeps up to so many bytes.
    pub fn new(most: u64) -> Self {
        Self {
            data: Vec::new(),
            tail: BytesMut::new(),
            end: None,
            room: most,
            is_whole: true,
            sent: 0,
        }
    }

    /// Keeps what the client has just given, and what is sent.
    pub fn keep(&mut self, piece: &Piece) {
        if !self.is_whole {
            return;
        }
        let Piece::Data(bytes) = piece else {
            self.end = Some(piece.clone());
            self.sent = self.count().saturating_add(1);
            return;
        };
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if let Some(room) = self.room.checked_sub(length) {
            self.room = room;
            self.add(bytes);
            self.sent = self.count();
        } else {
            *self = Self { is_whole: false, ..Self::new(0) };
        }
    }

    fn add(&mut self, bytes: &Bytes) {
        if bytes.len() >= LONG {
            self.end_tail();
            self.data.push(bytes.clone());
            return;
        }
        self.tail.extend_from_slice(bytes);
        if self.tail.len() >= LONG {
            self.end_tail();
        }
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.data.push(self.tail.split().freeze());
        }
    }

    /// How many pieces there are, the end aside.
    fn count(&self) -> usize {
        self.data.len().saturating_add(usize::from(!self.tail.is_empty()))
    }

    /// Keeps what has not been sent yet, however long it is.
    pub fn hold(&mut self, piece: Piece) {
        match piece {
            Piece::Data(bytes) => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.room = self.room.saturating_sub(length);
                self.add(&bytes);
            }
            Piece::End(_) => self.end = Some(piece),
        }
    }

    /// Whether all that the client has given can be sent again.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Begins anew.
    pub fn rewind(&mut self) {
        self.sent = 0;
    }

    /// The next piece that was kept, when the body is sent again.
    pub fn next(&mut self) -> Option<Piece> {
        let piece = match self.data.get(self.sent) {
            Some(bytes) => Piece::Data(bytes.clone()),
            None if self.sent < self.count() => Piece::Data(Bytes::copy_from_slice(&self.tail)),
            None if self.sent == self.count() => self.end.clone()?,
            None => return None,
        };
        self.sent = self.sent.saturating_add(1);
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn data(text: &'static str) -> Piece {
        Piece::Data(Bytes::from_static(text.as_bytes()))
    }

    fn again(replay: &mut Replay) -> String {
        replay.rewind();
        let pieces = std::iter::from_fn(|| replay.next());
        pieces
            .map(|piece| match piece {
                Piece::Data(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Piece::End(_) => "|".to_owned(),
            })
            .collect()
    }

    #[test]
    fn what_was_kept_is_sent_again_and_then_what_comes() {
        let mut replay = Replay::new(10);
        replay.keep(&data("abc"));
        assert!(replay.next().is_none(), "it has been sent already");
        assert_eq!(again(&mut replay), "abc");
        replay.keep(&data("de"));
        replay.keep(&Piece::End(None));
        assert_eq!(again(&mut replay), "abcde|");
        assert!(replay.is_whole());
    }

    #[test]
    fn what_was_held_is_sent_first_and_makes_room_for_nothing_else() {
        let mut replay = Replay::new(4);
        replay.hold(data("abcdef"));
        assert_eq!(again(&mut replay), "abcdef");
        assert!(replay.is_whole());
        replay.keep(&data("g"));
        assert!(!replay.is_whole(), "there is no room for it");
    }

    #[test]
    fn pieces_are_kept_without_the_buffers_that_they_came_in() {
        let mut replay = Replay::new(1 << 20);
        let long = Bytes::from(vec![b'x'; LONG]);
        for _ in 0..3 {
            for _ in 0..LONG {
                replay.keep(&Piece::Data(long.slice(..1)));
            }
            replay.keep(&data("y"));
            replay.keep(&Piece::Data(long.clone()));
        }
        replay.keep(&Piece::End(None));
        assert!(replay.next().is_none());
        let expected = format!("{0}y{0}", "x".repeat(LONG)).repeat(3) + "|";
        assert_eq!(again(&mut replay), expected);
        assert_eq!(replay.data.len(), 9);
        let shared = replay.data.iter().filter(|kept| kept.as_ptr() == long.as_ptr()).count();
        assert_eq!(shared, 3, "just the long ones");
    }

    #[test]
    fn more_than_there_is_room_for_is_not_kept_at_all() {
        let mut replay = Replay::new(4);
        replay.keep(&data("abc"));
        replay.keep(&data("de"));
        replay.keep(&data("f"));
        assert!(!replay.is_whole());
        assert_eq!(again(&mut replay), "");
    }
}
