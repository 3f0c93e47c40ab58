use std::ops::Range;

/// The most names that the path of one route may hold.
pub const MAX_CAPTURES: usize = 16;

/// Ranges of a path, kept in place: a lookup allocates nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Captures {
    length: u8,
    ranges: [(u32, u32); MAX_CAPTURES],
}

impl Captures {
    /// Adds a range; says whether there was room.
    pub fn push(&mut self, range: Range<usize>) -> bool {
        let slot = self.ranges.get_mut(usize::from(self.length));
        let (Some(slot), Ok(start), Ok(end)) =
            (slot, u32::try_from(range.start), u32::try_from(range.end))
        else {
            return false;
        };
        *slot = (start, end);
        self.length += 1;
        true
    }

    /// Forgets all but the first `length` ranges.
    pub fn truncate(&mut self, length: usize) {
        if length < self.len() {
            self.length = u8::try_from(length).unwrap_or(self.length);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.length)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The range at `position`.
    pub fn get(&self, position: usize) -> Option<Range<usize>> {
        if position >= self.len() {
            return None;
        }
        let (start, end) = *self.ranges.get(position)?;
        Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}
