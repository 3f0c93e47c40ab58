//! Fields as lines (RFC 9112, section 5), and the lines in front of them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use marchproxy_decide::wire::chars;

/// Makes a map of `count` field lines, which have been checked already. `None`: they have not.
pub fn read(lines: &Bytes, count: usize) -> Option<HeaderMap> {
    let mut fields = HeaderMap::try_with_capacity(count).ok()?;
    let mut start = 0_usize;
    loop {
        let rest = lines.get(start..)?;
        let Some(length) = memchr::memchr(b'\n', rest) else { return Some(fields) };
        let line = rest.get(..length)?.strip_suffix(b"\r")?;
        if line.is_empty() {
            return Some(fields);
        }
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        let name = HeaderName::from_bytes(name).ok()?;
        let value = chars::trim(value.get(1..)?);
        // Shares the bytes of the head.
        let value = HeaderValue::from_maybe_shared(lines.slice_ref(value)).ok()?;
        fields.try_append(name, value).ok()?;
        start = start.checked_add(length)?.checked_add(1)?;
    }
}

/// Appends a request line. Versions below ours are not sent (RFC 9110, section 2.5).
pub fn write_request_line(method: &Method, target: &str, into: &mut Vec<u8>) {
    into.extend_from_slice(method.as_str().as_bytes());
    into.push(b' ');
    into.extend_from_slice(target.as_bytes());
    into.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Appends a status line; without a `phrase`, the usual one.
pub fn write_status_line(status: StatusCode, phrase: Option<&[u8]>, into: &mut Vec<u8>) {
    into.extend_from_slice(b"HTTP/1.1 ");
    into.extend_from_slice(status.as_str().as_bytes());
    into.push(b' ');
    let usual = || status.canonical_reason().unwrap_or_default().as_bytes();
    into.extend_from_slice(phrase.unwrap_or_else(usual));
    into.extend_from_slice(b"\r\n");
}

/// Appends the lines of `fields`, without the empty one that ends them. Names, which mean the same
/// in any spelling (RFC 9110, section 5.1), are in lower case.
pub fn write(fields: &HeaderMap, into: &mut Vec<u8>) {
    for (name, value) in fields {
        write_line(name.as_str(), value.as_bytes(), into);
    }
}

/// Appends one field line.
pub fn write_line(name: &str, value: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(name.as_bytes());
    into.extend_from_slice(b": ");
    into.extend_from_slice(value);
    into.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_fields_and_lines_again() {
        let lines = Bytes::from_static(b"Host: a\r\nX-Two:\t b c \r\nx-two:\r\n\r\nbody");
        let fields = read(&lines, 3).unwrap();
        let values: Vec<_> = fields.get_all("x-two").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(
            (&fields["host"], values),
            (&HeaderValue::from_static("a"), vec![&b"b c"[..], b""])
        );
        let mut written = Vec::new();
        write(&fields, &mut written);
        assert_eq!(written, b"host: a\r\nx-two: b c\r\nx-two: \r\n");
    }

    #[test]
    fn lines_that_were_never_checked_are_no_fields() {
        for lines in ["a b: c\r\n\r\n", "a\r\n\r\n", "a: b\n\r\n", "a: \0\r\n\r\n"] {
            assert!(read(&Bytes::from_static(lines.as_bytes()), 1).is_none(), "{lines:?}");
        }
    }
}
