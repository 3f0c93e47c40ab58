use std::ptr;

use boring::error::ErrorStack;
use boring::x509::store::X509StoreBuilderRef;
use foreign_types::ForeignTypeRef;

/// Adds every certificate revocation list (RFC 5280, section 5) in `pem` to a store, and says how
/// many they were. Whether lists are asked for is up to the flags of the store.
///
/// # Errors
/// A list that cannot be read: those before it may have been added.
#[expect(unsafe_code, reason = "`boring` knows no revocation lists")]
pub fn add_crls(store: &mut X509StoreBuilderRef, pem: &[u8]) -> Result<usize, ErrorStack> {
    let Ok(length) = isize::try_from(pem.len()) else { return Ok(0) };
    // SAFETY: the BIO reads from `pem`, which outlives it.
    let bio = Bio(unsafe { boring_sys::BIO_new_mem_buf(pem.as_ptr().cast(), length) });
    if bio.0.is_null() {
        return Err(ErrorStack::get());
    }
    let marker = b"-----BEGIN X509 CRL-----";
    let expected = pem.windows(marker.len()).filter(|window| window == marker).count();
    for _ in 0..expected {
        // SAFETY: `bio` is alive; no password is asked for, so there is nothing to call back.
        let crl = Crl(unsafe {
            boring_sys::PEM_read_bio_X509_CRL(bio.0, ptr::null_mut(), None, ptr::null_mut())
        });
        // SAFETY: both are alive; the store counts its own reference to the list.
        if crl.0.is_null() || unsafe { boring_sys::X509_STORE_add_crl(store.as_ptr(), crl.0) } != 1
        {
            return Err(ErrorStack::get());
        }
    }
    Ok(expected)
}

struct Bio(*mut boring_sys::BIO);

impl Drop for Bio {
    #[expect(unsafe_code, reason = "what the library made it takes away")]
    fn drop(&mut self) {
        // SAFETY: made by the library, freed once; null is allowed.
        unsafe { boring_sys::BIO_free(self.0) };
    }
}

struct Crl(*mut boring_sys::X509_CRL);

impl Drop for Crl {
    #[expect(unsafe_code, reason = "what the library made it takes away")]
    fn drop(&mut self) {
        // SAFETY: made by the library, freed once; null is allowed.
        unsafe { boring_sys::X509_CRL_free(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use boring::x509::store::X509StoreBuilder;

    use super::*;

    /// Made with `openssl ca -gencrl` by an authority of a test; nothing is revoked.
    const LIST: &str = include_str!("crl/empty.pem");

    #[test]
    fn all_lists_are_counted_and_a_broken_one_is_an_error() {
        let mut store = X509StoreBuilder::new().unwrap();
        assert_eq!(add_crls(&mut store, b"").unwrap(), 0);
        assert_eq!(add_crls(&mut store, LIST.as_bytes()).unwrap(), 1);
        let broken = LIST.replacen("MIG", "AAA", 1);
        assert!(add_crls(&mut store, broken.as_bytes()).is_err());
        let cut = LIST.split_at(LIST.len() / 2).0;
        assert!(add_crls(&mut store, cut.as_bytes()).is_err());
        assert_eq!(ErrorStack::get().errors().len(), 0, "nothing is left behind");
    }
}
