//! What the reconcile schedule has asked for, and what it does not know.

use std::cmp::Reverse;

use quiz_events::{
    Notice, NoticeKind, RequestedSession, StaleReason, StaleSink, SyncsRequested, UnknownQuiz,
};

use crate::card::{Card, Outcome};
use crate::limits::DESCRIPTION;
use crate::senders::Senders;
use crate::text::{ago, count, counted, length, plain, shows_something};

/// How many tests are told; the rest are counted.
const TESTS: usize = 10;
const NAME: usize = 180;
const ERROR: usize = 240;
/// A test that was asked for so often does not heal by itself.
const TOO_OFTEN: u32 = 3;
/// Unknown quizzes are told in so much room.
const ROOM: usize = DESCRIPTION / 2;

/// Tests that were asked for again.
pub fn of_requested(notice: &Notice, requested: &SyncsRequested) -> Card {
    let is_new = |it: &StaleSink| matches!(it.because, StaleReason::Answers | StaleReason::Asked);
    let sinks = || requested.tests.iter().flat_map(|test| &test.sinks);
    let outcome = if sinks().any(|it| it.times >= TOO_OFTEN) {
        Outcome::Bad
    } else if sinks().all(is_new) {
        Outcome::News
    } else {
        Outcome::Odd
    };
    let mut lines = vec![format!("They were behind, and no sync of them was under way, {}.", ago(notice.at))];
    if requested.left > 0 {
        let more = counted(requested.left, "more test");
        lines.push(format!("{more} are left to the next pass: there are too many for one."));
    }
    // first, for what is last is left out where there is no room
    let mut fields: Vec<(String, String, bool)> = next_step(&requested.tests).into_iter().collect();
    fields.extend(requested.tests.iter().take(TESTS).map(test));
    let told = u64::try_from(requested.tests.len().min(TESTS)).unwrap_or(u64::MAX);
    if requested.count > told {
        let value = "`quiz-etl status` lists what is behind.".to_owned();
        fields.push((format!("and {} more", count(requested.count - told)), value, false));
    }
    Card {
        outcome,
        title: format!("Reconcile asked again for {}", counted(requested.count, "test")),
        description: lines.join("\n"),
        fields,
        picture: None,
        notices: vec![notice.id.clone()],
        senders: Senders::of([notice]),
    }
}

fn test(test: &RequestedSession) -> (String, String, bool) {
    let name = match test.test_name.as_deref().filter(|name| shows_something(name)) {
        Some(name) => format!("{} ({})", plain(name, NAME / 2), plain(&test.session_id, NAME / 2)),
        None => plain(&test.session_id, NAME),
    };
    let lines: Vec<String> = test.sinks.iter().map(sink).collect();
    (name, lines.join("\n"), false)
}

fn sink(sink: &StaleSink) -> String {
    let since = ago(sink.since);
    let error = sink.error.as_deref().map(|it| format!(": {}", plain(it, ERROR))).unwrap_or_default();
    let why = match sink.because {
        StaleReason::Answers => match sink.synced_through {
            Some(synced) => format!("answers of {since} are not in its last sync, of {}", ago(synced)),
            None => format!("answers of {since}, and never synced"),
        },
        StaleReason::Asked => format!("asked for {since}, and not synced since"),
        StaleReason::Failed => format!("failed {since}, and was not tried since{error}"),
        StaleReason::Parked => format!("in the dead-letter queue, failed {since}{error}"),
    };
    let times = if sink.times > 1 { format!(" (asked {} times)", sink.times) } else { String::new() };
    format!("**{}**: {why}{times}", sink.sink)
}

/// What an operator does where asking does not help.
fn next_step(tests: &[RequestedSession]) -> Option<(String, String, bool)> {
    let stuck = |test: &&RequestedSession| test.sinks.iter().any(|it| it.times >= TOO_OFTEN);
    let first = tests.iter().find(stuck)?;
    let session = as_code(&first.session_id);
    let lines = [
        format!("Asking {TOO_OFTEN} times and more has not helped: someone must mend the cause."),
        format!("`quiz-etl status {session}` tells how it stands,"),
        format!("`quiz-etl dlq list --session {session}` why it failed."),
        "It is asked for again meanwhile, once a day at least.".to_owned(),
    ];
    Some(("What to do".to_owned(), lines.join("\n"), false))
}

/// An id to be pasted into a shell; a placeholder for one that is not fit for that.
fn as_code(id: &str) -> &str {
    let is_fit = |it: char| it.is_ascii_alphanumeric() || "_-.".contains(it);
    if !id.is_empty() && id.len() <= NAME && id.chars().all(is_fit) { id } else { "SESSION" }
}

/// One card of all quizzes of the batch that no sync has ever named; each is told once.
pub fn of_unknown(notices: &[Notice]) -> Option<Card> {
    let mut unknown: Vec<(&Notice, &UnknownQuiz)> = Vec::new();
    let mut told: Vec<&Notice> = Vec::new();
    for notice in notices {
        let NoticeKind::QuizUnknown(quiz) = &notice.kind else { continue };
        told.push(notice);
        unknown.retain(|(_, known)| known.quiz_id != quiz.quiz_id);
        unknown.push((notice, quiz));
    }
    let first = told.first()?;
    unknown.sort_by_key(|(_, quiz)| Reverse(quiz.newest_answer));
    let (mut lines, mut used): (Vec<String>, usize) = (Vec::new(), 0);
    for (_, quiz) in &unknown {
        let line = quiz_line(quiz);
        used += length(&line) + 1;
        if used > ROOM {
            break;
        }
        lines.push(line);
    }
    let more = u64::try_from(unknown.len() - lines.len()).unwrap_or(u64::MAX);
    lines.extend((more > 0).then(|| format!("and {} more", count(more))));
    let example = unknown.first().map_or("QUIZ", |(_, quiz)| as_code(&quiz.quiz_id));
    let what = format!(
        "No event has named their test session, so nothing is synced, and the session's id cannot be told from the \
         answers. Find it, and publish it: `quiz-etl sync GROUP_{example}`"
    );
    let quizzes = u64::try_from(unknown.len()).unwrap_or(u64::MAX);
    let quizzes = if quizzes == 1 { "1 quiz".to_owned() } else { format!("{} quizzes", count(quizzes)) };
    Some(Card {
        outcome: Outcome::Odd,
        title: format!("{quizzes} completed by students, and no sync asked for"),
        description: format!("{}\n\nas of {}", lines.join("\n"), ago(first.at)),
        fields: vec![("What to do".to_owned(), what, false)],
        picture: None,
        notices: told.iter().map(|notice| notice.id.clone()).collect(),
        senders: Senders::of(told),
    })
}

fn quiz_line(quiz: &UnknownQuiz) -> String {
    let title = quiz
        .title
        .as_deref()
        .filter(|title| shows_something(title))
        .map(|it| format!("**{}** ", plain(it, 90)))
        .unwrap_or_default();
    let (students, newest) = (counted(quiz.students, "student"), ago(quiz.newest_answer));
    format!("{title}{}: {students}, the newest answer {newest}", plain(&quiz.quiz_id, 60))
}
