//! One history: the seed decides the actions of students, operators, faults and the scheduler.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use quiz_events::{SessionDescription, Sink};
use quiz_pipeline::Rules;
use quiz_pipeline::ports::Clock;
use serde_json::json;
use tokio::task::{JoinHandle, LocalSet};

use crate::oracle::bugs::Bug;
use crate::oracle::check;
use crate::oracle::deployment::{Deployment, RECEIVES};
use crate::oracle::documents::{CHOICES, Written, quiz_id, user};
use crate::oracle::late::LateWrites;
use crate::oracle::sim::{Party, Point, Sim, Verdict};

const TESTS: usize = 2;
const USERS: usize = 4;
const LEASE: Duration = Duration::from_secs(20);
/// How long after its sending a late write can be applied: less than a quarter of the lease, because a fence ends a
/// quarter before its lease, as in [`Rules::default`].
const LATE: Duration = Duration::from_secs(4);
/// A history with more steps never comes to rest.
const MOST_STEPS: usize = 60_000;

pub fn session_id(test: usize) -> String {
    format!("Session{test}_{}", quiz_id(test))
}

struct Worker {
    sink: Sink,
    task: Option<JoinHandle<()>>,
    stalled_until: Timestamp,
}

pub struct History {
    rng: Rng,
    sim: Sim,
    deployment: Arc<Deployment>,
    workers: Vec<Worker>,
    /// All attempts; the newest attempt of each user comes last.
    attempts: Vec<Written>,
    descriptions: Vec<Option<(Timestamp, SessionDescription)>>,
    /// Documents whose completions were published first.
    late: Vec<Written>,
    late_writes: LateWrites,
    /// Whether every change publishes an event, so that the reconcile schedule has less to fix.
    publishes_all: bool,
    replays_at_end: bool,
    /// How often all parked messages are replayed at the end.
    replays: u32,
    /// Tests with a completion that never reached SNS.
    lost: [bool; TESTS],
    /// Crashes and failures to park: each may have used one receive of a message.
    spoiled: u32,
    actions: usize,
    crashes: usize,
    faults: usize,
    trace: Vec<String>,
}

/// Runs a history to its end.
///
/// # Errors
/// The trace of the history and the fault, where a sink does not hold the expected results.
pub fn run(seed: u64, with_warehouse: bool, bug: Option<Bug>) -> Result<(), String> {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.unwrap(), async {
        let mut history = History::new(seed, with_warehouse, bug);
        let fault = history.play().await;
        fault.map_err(|fault| {
            let trace = history.trace.join("\n");
            format!("history {seed} (ORACLE_SEED={seed} runs it alone):\n{trace}\n{fault}")
        })
    })
}

impl History {
    fn new(seed: u64, with_warehouse: bool, bug: Option<Bug>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let replays_at_end = rng.u32(..8) > 0;
        let interval = Duration::from_secs([0, 0, 10, 90][rng.usize(..4)]);
        let margin = Duration::from_millis([0, 0, 1, 1_000][rng.usize(..4)]);
        let late = if bug == Some(Bug::EndsBeforeLate) { Duration::ZERO } else { LATE };
        let rules = Rules { margin, lease: LEASE, late, interval };
        let deployment = Arc::new(Deployment::new(rules, with_warehouse, bug));
        let sinks = std::iter::repeat_n(Sink::Reports, rng.usize(2..4))
            .chain(std::iter::repeat_n(Sink::Warehouse, if with_warehouse { 2 } else { 0 }));
        let worker = |sink| Worker { sink, task: None, stalled_until: Timestamp::UNIX_EPOCH };
        Self {
            workers: sinks.map(worker).collect(),
            sim: Sim::default(),
            deployment,
            attempts: Vec::new(),
            descriptions: vec![None; TESTS],
            late: Vec::new(),
            late_writes: LateWrites::new(if bug == Some(Bug::LateBeyondLease) { LEASE * 3 } else { LATE }),
            publishes_all: rng.u32(..4) > 0,
            replays_at_end,
            replays: if replays_at_end { 3 } else { 0 },
            lost: [false; TESTS],
            spoiled: 0,
            actions: rng.usize(4..24),
            crashes: rng.usize(0..4),
            faults: rng.usize(0..12),
            trace: Vec::new(),
            rng,
        }
    }

    fn note(&mut self, what: &str) {
        let at = self.deployment.now().as_millisecond() % 100_000_000;
        self.trace.push(format!("{at} {what}"));
    }

    async fn play(&mut self) -> Result<(), String> {
        for _ in 0..MOST_STEPS {
            self.sim.settle().await;
            self.reap().await?;
            if self.is_at_rest() {
                if self.actions == 0 && !self.go_on_after_rest() {
                    return self.check().await;
                }
                if self.actions == 0 {
                    continue;
                }
            }
            self.step().await;
        }
        Err("history does not come to rest".to_owned())
    }

    fn is_at_rest(&self) -> bool {
        self.workers.iter().all(|worker| worker.task.is_none())
            && self.deployment.lanes().all(|(_, lane)| lane.queue.is_empty())
            && self.late_writes.is_empty()
    }

    /// Continues once all is quiet: writes late documents, reconciles lost events, and may replay parked messages.
    /// `false` where nothing is left to do.
    fn go_on_after_rest(&mut self) -> bool {
        (self.crashes, self.faults) = (0, 0);
        let mut did = false;
        while self.write_late() {
            did = true;
        }
        for test in 0..TESTS {
            if std::mem::take(&mut self.lost[test]) {
                self.note(&format!("reconcile {test}"));
                self.deployment.publish(&session_id(test), None);
                did = true;
            }
        }
        if !did && self.replays > 0 {
            self.replays -= 1;
            did = self.replay();
        }
        did
    }

    fn replay(&mut self) -> bool {
        let deployment = Arc::clone(&self.deployment);
        let mut did = false;
        for (sink, lane) in deployment.lanes() {
            // a replayed description would count as the newest one, so it stays in the dead-letter queue
            let is_replayed = |body: &str| body.contains("session_id") && !body.contains("\"test_name\":\"");
            for letter in lane.queue.take_dead_letters(|letter| is_replayed(&letter.body)) {
                self.note(&format!("replay {sink:?} {}", letter.body));
                lane.queue.send(letter.body, letter.attributes.get("type").map(String::as_str));
                did = true;
            }
        }
        did
    }

    async fn reap(&mut self) -> Result<(), String> {
        for worker in &mut self.workers {
            if worker.task.as_ref().is_some_and(JoinHandle::is_finished)
                && let Some(task) = worker.task.take()
                && let Err(crash) = task.await
                && !crash.is_cancelled()
            {
                return Err(format!("worker panicked: {crash}"));
            }
        }
        Ok(())
    }

    async fn step(&mut self) {
        let now = self.deployment.now();
        let waiting = self.sim.waiting();
        let workers = &self.workers;
        let waiting: Vec<_> =
            waiting.into_iter().filter(|(point, _)| workers[point.worker].stalled_until <= now).collect();
        match self.rng.u32(..100) {
            0..12 if self.actions > 0 => {
                self.actions -= 1;
                self.act();
            }
            12..22 => self.start_worker(),
            22..24 if self.crashes > 0 => self.crash().await,
            24..26 if self.actions > 0 => {
                let worker = self.rng.usize(..self.workers.len());
                let seconds = self.rng.i64(1..40);
                self.workers[worker].stalled_until = now + jiff::SignedDuration::from_secs(seconds);
                self.note(&format!("stall {worker} for {seconds} s"));
            }
            26..32 => {
                let millis = self.rng.u64(1..400);
                self.advance(millis).await;
            }
            _ if waiting.is_empty() => {
                self.start_worker();
                let is_idle = self.workers.iter().all(|worker| worker.task.is_none());
                // sometimes long enough for documents to count as settled
                let longest = match is_idle {
                    true if self.rng.u32(..8) == 0 => 1_500_000,
                    true => 20_000,
                    false => 2_000,
                };
                let millis = self.rng.u64(1..longest);
                self.advance(millis).await;
            }
            _ => {
                let (point, what) = waiting[self.rng.usize(..waiting.len())];
                // a failed write may be applied late
                let odds = if self.sim.is_write(point) { 5 } else { 20 };
                let fails = self.faults > 0 && self.rng.u32(..odds) == 0;
                self.faults -= usize::from(fails);
                self.note(&format!("{point:?} {what}{}", if fails { " fails" } else { "" }));
                self.spoiled += u32::from(fails && what == "park");
                if fails {
                    self.give_up_write(point);
                }
                self.sim.grant(point, if fails { Verdict::Fail } else { Verdict::Go });
            }
        }
    }

    async fn advance(&mut self, millis: u64) {
        let now = self.deployment.now();
        if self.late_writes.advance(now, millis).await {
            self.note("a late write is applied");
        }
    }

    /// After a failed call or a crash: the write of the call may be applied later.
    fn give_up_write(&mut self, point: Point) {
        let Some(write) = self.sim.take_write(point) else { return };
        let now = self.deployment.now();
        if let Some(due) = self.late_writes.give_up(write, now, &mut self.rng) {
            self.note(&format!("{point:?} is applied at {}", due.as_millisecond() % 100_000_000));
        }
    }

    fn start_worker(&mut self) {
        let number = self.rng.usize(..self.workers.len());
        let worker = &mut self.workers[number];
        if worker.task.is_some() || self.deployment.lane(worker.sink).queue.visible() == 0 {
            return;
        }
        let party = Party { sim: self.sim.clone(), worker: number };
        worker.task =
            Some(tokio::task::spawn_local(Arc::clone(&self.deployment).invocation(worker.sink, party)));
    }

    async fn crash(&mut self) {
        let number = self.rng.usize(..self.workers.len());
        if let Some(task) = self.workers[number].task.take() {
            self.crashes -= 1;
            self.spoiled += 1;
            let waiting = self.sim.waiting();
            let its = waiting.into_iter().map(|(point, _)| point).filter(|point| point.worker == number);
            its.for_each(|point| self.give_up_write(point));
            task.abort();
            let _ = task.await;
            self.note(&format!("crash {number}"));
        }
    }

    fn act(&mut self) {
        let (test, user) = (self.rng.usize(..TESTS), self.rng.usize(..USERS));
        let action = self.rng.u32(..20);
        self.note(&format!("action {action} on test {test} by user {user}"));
        match action {
            0..12 => self.complete(test, user),
            12..14 if self.publishes_all => self.complete(test, user),
            12..14 => {
                self.write(test, user, false);
            }
            14 => self.deployment.documents.remove(test, user),
            15..17 => self.sync(test, None),
            17 => self.describe(test),
            18 => self.deployment.publish("{\"type\":\"quiz.completed\",\"user\":", None),
            _ => drop(self.replay()),
        }
        // removing a document publishes no event, so request a sync
        if action == 14 {
            self.sync(test, None);
            self.late.retain(|late| (late.test, late.user) != (test, user));
        }
    }

    /// A student continues an open attempt, or starts a new one, which makes a new document.
    fn write(&mut self, test: usize, user: usize, ended: bool) -> Written {
        let rng = &mut self.rng;
        let answers = [rng.i32(0..CHOICES), rng.i32(0..CHOICES)];
        let newest = self.attempts.iter().rev().find(|attempt| (attempt.test, attempt.user) == (test, user));
        let number = newest.filter(|attempt| !attempt.ended).map_or(self.attempts.len(), |open| open.number);
        let written = Written { test, user, number, answers, ended };
        self.attempts.push(written);
        if !ended {
            self.deployment.documents.write(written, self.deployment.time.now());
            // an open attempt publishes no event
            self.lost[test] = true;
        }
        written
    }

    fn complete(&mut self, test: usize, student: usize) {
        let written = self.write(test, student, true);
        let event = json!({
            "type": "quiz.completed", "session_id": session_id(test), "quiz_id": quiz_id(test), "user_id": user(student),
            "completed_at": self.deployment.now().to_string(),
        });
        let event = event.to_string();
        let how = self.rng.u32(u32::from(self.publishes_all) * 2..12);
        if how == 0 {
            self.note("published before its document");
            self.late.push(written);
        } else {
            self.deployment.documents.write(written, self.deployment.now());
        }
        match how {
            1 => self.lost[test] = true,
            2 | 3 => (0..2).for_each(|_| self.deployment.publish(&event, Some("quiz.completed"))),
            _ => self.deployment.publish(&event, Some("quiz.completed")),
        }
        if self.rng.bool() {
            self.write_late();
        }
    }

    /// Writes a document whose event was published first. The event names the user only: where the user has another
    /// ended attempt, no request shows that this document was missing.
    fn write_late(&mut self) -> bool {
        let Some(late) = self.late.pop() else { return false };
        let ended = self
            .attempts
            .iter()
            .filter(|one| (one.test, one.user, one.ended) == (late.test, late.user, true));
        self.lost[late.test] |= ended.count() > 1;
        self.note(&format!("the late document of {} of test {}", late.user, late.test));
        self.deployment.documents.write(late, self.deployment.now());
        true
    }

    fn sync(&mut self, test: usize, session: Option<&SessionDescription>) {
        let event = json!({
            "session_id": session_id(test), "force": self.rng.bool(),
            "session": session.map(|description| json!({"test_name": description.test_name})),
        });
        self.deployment.publish(&event.to_string(), None);
    }

    fn describe(&mut self, test: usize) {
        let now = self.deployment.now();
        // two descriptions in one millisecond have no order
        if self.descriptions[test].as_ref().is_some_and(|(at, _)| *at == now) {
            return;
        }
        let test_name = Some(format!("Test {}", self.rng.u32(..1_000)));
        let description = SessionDescription { test_name, ..SessionDescription::default() };
        self.sync(test, Some(&description));
        self.descriptions[test] = Some((now, description));
    }

    async fn check(&mut self) -> Result<(), String> {
        let deployment = Arc::clone(&self.deployment);
        for (sink, lane) in deployment.lanes() {
            for letter in lane.queue.dead_letters() {
                let is_event = letter.body.contains("session_id") || letter.body.starts_with("Session");
                let has_cause = letter.attributes.contains_key("error_code");
                if !is_event && !has_cause && self.spoiled < RECEIVES {
                    return Err(format!("{} is in the dead-letter queue without a cause", letter.body));
                }
            }
            for test in 0..TESTS {
                let is_attempted = self.attempts.iter().any(|attempt| attempt.test == test);
                let description = self.descriptions[test].as_ref().map(|(_, description)| description);
                if !is_attempted && description.is_none() {
                    continue;
                }
                if let Some(fault) =
                    check::fault(&deployment, sink, test, description, self.replays_at_end).await
                {
                    return Err(fault);
                }
            }
        }
        Ok(())
    }
}
