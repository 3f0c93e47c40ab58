use std::fmt;

/// Why there is no answer to staple.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The responder could not be reached, or did not answer in time.
    Unreachable(String),
    /// The responder answered that it gives no answer.
    Refused(String),
    /// What came is no answer, or none that may be believed.
    Invalid(&'static str),
    /// The certificate is revoked.
    Revoked,
    /// The responder does not know the certificate.
    Unknown,
}

impl Fault {
    /// Every word of [`Fault::outcome`], and what is counted for an answer that is stapled.
    pub const OUTCOMES: [&str; 6] =
        ["good", "unreachable", "refused", "invalid", "revoked", "unknown"];

    /// As it is counted.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Refused(_) => "refused",
            Self::Invalid(_) => "invalid",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }

    /// Whether an answer that was believed before is void now: the responder has told otherwise.
    pub const fn voids_former(&self) -> bool {
        matches!(self, Self::Revoked | Self::Unknown)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Refused(why) => f.write_str(why),
            Self::Invalid(why) => f.write_str(why),
            Self::Revoked => f.write_str("the certificate is revoked"),
            Self::Unknown => f.write_str("the responder does not know the certificate"),
        }
    }
}
