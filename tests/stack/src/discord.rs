use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use body::Sent;
use routes::ReadRequest;
use schema::Schemas;
use state::State;

#[cfg(test)]
mod api_tests;
mod body;
mod channel;
mod limits;
mod problem;
mod rate;
mod reply;
mod routes;
mod schema;
mod state;

/// A fault of a [`Discord`] instead of Discord's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An error with this status and Discord's JSON.
    Status(u16),
    /// An error with this status and a proxy's HTML page.
    Html(u16),
    /// Closes the connection without posting.
    Cut,
    /// Handles the request, then closes the connection instead of answering.
    CutAfterAccepting,
}

/// Chooses the fault of a request before its answer, from the request and its index.
pub type Script = Arc<dyn Fn(&SeenRequest, usize) -> Option<Fault> + Send + Sync>;

/// The behaviour of a [`Discord`].
#[derive(Clone)]
pub struct DiscordRules {
    /// The limit of requests in each window, for the webhook and for the channel.
    pub per_window: u32,
    /// The length of a window, from its first request.
    pub window: Duration,
    /// Answers the next request with a global 429 that lasts for one window.
    pub global_429_once: bool,
    pub script: Option<Script>,
}

impl Default for DiscordRules {
    fn default() -> Self {
        Self { per_window: 5, window: Duration::from_secs(2), global_429_once: false, script: None }
    }
}

impl fmt::Debug for DiscordRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiscordRules")
            .field("per_window", &self.per_window)
            .field("window", &self.window)
            .field("global_429_once", &self.global_429_once)
            .finish_non_exhaustive()
    }
}

/// The current state of a message in the channel.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscordMessage {
    pub id: String,
    /// The posted payload, with the members of later edits.
    pub payload: Value,
    pub attachments: Vec<DiscordAttachment>,
    pub edits: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscordAttachment {
    pub id: String,
    pub filename: String,
    pub content_type: Option<String>,
    pub bytes: Bytes,
}

/// A request that reached a [`Discord`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    pub method: String,
    /// The path with the query.
    pub path: String,
    /// The status of the answer; 0 when the connection was closed instead.
    pub status: u16,
    /// The request's violations of Discord's rules.
    pub problems: Vec<String>,
}

/// A stub of Discord's REST API, version 10, with one webhook, one bot and one channel, and its own loopback port and
/// thread. Dropping the stub closes all connections.
///
/// Below [`url`](Self::url) and `/api/v10` the stub serves posting and editing by webhook and by bot. It checks bodies
/// against Discord's bundled OpenAPI document, and against the limits that the document lacks.
pub struct Discord {
    url: String,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    schemas: Schemas,
    state: Mutex<State>,
}

impl Discord {
    /// # Errors
    /// When no port is free, no thread can start, or the bundled document is broken.
    pub fn start(rules: DiscordRules) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port for Discord")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared { schemas: Schemas::load()?, state: Mutex::new(State::new(rules)) });
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("discord".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, served) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { url, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// The base URL, to which `/api/v10/...` is appended.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    #[must_use]
    pub fn webhook_url(&self) -> String {
        let token = &self.shared.state().webhook_token;
        format!("{}/api/webhooks/{}/{token}", self.url, routes::WEBHOOK_ID)
    }

    /// Changes the webhook's token; the stub then refuses the old token.
    pub fn rotate_webhook(&self) {
        self.shared.state().webhook_token.push_str("-rotated");
    }

    #[must_use]
    pub fn bot_token(&self) -> &'static str {
        routes::BOT_TOKEN
    }

    /// The channel of the webhook and the bot.
    #[must_use]
    pub fn channel_id(&self) -> &'static str {
        routes::CHANNEL_ID
    }

    /// The current messages in the channel, the oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<DiscordMessage> {
        self.shared.state().channel.messages()
    }

    /// All requests so far, in the order of their handling.
    #[must_use]
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.state().requests.clone()
    }

    /// All violations of the OpenAPI document, a limit or a rate limit. A wrong token or an unknown message is no
    /// violation.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let state = self.shared.state();
        let all = state.requests.iter().flat_map(|seen| {
            seen.problems.iter().map(move |problem| format!("{} {}: {problem}", seen.method, seen.path))
        });
        all.collect()
    }

    /// Changes the rules from the next request on. Open windows stay open.
    pub fn set_rules(&self, rules: DiscordRules) {
        self.shared.state().rules = rules;
    }
}

impl Drop for Discord {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error closes the connection.
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
        let arrived = Instant::now();
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let sent = Sent::read(&head.headers, body).await;
        let request = ReadRequest { head, sent, arrived };
        // outside the lock, so that a script can read the messages
        let (script, index) = {
            let state = self.state();
            (state.rules.script.clone(), state.requests.len())
        };
        let mut seen = request.seen();
        let fault = script.and_then(|script| script(&seen, index));
        let mut state = self.state();
        let reply = state.handle(&self.schemas, request, fault, &mut seen.problems);
        seen.status = reply.as_ref().map_or(0, |reply| reply.status);
        state.requests.push(seen);
        reply.ok_or_else(|| anyhow!("cut"))?.into_response()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| shared.answer(request));
            // an error is a client that closed its connection, or a planned cut
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
