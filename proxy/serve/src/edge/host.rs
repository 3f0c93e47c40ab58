//! Pingora's proxy, made with our [`Connector`].

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};
use pingora_core::apps::HttpServerOptions;
use pingora_core::protocols::Stream;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{Fds, ListenFds, ShutdownWatch};
use pingora_core::services::Service;
use pingora_proxy::{HttpProxy, ProxyServiceBuilder};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::Edge;
use crate::upstream::Connector;

/// Pingora's proxy as we use it.
pub type Proxy = HttpProxy<Edge, Connector>;

/// The proxy of one worker.
///
/// Pingora makes one with a connector of our own only inside a service, and gives it out only to
/// the handler of that service's custom sessions. So the service is run for one connection, made
/// here, on a loopback socket that is closed right after it.
///
/// # Errors
/// The connection could not be made.
pub async fn start(conf: &Arc<ServerConf>, edge: Edge) -> io::Result<Arc<Proxy>> {
    let (give, mut given) = mpsc::unbounded_channel();
    let handler = move |proxy: Arc<Proxy>, _: Stream, _: &ShutdownWatch| -> BoxFuture<'static, _> {
        // The second of two is a stranger's, who was quicker on the socket: nobody waits for it.
        let _ = give.send(proxy);
        ready(None).boxed()
    };
    let mut options = HttpServerOptions::default();
    // CONNECT comes to our own checkpoints, which refuse it, so that it is recorded like all else.
    options.allow_connect_method_proxying = true;
    options.force_custom = true;
    let mut service = ProxyServiceBuilder::new(conf, edge)
        .custom(Connector::new(conf), Arc::new(handler))
        .server_options(options)
        .build();
    let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let mut sockets = Fds::new();
    sockets.add(address.to_string(), socket.into_raw_fd());
    let sockets: ListenFds = Arc::new(sockets.into());
    service.add_tcp(&address.to_string());
    let (end, shutdown) = watch::channel(false);
    let met = async {
        let _connection = TcpStream::connect(address).await?;
        given.recv().await.ok_or_else(|| io::Error::other("no proxy was given out"))
    };
    let proxy = tokio::select! {
        () = service.start_service(Some(sockets), shutdown, 1) => {
            Err(io::Error::other("the service has ended"))
        }
        met = met => met,
    };
    end.send_replace(true);
    proxy
}
