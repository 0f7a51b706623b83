//! The notices of a pass.

use std::collections::HashMap;

use jiff::Timestamp;
use quiz_events::{Notice, NoticeKind, RequestedSession, StaleSink, SyncsRequested, UnknownQuiz};
use quiz_pipeline::ports::CompletedQuiz;

use crate::outages::Outages;
use crate::stale::{Need, StaleSession};

/// The most test sessions in a notice: it must fit an SNS message, and Discord shows fewer.
const MOST_SESSIONS: usize = 25;
/// Longer error texts are cut, in characters.
const LONGEST_ERROR: usize = 500;
/// The most unknown quizzes that a pass sends notices for; the summary counts all.
const MOST_QUIZZES: usize = 100;

/// The titles of the existing quizzes, by quiz id.
pub type Titles = HashMap<String, Option<String>>;

/// One notice for all requested syncs; `None` if there was no request.
pub fn requested_notice(
    sessions: &[StaleSession],
    left: usize,
    titles: &Titles,
    at: Timestamp,
) -> Option<Notice> {
    let requested = SyncsRequested {
        count: count(sessions.len()),
        left: count(left),
        tests: sessions
            .iter()
            .take(MOST_SESSIONS)
            .map(|session| requested_session(session, titles))
            .collect(),
    };
    let id = format!("syncs.requested:{}", at.as_millisecond());
    (!sessions.is_empty()).then(|| Notice::new(id, at, NoticeKind::SyncsRequested(requested)))
}

fn requested_session(session: &StaleSession, titles: &Titles) -> RequestedSession {
    let title = || titles.get(&session.quiz_id).cloned().flatten();
    RequestedSession {
        session_id: session.session_id.clone(),
        quiz_id: session.quiz_id.clone(),
        test_name: session.name.clone().or_else(title),
        sinks: session.needs.iter().map(stale_sink).collect(),
    }
}

fn stale_sink(need: &Need) -> StaleSink {
    let error = need.seen.last.error.as_ref().map(|error| error.chars().take(LONGEST_ERROR).collect());
    let synced = Some(need.seen.synced_through).filter(|at| *at > 0);
    StaleSink {
        sink: need.key.sink,
        because: need.reason,
        since: Timestamp::from_millisecond(need.since).unwrap_or_default(),
        synced_through: synced.and_then(|at| Timestamp::from_millisecond(at).ok()),
        error,
        times: need.seen.requested_again.map_or(1, |again| again.times),
    }
}

/// One notice for each service that is down or works again. The notices of later passes have other ids and edit the
/// same card.
pub fn outage_notices(outages: &Outages, at: Timestamp) -> Vec<Notice> {
    let open =
        outages.open.iter().map(|(_, outage)| (&outage.dependency, NoticeKind::OutageOpen(outage.clone())));
    let over = outages.over.iter().map(|over| (&over.dependency, NoticeKind::OutageOver(over.clone())));
    let notice = |(dependency, kind): (&String, NoticeKind)| {
        Notice::new(format!("{}:{dependency}:{}", kind.name(), at.as_millisecond()), at, kind)
    };
    open.chain(over).map(notice).collect()
}

/// One notice for each quiz that no sync has named, the newest answer first. Its id is the same all day (UTC), so Discord
/// shows it once a day.
pub fn unknown_quiz_notices(unknown: &[CompletedQuiz], titles: &Titles, at: Timestamp) -> Vec<Notice> {
    let mut newest: Vec<&CompletedQuiz> = unknown.iter().collect();
    newest.sort_by(|a, b| (b.newest, &a.quiz_id).cmp(&(a.newest, &b.quiz_id)));
    let notice = |quiz: &CompletedQuiz| {
        let unknown = UnknownQuiz {
            quiz_id: quiz.quiz_id.clone(),
            title: titles.get(&quiz.quiz_id).cloned().flatten(),
            students: quiz.students,
            newest_answer: quiz.newest,
        };
        let id = format!("tests.unknown:{}:{}", quiz.quiz_id, at.strftime("%Y-%m-%d"));
        Notice::new(id, at, NoticeKind::QuizUnknown(unknown))
    };
    newest.into_iter().take(MOST_QUIZZES).map(notice).collect()
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
