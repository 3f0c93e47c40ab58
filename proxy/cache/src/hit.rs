//! An answer from the store.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, HeaderName, LAST_MODIFIED, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::entry::Entry;
use crate::now::Now;
use crate::policy::Wish;
use crate::validator;

/// What an answer of 304 has of the one that it stands for (RFC 9110, section 15.4.5).
static OF_NOT_MODIFIED: [HeaderName; 7] =
    [CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, LAST_MODIFIED, VARY];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Whole,
    /// The fields without the body: the answer to HEAD.
    Head,
    /// The client has it.
    NotModified,
}

/// An answer from the store to one request.
#[derive(Clone, Debug)]
pub struct Hit {
    entry: Arc<Entry>,
    form: Form,
    age: u64,
}

impl Hit {
    pub(crate) fn new(entry: Arc<Entry>, wish: &Wish, request: &HeaderMap, now: Now) -> Self {
        let has_it = validator::client_has(request, entry.head.status, &entry.head.fields);
        let form = match (has_it, wish.is_head) {
            (true, _) => Form::NotModified,
            (false, true) => Form::Head,
            (false, false) => Form::Whole,
        };
        let age = entry.head.terms.age(now);
        Self { entry, form, age }
    }

    /// The status: the stored one, or 304.
    pub fn status(&self) -> StatusCode {
        match self.form {
            Form::NotModified => StatusCode::NOT_MODIFIED,
            Form::Whole | Form::Head => self.entry.head.status,
        }
    }

    /// The fields, `Age` among them. `Content-Length` is that of the whole body.
    pub fn fields(&self) -> HeaderMap {
        let stored = &self.entry.head.fields;
        let mut fields = match self.form {
            Form::Whole | Form::Head => stored.clone(),
            Form::NotModified => {
                let mut fields = HeaderMap::with_capacity(OF_NOT_MODIFIED.len() + 1);
                for name in &OF_NOT_MODIFIED {
                    for value in stored.get_all(name) {
                        fields.append(name.clone(), value.clone());
                    }
                }
                fields
            }
        };
        fields.insert(AGE, HeaderValue::from(self.age));
        fields
    }

    /// The body, in pieces; none where the answer has no body. They are shared, not copied.
    pub fn body(&self) -> &[Bytes] {
        match self.form {
            Form::Whole => &self.entry.body,
            Form::Head | Form::NotModified => &[],
        }
    }

    /// Bytes of the body.
    pub fn length(&self) -> usize {
        self.body().iter().map(Bytes::len).sum()
    }

    /// How old it is, in seconds.
    pub const fn age(&self) -> u64 {
        self.age
    }

    /// Seconds that it is still fresh; negative: since when it is stale.
    pub fn remaining(&self) -> i64 {
        let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        seconds(self.entry.head.terms.lifetime).saturating_sub(seconds(self.age))
    }
}
