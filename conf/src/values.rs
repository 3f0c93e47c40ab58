//! Typed values of the configuration language. Each is written as one scalar, parses with a clear
//! error, and prints back in one canonical spelling.

mod address;
mod names;
mod pattern;
mod template;
mod units;

pub use address::{DnsName, HostPort, Network, SocketAddress};
pub use names::{FieldName, Method, Name, SpkiPin};
pub use pattern::{HostPattern, PathPattern, Segment};
pub use template::{Piece, Template};
pub use units::{Size, Time};

/// Gives a type that has `FromStr` and `Display` its place in the language: serde by its text, and
/// a JSON Schema string whose `format` names it, so that the checker can parse it where it stands.
macro_rules! scalar {
    ($type:ty, $format:literal, $about:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
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
