use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Sends a request with an absolute `http` URI on a new connection and reads the whole answer: a server closes idle
/// connections, and a closed connection would look like a fault.
///
/// Uses plain hyper: other crates enable reqwest's TLS, which panics without a crypto provider.
pub async fn send(mut request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
    let uri = request.uri().clone();
    let authority = uri.authority().with_context(|| format!("{uri} names no server"))?;
    let address = (authority.host(), authority.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {authority}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    *request.uri_mut() = Uri::from(uri.path_and_query().cloned().context("a URI without a path")?);
    request.headers_mut().insert(HOST, authority.as_str().parse()?);
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}
