use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use quiz_domain::{Histogram, Problem};
use quiz_events::{
    HistogramBin, MessagesParked, Notice, NoticeKind, NoticeProblem, Notices, ParkCause, QueueMessage, Sink,
    SyncFailed, SyncFinished,
};

use crate::dependency::Dependency;
use crate::listener::Listener;
use crate::outcome::SyncOutcome;
use crate::ports::Clock;
use crate::stopwatch::millis;

/// Characters of the longest text; longer texts are cut, because a notice must fit into a message of SNS.
const LONGEST_TEXT: usize = 2_000;
/// Test sessions that a failure lists.
const LISTED_SESSIONS: usize = 100;

/// Sends the results of a batch as notices, once the batch is settled. If the function is killed before, its messages
/// return and cause the same notices.
pub struct NoticeListener {
    sink: Sink,
    notices: Arc<dyn Notices>,
    clock: Arc<dyn Clock>,
    /// Whether messages parked by an outage get no notice, because the card of the outage counts them.
    leaves_out_outages: bool,
    batch: Mutex<BatchNotices>,
}

#[derive(Default)]
struct BatchNotices {
    finished: Vec<Notice>,
    /// By code and error.
    parked: BTreeMap<(String, String), ParkedMessages>,
}

#[derive(Default)]
struct ParkedMessages {
    first_message: String,
    first_error: String,
    messages: u64,
    session_ids: Vec<String>,
}

impl NoticeListener {
    /// `sink` is `reports` or `warehouse`.
    #[must_use]
    pub fn new(sink: Sink, notices: Arc<dyn Notices>, clock: Arc<dyn Clock>) -> Self {
        Self { sink, notices, clock, leaves_out_outages: false, batch: Mutex::default() }
    }

    /// Sends no notice of messages that are parked because a service is down: reconcile counts them in the notice of the
    /// outage.
    #[must_use]
    pub fn without_outages(self) -> Self {
        Self { leaves_out_outages: true, ..self }
    }

    fn with<T>(&self, change: impl FnOnce(&mut BatchNotices) -> T) -> T {
        change(&mut self.batch.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Listener for NoticeListener {
    async fn finished(&self, outcome: &SyncOutcome) {
        // a backfill reports all its test sessions in one message
        if outcome.backfill_id.is_some() {
            return;
        }
        let started = outcome.started_at.as_millisecond();
        let id = format!("finished:{}:{}:{started}", outcome.sink, outcome.session_id);
        let kind = NoticeKind::SyncFinished(finished(outcome));
        let notice = Notice::new(id, self.clock.now(), kind);
        self.with(|batch| batch.finished.push(notice));
    }

    async fn parked(&self, message: &QueueMessage, cause: &ParkCause) {
        if self.leaves_out_outages && Dependency::from_failure(self.sink, &cause.code).is_some() {
            return;
        }
        let event = message.event().ok();
        let targets = event.as_ref().map_or(&[][..], |event| event.targets());
        // a wrong publisher sends another attempt's id for each student: they share one notice
        let is_shared = cause.code == ParkCause::SESSION_ID_OF_ATTEMPT;
        let error = if is_shared { String::new() } else { cause.error.clone() };
        self.with(|batch| {
            let cause_messages = batch.parked.entry((cause.code.clone(), error)).or_default();
            if cause_messages.messages == 0 {
                cause_messages.first_message.clone_from(&message.message_id);
                cause_messages.first_error.clone_from(&cause.error);
            }
            cause_messages.messages += 1;
            for target in targets {
                if cause_messages.session_ids.len() < LISTED_SESSIONS
                    && !cause_messages.session_ids.contains(&target.session_id)
                {
                    cause_messages.session_ids.push(target.session_id.clone());
                }
            }
        });
    }

    async fn batch_ended(&self) {
        let BatchNotices { finished, parked } = self.with(std::mem::take);
        let parked = parked.into_iter().map(|((code, _), parked)| {
            let id = format!("parked:{}:{}", self.sink, parked.first_message);
            Notice::new(id, self.clock.now(), parked_kind(self.sink, code, parked))
        });
        let notices: Vec<Notice> = finished.into_iter().chain(parked).collect();
        if !notices.is_empty() {
            self.notices.send(notices).await;
        }
    }
}

/// The notice of parked messages: a failed sync if they name test sessions, else broken messages.
fn parked_kind(sink: Sink, error_code: String, parked: ParkedMessages) -> NoticeKind {
    let (error, messages) = (cut(&parked.first_error), parked.messages);
    if parked.session_ids.is_empty() {
        NoticeKind::MessagesParked(MessagesParked { sink, error_code, error, messages })
    } else {
        let session_ids = parked.session_ids;
        NoticeKind::SyncFailed(SyncFailed { sink, session_ids, error_code, error, messages })
    }
}

fn finished(outcome: &SyncOutcome) -> SyncFinished {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    SyncFinished {
        sink: outcome.sink,
        session_id: outcome.session_id.clone(),
        quiz_id: outcome.quiz_id.clone(),
        test_name: cut(&outcome.test_name),
        is_form: outcome.is_form,
        participants: number(outcome.participants),
        ranked: u64::from(outcome.ranked),
        rows_written: outcome.rows_written,
        unchanged: outcome.unchanged,
        messages: number(outcome.messages),
        started_at: outcome.started_at,
        duration_ms: millis(outcome.duration),
        lag_ms: outcome.lag.map(millis),
        highest: outcome.figures.highest,
        average: outcome.figures.average,
        median: outcome.figures.median,
        histogram: outcome.histogram.as_ref().map(bins).unwrap_or_default(),
        problems: outcome.problems.iter().map(|found| problem(&found)).collect(),
    }
}

fn bins(histogram: &Histogram) -> Vec<HistogramBin> {
    let bin = |(at, participants): (u32, &u32)| HistogramBin {
        from: histogram.start + histogram.width * f64::from(at),
        to: histogram.start + histogram.width * f64::from(at + 1),
        participants: u64::from(*participants),
    };
    (0..).zip(&histogram.counts).map(bin).collect()
}

fn problem(problem: &Problem) -> NoticeProblem {
    NoticeProblem {
        kind: problem.kind.code().to_owned(),
        count: problem.count,
        example: cut(&problem.example),
        advice: problem.kind.advice().to_owned(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}
