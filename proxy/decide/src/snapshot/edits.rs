//! Templates and field changes, compiled.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::exchange::Exchange;

/// A piece of a compiled template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Piece {
    Text(Box<str>),
    Client,
    ClientCertificate,
    ClientSubject,
    Consumer,
    Host,
    Method,
    Path,
    Query,
    Scheme,
    RequestId,
    /// The route's name, known when it is compiled.
    Capture(usize),
}

/// A text with variables.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TextTemplate(pub(crate) Vec<Piece>);

/// A field value, fixed or with variables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HeaderTemplate {
    /// The same for every request.
    Fixed(HeaderValue),
    /// Made for each request.
    Made(TextTemplate),
}

/// Changes to fields: remove, then set, then add.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Edits {
    pub(crate) remove: Vec<HeaderName>,
    pub(crate) set: Vec<(HeaderName, HeaderTemplate)>,
    pub(crate) add: Vec<(HeaderName, HeaderTemplate)>,
}

impl TextTemplate {
    /// Appends the text for this exchange.
    pub fn write(&self, exchange: &Exchange, into: &mut String) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => into.push_str(text),
                Piece::Client => {
                    let client = exchange.client;
                    let _ = std::fmt::Write::write_fmt(into, format_args!("{client}"));
                }
                Piece::ClientCertificate => {
                    into.push_str(exchange.certificate().map_or("", |client| &client.fingerprint));
                }
                Piece::ClientSubject => {
                    into.push_str(exchange.certificate().map_or("", |client| &client.subject));
                }
                Piece::Consumer => into.push_str(exchange.consumer.as_deref().unwrap_or_default()),
                Piece::Host => into.push_str(exchange.host()),
                Piece::Method => into.push_str(exchange.method.as_str()),
                Piece::Path => into.push_str(exchange.path()),
                Piece::Query => into.push_str(exchange.query().unwrap_or_default()),
                Piece::Scheme => into.push_str(exchange.scheme.as_str()),
                Piece::RequestId => into.push_str(exchange.request_id.as_str()),
                Piece::Capture(position) => into.push_str(exchange.capture(*position)),
            }
        }
    }
}

impl HeaderTemplate {
    /// The value for this exchange; `None` when it would not be a valid field value.
    pub fn value(&self, exchange: &Exchange) -> Option<HeaderValue> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Made(template) => {
                let mut text = String::new();
                template.write(exchange, &mut text);
                HeaderValue::try_from(text).ok()
            }
        }
    }
}

impl Edits {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Changes the fields of `to`.
    pub fn apply(&self, exchange: &Exchange, to: &mut HeaderMap) {
        for name in &self.remove {
            to.remove(name);
        }
        for (name, template) in &self.set {
            if let Some(value) = template.value(exchange) {
                to.insert(name.clone(), value);
            }
        }
        for (name, template) in &self.add {
            if let Some(value) = template.value(exchange) {
                to.append(name.clone(), value);
            }
        }
    }
}
