use std::collections::HashMap;

use jiff::Timestamp;
use quiz_events::{Event, QueueMessage, SessionTarget};

use crate::listener::Failure;
use crate::request::SessionRequest;

/// One test with the messages, by their place in the batch, that ask for it.
#[derive(Debug)]
pub(super) struct Group {
    pub request: SessionRequest,
    pub members: Vec<usize>,
    described_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Grouped {
    pub groups: Vec<Group>,
    /// Messages that are not synced with this batch, by their place in it.
    pub rejected: Vec<(usize, Failure)>,
}

struct Parsed<'a> {
    place: usize,
    message: &'a QueueMessage,
    event: Event,
}

/// Reads every message by itself and coalesces those of one test session, in the order of arrival.
pub(super) fn group(messages: &[QueueMessage]) -> Grouped {
    let mut grouped = Grouped::default();
    let mut parsed = Vec::with_capacity(messages.len());
    for (place, message) in messages.iter().enumerate() {
        match message.event() {
            Ok(event) => parsed.push(Parsed { place, message, event }),
            Err(error) => {
                let failure = Failure { code: error.code(), error: error.to_string(), permanent: true };
                grouped.rejected.push((place, failure));
            }
        }
    }
    let quizzes = newest_quizzes(&parsed);
    let mut by_session: HashMap<String, usize> = HashMap::new();
    for Parsed { place, message, event } in &parsed {
        if let Some(failure) = event.targets().iter().find_map(|target| contradiction(target, &quizzes)) {
            grouped.rejected.push((*place, failure));
            continue;
        }
        for target in event.targets() {
            let index = *by_session.entry(target.session_id.clone()).or_insert_with(|| {
                let request = SessionRequest::new(target.clone());
                grouped.groups.push(Group { request, members: Vec::new(), described_at: None });
                grouped.groups.len() - 1
            });
            if let Some(group) = grouped.groups.get_mut(index) {
                group.join(*place, message, event);
            }
        }
    }
    grouped
}

/// The quiz of each session, as the newest message names it.
fn newest_quizzes(parsed: &[Parsed]) -> HashMap<String, String> {
    let mut newest: HashMap<String, (Option<Timestamp>, String)> = HashMap::new();
    for Parsed { message, event, .. } in parsed {
        for target in event.targets() {
            let known = newest.get(&target.session_id);
            if known.is_none_or(|(sent_at, _)| *sent_at <= message.sent_at) {
                newest.insert(target.session_id.clone(), (message.sent_at, target.quiz_id.clone()));
            }
        }
    }
    newest.into_iter().map(|(session, (_, quiz))| (session, quiz)).collect()
}

/// A message that disagrees with a newer one waits for its next receive: by then the newer one is synced,
/// or parked where it was the mistake.
fn contradiction(target: &SessionTarget, quizzes: &HashMap<String, String>) -> Option<Failure> {
    let newest = quizzes.get(&target.session_id)?;
    (*newest != target.quiz_id).then(|| Failure {
        code: "contradicting_quiz",
        error: format!(
            "session {} is said to be of quiz {}, but a newer message says quiz {newest}",
            target.session_id, target.quiz_id
        ),
        permanent: false,
    })
}

impl Group {
    fn join(&mut self, place: usize, message: &QueueMessage, event: &Event) {
        if self.members.last() == Some(&place) {
            return;
        }
        self.members.push(place);
        let request = &mut self.request;
        request.messages += 1;
        match event {
            Event::QuizCompleted(completion) => {
                request.newest_completion = request.newest_completion.max(Some(completion.completed_at));
            }
            Event::SessionSync(sync) => request.force |= sync.force,
        }
        let is_newest = request.description.is_none() || self.described_at <= message.sent_at;
        if let Some(description) = event.session().filter(|_| is_newest) {
            request.description = Some(description.clone());
            self.described_at = message.sent_at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::group;
    use jiff::Timestamp;
    use quiz_events::QueueMessage;

    const QUIZ: &str = "6715f621e1eb083bfa9b56cc";

    fn message(body: String, sent_second: i64) -> QueueMessage {
        let sent_at = Timestamp::from_second(sent_second).ok();
        QueueMessage { body, sent_at, receive_count: 1, ..QueueMessage::default() }
    }

    fn completed(session: &str, second: i64) -> QueueMessage {
        let at = Timestamp::from_second(second).unwrap();
        let body = format!(
            r#"{{"type":"quiz.completed","session_id":"{session}_{QUIZ}","user_id":"u","completed_at":"{at}"}}"#
        );
        message(body, second)
    }

    #[test]
    fn however_many_students_finished_a_test_is_one_group() {
        let mut messages: Vec<_> = (0..100).map(|second| completed("A", second)).collect();
        messages.extend((0..50).map(|second| completed("B", second)));
        messages.push(message(format!(r#"{{"session_ids":["A_{QUIZ}","B_{QUIZ}"],"force":true}}"#), 5));
        let grouped = group(&messages);
        let sizes: Vec<_> = grouped.groups.iter().map(|it| it.request.messages).collect();
        assert_eq!(sizes, [101, 51]);
        assert!(grouped.groups.iter().all(|it| it.request.force));
        let newest = grouped.groups[0].request.newest_completion;
        assert_eq!(newest, Timestamp::from_second(99).ok());
        assert!(grouped.rejected.is_empty());
    }

    #[test]
    fn the_newest_description_wins_in_whatever_order_they_come() {
        let named = |name: &str, second| {
            let body = format!(r#"{{"session_id":"A_{QUIZ}","session":{{"test_name":"{name}"}}}}"#);
            message(body, second)
        };
        let grouped = group(&[named("old", 1), named("new", 3), named("middle", 2), completed("A", 9)]);
        let description = grouped.groups[0].request.description.as_ref();
        assert_eq!(description.and_then(|it| it.test_name.as_deref()), Some("new"));
    }

    #[test]
    fn a_message_that_contradicts_a_newer_one_about_the_quiz_waits() {
        let other = "6715f621e1eb083bfa9b56ff";
        let body = |quiz: &str| format!(r#"{{"session_id":"free-name","quiz_id":"{quiz}"}}"#);
        let grouped = group(&[message(body(QUIZ), 2), message(body(other), 1), message(body(QUIZ), 1)]);
        assert_eq!(grouped.groups.len(), 1);
        assert_eq!(grouped.groups[0].members, [0, 2]);
        assert_eq!(grouped.rejected[0].0, 1);
        let waits = &grouped.rejected[0].1;
        assert_eq!((waits.code, waits.permanent), ("contradicting_quiz", false));
    }

    #[test]
    fn what_is_no_event_is_rejected_with_its_place() {
        let grouped = group(&[message("not json {".into(), 1), completed("A", 1), message("[]".into(), 1)]);
        let places: Vec<_> = grouped.rejected.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [0, 2]);
        assert_eq!(grouped.groups[0].members, [1]);
    }
}
