//! The signature algorithms of RFC 7518 section 3.1, RFC 8037 and RFC 9864.

use std::fmt;

/// An algorithm that a token may be signed with. There is no `none`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "they are called what RFC 7518 calls them")]
#[repr(u8)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    /// With the curve Ed25519, which RFC 9864 calls the algorithm by too.
    EdDsa,
    Hs256,
    Hs384,
    Hs512,
}

use Algorithm::{
    EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512,
};

impl Algorithm {
    /// All there are.
    pub const ALL: [Self; 13] =
        [Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, Es512, EdDsa, Hs256, Hs384, Hs512];

    /// That of a name, which is case-sensitive (RFC 7515 section 4.1.1).
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            // RFC 9864: an `EdDSA` that says the curve.
            "Ed25519" => Some(EdDsa),
            _ => Self::ALL.into_iter().find(|algorithm| algorithm.name() == name),
        }
    }

    /// What it is called in a header.
    pub const fn name(self) -> &'static str {
        match self {
            Rs256 => "RS256",
            Rs384 => "RS384",
            Rs512 => "RS512",
            Ps256 => "PS256",
            Ps384 => "PS384",
            Ps512 => "PS512",
            Es256 => "ES256",
            Es384 => "ES384",
            Es512 => "ES512",
            EdDsa => "EdDSA",
            Hs256 => "HS256",
            Hs384 => "HS384",
            Hs512 => "HS512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of algorithms.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Algorithms(u16);

impl Algorithms {
    /// Those whose keys come in pairs.
    pub const PUBLIC: Self =
        Self::of(&[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, Es512, EdDsa]);
    /// Those of a shared secret.
    pub const SHARED: Self = Self::of(&[Hs256, Hs384, Hs512]);
    pub(crate) const RSA: Self = Self::of(&[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512]);

    /// These.
    pub const fn of(algorithms: &[Algorithm]) -> Self {
        let (mut bits, mut rest) = (0, algorithms);
        while let [first, others @ ..] = rest {
            bits |= 1 << *first as u8;
            rest = others;
        }
        Self(bits)
    }

    /// Whether one of them is `algorithm`.
    pub const fn has(self, algorithm: Algorithm) -> bool {
        self.0 & (1 << algorithm as u8) != 0
    }

    /// Those that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn bits(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_case_sensitive_and_none_is_no_algorithm() {
        for name in
            ["none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "HS1", "ES256K", "EDDSA"]
        {
            assert_eq!(Algorithm::from_name(name), None, "{name:?}");
        }
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name("Ed25519"), Some(EdDsa));
    }

    #[test]
    fn a_set_has_what_it_was_made_of() {
        let set = Algorithms::of(&[Rs256, Hs512]);
        let had: Vec<_> = Algorithm::ALL.into_iter().filter(|one| set.has(*one)).collect();
        assert_eq!(had, [Rs256, Hs512]);
        assert!(Algorithms::PUBLIC.and(Algorithms::SHARED).is_empty());
    }
}
