//! An answer, and the strict reading of its head.

use serde_json::Value;

/// What was wrong with an answer, or why there was none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Broken {
    /// The connection ended before the first byte.
    ClosedBefore,
    /// The connection ended in the middle, with so many bytes of the answer read.
    ClosedWithin(usize),
    /// The connection was reset.
    Reset,
    /// Something RFC 9112 forbids.
    Malformed(String),
}

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// The status code.
    pub status: u16,
    /// Fields in the order they came.
    pub fields: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
    /// Fields after a chunked body.
    pub trailers: Vec<(String, String)>,
    /// Interim answers (1xx) that came before.
    pub interim: Vec<u16>,
}

impl Answer {
    /// The value of the only field of this name; none if it is absent.
    ///
    /// # Panics
    /// When there are several.
    pub fn field(&self, name: &str) -> Option<&str> {
        let values = self.fields_named(name);
        assert!(values.len() < 2, "`{name}` is there {} times: {:?}", values.len(), self.fields);
        values.first().copied()
    }

    /// All values of the fields of this name.
    pub fn fields_named(&self, name: &str) -> Vec<&str> {
        named(&self.fields, name)
    }

    /// The value of a trailer.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        named(&self.trailers, name).first().copied()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {:?} {}", self, self.text()))
    }

    /// The reason code of a refusal (RFC 9457 `application/problem+json`).
    ///
    /// # Panics
    /// When it is no refusal in that form, or its members do not agree with the answer.
    pub fn reason(&self) -> String {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"].as_u64(), Some(u64::from(self.status)), "{problem}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
        assert!(problem["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{problem}");
        problem["reason"].as_str().expect("a refusal has a reason").to_owned()
    }

    /// What the scripted origin says it received, from the body.
    pub fn seen(&self) -> crate::origin::Seen {
        assert_eq!(self.status, 200, "{self:?} {}", self.text());
        crate::origin::Seen::of(&self.json())
    }
}

/// The values of fields of one name.
pub fn named<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let same = fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
    same.map(|(_, value)| value.as_str()).collect()
}

/// Reads a head (without its last empty line) strictly: the start line and the fields.
///
/// # Errors
/// What RFC 9112 forbids there.
pub fn parse_head(head: &[u8]) -> Result<(String, Vec<(String, String)>), String> {
    let text: String = head.iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.split("\r\n");
    let start = lines.next().unwrap_or_default().to_owned();
    check_text(&start)?;
    let mut fields = Vec::new();
    for line in lines {
        check_text(line)?;
        let (name, value) = line.split_once(':').ok_or(format!("no colon in {line:?}"))?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(format!("a bad field name in {line:?}"));
        }
        fields.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
    }
    Ok((start, fields))
}

/// The status of a status line.
///
/// # Errors
/// What RFC 9112, section 4 forbids.
pub fn parse_status_line(line: &str) -> Result<(String, u16), String> {
    let mut parts = line.splitn(3, ' ');
    let version = parts.next().unwrap_or_default();
    let digits = parts.next().unwrap_or_default();
    if parts.next().is_none() {
        return Err(format!("no space after the status in {line:?}"));
    }
    if version != "HTTP/1.1" && version != "HTTP/1.0" {
        return Err(format!("no version in {line:?}"));
    }
    match digits.parse::<u16>() {
        Ok(status) if digits.len() == 3 && status >= 100 => Ok((version.to_owned(), status)),
        _ => Err(format!("no status in {line:?}")),
    }
}

fn check_text(line: &str) -> Result<(), String> {
    match line.chars().find(|c| c.is_ascii_control() && *c != '\t') {
        Some(bad) => Err(format!("{bad:?} in {line:?}")),
        None => Ok(()),
    }
}

fn is_token(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c)
}
