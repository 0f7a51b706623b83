//! Notices of every kind.
#![allow(clippy::unwrap_used, dead_code, reason = "helpers of several test files, which may panic")]

use jiff::Timestamp;
use quiz_events::{
    Alarm, Backfill, BackfillFailure, HistogramBin, MessagesDropped, MessagesParked, Notice, NoticeKind,
    NoticeMessage, NoticeProblem, OperatorActed, OtherMessage, Outage, OutageOver, RequestedSession, Sink,
    StaleReason, StaleSink, SyncFailed, SyncFinished, SyncsRequested, UnknownQuiz,
};

pub const EVIL: &str = "@everyone `rm -rf` **bold** [link](https://evil.example) <@&1> ~~x~~ || # \\";

pub fn at() -> Timestamp {
    "2026-11-21T08:36:04Z".parse().unwrap()
}

pub fn notice(id: &str, kind: NoticeKind) -> NoticeMessage {
    NoticeMessage::Notice(Box::new(Notice::new(id, at(), kind)))
}

/// A finished sync of ten participants, one not final.
pub fn finished(sink: Sink, session: &str) -> SyncFinished {
    let bin = |at: u32| {
        let from = f64::from(at) * 10.0 - 20.0;
        HistogramBin { from, to: from + 10.0, participants: u64::from(at % 4) }
    };
    SyncFinished {
        sink,
        session_id: session.to_owned(),
        quiz_id: "6715f621e1eb083bfa9b56cc".into(),
        test_name: format!("Physics mock {session}"),
        is_form: false,
        participants: 10,
        ranked: 9,
        rows_written: 1_234,
        unchanged: 0,
        messages: 10,
        started_at: at(),
        duration_ms: 2_345,
        lag_ms: Some(125_000),
        highest: Some(64.0),
        average: Some(23.877),
        median: Some(24.5),
        histogram: (0..8).map(bin).collect(),
        problems: Vec::new(),
    }
}

pub fn problem(kind: &str, text: &str) -> NoticeProblem {
    let text = text.to_owned();
    NoticeProblem { kind: kind.to_owned(), count: 3, example: text.clone(), advice: text }
}

pub fn failed(sink: Sink, sessions: &[&str], error: &str) -> NoticeKind {
    NoticeKind::SyncFailed(SyncFailed {
        sink,
        session_ids: sessions.iter().map(ToString::to_string).collect(),
        error_code: "sink_failed".into(),
        error: error.to_owned(),
        messages: 12,
    })
}

pub fn parked(error: &str) -> NoticeKind {
    let error = error.to_owned();
    NoticeKind::MessagesParked(MessagesParked {
        sink: Sink::Reports,
        error_code: "not_an_event".into(),
        error,
        messages: 5,
    })
}

pub fn backfill(done: u64, failed: u64) -> Backfill {
    Backfill {
        backfill_id: "b1".into(),
        tests: 300,
        done,
        failed,
        requested_by: Some("asha".into()),
        reason: Some("the marking scheme was corrected".into()),
        started_at: Some(at()),
        ..Backfill::default()
    }
}

/// Failures of different test sessions, alternating between the sinks.
pub fn failures(number: u64, error: &str) -> Vec<BackfillFailure> {
    let failure = |at: u64| BackfillFailure {
        session_id: format!("session_{at}"),
        sink: if at.is_multiple_of(2) { Sink::Reports } else { Sink::Warehouse },
        error: error.to_owned(),
    };
    (0..number).map(failure).collect()
}

pub fn dropped(reason: &str, error_codes: &[&str]) -> NoticeKind {
    NoticeKind::MessagesDropped(MessagesDropped {
        queue: "quiz-reports-dlq".into(),
        messages: 1_200,
        reason: reason.to_owned(),
        requested_by: Some("asha".into()),
        error_codes: error_codes.iter().map(ToString::to_string).collect(),
    })
}

/// A sink that is stale since [`at`]; its last sync was an hour before.
pub fn stale(sink: Sink, because: StaleReason, times: u32, error: Option<&str>) -> StaleSink {
    StaleSink {
        sink,
        because,
        since: at(),
        synced_through: Timestamp::from_second(at().as_second() - 3_600).ok(),
        error: error.map(str::to_owned),
        times,
    }
}

pub fn requested(session: &str, sinks: &[StaleSink]) -> RequestedSession {
    RequestedSession {
        session_id: session.to_owned(),
        quiz_id: "6715f621e1eb083bfa9b56cc".into(),
        test_name: Some("Physics mock".into()),
        sinks: sinks.to_vec(),
    }
}

pub fn unknown(id: &str, quiz: &str, title: Option<&str>) -> NoticeMessage {
    let quiz = UnknownQuiz {
        quiz_id: quiz.to_owned(),
        title: title.map(str::to_owned),
        students: 31,
        newest_answer: at(),
    };
    notice(id, NoticeKind::QuizUnknown(quiz))
}

/// MongoDB is down, for two hours now.
pub fn outage(waiting: u64, parked: u64) -> Outage {
    let before = |minutes: i64| Timestamp::from_second(at().as_second() - 60 * minutes).unwrap();
    Outage {
        dependency: "MongoDB".into(),
        since: before(120),
        waiting,
        parked,
        sinks: vec![Sink::Reports, Sink::Warehouse],
        error_code: "source_unavailable".into(),
        error: "could not read quizzes: connection refused".into(),
        failed_at: before(3),
        worked_at: Some(before(123)),
    }
}

pub fn outage_over(synced: u64) -> OutageOver {
    let Outage { dependency, since, failed_at, sinks, .. } = outage(0, 0);
    OutageOver { dependency, since, until: failed_at, synced, sinks }
}

/// A notice `seconds` after [`at`].
pub fn notice_after(seconds: i64, id: &str, kind: NoticeKind) -> NoticeMessage {
    let at = Timestamp::from_second(at().as_second() + seconds).unwrap();
    NoticeMessage::Notice(Box::new(Notice::new(id, at, kind)))
}

pub fn alarm(state: &str) -> NoticeMessage {
    NoticeMessage::Alarm(Alarm {
        id: format!("alarm-{state}"),
        name: "quiz-reports-dlq-not-empty".into(),
        description: Some("Messages are in the dead-letter queue: see the runbook.".into()),
        state: state.to_owned(),
        reason: "Threshold Crossed: 1 datapoint [3.0] was greater than the threshold (0.0).".into(),
        region: Some("Asia Pacific (Mumbai)".into()),
        at: Some(at()),
    })
}

pub fn other(text: &str) -> NoticeMessage {
    let (id, subject) = ("other".to_owned(), Some("AWS Budgets".to_owned()));
    NoticeMessage::Other(OtherMessage { id, subject, text: text.to_owned(), at: Some(at()) })
}

/// A drop, with this text wherever an operator writes one.
pub fn acted(text: &str) -> OperatorActed {
    OperatorActed {
        action: OperatorActed::DROP.into(),
        by: Some(text.to_owned()),
        identity: "arn:aws:sts::123456789012:assumed-role/operator/olivia".into(),
        reason: Some(text.to_owned()),
        target: format!("7 messages of reports-dlq ({text})"),
        count: 7,
        session_ids: vec![text.to_owned(); 5],
        version: "0.1.0".into(),
    }
}

/// One notice of each kind, with malicious names and texts beyond every limit.
pub fn all_kinds() -> Vec<NoticeMessage> {
    let long = EVIL.repeat(70);
    let mut odd = finished(Sink::Reports, "odd");
    odd.test_name.clone_from(&long);
    odd.problems = (0..15).map(|at| problem(&format!("kind_{at}"), &long)).collect();
    let ended = Backfill {
        backfill_id: "b2".into(),
        requested_by: Some(long.clone()),
        reason: Some(long.clone()),
        retrying: 7,
        failures: failures(500, &long)
            .into_iter()
            .map(|failure| BackfillFailure { session_id: long.clone(), ..failure })
            .collect(),
        ..backfill(20, 280)
    };
    let mut lost = MessagesDropped {
        queue: long.clone(),
        messages: 1,
        reason: long.clone(),
        ..MessagesDropped::default()
    };
    lost.requested_by = Some(long.clone());
    lost.error_codes = vec![long.clone(); 30];
    let mut odd_test = requested(&long, &[stale(Sink::Reports, StaleReason::Parked, 9, Some(&long))]);
    odd_test.test_name = Some(long.clone());
    let stuck = SyncsRequested { count: 500, left: 7, tests: vec![odd_test; 25] };
    vec![
        notice("1", NoticeKind::SyncFinished(finished(Sink::Reports, "plain"))),
        notice("2", NoticeKind::SyncFinished(odd)),
        notice("3", failed(Sink::Warehouse, &["lost"], &long)),
        notice("4", failed(Sink::Warehouse, &["a", "b", &long], &long)),
        notice("5", parked(&long)),
        notice("6", NoticeKind::BackfillStarted(backfill(20, 0))),
        notice("7", NoticeKind::BackfillFinished(ended)),
        notice("8", NoticeKind::MessagesDropped(lost)),
        notice("9", NoticeKind::SyncsRequested(stuck)),
        notice("acted", NoticeKind::OperatorActed(acted(&long))),
        unknown("10", &long, Some(&long)),
        unknown("11", "q", None),
        notice(
            "12",
            NoticeKind::OutageOpen(Outage { dependency: long.clone(), error: long.clone(), ..outage(5, 2) }),
        ),
        notice(
            "13",
            NoticeKind::OutageOver(OutageOver { dependency: format!("{long} 2"), ..outage_over(7) }),
        ),
        alarm("ALARM"),
        alarm("OK"),
        other(&long),
        other(""),
    ]
}
