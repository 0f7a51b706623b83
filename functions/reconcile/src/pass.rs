use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quiz_events::{Notice, Notices, RequestTopic};
use quiz_lambda::config::PassLimits;
use quiz_pipeline::ports::{Clock, CompletedQuiz, LastAnswer};
use quiz_pipeline::{Dimension, Meter, OLDEST_BEHIND, SYNCS_REQUESTED, TESTS_BEHIND, UNKNOWN_TESTS};
use quiz_sync_state::{StateKey, SyncState, SyncStates};
use serde::Serialize;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::known::KnownStates;
use crate::notices::{Titles, outage_notices, requested_notice, unknown_quiz_notices};
use crate::outages::{Outages, find_outages};
use crate::ports::{Answers, Window};
use crate::requests::{NAME, RequestReport};
use crate::stale::{Facts, StaleSession, find_stale_sessions};

/// Time to send notices and to answer Lambda after the last request.
const RESERVE: Duration = Duration::from_secs(5);
/// A MongoDB query that takes longer lacks its index.
const LONGEST_QUERY: Duration = Duration::from_mins(1);
/// Answers that no sync covers are searched this far back, longer than SQS keeps a message. A longer look-back is only for
/// keys.
const STALE_LOOKBACK: Duration = Duration::from_hours(16 * 24);
/// The share of the time left in which the states of answered quizzes are read.
const STATES_SHARE: f64 = 0.6;
/// The share of the time left in which keys are read.
const KEYS_SHARE: f64 = 0.7;
/// Older completions of an unknown quiz are left out: notices named the quiz on those days.
const UNKNOWN_LOOKBACK: Duration = Duration::from_hours(48);

/// Finds stale test sessions and requests their syncs.
pub struct Reconciler {
    pub states: Arc<dyn SyncStates>,
    pub answers: Arc<dyn Answers>,
    pub events: Arc<dyn RequestTopic>,
    /// Without a topic of notices, requests are only logged.
    pub notices: Option<Arc<dyn Notices>>,
    pub meter: Arc<dyn Meter>,
    pub clock: Arc<dyn Clock>,
    pub limits: PassLimits,
}

/// The result of a pass, as JSON the answer of the function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Stale test sessions, counted once for each sink.
    pub behind: u64,
    /// Test sessions whose sync was requested.
    pub requested: u64,
    /// Test sessions that were due and are left to the next pass.
    pub left: u64,
    /// Quizzes that students completed and no sync has named.
    pub unknown: u64,
}

/// A pass that could not finish its work. It did what it could; the next pass does the rest.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the pass is not complete: {}", .problems.join("; "))]
pub struct PassError {
    pub problems: Vec<String>,
}

impl Reconciler {
    /// Requests a sync for each stale test session that is due. `lookback` is how far back answers are searched.
    ///
    /// # Errors
    /// [`PassError`] if MongoDB, DynamoDB or SNS failed or did not answer before `deadline`.
    pub async fn pass(&self, lookback: Duration, deadline: Instant) -> Result<Summary, PassError> {
        let stop = deadline.checked_sub(RESERVE).unwrap_or_else(Instant::now);
        let now = self.clock.now();
        let mut problems = Problems::default();
        let patience = (stop.saturating_duration_since(Instant::now()) / 3).min(LONGEST_QUERY);
        let window = Window::before(now, lookback.min(STALE_LOOKBACK), self.limits.settle);

        // read the unfinished states, the newest answers, and the states of the answered quizzes
        let (unfinished, answered) = tokio::join!(
            timeout_at(stop, self.states.get_unfinished()),
            timeout_at(Instant::now() + patience, self.answers.answered(window, patience)),
        );
        let answered = problems.collect("the newest answers were not read", answered);
        let unfinished = problems.collect("the sync states were not read", unfinished);
        let Some(unfinished) = unfinished else { return Err(problems.into_error()) };
        let (newest, is_mongodb_up) = (newest_answers(answered.as_deref()), answered.is_some());
        // keep time for the unfinished states, which need their syncs also if this read fails
        let read_by = Instant::now() + stop.saturating_duration_since(Instant::now()).mul_f64(STATES_SHARE);
        let known = timeout_at(read_by, self.read_known_states(unfinished.clone(), &newest)).await;
        let known = problems.collect("the sync states of the answered quizzes were not read", known);
        let (known, answered) = match known {
            Some(known) => (known, answered),
            None => match timeout_at(stop, self.read_known_states(unfinished, &HashMap::new())).await {
                Ok(Ok(known)) => (known, None),
                _ => return Err(problems.into_error()),
            },
        };

        // find the stale test sessions whose quiz exists
        let mut stale = find_stale_sessions(&Facts {
            states: &known.states,
            worked_at: &known.worked_at,
            answered: &newest,
            is_mongodb_up,
            sinks: &self.limits.sinks,
            now: now.as_millisecond(),
            grace: self.limits.grace,
        });
        let (mut titles, mut without_quiz) = (Titles::new(), HashSet::new());
        if answered.is_some() && !stale.is_empty() {
            let ids: HashSet<String> = stale.iter().map(|session| session.quiz_id.clone()).collect();
            let found = timeout_at(stop, self.answers.titles(&Vec::from_iter(ids))).await;
            if let Some(found) = problems.collect("the quizzes were not read", found) {
                without_quiz = remove_without_quiz(&mut stale, &found);
                titles = found;
            }
        }
        let outages = find_outages_without(&without_quiz, &known, now);

        // request the syncs that are due
        let due: Vec<StaleSession> = stale.iter().filter(|session| session.is_due()).cloned().collect();
        let (in_this_pass, rest) = due.split_at(due.len().min(self.limits.sessions));
        let mut report = self.request_syncs(in_this_pass, now.as_millisecond(), stop).await;
        if let Some(answered) = &answered {
            let most = self.limits.sessions.saturating_sub(in_this_pass.len());
            let by_key =
                self.request_new_keys(answered, &known, lookback, most, (now, stop), &mut problems).await;
            report.published.extend(by_key.published);
            report.problems.extend(by_key.problems);
            report.late += by_key.late;
        }
        problems.0.append(&mut report.problems);
        let left = rest.len() + report.late;

        // find the quizzes that no sync has named
        let unknown = match &answered {
            Some(answered) => {
                self.unknown_quizzes(answered, &known, now, (patience, stop), &mut problems).await
            }
            None => None,
        };

        // send notices; the card of an outage already counts the test sessions that wait for its end
        let (_, unexplained): (Vec<StaleSession>, _) =
            report.published.iter().cloned().partition(|session| session.is_explained_by(&outages));
        let mut notices = outage_notices(&outages, now);
        notices.extend(requested_notice(&unexplained, left, &titles, now));
        self.send_notices(notices, unknown.as_deref(), now, stop).await;

        self.clean_index(&known, now.as_millisecond(), stop).await;

        // report
        let summary = Summary {
            behind: stale.iter().map(|session| count(session.needs.len())).sum(),
            requested: count(report.published.len()),
            left: count(left),
            unknown: unknown.as_ref().map_or(0, |quizzes| count(quizzes.len())),
        };
        self.record_metrics(&summary, &stale, unknown.is_some(), now);
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

    /// Requests the test sessions whose quiz has a new key, at most `most`.
    async fn request_new_keys(
        &self,
        answered: &[LastAnswer],
        known: &KnownStates,
        lookback: Duration,
        most: usize,
        (now, stop): (Timestamp, Instant),
        problems: &mut Problems,
    ) -> RequestReport {
        // keep a part of the time for the requests and the notices
        let stop_reading =
            Instant::now() + stop.saturating_duration_since(Instant::now()).mul_f64(KEYS_SHARE);
        let mut quizzes: Vec<String> = answered.iter().map(|answer| answer.quiz_id.clone()).collect();
        if lookback > STALE_LOOKBACK {
            let window = Window::before(now, lookback, self.limits.settle);
            let patience = LONGEST_QUERY.min(stop_reading.saturating_duration_since(Instant::now()) / 2);
            let older = timeout_at(stop_reading, self.answers.answered(window, patience)).await;
            let older = problems.collect("the answers of the whole look-back were not read", older);
            quizzes = older.map_or(quizzes, |older| older.into_iter().map(|answer| answer.quiz_id).collect());
        }
        let report = self.compare_keys(quizzes, &known.used_keys, now.as_millisecond(), stop_reading).await;
        problems.0.extend(report.problem.map(|why| format!("the keys of the quizzes were not read: {why}")));
        if report.left > 0 {
            tracing::info!(quizzes = report.left, "no time was left to compare keys");
        }
        let (in_this_pass, rest) = report.changed.split_at(report.changed.len().min(most));
        let mut requested = self.request_syncs(in_this_pass, now.as_millisecond(), stop).await;
        requested.late += rest.len();
        requested
    }

    /// Quizzes that students completed within [`UNKNOWN_LOOKBACK`] and no sync has named.
    async fn unknown_quizzes(
        &self,
        answered: &[LastAnswer],
        known: &KnownStates,
        now: Timestamp,
        (patience, stop): (Duration, Instant),
        problems: &mut Problems,
    ) -> Option<Vec<CompletedQuiz>> {
        let window = Window::before(now, UNKNOWN_LOOKBACK, self.limits.settle);
        let is_unknown =
            |answer: &&LastAnswer| window.since <= answer.at && !known.quizzes.contains(&answer.quiz_id);
        let ids: Vec<String> =
            answered.iter().filter(is_unknown).map(|answer| answer.quiz_id.clone()).collect();
        if ids.is_empty() {
            return Some(Vec::new());
        }
        let completed = timeout_at(stop, self.answers.completed(&ids, window, patience)).await;
        problems.collect("the completions of unknown quizzes were not read", completed)
    }

    async fn send_notices(
        &self,
        mut notices: Vec<Notice>,
        unknown: Option<&[CompletedQuiz]>,
        now: Timestamp,
        stop: Instant,
    ) {
        let unknown = unknown.unwrap_or_default();
        if !unknown.is_empty() {
            let ids: Vec<String> = unknown.iter().map(|quiz| quiz.quiz_id.clone()).collect();
            // a notice without titles is better than a failed pass
            let titles = timeout_at(stop, self.answers.titles(&ids)).await;
            let titles = titles.ok().and_then(Result::ok).unwrap_or_default();
            for quiz in unknown {
                tracing::warn!(
                    quiz_id = quiz.quiz_id,
                    students = quiz.students,
                    "no sync has named this quiz"
                );
            }
            notices.extend(unknown_quiz_notices(unknown, &titles, now));
        }
        if let Some(topic) = self.notices.as_ref().filter(|_| !notices.is_empty()) {
            topic.send(notices).await;
        }
    }

    fn record_metrics(&self, summary: &Summary, stale: &[StaleSession], knows_unknown: bool, now: Timestamp) {
        let now = now.as_millisecond();
        let oldest = stale.iter().map(|session| now.saturating_sub(session.stale_since())).max();
        let mut measured = vec![
            (TESTS_BEHIND, summary.behind),
            (OLDEST_BEHIND, u64::try_from(oldest.unwrap_or_default()).unwrap_or_default()),
            (SYNCS_REQUESTED, summary.requested),
        ];
        measured.extend(knows_unknown.then_some((UNKNOWN_TESTS, summary.unknown)));
        self.meter.record(Dimension::Function(NAME), &measured);
    }
}

/// The time of each quiz's newest answer, in ms since 1970.
fn newest_answers(answered: Option<&[LastAnswer]>) -> HashMap<String, i64> {
    let answered = answered.unwrap_or_default().iter();
    answered.map(|answer| (answer.quiz_id.clone(), answer.at.as_millisecond())).collect()
}

/// Removes the test sessions whose quiz does not exist, for example because the session id was mistyped: no sync can
/// succeed. Returns their ids.
fn remove_without_quiz(stale: &mut Vec<StaleSession>, quizzes: &Titles) -> HashSet<String> {
    let mut removed = HashSet::new();
    stale.retain(|session| {
        let has_quiz = quizzes.contains_key(&session.quiz_id);
        if !has_quiz {
            let (session_id, quiz_id) = (&session.session_id, &session.quiz_id);
            tracing::info!(session_id, quiz_id, "session skipped: its quiz does not exist");
            removed.insert(session_id.clone());
        }
        has_quiz
    });
    removed
}

/// The outages, without test sessions that no sync can heal: they would keep a card open for ever.
fn find_outages_without(session_ids: &HashSet<String>, known: &KnownStates, now: Timestamp) -> Outages {
    let now = now.as_millisecond();
    if session_ids.is_empty() {
        return find_outages(&known.states, &known.worked_at, now);
    }
    let is_counted = |(key, _): &&(StateKey, SyncState)| !session_ids.contains(&key.session_id);
    let counted: Vec<_> = known.states.iter().filter(is_counted).cloned().collect();
    find_outages(&counted, &known.worked_at, now)
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    /// The answer; `None` after an error or a timeout, which is logged and kept.
    fn collect<T, E: Display>(
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
