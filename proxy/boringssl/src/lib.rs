//! What the proxy needs of `BoringSSL` and the `boring` crate has no safe way to: revocation lists
//! and the keys of session tickets. Unsafe code lives here and nowhere else in the proxy.

mod crl;
mod tickets;

pub use crl::add_crls;
pub use tickets::{TicketKey, TicketKeys, set_ticket_keys};

/// Overwrites a secret that is not needed any more, in a way that no optimisation takes out.
#[expect(unsafe_code, reason = "`boring` has no safe way to OPENSSL_cleanse")]
pub fn cleanse(secret: &mut [u8]) {
    // SAFETY: the pointer and the length are those of one slice that is borrowed mutably.
    unsafe { boring_sys::OPENSSL_cleanse(secret.as_mut_ptr().cast(), secret.len()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_cleansed_secret_is_gone() {
        let mut secret = *b"secret";
        super::cleanse(&mut secret);
        assert_eq!(secret, [0; 6]);
        super::cleanse(&mut []);
    }
}
