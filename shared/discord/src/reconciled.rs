//! The cards of reconcile: test sessions for which it requested a sync, and quizzes that no event has named.

use std::cmp::Reverse;

use quiz_events::{
    Notice, NoticeKind, RequestedSession, StaleReason, StaleSink, SyncsRequested, UnknownQuiz,
};

use crate::card::{Card, Severity};
use crate::limits::DESCRIPTION;
use crate::next_step::{next_step, shell_word};
use crate::senders::Senders;
use crate::text::{ago, count, counted, length, plain, shows_something};

/// How many test sessions the card lists; it counts the rest.
const SESSIONS: usize = 10;
const NAME: usize = 180;
const ERROR: usize = 240;
/// After so many requests without a sync, the card says that a person must act.
const MAX_REQUESTS: u32 = 3;
/// The characters for the list of unknown quizzes.
const LIST: usize = DESCRIPTION / 2;

/// The card of stale test sessions for which reconcile requested a sync.
pub fn requested_card(notice: &Notice, requested: &SyncsRequested) -> Card {
    // Failure: requests do not help. Warning: a sync failed. Info: completions, requests or a corrected key were not synced.
    let is_late = |sink: &StaleSink| {
        matches!(sink.because, StaleReason::Answers | StaleReason::Asked | StaleReason::KeyChanged)
    };
    let sinks = || requested.tests.iter().flat_map(|session| &session.sinks);
    let severity = if sinks().any(|sink| sink.times >= MAX_REQUESTS) {
        Severity::Failure
    } else if sinks().all(is_late) {
        Severity::Info
    } else {
        Severity::Warning
    };
    let mut lines = vec![format!("They were stale, and no sync was running, {}.", ago(notice.at))];
    if requested.left > 0 {
        let more = counted(requested.left, "more stale test session");
        lines.push(format!("{more} wait for the next pass: one pass has a limit."));
    }
    // The next step comes first, as fields at the end are dropped from a long card.
    let mut fields: Vec<(String, String, bool)> = operator_step(&requested.tests).into_iter().collect();
    fields.extend(requested.tests.iter().take(SESSIONS).map(session_field));
    let shown = u64::try_from(requested.tests.len().min(SESSIONS)).unwrap_or(u64::MAX);
    if requested.count > shown {
        let value = "`quiz-etl status` lists the stale test sessions.".to_owned();
        fields.push((format!("and {} more", count(requested.count - shown)), value, false));
    }
    Card {
        severity,
        title: format!("Reconcile requested a sync of {}", counted(requested.count, "test session")),
        description: lines.join("\n"),
        fields,
        picture: None,
        notices: vec![notice.id.clone()],
        senders: Senders::of([notice]),
    }
}

fn session_field(session: &RequestedSession) -> (String, String, bool) {
    let name = match session.test_name.as_deref().filter(|name| shows_something(name)) {
        Some(name) => format!("{} ({})", plain(name, NAME / 2), plain(&session.session_id, NAME / 2)),
        None => plain(&session.session_id, NAME),
    };
    let lines: Vec<String> = session.sinks.iter().map(sink_line).collect();
    (name, lines.join("\n"), false)
}

/// Why the sink is stale, and how often reconcile requested a sync.
fn sink_line(sink: &StaleSink) -> String {
    let since = ago(sink.since);
    let error = sink.error.as_deref().map(|error| format!(": {}", plain(error, ERROR))).unwrap_or_default();
    let why = match sink.because {
        StaleReason::Answers => match sink.synced_through {
            Some(synced) => format!("answers of {since} came after its last sync, {}", ago(synced)),
            None => format!("answers of {since}, never synced"),
        },
        StaleReason::KeyChanged => match sink.synced_through {
            Some(synced) => format!("the quiz's key changed after its last sync, {}", ago(synced)),
            None => "the quiz's key changed after its last sync".to_owned(),
        },
        StaleReason::Asked => format!("requested {since}, not synced since"),
        StaleReason::Failed => format!("failed {since}, not retried since{error}"),
        StaleReason::Parked => format!("failed {since}, its message is parked{error}"),
    };
    let times = if sink.times > 1 { format!(" (requested {} times)", sink.times) } else { String::new() };
    format!("**{}**: {why}{times}", sink.sink)
}

/// Commands for the operator if requests do not help.
fn operator_step(sessions: &[RequestedSession]) -> Option<(String, String, bool)> {
    let is_stuck = |session: &&RequestedSession| session.sinks.iter().any(|sink| sink.times >= MAX_REQUESTS);
    let first = sessions.iter().find(is_stuck)?;
    let id = shell_word(&first.session_id, "SESSION");
    Some(next_step(&[
        format!("{MAX_REQUESTS} or more requests did not help: a person must fix the cause."),
        format!("`quiz-etl status {id}` shows the state,"),
        format!("`quiz-etl dlq list --session {id}` shows the error."),
        "Reconcile requests the sync again at least once a day.".to_owned(),
        "docs/RUNBOOK.md, no-sync".to_owned(),
    ]))
}

/// One card for all quizzes of the batch that no event has named, a line for each quiz; `None` if there are none.
pub fn unknown_quizzes_card(notices: &[Notice]) -> Option<Card> {
    // Keep the last notice of each quiz; the card counts all notices as posted.
    let mut unknown: Vec<(&Notice, &UnknownQuiz)> = Vec::new();
    let mut posted: Vec<&Notice> = Vec::new();
    for notice in notices {
        let NoticeKind::QuizUnknown(quiz) = &notice.kind else { continue };
        posted.push(notice);
        unknown.retain(|(_, known)| known.quiz_id != quiz.quiz_id);
        unknown.push((notice, quiz));
    }
    let first = posted.first()?;

    // List the quizzes with the newest answers first, as many as fit.
    unknown.sort_by_key(|(_, quiz)| Reverse(quiz.newest_answer));
    let (mut lines, mut used): (Vec<String>, usize) = (Vec::new(), 0);
    for (_, quiz) in &unknown {
        let line = quiz_line(quiz);
        used += length(&line) + 1;
        if used > LIST {
            break;
        }
        lines.push(line);
    }
    let more = u64::try_from(unknown.len() - lines.len()).unwrap_or(u64::MAX);
    lines.extend((more > 0).then(|| format!("and {} more", count(more))));

    let example = unknown.first().map_or("QUIZ", |(_, quiz)| shell_word(&quiz.quiz_id, "QUIZ"));
    let step = format!(
        "No event named the test session, and the answers do not have its id. Find the id in the scheduling system, \
         then run `quiz-etl sync GROUP_{example} --wait`: docs/RUNBOOK.md, reconcile-reports-unknown-quizzes"
    );
    let quizzes = u64::try_from(unknown.len()).unwrap_or(u64::MAX);
    let quizzes = if quizzes == 1 { "1 quiz".to_owned() } else { format!("{} quizzes", count(quizzes)) };
    Some(Card {
        severity: Severity::Warning,
        title: format!("{quizzes} completed by students, and no sync requested"),
        description: format!("{}\n\nas of {}", lines.join("\n"), ago(first.at)),
        fields: vec![next_step(&[step])],
        picture: None,
        notices: posted.iter().map(|notice| notice.id.clone()).collect(),
        senders: Senders::of(posted),
    })
}

fn quiz_line(quiz: &UnknownQuiz) -> String {
    let title = quiz
        .title
        .as_deref()
        .filter(|title| shows_something(title))
        .map(|title| format!("**{}** ", plain(title, 90)))
        .unwrap_or_default();
    let (students, newest) = (counted(quiz.students, "student"), ago(quiz.newest_answer));
    format!("{title}{}: {students}, newest answer {newest}", plain(&quiz.quiz_id, 60))
}
