//! What Pingora asks of a stream beyond reading and writing.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::{SslDigest, TlsRef};
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};

use super::{Guard, Transport};

#[async_trait]
impl<S: Transport> Shutdown for Guard<S> {
    async fn shutdown(&mut self) {
        let _ = tokio::io::AsyncWriteExt::flush(self).await;
        if let Some(inner) = &mut self.inner {
            Shutdown::shutdown(inner).await;
        }
    }
}

impl<S: Transport> UniqueID for Guard<S> {
    fn id(&self) -> UniqueIDType {
        self.inner.as_ref().map_or(-1, UniqueID::id)
    }
}

impl<S: Transport> Ssl for Guard<S> {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.as_ref().and_then(Ssl::get_ssl)
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.as_ref().and_then(Ssl::get_ssl_digest)
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.as_ref().and_then(Ssl::selected_alpn_proto)
    }
}

impl<S: Transport> GetTimingDigest for Guard<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<S: Transport> GetProxyDigest for Guard<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

impl<S: Transport> GetSocketDigest for Guard<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.as_ref().and_then(GetSocketDigest::get_socket_digest)
    }
}

impl<S: Transport> Peek for Guard<S> {}

impl<S: Transport> fmt::Debug for Guard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("inner", &self.inner).finish_non_exhaustive()
    }
}
