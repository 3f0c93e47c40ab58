//! Changing the fields of a message that someone else holds.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields that can be changed: a [`HeaderMap`], or another crate's message.
pub trait FieldsMut {
    /// The fields as they are now.
    fn fields(&self) -> &HeaderMap;
    /// Removes every field of this name.
    fn remove(&mut self, name: &HeaderName);
    /// Leaves exactly one field of this name, with this value.
    fn set(&mut self, name: HeaderName, value: HeaderValue);
    /// Adds a field, whatever is there.
    fn add(&mut self, name: HeaderName, value: HeaderValue);
    /// Makes room for so many more, so that a table of fields grows once. Need not do anything.
    fn reserve(&mut self, more: usize) {
        let _ = more;
    }
}

impl FieldsMut for HeaderMap {
    fn fields(&self) -> &HeaderMap {
        self
    }

    fn remove(&mut self, name: &HeaderName) {
        Self::remove(self, name);
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.insert(name, value);
    }

    fn add(&mut self, name: HeaderName, value: HeaderValue) {
        self.append(name, value);
    }

    fn reserve(&mut self, more: usize) {
        // As many as a table can hold are far more than any head may have.
        let _ = self.try_reserve(more);
    }
}
