//! Templates and field edits.

use http::{HeaderName, HeaderValue};
use indexmap::IndexMap;
use marchproxy_conf::model::HeaderEdits;
use marchproxy_conf::problem::{Place, Problem};
use marchproxy_conf::values::{self, FieldName, Template};

use crate::snapshot::edits::Piece;
use crate::snapshot::{Edits, HeaderTemplate, TextTemplate};

/// What the variables of a route's templates stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    /// The route's name.
    pub(super) route: &'a str,
    /// The names of its path, in order.
    pub(super) names: &'a [&'a str],
}

impl Scope<'_> {
    /// A name of the path is nearer than a built-in one that is spelled the same.
    fn piece(&self, variable: &str) -> Option<Piece> {
        if let Some(position) = self.names.iter().position(|name| *name == variable) {
            return Some(Piece::Capture(position));
        }
        match variable {
            "client" => Some(Piece::Client),
            "client_certificate" => Some(Piece::ClientCertificate),
            "client_subject" => Some(Piece::ClientSubject),
            "consumer" => Some(Piece::Consumer),
            "host" => Some(Piece::Host),
            "method" => Some(Piece::Method),
            "path" => Some(Piece::Path),
            "query" => Some(Piece::Query),
            "scheme" => Some(Piece::Scheme),
            "request_id" => Some(Piece::RequestId),
            "route" => Some(Piece::Text(self.route.into())),
            _ => None,
        }
    }

    pub(super) fn text(
        &self,
        template: &Template,
        place: &Place,
        problems: &mut Vec<Problem>,
    ) -> TextTemplate {
        let mut pieces = Vec::with_capacity(template.pieces().len());
        for piece in template.pieces() {
            let name = match piece {
                values::Piece::Text(text) => {
                    pieces.push(Piece::Text(text.as_str().into()));
                    continue;
                }
                values::Piece::Variable(name) => name,
            };
            if let Some(piece) = self.piece(name) {
                pieces.push(piece);
            } else {
                let message = format!("`{name}` is not known here");
                problems.push(Problem::new("unknown-variable", place.clone(), message));
            }
        }
        TextTemplate(pieces)
    }

    fn value(
        &self,
        template: &Template,
        place: &Place,
        problems: &mut Vec<Problem>,
    ) -> HeaderTemplate {
        let text = self.text(template, place, problems);
        let mut fixed = String::new();
        for piece in &text.0 {
            match piece {
                Piece::Text(text) => fixed.push_str(text),
                _ => return HeaderTemplate::Made(text),
            }
        }
        // Templates hold no control characters, so this cannot fail.
        HeaderValue::from_str(&fixed)
            .or_else(|_| HeaderValue::from_bytes(fixed.as_bytes()))
            .map_or_else(|_| HeaderTemplate::Made(text), HeaderTemplate::Fixed)
    }

    pub(super) fn edits(
        &self,
        model: &HeaderEdits,
        place: &Place,
        problems: &mut Vec<Problem>,
    ) -> Edits {
        let HeaderEdits { remove, set, add } = model;
        let mut each = |edits: &IndexMap<FieldName, Template>, key: &str| {
            let place = place.key(key);
            let mut compiled = Vec::with_capacity(edits.len());
            for (name, template) in edits {
                let value = self.value(template, &place.key(name.as_str()), problems);
                compiled.extend(field_name(name).map(|name| (name, value)));
            }
            compiled
        };
        let set = each(set, "set");
        let add = each(add, "add");
        Edits { remove: remove.iter().filter_map(field_name).collect(), set, add }
    }
}

/// Both crates take a token for a name, so none is lost.
pub(super) fn field_name(name: &FieldName) -> Option<HeaderName> {
    HeaderName::from_bytes(name.as_str().as_bytes()).ok()
}
