use crate::values::{
    Day, DnsName, FieldName, FileMode, HostPattern, HttpUrl, ListenAddress, MediaRange, Method,
    Name, Network, PathPattern, Rate, ServerAddress, Share, Size, SocketAddress, SpkiPin, Template,
    Time, WebOrigin, WebUrl,
};

/// A kind of text that is parsed, by the `format` that names it in the schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    Name,
    SocketAddress,
    ListenAddress,
    FileMode,
    ServerAddress,
    DnsName,
    Network,
    HostPattern,
    HttpUrl,
    WebUrl,
    PathPattern,
    Method,
    FieldName,
    Template,
    Time,
    Size,
    Share,
    Rate,
    Day,
    SpkiPin,
    File,
    Variable,
    MediaType,
    MediaRange,
    WebOrigin,
}

impl Format {
    /// The format of that name; `None` when the checker does not know it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "name" => Self::Name,
            "socket-address" => Self::SocketAddress,
            "listen-address" => Self::ListenAddress,
            "file-mode" => Self::FileMode,
            "server-address" => Self::ServerAddress,
            "dns-name" => Self::DnsName,
            "network" => Self::Network,
            "host-pattern" => Self::HostPattern,
            "http-url" => Self::HttpUrl,
            "web-url" => Self::WebUrl,
            "path-pattern" => Self::PathPattern,
            "method" => Self::Method,
            "field-name" => Self::FieldName,
            "template" => Self::Template,
            "time" => Self::Time,
            "size" => Self::Size,
            "share" => Self::Share,
            "rate" => Self::Rate,
            "day" => Self::Day,
            "spki-pin" => Self::SpkiPin,
            "file" => Self::File,
            "environment-variable" => Self::Variable,
            "media-type" => Self::MediaType,
            "media-range" => Self::MediaRange,
            "web-origin" => Self::WebOrigin,
            _ => return None,
        })
    }

    /// Parses the text as what it will become.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        match self {
            Self::Name => text.parse::<Name>().map(drop),
            Self::SocketAddress => text.parse::<SocketAddress>().map(drop),
            Self::ListenAddress => text.parse::<ListenAddress>().map(drop),
            Self::FileMode => text.parse::<FileMode>().map(drop),
            Self::ServerAddress => text.parse::<ServerAddress>().map(drop),
            Self::DnsName => text.parse::<DnsName>().map(drop),
            Self::Network => text.parse::<Network>().map(drop),
            Self::HostPattern => text.parse::<HostPattern>().map(drop),
            Self::HttpUrl => text.parse::<HttpUrl>().map(drop),
            Self::WebUrl => text.parse::<WebUrl>().map(drop),
            Self::PathPattern => text.parse::<PathPattern>().map(drop),
            Self::Method => text.parse::<Method>().map(drop),
            Self::FieldName => text.parse::<FieldName>().map(drop),
            Self::Template => text.parse::<Template>().map(drop),
            Self::Time => text.parse::<Time>().map(drop),
            Self::Size => text.parse::<Size>().map(drop),
            Self::Share => text.parse::<Share>().map(drop),
            Self::Rate => text.parse::<Rate>().map(drop),
            Self::Day => text.parse::<Day>().map(drop),
            Self::SpkiPin => text.parse::<SpkiPin>().map(drop),
            Self::File => file(text),
            Self::Variable => variable(text),
            Self::MediaType => media_type(text),
            Self::MediaRange => text.parse::<MediaRange>().map(drop),
            Self::WebOrigin => text.parse::<WebOrigin>().map(drop),
        }
    }

    /// A number that grows with the value, for those that have bounds; `None` for the others.
    pub(crate) fn amount(self, text: &str) -> Option<u128> {
        match self {
            Self::Time => text.parse::<Time>().ok().map(|time| time.duration().as_millis()),
            Self::Size => text.parse::<Size>().ok().map(|size| size.bytes().into()),
            Self::Share => text.parse::<Share>().ok().map(|share| share.as_percent().into()),
            _ => None,
        }
    }
}

fn file(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("a file has a name".to_owned());
    }
    match text.chars().find(|c| c.is_control()) {
        Some(bad) => Err(format!("the name of a file cannot hold {bad:?} here")),
        None => Ok(()),
    }
}

fn variable(text: &str) -> Result<(), String> {
    let first_is_fine = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if first_is_fine && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
        return Ok(());
    }
    Err("an environment variable is named by letters, digits and `_`".to_owned())
}

fn media_type(text: &str) -> Result<(), String> {
    let is_visible = text.bytes().all(|c| c == b' ' || c.is_ascii_graphic());
    let has_two_parts = text
        .split_once('/')
        .is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty() && !kind.contains(' '));
    if is_visible && has_two_parts && text.trim() == text {
        return Ok(());
    }
    Err("a media type is written like `text/html; charset=utf-8`".to_owned())
}
