//! Typed values of the configuration language. Each is written as one scalar, parses with a clear
//! error, and prints back in one canonical spelling.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

mod address;
mod day;
mod listen;
mod names;
mod pattern;
mod server;
mod template;
mod units;
mod url;
mod web;

pub use address::{DnsName, HostPort, Network, SocketAddress};
pub use day::Day;
pub use listen::{FileMode, ListenAddress};
pub use names::{FieldName, Method, Name, SpkiPin};
pub use pattern::{HostPattern, PathPattern, Segment};
pub use server::ServerAddress;
pub use template::{Piece, Template};
pub use units::{Rate, Share, Size, Time};
pub use url::{HttpUrl, WebUrl};
pub use web::{MediaRange, WebOrigin};

/// Gives a type that has `FromStr` and `Display` its place in the language: serde by its text, and
/// a JSON Schema string whose `format` names it, so that the checker can parse it where it stands.
macro_rules! scalar {
    ($type:ty, $format:literal, $about:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(crate::values::TextVisitor(std::marker::PhantomData))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": $format, "x-about": $about })
            }
        }
    };
}
pub(crate) use scalar;

/// Parses text where it stands, without a copy of it.
struct TextVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err = String>> serde::de::Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests;
