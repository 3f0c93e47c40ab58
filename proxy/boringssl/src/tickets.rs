use std::fmt;
use std::sync::Arc;

use boring::error::ErrorStack;
use boring::hash::MessageDigest;
use boring::hmac::HmacCtxRef;
use boring::rand::rand_bytes;
use boring::ssl::{SslContextBuilder, TicketKeyCallbackResult};
use boring::symm::{Cipher, CipherCtxRef};

use crate::cleanse;

/// The size of an initialisation vector.
type Iv = [u8; 16];

/// A key that session tickets are sealed with (RFC 5077, section 4): a name that goes in the ticket,
/// AES-256 to encrypt and HMAC-SHA-256 to authenticate. Gone from memory when dropped.
pub struct TicketKey {
    name: [u8; 16],
    secrets: [u8; 64],
}

impl TicketKey {
    /// Bytes of a key: 16 of its name, 32 for HMAC, 32 for AES, the order that nginx has.
    pub const SIZE: usize = 80;

    /// A key of fresh random bytes.
    ///
    /// # Errors
    /// The library has no randomness.
    pub fn random() -> Result<Self, ErrorStack> {
        let mut key = Self { name: [0; 16], secrets: [0; 64] };
        rand_bytes(&mut key.name)?;
        rand_bytes(&mut key.secrets)?;
        Ok(key)
    }

    /// A key of these bytes; `None` when they are not [`TicketKey::SIZE`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (name, secrets) = bytes.split_first_chunk()?;
        let secrets = secrets.first_chunk().filter(|secrets| secrets.len() + 16 == bytes.len())?;
        Some(Self { name: *name, secrets: *secrets })
    }

    /// Its name, which is no secret.
    pub const fn name(&self) -> &[u8; 16] {
        &self.name
    }

    fn hmac(&self) -> &[u8] {
        self.secrets.split_at(32).0
    }

    fn aes(&self) -> &[u8] {
        self.secrets.split_at(32).1
    }

    fn seal(
        &self,
        name: &mut [u8; 16],
        iv: &mut Iv,
        cipher: &mut CipherCtxRef,
        hmac: &mut HmacCtxRef,
    ) -> Result<(), ErrorStack> {
        *name = self.name;
        rand_bytes(iv)?;
        cipher.init_encrypt(&Cipher::aes_256_cbc(), self.aes(), iv)?;
        hmac.init(self.hmac(), &MessageDigest::sha256())
    }

    fn open(
        &self,
        iv: &Iv,
        cipher: &mut CipherCtxRef,
        hmac: &mut HmacCtxRef,
    ) -> Result<(), ErrorStack> {
        cipher.init_decrypt(&Cipher::aes_256_cbc(), self.aes(), iv)?;
        hmac.init(self.hmac(), &MessageDigest::sha256())
    }
}

impl Drop for TicketKey {
    fn drop(&mut self) {
        cleanse(&mut self.secrets);
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey")
    }
}

/// The keys of one moment: the first seals, all open.
pub trait TicketKeys: Send + Sync + 'static {
    /// The keys; none: no ticket is given or taken.
    fn now(&self) -> Arc<Vec<Arc<TicketKey>>>;
}

/// Has `builder` seal and open its session tickets with `keys`. A ticket that was sealed with any but
/// the first is renewed. To be called for every context that a connection may come to use.
pub fn set_ticket_keys<K: TicketKeys>(builder: &mut SslContextBuilder, keys: Arc<K>) {
    #[expect(unsafe_code, reason = "it is for the callback to set all it is given")]
    // SAFETY: to seal, name, vector, cipher and HMAC are all set before `Success` is said; to open,
    // cipher and HMAC are. Otherwise the answer is `Noop` or `Error`, on which they are not used.
    unsafe {
        builder.set_ticket_key_callback(move |_, name, iv, cipher, hmac, seals| {
            let keys = keys.now();
            if seals {
                return match keys.first().map(|key| key.seal(name, iv, cipher, hmac)) {
                    None => TicketKeyCallbackResult::Noop,
                    Some(Ok(())) => TicketKeyCallbackResult::Success,
                    Some(Err(_)) => TicketKeyCallbackResult::Error,
                };
            }
            let Some(position) = keys.iter().position(|key| key.name == *name) else {
                return TicketKeyCallbackResult::Noop;
            };
            match keys.get(position).map(|key| key.open(iv, cipher, hmac)) {
                Some(Ok(())) if position == 0 => TicketKeyCallbackResult::Success,
                Some(Ok(())) => TicketKeyCallbackResult::DecryptSuccessRenew,
                _ => TicketKeyCallbackResult::Error,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_just_its_size_and_shows_nothing() {
        let bytes: Vec<u8> = (0..80).collect();
        let key = TicketKey::from_bytes(&bytes).unwrap();
        assert_eq!((key.name()[15], key.hmac()[0], key.aes()[0]), (15, 16, 48));
        assert_eq!(format!("{key:?}"), "TicketKey");
        for size in [0, 16, 48, 79, 81] {
            assert!(TicketKey::from_bytes(&vec![0; size]).is_none(), "{size}");
        }
    }

    #[test]
    fn random_keys_differ() {
        let (one, other) = (TicketKey::random().unwrap(), TicketKey::random().unwrap());
        assert_ne!(one.name, other.name);
        assert_ne!(one.secrets, other.secrets);
    }
}
