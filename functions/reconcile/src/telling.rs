//! What people are told of a pass.

use std::collections::HashMap;

use jiff::Timestamp;
use quiz_events::{Notice, NoticeKind, RequestedSession, StaleSink, SyncsRequested, UnknownQuiz};
use quiz_pipeline::ports::CompletedQuiz;

use crate::behind::{Need, StaleSession};
use crate::outages::Outages;

/// A notice names no more tests: it must fit a message of SNS, and Discord shows fewer.
const TESTS: usize = 25;
/// A cause is cut there.
const LONGEST_ERROR: usize = 500;
/// Unknown quizzes told by one pass; the rest are counted.
const QUIZZES: usize = 100;

/// The titles of quizzes; none of one that has none.
pub type Titles = HashMap<String, Option<String>>;

/// That tests were asked for again; nothing where there was none.
pub fn of_requested(asked: &[StaleSession], left: usize, titles: &Titles, at: Timestamp) -> Option<Notice> {
    let requested = SyncsRequested {
        count: count(asked.len()),
        left: count(left),
        tests: asked.iter().take(TESTS).map(|test| requested(test, titles)).collect(),
    };
    let id = format!("syncs.requested:{}", at.as_millisecond());
    (!asked.is_empty()).then(|| Notice::new(id, at, NoticeKind::SyncsRequested(requested)))
}

fn requested(test: &StaleSession, titles: &Titles) -> RequestedSession {
    let title = || titles.get(&test.quiz_id).cloned().flatten();
    RequestedSession {
        session_id: test.session_id.clone(),
        quiz_id: test.quiz_id.clone(),
        test_name: test.name.clone().or_else(title),
        sinks: test.needs.iter().map(sink).collect(),
    }
}

fn sink(need: &Need) -> StaleSink {
    let error = need.seen.last.error.as_ref().map(|error| error.chars().take(LONGEST_ERROR).collect());
    let synced = Some(need.seen.synced_through).filter(|at| *at > 0);
    StaleSink {
        sink: need.key.sink,
        because: need.because,
        since: Timestamp::from_millisecond(need.since).unwrap_or_default(),
        synced_through: synced.and_then(|at| Timestamp::from_millisecond(at).ok()),
        error,
        times: need.seen.requested_again.map_or(1, |it| it.times),
    }
}

/// A notice for each service that is down, or works again. Its id names this pass: later ones edit its card.
pub fn of_outages(outages: &Outages, at: Timestamp) -> Vec<Notice> {
    let open = outages.open.iter().map(|(_, it)| (&it.dependency, NoticeKind::OutageOpen(it.clone())));
    let over = outages.over.iter().map(|it| (&it.dependency, NoticeKind::OutageOver(it.clone())));
    let notice = |(dependency, kind): (&String, NoticeKind)| {
        Notice::new(format!("{}:{dependency}:{}", kind.name(), at.as_millisecond()), at, kind)
    };
    open.chain(over).map(notice).collect()
}

/// A notice for each quiz that no sync has ever named, the newest answer first. Its id is the same all day (UTC): it is
/// told once a day.
pub fn of_unknown(unknown: &[CompletedQuiz], titles: &Titles, at: Timestamp) -> Vec<Notice> {
    let mut newest: Vec<&CompletedQuiz> = unknown.iter().collect();
    newest.sort_by(|a, b| (b.newest, &a.quiz_id).cmp(&(a.newest, &b.quiz_id)));
    let notice = |quiz: &CompletedQuiz| {
        let test = UnknownQuiz {
            quiz_id: quiz.quiz_id.clone(),
            title: titles.get(&quiz.quiz_id).cloned().flatten(),
            students: quiz.students,
            newest_answer: quiz.newest,
        };
        let id = format!("tests.unknown:{}:{}", quiz.quiz_id, at.strftime("%Y-%m-%d"));
        Notice::new(id, at, NoticeKind::QuizUnknown(test))
    };
    newest.into_iter().take(QUIZZES).map(notice).collect()
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
