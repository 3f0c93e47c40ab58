//! As much of the protobuf encoding as spans need: they have a dozen fields that never change.

/// The type of a field on the wire.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

/// Writes a message. Fields that have their default are left out, as in proto3.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// A field that is a message, or one more of a repeated one.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.tag(field, LENGTH);
        let start = self.0.len();
        write(self);
        let mut length = Self::default();
        length.varint(number(self.0.len().saturating_sub(start)));
        self.0.splice(start..start, length.0);
    }

    /// Text or bytes.
    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            self.tag(field, LENGTH);
            self.varint(number(value.len()));
            self.0.extend_from_slice(value);
        }
    }

    /// A whole number that is written with as few bytes as it needs.
    pub fn integer(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.tag(field, VARINT);
            self.varint(value);
        }
    }

    /// The same as one of several alternatives, where the default must be said.
    pub fn choice(&mut self, field: u32, value: u64) {
        self.tag(field, VARINT);
        self.varint(value);
    }

    /// Text as one of several alternatives, where the default must be said.
    pub fn text_choice(&mut self, field: u32, value: &str) {
        self.tag(field, LENGTH);
        self.varint(number(value.len()));
        self.0.extend_from_slice(value.as_bytes());
    }

    /// A number of 8 bytes.
    pub fn fixed64(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.tag(field, FIXED64);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// A number of 4 bytes.
    pub fn fixed32(&mut self, field: u32, value: u32) {
        if value != 0 {
            self.tag(field, FIXED32);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Fields that were written before.
    pub fn written(&mut self, fields: &[u8]) {
        self.0.extend_from_slice(fields);
    }

    fn tag(&mut self, field: u32, kind: u64) {
        self.varint(u64::from(field) << 3 | kind);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or(0));
    }
}

/// The value of a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value<'a> {
    /// A whole number.
    Integer(u64),
    /// A message, text or bytes.
    Bytes(&'a [u8]),
    /// Something of a fixed size.
    Other,
}

/// The first field with this number of a message; `None` when it is not there, or when what comes
/// before it cannot be read.
pub fn find(message: &[u8], field: u64) -> Option<Value<'_>> {
    let mut rest = message;
    while !rest.is_empty() {
        let tag = take_varint(&mut rest)?;
        let value = match tag & 7 {
            VARINT => Value::Integer(take_varint(&mut rest)?),
            FIXED64 => take(&mut rest, 8).map(|_| Value::Other)?,
            FIXED32 => take(&mut rest, 4).map(|_| Value::Other)?,
            LENGTH => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                Value::Bytes(take(&mut rest, length)?)
            }
            _ => return None,
        };
        if tag >> 3 == field {
            return Some(value);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_the_encoding_says() {
        // The examples of https://protobuf.dev/programming-guides/encoding/
        let written = |write: &dyn Fn(&mut Writer)| {
            let mut writer = Writer::default();
            write(&mut writer);
            writer.finish()
        };
        assert_eq!(written(&|to| to.integer(1, 150)), [0x08, 0x96, 0x01]);
        let testing = [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67];
        assert_eq!(written(&|to| to.bytes(2, b"testing")), testing);
        assert_eq!(
            written(&|to| to.message(3, |inner| inner.integer(1, 150))),
            [0x1a, 0x03, 0x08, 0x96, 0x01]
        );
        assert_eq!(written(&|to| to.fixed64(7, 1)), [0x39, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(written(&|to| to.fixed32(16, 1)), [0x85, 0x01, 1, 0, 0, 0]);
        assert_eq!(written(&|to| to.integer(1, u64::MAX)).len(), 11);
    }

    #[test]
    fn a_long_message_has_a_long_length() {
        let mut writer = Writer::default();
        writer.message(1, |inner| inner.bytes(2, &[7; 300]));
        let bytes = writer.finish();
        let Some(Value::Bytes(inner)) = find(&bytes, 1) else { panic!("{bytes:?}") };
        assert_eq!(find(inner, 2), Some(Value::Bytes(&[7; 300])));
    }

    #[test]
    fn defaults_are_left_out_unless_they_are_a_choice() {
        let mut writer = Writer::default();
        writer.integer(1, 0);
        writer.bytes(2, b"");
        writer.fixed64(3, 0);
        writer.fixed32(4, 0);
        assert!(writer.0.is_empty());
        writer.choice(1, 0);
        writer.text_choice(2, "");
        assert_eq!(writer.finish(), [0x08, 0, 0x12, 0]);
    }

    #[test]
    fn what_cannot_be_read_has_no_field() {
        let mut writer = Writer::default();
        writer.fixed64(9, 5);
        writer.fixed32(8, 5);
        writer.bytes(2, b"text");
        writer.integer(1, 300);
        let bytes = writer.finish();
        assert_eq!(find(&bytes, 1), Some(Value::Integer(300)));
        for cut in 0..bytes.len() {
            assert_eq!(find(&bytes[..cut], 1), None, "{cut}");
        }
        assert_eq!(find(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1), None);
        assert_eq!(find(&[0x0b], 1), None, "groups are not known");
        assert_eq!(find(&[0xff; 40], 1), None);
    }
}
