//! The HTTP client of the AWS clients: hyper over connections that are reset when their request is abandoned.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper::http::Extensions;
use hyper::{Request, header};
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use super::connection::{Connector, GiveUp, tls};

/// One HTTP client for all AWS clients, which share its connections. By default each AWS client would have its own. The
/// certificate authorities are read once, before the first request. A request whose future is dropped does not arrive
/// later, because its connection is reset.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    let tls = LazyLock::new(tls);
    let connectors = Mutex::new(HashMap::new());
    http_client_fn(move |settings, _| {
        let mut connectors = connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = connectors.entry((settings.connect_timeout(), settings.read_timeout()));
        let http = || Http::new(settings, (*tls).clone(), Matcher::from_env());
        connector.or_insert_with(|| SharedHttpConnector::new(http())).clone()
    })
}

/// Requests with the same timeouts.
#[derive(Debug)]
struct Http {
    client: Result<Client<Connector, SdkBody>, rustls::Error>,
    proxies: Arc<Matcher>,
    read_timeout: Option<Duration>,
}

impl Http {
    fn new(
        settings: &HttpConnectorSettings,
        tls: Result<Arc<ClientConfig>, rustls::Error>,
        proxies: Matcher,
    ) -> Self {
        let proxies = Arc::new(proxies);
        let client = tls.map(|tls| {
            let connector = Connector::new(tls, Arc::clone(&proxies), settings.connect_timeout());
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector)
        });
        Self { client, proxies, read_timeout: settings.read_timeout() }
    }

    fn send(&self, request: HttpRequest) -> Result<Sent, ConnectorError> {
        let client = self.client.as_ref().map_err(|error| ConnectorError::user(error.clone().into()))?;
        let mut request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        self.authorize(&mut request);
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            let connection = connection.clone();
            capture.set_connection_retriever(move || metadata(&connection));
        }
        Ok(Sent { response: client.request(request), connection: ResetOnDrop(Some(connection)) })
    }

    /// Adds the proxy's password to a plain request, which the proxy itself answers. A tunnel has sent the password.
    fn authorize(&self, request: &mut Request<SdkBody>) {
        if request.uri().scheme_str() != Some("http") {
            return;
        }
        let proxy = self.proxies.intercept(request.uri());
        if let Some(auth) = proxy.as_ref().and_then(|proxy| proxy.basic_auth()) {
            request.headers_mut().entry(header::PROXY_AUTHORIZATION).or_insert_with(|| auth.clone());
        }
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.send(request) {
            Ok(sent) => HttpConnectorFuture::new(sent.answer(self.read_timeout)),
            Err(error) => HttpConnectorFuture::ready(Err(error)),
        }
    }
}

/// A request that is under way.
struct Sent {
    response: ResponseFuture,
    connection: ResetOnDrop,
}

impl Sent {
    async fn answer(self, read_timeout: Option<Duration>) -> Result<HttpResponse, ConnectorError> {
        let mut response = self.response;
        // must be dropped before the response: hyper checks the connection when the response is dropped
        let mut connection = self.connection;
        let answer = match read_timeout {
            Some(limit) => tokio::time::timeout(limit, &mut response)
                .await
                .map_err(|elapsed| ConnectorError::timeout(elapsed.into()))?,
            None => (&mut response).await,
        };
        // the SDK may retry any connection error
        let answer = answer.map_err(|error| ConnectorError::io(error.into()))?;
        connection.0 = None;
        HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
            .map_err(|error| ConnectorError::other(error.into(), None))
    }
}

/// Resets the connection of a request if it is dropped before the answer.
struct ResetOnDrop(Option<CaptureConnection>);

impl Drop for ResetOnDrop {
    fn drop(&mut self) {
        let Some(connection) = self.0.take() else { return };
        let mut extensions = Extensions::new();
        if let Some(connected) = connection.connection_metadata().as_ref() {
            connected.get_extras(&mut extensions);
        }
        if let Some(give_up) = extensions.get::<GiveUp>() {
            give_up.now();
        }
    }
}

/// Lets the SDK stop the reuse of a connection that answered with an error.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    let is_proxied = connection.connection_metadata().as_ref()?.is_proxied();
    let connection = connection.clone();
    let poison = move || {
        if let Some(connected) = connection.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(is_proxied).poison_fn(poison).build())
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings};
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use hyper_util::client::proxy::matcher::Matcher;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::{Http, tls};

    /// Sends a request to `url` through a proxy with a password, which answers 200. Returns the head that the proxy got.
    async fn head_at_proxy(url: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://user:secret@{}", listener.local_addr().unwrap());
        let proxies = Matcher::builder().all(proxy).build();
        let http = Http::new(&HttpConnectorSettings::builder().build(), tls(), proxies);
        let request = HttpRequest::get(url).unwrap();
        let answer =
            tokio::spawn(async move { http.call(request).await.map(|response| response.status().as_u16()) });
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert!(connection.read_buf(&mut head).await.unwrap() > 0);
        }
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        drop(connection);
        let is_tunnel = url.starts_with("https");
        assert_eq!(answer.await.unwrap().ok(), (!is_tunnel).then_some(200));
        String::from_utf8(head).unwrap().to_lowercase()
    }

    #[tokio::test]
    async fn proxy_gets_plain_requests_and_tunnels_tls() {
        let auth = "proxy-authorization: basic dxnlcjpzzwnyzxq=";
        let plain = head_at_proxy("http://dynamodb.test/path").await;
        assert!(plain.starts_with("get http://dynamodb.test/path http/1.1"), "{plain}");
        let tunnel = head_at_proxy("https://dynamodb.test/path").await;
        assert!(tunnel.starts_with("connect dynamodb.test:443 http/1.1"), "{tunnel}");
        assert!(plain.contains(auth) && tunnel.contains(auth), "{plain}{tunnel}");
    }
}
