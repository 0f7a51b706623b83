//! Groups the messages of a batch by test session.
//!
//! Problem: a popular quiz sends thousands of completions, and one sync serves them all. Idea: each message is parsed alone,
//! and messages that name the same test session become one group with one request.
//!
//! - A broken message is rejected alone, with its cause; the other messages are not affected.
//! - A message of several test sessions is a member of several groups.
//! - A message that a test session changed belongs to no group: it is counted and acknowledged.
//! - The newest description wins, by the time at which its message was sent.
//! - A message that names another quiz than a newer message of the same test session is rejected for now.
//!
//! See docs/decisions/0002-retry-or-park.md.

use std::collections::HashMap;

use jiff::Timestamp;
use quiz_events::{Event, QueueMessage, SessionChange, SessionTarget};

use crate::listener::Failure;
use crate::request::SessionRequest;

/// One test session, with the messages that request it.
#[derive(Debug)]
pub(super) struct Group {
    pub request: SessionRequest,
    pub members: Vec<Member>,
}

/// A message, by its place in the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub place: usize,
    /// The user of a completion.
    pub user_id: Option<String>,
    pub sent_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Grouped {
    pub groups: Vec<Group>,
    /// Messages that are not synced with this batch, by their place in the batch.
    pub rejected: Vec<(usize, Failure)>,
    /// Messages that request no sync, by their place in the batch.
    pub changes: Vec<(usize, SessionChange)>,
}

struct Parsed<'a> {
    place: usize,
    message: &'a QueueMessage,
    event: Event,
}

/// Parses each message alone and groups the messages by test session, in the order of arrival.
pub(super) fn group(messages: &[QueueMessage]) -> Grouped {
    let mut grouped = Grouped::default();
    let mut parsed = Vec::with_capacity(messages.len());
    for (place, message) in messages.iter().enumerate() {
        match message.event() {
            Ok(Event::SessionChanged(change)) => grouped.changes.push((place, change)),
            Ok(event) => parsed.push(Parsed { place, message, event }),
            Err(error) => {
                let failure = Failure::permanent(error.code(), error.to_string());
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
                grouped.groups.push(Group { request, members: Vec::new() });
                grouped.groups.len() - 1
            });
            if let Some(group) = grouped.groups.get_mut(index) {
                group.join(*place, message, event);
            }
        }
    }
    grouped
}

/// The quiz of each test session, as the newest message names it.
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

/// The failure of a message that names another quiz than a newer message. The older message waits for its next receive: by
/// then the sync state has the quiz of the newer message, and the older message is parked.
fn contradiction(target: &SessionTarget, quizzes: &HashMap<String, String>) -> Option<Failure> {
    let newest = quizzes.get(&target.session_id)?;
    (*newest != target.quiz_id).then(|| {
        let error = format!(
            "session {} is said to be of quiz {}, but a newer message says quiz {newest}",
            target.session_id, target.quiz_id
        );
        Failure::transient("contradicting_quiz", error)
    })
}

impl Group {
    fn join(&mut self, place: usize, message: &QueueMessage, event: &Event) {
        if self.members.last().is_some_and(|member| member.place == place) {
            return;
        }
        let mut member = Member { place, user_id: None, sent_at: message.sent_at, completed_at: None };
        match event {
            Event::QuizCompleted(completion) => {
                member.user_id.clone_from(&completion.user_id);
                member.completed_at = Some(completion.completed_at);
            }
            Event::SessionSync(sync) => {
                self.request.force |= sync.force;
                let depth = sync.follow_up_depth.unwrap_or_default();
                self.request.follow_up_depth = self.request.follow_up_depth.max(depth);
            }
            Event::SessionChanged(_) => {}
        }
        let request = &mut self.request;
        let backfill_id = event.backfill_id().filter(|id| match &request.backfill_id {
            Some(known) => known == id,
            None => request.messages == 0,
        });
        request.backfill_id = backfill_id.map(str::to_owned);
        request.messages += 1;
        request.requested_at = request.requested_at.max(member.sent_at);
        request.newest_completion = request.newest_completion.max(member.completed_at);
        self.members.push(member);
        let is_newest = request.description.is_none() || request.described_at <= message.sent_at;
        if let Some(description) = event.session().filter(|_| is_newest) {
            request.description = Some(description.clone());
            request.described_at = message.sent_at;
        }
    }

    pub fn names_users(&self) -> bool {
        self.members.iter().any(|member| member.user_id.is_some())
    }

    /// Computes the time of the request again, after the times of the members have changed.
    pub fn update_requested_at(&mut self) {
        self.request.requested_at = self.members.iter().filter_map(|member| member.sent_at).max();
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, group};
    use crate::listener::Patience;
    use jiff::Timestamp;
    use quiz_events::{ChangeAction, QueueMessage, SessionChange};

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

    fn places(group: &Group) -> Vec<usize> {
        group.members.iter().map(|member| member.place).collect()
    }

    #[test]
    fn completions_of_one_test_session_are_one_group() {
        let mut messages: Vec<_> = (0..100).map(|second| completed("A", second)).collect();
        messages.extend((0..50).map(|second| completed("B", second)));
        messages.push(message(format!(r#"{{"session_ids":["A_{QUIZ}","B_{QUIZ}"],"force":true}}"#), 5));
        let grouped = group(&messages);
        let sizes: Vec<_> = grouped.groups.iter().map(|group| group.request.messages).collect();
        assert_eq!(sizes, [101, 51]);
        assert!(grouped.groups.iter().all(|group| group.request.force));
        let newest = grouped.groups[0].request.newest_completion;
        assert_eq!(newest, Timestamp::from_second(99).ok());
        assert!(grouped.rejected.is_empty());
    }

    #[test]
    fn newest_description_wins_in_any_order() {
        let named = |name: &str, second| {
            let body = format!(r#"{{"session_id":"A_{QUIZ}","session":{{"test_name":"{name}"}}}}"#);
            message(body, second)
        };
        let grouped = group(&[named("old", 1), named("new", 3), named("middle", 2), completed("A", 9)]);
        let description = grouped.groups[0].request.description.as_ref();
        assert_eq!(description.and_then(|session| session.test_name.as_deref()), Some("new"));
    }

    #[test]
    fn older_message_with_another_quiz_waits() {
        let other = "6715f621e1eb083bfa9b56ff";
        let body = |quiz: &str| format!(r#"{{"session_id":"free-name","quiz_id":"{quiz}"}}"#);
        let grouped = group(&[message(body(QUIZ), 2), message(body(other), 1), message(body(QUIZ), 1)]);
        assert_eq!(grouped.groups.len(), 1);
        assert_eq!(places(&grouped.groups[0]), [0, 2]);
        assert_eq!(grouped.rejected[0].0, 1);
        let waits = &grouped.rejected[0].1;
        assert_eq!((waits.code, waits.patience), ("contradicting_quiz", Patience::Long));
    }

    #[test]
    fn session_change_joins_no_group() {
        let change = message(r#"{"action":"patch","id":"825","patch_session":{}}"#.into(), 1);
        let grouped = group(&[completed("A", 1), change]);
        assert_eq!((grouped.groups.len(), grouped.rejected.len()), (1, 0));
        assert_eq!(places(&grouped.groups[0]), [0]);
        let expected = SessionChange { action: ChangeAction::Patch, db_id: 825 };
        assert_eq!(grouped.changes, [(1, expected)]);
    }

    #[test]
    fn broken_message_is_rejected_with_its_place() {
        let grouped = group(&[message("not json {".into(), 1), completed("A", 1), message("[]".into(), 1)]);
        let rejected: Vec<_> = grouped.rejected.iter().map(|(place, _)| *place).collect();
        assert_eq!(rejected, [0, 2]);
        assert_eq!(places(&grouped.groups[0]), [1]);
    }
}
