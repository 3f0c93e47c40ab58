//! The beginning of a request's body, kept so that it can be sent again.

use bytes::Bytes;

use super::Piece;

/// The beginning of a request's body, kept so that it can be sent again.
#[derive(Debug)]
pub struct Replay {
    data: Vec<Bytes>,
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
        Self { data: Vec::new(), end: None, room: most, is_whole: true, sent: 0 }
    }

    /// Keeps what the client has just given, and what is sent.
    pub fn keep(&mut self, piece: &Piece) {
        if !self.is_whole {
            return;
        }
        self.sent = self.sent.saturating_add(1);
        let Piece::Data(bytes) = piece else {
            self.end = Some(piece.clone());
            return;
        };
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if let Some(room) = self.room.checked_sub(length) {
            self.room = room;
            self.data.push(bytes.clone());
        } else {
            self.is_whole = false;
            self.data = Vec::new();
        }
    }

    /// Keeps what has not been sent yet, however long it is.
    pub fn hold(&mut self, piece: Piece) {
        match piece {
            Piece::Data(bytes) => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.room = self.room.saturating_sub(length);
                self.data.push(bytes);
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
            None if self.sent == self.data.len() => self.end.clone()?,
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
    fn more_than_there_is_room_for_is_not_kept_at_all() {
        let mut replay = Replay::new(4);
        replay.keep(&data("abc"));
        replay.keep(&data("de"));
        replay.keep(&data("f"));
        assert!(!replay.is_whole());
        assert_eq!(again(&mut replay), "");
    }
}
