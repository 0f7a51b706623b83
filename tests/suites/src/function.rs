//! Builds the function of one sink over given ports, and a single sync without a function.
//!
//! [`SyncFunction`] has a default for each setting that a test does not vary. [`SingleSync`] is the quiet run with which
//! tests compare another run.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::civil::Date;
use quiz_events::Sink;
use quiz_pipeline::batch::{BatchHandler, BatchLimits};
use quiz_pipeline::ports::{AnswerSource, Clock, StagedSession, SystemClock};
use quiz_pipeline::{
    Coordinator, Engine, Listener, LogListener, ResultSink, Rules, RunScope, SessionRequest, SessionSync,
    Snapshots, SyncError, SyncOutcome,
};
use quiz_sync_state::SyncStates;

/// Builds the handler of a function. Defaults: the rules of embedded runs, the machine's clock, the log as the only
/// listener, no excluded users, and no snapshots.
pub struct SyncFunction {
    states: Arc<dyn SyncStates>,
    clock: Arc<dyn Clock>,
    rules: Rules,
    limits: BatchLimits,
    listener: Arc<dyn Listener>,
    excluded_users: HashSet<String>,
    snapshots: Option<Snapshots>,
}

impl SyncFunction {
    #[must_use]
    pub fn new(states: Arc<dyn SyncStates>) -> Self {
        Self {
            states,
            clock: Arc::new(SystemClock),
            rules: Rules::embedded(),
            limits: BatchLimits::default(),
            listener: Arc::new(LogListener),
            excluded_users: HashSet::new(),
            snapshots: None,
        }
    }

    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    #[must_use]
    pub fn rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    #[must_use]
    pub fn limits(self, limits: BatchLimits) -> Self {
        Self { limits, ..self }
    }

    #[must_use]
    pub fn listener(self, listener: Arc<dyn Listener>) -> Self {
        Self { listener, ..self }
    }

    #[must_use]
    pub fn excluding(mut self, user_id: &str) -> Self {
        self.excluded_users.insert(user_id.to_owned());
        self
    }

    #[must_use]
    pub fn snapshots(self, snapshots: Snapshots) -> Self {
        Self { snapshots: Some(snapshots), ..self }
    }

    /// The handler of a function that reads `source` and writes `sink`.
    #[must_use]
    pub fn handler(mut self, source: Arc<dyn AnswerSource>, sink: Arc<dyn ResultSink>) -> BatchHandler {
        let name = sink.sink();
        let excluded_users = std::mem::take(&mut self.excluded_users);
        let engine = Engine::new(source, sink, self.clock.clone(), excluded_users);
        let engine = match self.snapshots.take() {
            Some(snapshots) => engine.with_snapshots(snapshots),
            None => engine,
        };
        self.handler_of(name, Arc::new(engine))
    }

    /// The handler of a function that runs `sync` of the test.
    #[must_use]
    pub fn handler_of(self, sink: Sink, sync: Arc<dyn SessionSync>) -> BatchHandler {
        BatchHandler {
            sync,
            coordinator: Coordinator::new(self.states, self.clock.clone(), sink, self.rules),
            listener: self.listener,
            clock: self.clock,
            limits: self.limits,
        }
    }
}

/// A staged test session without rows, for a test whose own sync stages.
#[must_use]
pub fn staged_session(session_id: &str, scope: &RunScope) -> StagedSession {
    StagedSession {
        generation: scope.generation,
        earlier_dates: scope.start_dates.known().cloned(),
        is_first: !scope.has_finished_before,
        quiz_made_on: None,
        session_id: session_id.to_owned(),
        start_date: Date::MIN,
        inserted_at: scope.read_started_at,
        fence: scope.fence.clone(),
    }
}

/// One sync of a test session without a lease, because no other sync runs.
pub struct SingleSync {
    source: Arc<dyn AnswerSource>,
    sink: Arc<dyn ResultSink>,
    clock: Arc<dyn Clock>,
    snapshots: Option<Snapshots>,
    rewrite: bool,
}

impl SingleSync {
    #[must_use]
    pub fn new(source: Arc<dyn AnswerSource>, sink: Arc<dyn ResultSink>) -> Self {
        Self { source, sink, clock: Arc::new(SystemClock), snapshots: None, rewrite: false }
    }

    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    #[must_use]
    pub fn snapshots(self, snapshots: Option<Snapshots>) -> Self {
        Self { snapshots, ..self }
    }

    /// Whether unchanged items are written, too.
    #[must_use]
    pub fn rewrite(self, rewrite: bool) -> Self {
        Self { rewrite, ..self }
    }

    /// Syncs and, where the sink commits test sessions together, commits this one.
    ///
    /// # Errors
    /// As of the engine.
    pub async fn run(self, request: &SessionRequest) -> Result<SyncOutcome, SyncError> {
        let now = self.clock.now();
        let scope = RunScope { rewrite: self.rewrite, ..RunScope::unfenced(now.as_millisecond(), now) };
        let engine = Engine::new(self.source, self.sink, self.clock, HashSet::new());
        let engine = match self.snapshots {
            Some(snapshots) => engine.with_snapshots(snapshots),
            None => engine,
        };
        engine.sync_alone(request, scope).await
    }
}
