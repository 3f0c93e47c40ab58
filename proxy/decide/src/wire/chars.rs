//! Classes of characters (RFC 9110, section 5.6, and RFC 3986), as tables.

const TOKEN: u8 = 1;
const UNRESERVED: u8 = 2;
const PATH: u8 = 4;
const HOST: u8 = 8;

const fn classes_of(c: u8) -> u8 {
    let alphanumeric = c.is_ascii_alphanumeric();
    let mut classes = 0;
    if alphanumeric || contains(b"!#$%&'*+-.^_`|~", c) {
        classes |= TOKEN;
    }
    if alphanumeric || contains(b"-._~", c) {
        classes |= UNRESERVED;
    }
    if alphanumeric || contains(b"-._~!$&'()*+,;=:@/", c) {
        classes |= PATH;
    }
    if alphanumeric || contains(b"-._", c) {
        classes |= HOST;
    }
    classes
}

const fn contains(set: &[u8], c: u8) -> bool {
    let mut rest = set;
    while let [first, others @ ..] = rest {
        if *first == c {
            return true;
        }
        rest = others;
    }
    false
}

#[expect(clippy::indexing_slicing, reason = "the table has an entry for every byte")]
const fn table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut c: u8 = 0;
    loop {
        table[c as usize] = classes_of(c);
        if c == u8::MAX {
            return table;
        }
        c += 1;
    }
}

static CLASSES: [u8; 256] = table();

#[expect(clippy::indexing_slicing, reason = "the table has an entry for every byte")]
const fn is(c: u8, class: u8) -> bool {
    CLASSES[c as usize] & class != 0
}

/// `tchar`: what methods and field names are made of.
pub const fn is_token(c: u8) -> bool {
    is(c, TOKEN)
}

/// `unreserved`: what may be written with or without percent-encoding and means the same.
pub const fn is_unreserved(c: u8) -> bool {
    is(c, UNRESERVED)
}

/// `pchar` without percent escapes, and the slash: what a path in normal form is made of.
pub const fn is_path(c: u8) -> bool {
    is(c, PATH)
}

/// What a registered name in a host is made of.
pub const fn is_host(c: u8) -> bool {
    is(c, HOST)
}

/// The value of a hex digit.
pub const fn hex_value(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

/// Whether all of `bytes` may stand in a field value: no control character but the tab (RFC 9110,
/// section 5.5). Written without a branch, so that it is compiled to vector code.
#[expect(clippy::needless_bitwise_bool, reason = "without a branch it becomes vector code")]
pub fn is_field_value(bytes: &[u8]) -> bool {
    let is_bad = |c: u8| ((c < b' ') & (c != b'\t')) | (c == 0x7f);
    !bytes.iter().fold(false, |bad, c| bad | is_bad(*c))
}

/// Whether all of `bytes` may stand in a request target. Browsers send `{`, `}`, `|`, `^` and others
/// raw, although RFC 3986 would have them escaped (the path's normal form does that); a fragment is
/// never sent (RFC 9112, section 3.2). `<` and `>` nowhere, a backtick in no path and `"` in no query:
/// no browser sends them raw, and the parser behind us would refuse them without a word.
#[expect(clippy::needless_bitwise_bool, reason = "without a branch it becomes vector code")]
pub fn is_target(bytes: &[u8]) -> bool {
    let is_bad = |c: u8| (c <= b' ') | (c >= 0x7f) | (c == b'#') | (c == b'<') | (c == b'>');
    if bytes.is_empty() || bytes.iter().fold(false, |bad, c| bad | is_bad(*c)) {
        return false;
    }
    let query_at = memchr::memchr(b'?', bytes).unwrap_or(bytes.len());
    let (path, query) = bytes.split_at_checked(query_at).unwrap_or((bytes, &[]));
    memchr::memchr(b'`', path).is_none() && memchr::memchr(b'"', query).is_none()
}

/// Whether `bytes` is a token (RFC 9110, section 5.6.2).
pub fn is_token_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|c| is_token(*c))
}

/// Without the spaces and tabs at both ends (RFC 9110, section 5.6.3).
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
