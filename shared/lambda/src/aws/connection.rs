//! The connections of the AWS clients: TCP, TLS over TCP, and the environment's proxy if there is one.
//!
//! The problem: a write whose caller has given up must not arrive later, after another run has written newer items. By
//! default it can: hyper flushes its buffer before it closes a connection, and the kernel then sends its own buffer,
//! for minutes.
//!
//! The idea: reset the connection of an abandoned request. [`GiveUp`] marks the connection when the future of the
//! request is dropped. A marked connection fails each read and write, so hyper drops it. `SO_LINGER` 0 makes the kernel
//! discard unsent data and send a reset, also when the process dies. If hyper does not run to drop the connection,
//! `TCP_USER_TIMEOUT` ends it: the kernel discards data that is not acknowledged in time.
//!
//! Only HTTP/1.1 is offered: on HTTP/2, requests share a connection, and a reset would end all of them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

/// The kernel ends a connection whose data is not acknowledged within this time. It is no longer than a write request
/// may take.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
/// A connection to the server or to the proxy.
type Hop = MaybeHttpsStream<TokioIo<TcpStream>>;

/// TLS with the operating system's certificate authorities. Reading them is slow: keep the result.
pub(super) fn tls() -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(error = %error, "cannot read some certificate authorities");
    }
    roots.add_parsable_certificates(found.certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Makes connections for hyper.
#[derive(Clone)]
pub(super) struct Connector {
    hop: HttpsConnector<Tcp>,
    tls: Arc<ClientConfig>,
    proxies: Arc<Matcher>,
    /// The time limit for making a connection.
    limit: Option<Duration>,
}

impl Connector {
    pub fn new(tls: Arc<ClientConfig>, proxies: Arc<Matcher>, limit: Option<Duration>) -> Self {
        let hop = HttpsConnector::from((Tcp::new(), Arc::clone(&tls)));
        Self { hop, tls, proxies, limit }
    }

    /// Connects to the server or to its proxy. TLS goes through a tunnel of the proxy.
    fn connect(&mut self, uri: Uri) -> Connecting<Stream> {
        let Some(proxy) = self.proxies.intercept(&uri) else {
            let direct = self.hop.call(uri);
            return Box::pin(async move { Ok(Stream::new(MaybeHttpsStream::Http(direct.await?), false)) });
        };
        if uri.scheme_str() != Some("https") {
            let forward = self.hop.call(proxy.uri().clone());
            return Box::pin(async move { Ok(Stream::new(MaybeHttpsStream::Http(forward.await?), true)) });
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.hop.clone());
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        let through = HttpsConnector::from((tunnel, Arc::clone(&self.tls))).call(uri);
        Box::pin(async move { Ok(Stream::new(through.await?, false)) })
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.hop.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Connecting<Stream> {
        let connecting = self.connect(uri);
        let Some(limit) = self.limit else { return connecting };
        Box::pin(async move {
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}"));
            tokio::time::timeout(limit, connecting).await.map_err(late)?
        })
    }
}

/// Makes TCP connections that end with a reset.
#[derive(Clone)]
struct Tcp(HttpConnector);

impl Tcp {
    fn new() -> Self {
        let mut tcp = HttpConnector::new();
        // TLS runs over this connection, so https URIs are allowed
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        Self(tcp)
    }
}

impl Service<Uri> for Tcp {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move {
            let connection = connecting.await?;
            connection.inner().set_zero_linger()?;
            Ok(connection)
        })
    }
}

/// Marks a connection whose request was abandoned.
#[derive(Clone, Default)]
pub(super) struct GiveUp(Arc<AtomicBool>);

impl GiveUp {
    pub fn now(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the request was abandoned"));
        }
        Ok(())
    }
}

/// A connection that hyper can use until its request is abandoned.
pub(super) struct Stream {
    io: MaybeHttpsStream<Hop>,
    /// Whether the proxy itself answers the requests.
    is_proxied: bool,
    give_up: GiveUp,
}

impl Stream {
    fn new(io: MaybeHttpsStream<Hop>, is_proxied: bool) -> Self {
        Self { io, is_proxied, give_up: GiveUp::default() }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.is_proxied).extra(self.give_up.clone())
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.give_up.check()?;
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.give_up.check()?;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.give_up.check()?;
        Pin::new(&mut self.io).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.give_up.check()?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.give_up.check()?;
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
