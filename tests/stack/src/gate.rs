use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use anyhow::{Context, Result, anyhow};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, HeaderValue, LOCATION,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::http;

#[cfg(test)]
mod proxy_tests;

/// Headers of one connection, not of the request.
const NOT_FORWARDED: [HeaderName; 6] = [HOST, CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE];

/// A request that reached a [`Gate`], with its whole body.
#[derive(Debug, Clone)]
pub struct GateRequest {
    pub method: String,
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// How many requests the gate had seen before.
    pub index: usize,
}

/// The action of a [`Gate`] on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Forward,
    /// Answers instead of the upstream, which never sees the request.
    Reply {
        status: u16,
        content_type: &'static str,
        body: String,
    },
    /// The upstream handles the request; the gate replaces its answer with this one.
    ReplyAfterForwarding {
        status: u16,
        content_type: &'static str,
        body: String,
    },
    /// The upstream handles the request; the gate drops its answer and closes the connection.
    CutAfterForwarding,
    /// Closes the connection; the upstream never sees the request.
    Cut,
    /// Forwards when the gate is released or dropped, even if the client has closed its connection.
    Hold,
}

/// An HTTP/1.1 reverse proxy that makes faults, with its own loopback port and thread. A dropped gate accepts no more
/// connections, and finishes the running requests.
///
/// An upstream that does not answer gives a 502 with the reason as text.
pub struct Gate {
    shared: Arc<Shared>,
    /// Disconnected when the port is closed.
    closed: Mutex<mpsc::Receiver<Infallible>>,
}

struct Shared {
    url: String,
    upstream: String,
    rule: Box<dyn Fn(&GateRequest) -> Action + Send + Sync>,
    requests: Mutex<Vec<GateRequest>>,
    door: watch::Sender<Door>,
}

#[derive(Default)]
struct Door {
    held: usize,
    releases: usize,
    dropped: bool,
}

impl Gate {
    /// Opens a gate before `upstream`, the base URL of a plain HTTP server. `rule` sees the requests one at a time, in the
    /// order of their indexes; a panic of `rule` closes the connection.
    ///
    /// # Errors
    /// When no port is free or no thread can start.
    pub fn start(
        upstream: &str,
        rule: impl Fn(&GateRequest) -> Action + Send + Sync + 'static,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port for a gate")?;
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            url: format!("http://{}", listener.local_addr()?),
            upstream: upstream.trim_end_matches('/').to_owned(),
            rule: Box::new(rule),
            requests: Mutex::default(),
            door: watch::Sender::default(),
        });
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (open, closed) = mpsc::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("gate".to_owned());
        thread.spawn(move || runtime.block_on(serve(listener, served, open)))?;
        Ok(Self { shared, closed: Mutex::new(closed) })
    }

    /// The gate's base URL, for use instead of the upstream's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// All complete requests so far, in the order of their arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<GateRequest> {
        self.shared.requests().clone()
    }

    /// The number of requests that [`Action::Hold`] holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.shared.door.borrow().held
    }

    /// Forwards all held requests. Later ones wait for the next release.
    pub fn release(&self) {
        self.shared.door.send_modify(|door| {
            door.held = 0;
            door.releases += 1;
        });
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.door.send_modify(|door| door.dropped = true);
        let closed = self.closed.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = closed.recv();
    }
}

/// Every task holds a clone; the thread ends when all clones are dropped.
type Busy = tokio::sync::mpsc::Sender<Infallible>;

async fn serve(listener: TcpListener, shared: Arc<Shared>, open: mpsc::Sender<Infallible>) {
    let (busy, mut all_done) = tokio::sync::mpsc::channel(1);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(tokio::spawn(converse(stream, Arc::clone(&shared), busy.clone()))),
                Err(_) => break,
            },
            () = shared.dropped() => break,
        }
    }
    drop((listener, open, busy));
    let _: Option<Infallible> = all_done.recv().await;
}

async fn converse(stream: TcpStream, shared: Arc<Shared>, busy: Busy) {
    let service = service_fn(|request| answer(Arc::clone(&shared), request, busy.clone()));
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // an error is a client that closed its connection, or a planned cut
        _ = connection.as_mut() => return,
        () = shared.dropped() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// An error closes the connection.
async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    busy: Busy,
) -> Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head, body.collect().await?.to_bytes());
    let action = shared.choose(&request);
    // a separate task, which continues when the client closes its connection
    let done = tokio::spawn(async move {
        let _busy = busy;
        shared.act(action, request).await
    });
    match done.await? {
        Ok(Some(response)) => Ok(response),
        Ok(None) => Err(anyhow!("cut")),
        Err(error) => reply(502, "text/plain", format!("the gate failed: {error:#}")),
    }
}

fn reply(status: u16, content_type: &'static str, body: String) -> Result<Response<Full<Bytes>>> {
    Ok(Response::builder().status(status).header(CONTENT_TYPE, content_type).body(Full::from(body))?)
}

fn path_and_query(request: &Request<Bytes>) -> &str {
    request.uri().path_and_query().map_or("/", |path| path.as_str())
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Vec<GateRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn dropped(&self) {
        let _ = self.door.subscribe().wait_for(|door| door.dropped).await;
    }

    fn choose(&self, request: &Request<Bytes>) -> Action {
        let seen = GateRequest {
            method: request.method().to_string(),
            path_and_query: path_and_query(request).to_owned(),
            headers: request.headers().clone(),
            body: request.body().clone(),
            index: self.requests().len(),
        };
        self.requests().push(seen.clone());
        (self.rule)(&seen)
    }

    /// `None` closes the connection.
    async fn act(&self, action: Action, request: Request<Bytes>) -> Result<Option<Response<Full<Bytes>>>> {
        match action {
            Action::Forward => self.forward(request).await.map(Some),
            Action::Reply { status, content_type, body } => reply(status, content_type, body).map(Some),
            Action::ReplyAfterForwarding { status, content_type, body } => {
                self.forward(request).await?;
                reply(status, content_type, body).map(Some)
            }
            Action::CutAfterForwarding => self.forward(request).await.map(|_| None),
            Action::Cut => Ok(None),
            Action::Hold => {
                self.hold().await;
                self.forward(request).await.map(Some)
            }
        }
    }

    async fn hold(&self) {
        let mut before = 0;
        self.door.send_modify(|door| {
            door.held += 1;
            before = door.releases;
        });
        let mut door = self.door.subscribe();
        let _ = door.wait_for(|door| door.releases > before || door.dropped).await;
    }

    async fn forward(&self, request: Request<Bytes>) -> Result<Response<Full<Bytes>>> {
        let uri = format!("{}{}", self.upstream, path_and_query(&request)).parse()?;
        let mut request = request.map(Full::new);
        *request.uri_mut() = uri;
        for name in NOT_FORWARDED {
            request.headers_mut().remove(name);
        }
        let mut answer = http::send(request).await?;
        for name in [CONNECTION, TRANSFER_ENCODING] {
            answer.headers_mut().remove(name);
        }
        if let Some(location) = answer.headers_mut().get_mut(LOCATION) {
            let path = location.to_str().ok().and_then(|url| url.strip_prefix(&self.upstream));
            if let Some(path) = path.filter(|path| path.is_empty() || path.starts_with(['/', '?'])) {
                *location = HeaderValue::from_str(&format!("{}{path}", self.url))?;
            }
        }
        Ok(answer.map(Full::new))
    }
}
