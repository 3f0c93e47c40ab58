//! TLS toward clients: which certificate for which name, on which terms, and with what.

mod choice;
mod clients;
mod tickets;

use std::sync::Arc;

use arc_swap::ArcSwap;
use boring::error::ErrorStack;
use boring::ssl::{
    AlpnError, NameType, SslAcceptor, SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef,
    SslSessionCacheMode, SslVersion, select_next_proto,
};
use marchproxy_boringssl::set_ticket_keys;
use marchproxy_conf::model::{ListenerTls, Protocol, TicketMode, TlsVersion};
use marchproxy_decide::exchange::TlsFacts;
use pingora_core::protocols::tls::SslStream;
use pingora_core::protocols::tls::server::prepare_tls_stream;

use super::socket::Socket;
use crate::certificate::Certificate;
use choice::{Choice, TermsIndex};
use clients::Clients;
use tickets::{Keys, Rotation, Tickets};

/// Forward secret, and authenticated encryption only. TLS 1.3 has no others.
const TLS12_SUITES: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
                            ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
                            ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
/// The post-quantum hybrid first.
const GROUPS: &str = "X25519MLKEM768:X25519:P-256:P-384";

/// Why a handshake failed, as it is counted.
pub const CAUSES: [&str; 4] = ["refused", "timeout", "no_certificate", "bad_certificate"];

/// TLS of one listener. The session ticket keys live as long as this does, so a change of
/// certificates alone does not end resumption.
pub struct ServerTls {
    acceptor: SslAcceptor,
    settings: Settings,
    choice: Arc<ArcSwap<Choice>>,
    index: TermsIndex,
    _rotation: Rotation,
}

/// What of a listener goes into every context.
pub struct Settings {
    protocol: Protocol,
    mode: TicketMode,
    tickets: Arc<Tickets>,
}

/// What a listener that stays will use, once it takes effect.
pub struct Prepared {
    choice: Choice,
    /// Of a fleet.
    keys: Option<Keys>,
}

impl ServerTls {
    /// TLS as `tls` and `protocol` say, with `certificates` in the order they are listed there.
    ///
    /// # Errors
    /// A file that cannot be used, or what `BoringSSL` does not take.
    pub fn new(
        tls: &ListenerTls,
        protocol: Protocol,
        certificates: &[Arc<Certificate>],
    ) -> Result<Self, String> {
        let (tickets, rotation) = Tickets::new(&tls.tickets)?;
        let settings = Settings { protocol, mode: tls.tickets.mode, tickets };
        let choice = Arc::new(ArcSwap::from_pointee(Choice::new(&settings, tls, certificates)?));
        let choices = Arc::clone(&choice);
        let build = || -> Result<(SslAcceptor, TermsIndex), ErrorStack> {
            let index = choice::index()?;
            let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
            settings.apply(&mut builder)?;
            builder
                .set_select_certificate_callback(move |hello| choices.load().select(hello, index));
            Ok((builder.build(), index))
        };
        let (acceptor, index) = build().map_err(|error| error.to_string())?;
        Ok(Self { acceptor, settings, choice, index, _rotation: rotation })
    }

    /// Whether this serves as it is for a changed listener, once what is prepared takes effect:
    /// `old` and `new` are its configurations.
    pub fn fits(&self, old: &ListenerTls, new: &ListenerTls, protocol: Protocol) -> bool {
        self.settings.protocol == protocol && old.tickets == new.tickets
    }

    /// Prepares other terms and certificates, in the order they are listed, and reads the keys of
    /// the fleet again.
    ///
    /// # Errors
    /// A file that cannot be used, or what `BoringSSL` does not take.
    pub fn prepare(
        &self,
        tls: &ListenerTls,
        certificates: &[Arc<Certificate>],
    ) -> Result<Prepared, String> {
        let shared = tls.tickets.keys.as_ref().filter(|_| tls.tickets.mode == TicketMode::On);
        let keys = shared.map(tickets::load).transpose()?;
        Ok(Prepared { choice: Choice::new(&self.settings, tls, certificates)?, keys })
    }

    /// Uses what was prepared for handshakes from now on.
    pub fn replace(&self, prepared: Prepared) {
        self.choice.store(Arc::new(prepared.choice));
        if let Some(keys) = prepared.keys {
            self.settings.tickets.replace(keys);
        }
    }

    /// Whether a client that agrees on no protocol is taken to speak HTTP/2.
    pub fn is_http2_only(&self) -> bool {
        self.settings.protocol == Protocol::Http2
    }

    /// Takes the server's side of a handshake.
    ///
    /// # Errors
    /// The handshake failed, with one of [`CAUSES`]; the connection is of no use.
    pub async fn handshake(&self, socket: Socket) -> Result<SslStream<Socket>, &'static str> {
        let mut stream = prepare_tls_stream(&self.acceptor, socket).map_err(|_| "refused")?;
        if let Err(error) = stream.accept().await {
            let cause = cause(&error);
            tracing::debug!(cause, why = %why_not(stream.ssl(), &error), "a handshake failed");
            return Err(cause);
        }
        let ssl = stream.ssl();
        let clients = self.clients(ssl).filter(|_| ssl.session_reused());
        if clients.is_some_and(|clients| !clients.still_hold(ssl)) {
            return Err("bad_certificate");
        }
        Ok(stream)
    }

    /// What logs, fields and decisions are told of a handshake that succeeded.
    ///
    /// # Errors
    /// The client's certificate cannot be told of.
    pub fn facts(&self, stream: &SslStream<Socket>) -> Result<TlsFacts, ErrorStack> {
        let ssl = stream.ssl();
        let clients = self.clients(ssl);
        let certificate = clients.and_then(|_| ssl.peer_certificate());
        Ok(TlsFacts {
            version: match ssl.version2() {
                Some(SslVersion::TLS1_3) => TlsVersion::Tls13,
                _ => TlsVersion::Tls12,
            },
            cipher: ssl.current_cipher().map_or("", |cipher| cipher.name()).into(),
            sni: ssl.servername(NameType::HOST_NAME).map(|name| name.to_ascii_lowercase().into()),
            asked: clients.map(|clients| Arc::clone(&clients.config)),
            client: certificate.map(|certificate| clients::facts(&certificate)).transpose()?,
        })
    }

    fn clients<'a>(&self, ssl: &'a SslRef) -> Option<&'a Clients> {
        ssl.ex_data(self.index)?.clients.as_deref()
    }
}

/// Reads the files that `tls` names besides certificates: what each is for, and what is wrong with
/// it.
pub fn read_files(tls: &ListenerTls) -> Vec<(&'static str, Result<(), String>)> {
    let clients =
        tls.all_clients().map(|asked| ("client certificates", Clients::load(asked).map(drop)));
    let keys = tls.tickets.keys.iter().map(|keys| ("ticket keys", tickets::load(keys).map(drop)));
    clients.chain(keys).collect()
}

/// Why a handshake failed, for people: what is wrong with the client's certificate, if it has one.
fn why_not(ssl: &SslRef, error: &boring::ssl::Error) -> String {
    match ssl.verify_result() {
        Err(refused) => refused.to_string(),
        Ok(()) => error.to_string(),
    }
}

/// What is counted for a handshake that failed.
fn cause(error: &boring::ssl::Error) -> &'static str {
    let reasons = error.ssl_error().map(ErrorStack::errors).unwrap_or_default();
    let is = |wanted| reasons.iter().any(|error| error.reason() == Some(wanted));
    if is("PEER_DID_NOT_RETURN_A_CERTIFICATE") {
        "no_certificate"
    } else if is("CERTIFICATE_VERIFY_FAILED") {
        "bad_certificate"
    } else {
        "refused"
    }
}

impl Settings {
    fn apply(&self, builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        // Tells a client that its name was used (RFC 6066, section 3); BoringSSL asks this callback.
        builder.set_servername_callback(|_, _| Ok(()));
        // The oldest is a matter of the name that is asked for.
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_max_proto_version(Some(SslVersion::TLS1_3))?;
        builder.set_strict_cipher_list(TLS12_SUITES)?;
        builder.set_curves_list(GROUPS)?;
        // Tickets only: a cache on our side would cost memory for each client.
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE | SslOptions::NO_RENEGOTIATION);
        match self.mode {
            TicketMode::On => set_ticket_keys(builder, Arc::clone(&self.tickets)),
            TicketMode::Off => drop(builder.set_options(SslOptions::NO_TICKET)),
        }
        let protocols: &[u8] = match self.protocol {
            Protocol::Auto => b"\x02h2\x08http/1.1",
            Protocol::Http1 => b"\x08http/1.1",
            Protocol::Http2 => b"\x02h2",
        };
        // No protocol in common ends the handshake (RFC 7301, section 3.2): a browser must not be
        // led to speak HTTP to what it took for something else.
        builder.set_alpn_select_callback(move |_, offered| {
            select_next_proto(protocols, offered).ok_or(AlpnError::ALERT_FATAL)
        });
        Ok(())
    }

    fn context(
        &self,
        certificate: &Certificate,
        clients: Option<&Clients>,
    ) -> Result<SslContext, ErrorStack> {
        let mut builder = SslContext::builder(SslMethod::tls())?;
        self.apply(&mut builder)?;
        builder.set_certificate(&certificate.leaf)?;
        for intermediate in &certificate.intermediates {
            builder.add_extra_chain_cert(intermediate.clone())?;
        }
        builder.set_private_key(&certificate.key)?;
        if let Some(clients) = clients {
            clients.apply(&mut builder)?;
        }
        Ok(builder.build())
    }
}
