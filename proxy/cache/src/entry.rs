//! A stored answer, and the head of one.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, DATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::fields;
use crate::key::Key;
use crate::now::Now;
use crate::policy::{self, Policy, Refusal, Terms, Timing, Wish};
use crate::validator::Validators;
use crate::variant::Variant;

/// The most tags of one answer.
const MOST_TAGS: usize = 128;
/// What a stored answer takes besides what can be counted: its place in every index and queue.
const OVERHEAD: usize = 768;
/// What a field takes besides its name and value.
const FIELD_OVERHEAD: usize = 128;
/// What a tag takes besides its name.
const TAG_OVERHEAD: usize = 128;

/// Whose answer it is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub key: Arc<Key>,
    /// What else than the key decided where the request went.
    pub space: Arc<str>,
}

/// The head of an answer that may be stored.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub place: Place,
    pub variant: Variant,
    pub status: StatusCode,
    pub fields: HeaderMap,
    pub terms: Terms,
    pub tags: Box<[Arc<[u8]>]>,
}

/// A stored answer. It never changes.
#[derive(Debug)]
pub(crate) struct Entry {
    pub head: Head,
    pub body: Arc<[Bytes]>,
    pub length: usize,
    /// Bytes it takes, all in all.
    pub weight: usize,
}

impl Head {
    /// `request` are the fields that the client sent, `headers` those of the answer.
    pub fn new(
        place: Place,
        policy: &Policy,
        (wish, request): (&Wish, &HeaderMap),
        (status, headers): (StatusCode, &HeaderMap),
        timing: Timing,
    ) -> Result<Self, Refusal> {
        let terms = policy::terms(policy, wish, status, headers, timing)?;
        let variant = Variant::of(request, headers)?;
        let tags = match &policy.tags {
            Some(name) => tags(headers, name)?,
            None => Box::default(),
        };
        let mut unstored = terms.unstored.clone();
        unstored.extend(policy.own_fields().cloned());
        let mut fields = fields::storable(headers, &unstored);
        set_date(&mut fields, timing.answered);
        Ok(Self { place, variant, status, fields, terms, tags })
    }

    /// The length of the body as the answer declares it.
    pub fn declared_length(&self) -> Option<usize> {
        self.fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// Bytes it takes without its body.
    pub fn weight(&self) -> usize {
        let of_fields = self.fields.iter().map(|(name, value)| {
            name.as_str().len().saturating_add(value.len()).saturating_add(FIELD_OVERHEAD)
        });
        let of_tags = self.tags.iter().map(|tag| tag.len().saturating_add(TAG_OVERHEAD));
        let others = [OVERHEAD, self.place.key.weight(), self.variant.weight()];
        of_fields.chain(of_tags).chain(others).fold(0, usize::saturating_add)
    }

    /// The answer as a whole, once its body is there.
    pub fn with_body(mut self, body: Arc<[Bytes]>, length: usize) -> Entry {
        if self.status == StatusCode::NO_CONTENT {
            self.fields.remove(CONTENT_LENGTH);
        } else {
            self.fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let in_pieces = body.len().saturating_mul(size_of::<Bytes>());
        let weight = self.weight().saturating_add(length).saturating_add(in_pieces);
        Entry { head: self, body, length, weight }
    }
}

impl Entry {
    /// What it can be validated with.
    pub fn validators(&self) -> Option<Validators> {
        Validators::of(&self.head.fields)
    }

    /// The same, with other fields, as of now. Not to be stored.
    pub fn with_fields(&self, policy: &Policy, headers: &HeaderMap, now: Now) -> Self {
        let mut fields = headers.clone();
        policy.strip(&mut fields);
        let mut fields = fields::storable(&fields, &[]);
        set_date(&mut fields, now);
        let terms = Terms { initial_age: 0, received: now.nanos, ..self.head.terms.clone() };
        let head = Head { fields, terms, ..self.head.clone() };
        Self { head, body: Arc::clone(&self.body), ..*self }
    }

    /// Whether it is for a request of this space with these fields.
    pub fn is_for(&self, space: &str, request: &HeaderMap) -> bool {
        *self.head.place.space == *space && self.head.variant.matches(request)
    }
}

/// What came without a date is of the time that it came (RFC 9110, section 6.6.1).
fn set_date(fields: &mut HeaderMap, now: Now) {
    if !fields.contains_key(DATE)
        && let Some(date) = fields::date_value(now.unix)
    {
        fields.insert(DATE, date);
    }
}

/// Tags are divided by spaces or commas: both are in use.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Box<[Arc<[u8]>]>, Refusal> {
    let mut tags: Vec<Arc<[u8]>> = Vec::new();
    for line in headers.get_all(name) {
        for tag in line.as_bytes().split(|c| matches!(c, b' ' | b',' | b'\t')) {
            if tag.is_empty() || tags.iter().any(|known| **known == *tag) {
                continue;
            }
            if tags.len() == MOST_TAGS {
                return Err(Refusal::TooManyTags);
            }
            tags.push(tag.into());
        }
    }
    Ok(tags.into_boxed_slice())
}
