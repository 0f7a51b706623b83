//! What reconcile tells.

use quiz_discord::compose;
use quiz_events::{NoticeKind, NoticeMessage, RequestedSession, Sink, StaleReason, SyncsRequested};
use serde_json::Value;

use crate::common::{EVIL, behind, requested, told, unknown};

fn card(messages: &[NoticeMessage]) -> Value {
    let posts = compose(messages);
    assert_eq!(posts.len(), 1);
    posts[0].payload()["embeds"][0].clone()
}

fn asked(tests: Vec<RequestedSession>, count: u64, left: u64) -> NoticeMessage {
    told("1", NoticeKind::SyncsRequested(SyncsRequested { count, left, tests }))
}

#[test]
fn each_cause_is_told_with_its_time() {
    let mut unnamed = requested("B_2", &[behind(Sink::Reports, StaleReason::Asked, 1, None)]);
    unnamed.test_name = None;
    let mut never = behind(Sink::Warehouse, StaleReason::Answers, 1, None);
    never.synced_through = None;
    let answers = behind(Sink::Reports, StaleReason::Answers, 1, None);
    let parked = behind(Sink::Warehouse, StaleReason::Parked, 2, Some("BigQuery: no *such* table"));
    let failed = behind(Sink::Reports, StaleReason::Failed, 1, Some("no answer"));
    let tests = vec![requested("A_1", &[answers, never]), unnamed, requested("C_3", &[failed, parked])];
    insta::assert_json_snapshot!(card(&[asked(tests, 3, 0)]));
}

#[test]
fn a_test_that_asking_does_not_heal_asks_for_a_person() {
    let stuck = behind(Sink::Reports, StaleReason::Parked, 3, Some("the quiz cannot be read"));
    let tests = vec![requested("EnableStudents_6715f621e1eb083bfa9b56cc", &[stuck])];
    insta::assert_json_snapshot!(card(&[asked(tests, 40, 2)]));
    let strange = requested("x`; rm -rf /", &[behind(Sink::Reports, StaleReason::Parked, 9, None)]);
    let text = card(&[asked(vec![strange], 1, 0)]).to_string();
    assert!(text.contains("`quiz-etl status SESSION`"), "{text}");
}

#[test]
fn what_is_only_late_is_news_and_no_worry() {
    let late = requested("A_1", &[behind(Sink::Reports, StaleReason::Answers, 1, None)]);
    let card = card(&[asked(vec![late], 1, 0)]);
    assert_eq!(card["title"], "ℹ️ Reconcile asked again for 1 test");
    assert_eq!(card["fields"].as_array().unwrap().len(), 1);
}

#[test]
fn unknown_quizzes_are_one_card_each_told_once() {
    let messages = [
        unknown("1", "6715f621e1eb083bfa9b56cc", Some("Physics mock")),
        unknown("2", "6715f621e1eb083bfa9b56cd", Some(EVIL)),
        unknown("3", "6715f621e1eb083bfa9b56cd", None),
    ];
    insta::assert_json_snapshot!(card(&messages));
    assert_eq!(compose(&messages)[0].notices, ["1", "2", "3"], "all of them are told");
    let many: Vec<NoticeMessage> =
        (0..300).map(|at| unknown(&at.to_string(), &format!("{at:024}"), Some("Mock"))).collect();
    let text = card(&many).to_string();
    assert!(text.contains("300 quizzes completed") && text.contains("and 2"), "{text}");
}
