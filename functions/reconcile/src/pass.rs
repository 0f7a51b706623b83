use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quiz_events::{Notices, RequestTopic};
use quiz_lambda::config::PassLimits;
use quiz_pipeline::ports::{Clock, CompletedQuiz, LastAnswer};
use quiz_pipeline::{Dimension, Meter, OLDEST_BEHIND, SYNCS_REQUESTED, TESTS_BEHIND, UNKNOWN_TESTS};
use quiz_sync_state::{StateKey, SyncState, SyncStates};
use serde::Serialize;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::asking::NAME;
use crate::behind::{Facts, StaleSession, stale_sessions};
use crate::outages::{Outages, outages};
use crate::ports::{Answers, Window};
use crate::telling::{self, Titles};

/// What the function needs to tell and to answer once all is asked.
const RESERVE: Duration = Duration::from_secs(5);
/// A query of MongoDB that takes longer lacks its index.
const LONGEST_QUERY: Duration = Duration::from_mins(1);
/// What was completed earlier than that, and is unknown, was told on its days.
const UNKNOWN: Duration = Duration::from_hours(48);

/// Looks for tests that are behind, and asks for them again.
pub struct Reconciler {
    pub states: Arc<dyn SyncStates>,
    pub answers: Arc<dyn Answers>,
    pub events: Arc<dyn RequestTopic>,
    /// Without it, what is asked for is only logged.
    pub notices: Option<Arc<dyn Notices>>,
    pub meter: Arc<dyn Meter>,
    pub clock: Arc<dyn Clock>,
    pub limits: PassLimits,
}

/// What a pass has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Tests that are behind, counted in each sink.
    pub behind: u64,
    /// Tests asked for.
    pub requested: u64,
    /// Tests that were due, and are left to the next pass.
    pub left: u64,
    /// Quizzes that students have completed, and that no sync has ever named.
    pub unknown: u64,
}

/// A pass that could not do all that it is for; what it could do is done. The next pass does the rest.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the pass is not complete: {}", .problems.join("; "))]
pub struct PassError {
    pub problems: Vec<String>,
}

impl Reconciler {
    /// Asks again for the tests that are behind, `lookback` being how far back answers are looked for.
    ///
    /// # Errors
    /// [`PassError`] where MongoDB, DynamoDB or SNS did not do their part before `deadline`.
    pub async fn pass(&self, lookback: Duration, deadline: Instant) -> Result<Summary, PassError> {
        let stop = deadline.checked_sub(RESERVE).unwrap_or_else(Instant::now);
        let now = self.clock.now();
        let mut problems = Problems::default();
        let patience = (stop.saturating_duration_since(Instant::now()) / 3).min(LONGEST_QUERY);
        let window = Window::before(now, lookback, self.limits.settle);
        let (states, answered) = tokio::join!(
            timeout_at(stop, self.states.all()),
            timeout_at(Instant::now() + patience, self.answers.answered(window, patience)),
        );
        let answered = problems.of("the newest answers were not read", answered);
        let Some(states) = problems.of("the sync states were not read", states) else {
            return Err(problems.into_error());
        };
        let mut tests = self.behind(&states, answered.as_deref(), now);
        let (mut titles, mut left_alone) = (Titles::new(), HashSet::new());
        if answered.is_some() && !tests.is_empty() {
            let ids: HashSet<String> = tests.iter().map(|test| test.quiz_id.clone()).collect();
            let found = timeout_at(stop, self.answers.titles(&Vec::from_iter(ids))).await;
            if let Some(found) = problems.of("the quizzes were not read", found) {
                left_alone = leave_without_quiz(&mut tests, &found);
                titles = found;
            }
        }
        let outages = outages_but(&left_alone, &states, now);
        let due: Vec<StaleSession> = tests.iter().filter(|test| test.is_due()).cloned().collect();
        let (of_this_pass, rest) = due.split_at(due.len().min(self.limits.tests));
        let asked = self.ask(of_this_pass, now.as_millisecond(), stop).await;
        problems.0.extend(asked.problems);
        let left = rest.len() + asked.late;
        let unknown = match &answered {
            Some(answered) => self.unknown(answered, &states, now, (patience, stop), &mut problems).await,
            None => None,
        };
        // the card of an outage counts the test sessions that wait for its end
        let (_, news): (Vec<StaleSession>, _) =
            asked.tests.iter().cloned().partition(|test| test.is_explained_by(&outages));
        let mut notices = telling::of_outages(&outages, now);
        notices.extend(telling::of_requested(&news, left, &titles, now));
        self.tell(notices, unknown.as_deref(), now, stop).await;
        let summary = Summary {
            behind: tests.iter().map(|test| count(test.needs.len())).sum(),
            requested: count(asked.tests.len()),
            left: count(left),
            unknown: unknown.as_ref().map_or(0, |it| count(it.len())),
        };
        self.measure(&summary, &tests, unknown.is_some(), now);
        tracing::info!(
            behind = summary.behind,
            requested = summary.requested,
            left = summary.left,
            unknown = summary.unknown,
            outages = outages.open.len(),
            problems = problems.0.len(),
            lookback_hours = lookback.as_secs() / 3_600,
            "pass done"
        );
        if problems.0.is_empty() { Ok(summary) } else { Err(problems.into_error()) }
    }

    fn behind(
        &self,
        states: &[(StateKey, SyncState)],
        answered: Option<&[LastAnswer]>,
        now: Timestamp,
    ) -> Vec<StaleSession> {
        let is_mongodb_up = answered.is_some();
        let answered = answered.unwrap_or_default().iter();
        let answered: HashMap<String, i64> =
            answered.map(|it| (it.quiz_id.clone(), it.at.as_millisecond())).collect();
        stale_sessions(&Facts {
            states,
            answered: &answered,
            is_mongodb_up,
            sinks: &self.limits.sinks,
            now: now.as_millisecond(),
            grace: self.limits.grace,
        })
    }

    /// Quizzes that students have completed lately, and that no sync has ever named.
    async fn unknown(
        &self,
        answered: &[LastAnswer],
        states: &[(StateKey, SyncState)],
        now: Timestamp,
        (patience, stop): (Duration, Instant),
        problems: &mut Problems,
    ) -> Option<Vec<CompletedQuiz>> {
        let window = Window::before(now, UNKNOWN, self.limits.settle);
        let known: HashSet<&str> = states.iter().map(|(_, state)| state.quiz_id.as_str()).collect();
        let is_unknown = |it: &&LastAnswer| window.since <= it.at && !known.contains(it.quiz_id.as_str());
        let ids: Vec<String> = answered.iter().filter(is_unknown).map(|it| it.quiz_id.clone()).collect();
        if ids.is_empty() {
            return Some(Vec::new());
        }
        let completed = timeout_at(stop, self.answers.completed(&ids, window, patience)).await;
        problems.of("the completions of unknown quizzes were not read", completed)
    }

    async fn tell(
        &self,
        mut told: Vec<quiz_events::Notice>,
        unknown: Option<&[CompletedQuiz]>,
        now: Timestamp,
        stop: Instant,
    ) {
        let unknown = unknown.unwrap_or_default();
        if !unknown.is_empty() {
            let ids: Vec<String> = unknown.iter().map(|it| it.quiz_id.clone()).collect();
            // a title is worth no error
            let titles = timeout_at(stop, self.answers.titles(&ids)).await;
            let titles = titles.ok().and_then(Result::ok).unwrap_or_default();
            for quiz in unknown {
                tracing::warn!(
                    quiz_id = quiz.quiz_id,
                    students = quiz.students,
                    "no sync has named the quiz"
                );
            }
            told.extend(telling::of_unknown(unknown, &titles, now));
        }
        if let Some(notices) = self.notices.as_ref().filter(|_| !told.is_empty()) {
            notices.send(told).await;
        }
    }

    fn measure(&self, summary: &Summary, tests: &[StaleSession], knows_unknown: bool, now: Timestamp) {
        let now = now.as_millisecond();
        let oldest = tests.iter().map(|test| now.saturating_sub(test.behind_since())).max();
        let mut measured = vec![
            (TESTS_BEHIND, summary.behind),
            (OLDEST_BEHIND, u64::try_from(oldest.unwrap_or_default()).unwrap_or_default()),
            (SYNCS_REQUESTED, summary.requested),
        ];
        measured.extend(knows_unknown.then_some((UNKNOWN_TESTS, summary.unknown)));
        self.meter.record(Dimension::Function(NAME), &measured);
    }
}

/// A test session whose quiz is not there, a session id that was mistyped, say, cannot be synced however often a sync is
/// requested. Gives the ids of those that are left out.
fn leave_without_quiz(tests: &mut Vec<StaleSession>, quizzes: &Titles) -> HashSet<String> {
    let mut left_alone = HashSet::new();
    tests.retain(|test| {
        let is_there = quizzes.contains_key(&test.quiz_id);
        if !is_there {
            let (session_id, quiz_id) = (&test.session_id, &test.quiz_id);
            tracing::info!(session_id, quiz_id, "left alone: there is no such quiz");
            left_alone.insert(session_id.clone());
        }
        is_there
    });
    left_alone
}

/// The outages, without test sessions that no sync can help: they would keep a card open for ever.
fn outages_but(left_alone: &HashSet<String>, states: &[(StateKey, SyncState)], now: Timestamp) -> Outages {
    let now = now.as_millisecond();
    if left_alone.is_empty() {
        return outages(states, now);
    }
    let is_counted = |(key, _): &&(StateKey, SyncState)| !left_alone.contains(&key.session_id);
    outages(&states.iter().filter(is_counted).cloned().collect::<Vec<_>>(), now)
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    /// The answer, or nothing where there is none: then why not is kept.
    fn of<T, E: Display>(
        &mut self,
        what: &str,
        answer: Result<Result<T, E>, tokio::time::error::Elapsed>,
    ) -> Option<T> {
        let why = match answer {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::error!(error = why, "{what}");
        self.0.push(format!("{what}: {why}"));
        None
    }

    fn into_error(self) -> PassError {
        PassError { problems: self.0 }
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
